"""Scores of a network over a data set, by the protocol in docs/results.md."""

from collections.abc import Iterable

import numpy as np

from imexnet.data import nyu, qtips
from imexnet.inference import Classes, Depth, answer, forward, predict_input, to_input
from imexnet.metrics import (
    confusion_matrix,
    depth_scores,
    eigen_crop,
    iou,
    mean_depth_scores,
    pixel_accuracy,
)
from imexnet.models.networks import Network


def evaluate_qtips(network: Network, pictures: np.ndarray, labels: np.ndarray) -> dict:
    """IoU per class, their mean, and accuracies over all pixels and over the rods' pixels.

    Args:
        network: with a head "qtips".
        pictures: (N, H, W) uint8 grey.
        labels: (N, H, W) classes 0…3.
    """
    device = network.mean.device
    confusion = np.zeros((len(qtips.CLASSES),) * 2, np.int64)
    for picture, label in zip(pictures, labels, strict=True):
        x = to_input(picture, network.config, device)
        answer = predict_input(network, "qtips", x, label.shape)
        assert isinstance(answer, Classes)
        confusion += confusion_matrix(answer.classes, label, len(confusion))
    ious = iou(confusion)
    return {
        "images": len(pictures),
        "mean_iou": float(np.nanmean(ious)),
        "iou": [None if np.isnan(value) else float(value) for value in ious],
        "pixel_accuracy": pixel_accuracy(confusion),
        "object_accuracy": float(np.trace(confusion[1:, 1:]) / max(1, confusion[1:].sum())),
    }


def evaluate_indoor(network: Network, rooms: Iterable[nyu.Room]) -> dict:
    """Depth and segmentation scores of all rooms, and of the kitchens among them.

    Predictions are resized to the truth's size. Depth is scored inside the Eigen crop, per image,
    then the mean over images; classes 1…13 in one confusion matrix, unlabelled pixels ignored.
    """
    depths, confusions, kitchens = [], [], []
    for room in rooms:
        depth, classes = predict_room(network, room)
        crop = eigen_crop((room.depth.shape[0], room.depth.shape[1]))
        depths.append(depth_scores(depth[crop], room.depth[crop]))
        known = room.labels > 0
        confusions.append(confusion_matrix(classes[known], room.labels[known], 14)[1:, 1:])
        kitchens.append(room.scene_type == "kitchen")
    if not depths:
        raise ValueError("there are no rooms to evaluate")

    def summary(chosen: list[int]) -> dict:
        confusion = np.sum([confusions[i] for i in chosen], axis=0)
        return {
            "images": len(chosen),
            "depth": mean_depth_scores([depths[i] for i in chosen]),
            "segmentation": {
                "mean_iou": float(np.nanmean(iou(confusion))),
                "pixel_accuracy": pixel_accuracy(confusion),
            },
        }

    only_kitchens = [i for i, kitchen in enumerate(kitchens) if kitchen]
    result = summary(list(range(len(depths))))
    result["kitchens"] = summary(only_kitchens) if only_kitchens else None
    return result


def predict_room(network: Network, room: nyu.Room) -> tuple[np.ndarray, np.ndarray]:
    """Metres and classes 1…13 at the truth's size."""
    x = to_input(room.photo, network.config, network.mean.device)
    size = (room.depth.shape[0], room.depth.shape[1])
    outputs, _ = forward(network, x)
    depth, classes = (answer(task, outputs, size) for task in ("depth", "segmentation"))
    assert isinstance(depth, Depth)
    assert isinstance(classes, Classes)
    return depth.metres, classes.classes
