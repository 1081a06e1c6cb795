"""Scores of a network over a data set, by the protocol in docs/results.md."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from imexnet.data import nyu
from imexnet.data.drawn import Drawn
from imexnet.inference import Classes, Depth, answer, forward, predict_input, to_input
from imexnet.metrics import (
    DepthScores,
    boundary_f1,
    confusion_matrix,
    depth_scores,
    eigen_crop,
    iou,
    log_bias,
    mean_depth_scores,
    mean_iou,
    median_scaled,
    pixel_accuracy,
)
from imexnet.models.networks import Network
from imexnet.models.tasks import TASKS

LENGTH_BINS = 6


def _class_scores(confusion: np.ndarray) -> dict:
    """Of classes whose first is the background."""
    return {
        "mean_iou": mean_iou(confusion),
        "iou": [None if np.isnan(value) else float(value) for value in iou(confusion)],
        "pixel_accuracy": pixel_accuracy(confusion),
        "object_accuracy": float(np.trace(confusion[1:, 1:]) / max(1, confusion[1:].sum())),
    }


@dataclass(frozen=True)
class ObjectScore:
    """How one object of a drawn picture fared.

    Attributes:
        picture: number of its picture.
        length: of the object, in pixels.
        accuracy: share of its pixels whose class is right.
    """

    picture: int
    length: float
    accuracy: float

    @property
    def right(self) -> bool:
        """Whether most of its pixels are."""
        return self.accuracy > 0.5


def score_drawn(
    network: Network, task: str, sequence: Iterable[Drawn], noise: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, list[ObjectScore]]:
    """The confusion matrix of all pixels, and the score of every object.

    Args:
        network: in eval mode; it sees the pictures as `to_input` gives them.
        task: its head.
        sequence: pictures of any sizes.
        noise: σ of Gaussian noise on the network's input on [0, 1], clipped.
        seed: of the noise, which is the same for all networks.

    Raises:
        ValueError: for a σ that is negative or not finite.
    """
    if not 0 <= noise < np.inf:
        raise ValueError(f"the noise must be finite and not negative, got {noise:g}")
    classes, found = len(TASKS[task].classes), []
    confusion = np.zeros((classes, classes), np.int64)
    for number, drawn in enumerate(sequence):
        x = to_input(drawn.picture, network.config, network.mean.device)
        if noise:
            random = np.random.default_rng((seed, number)).standard_normal(x.shape)
            x = (x + noise * torch.from_numpy(random).to(x)).clamp(0, 1)
        answer = predict_input(network, task, x, drawn.label.shape)
        assert isinstance(answer, Classes)
        confusion += confusion_matrix(answer.classes, drawn.label, classes)
        right = answer.classes == drawn.label
        for k, length in enumerate(drawn.lengths, start=1):
            found.append(ObjectScore(number, length, float(right[drawn.objects == k].mean())))
    return confusion, found


def evaluate_drawn(
    network: Network, task: str, sequence: Iterable[Drawn], noise: float = 0.0, seed: int = 0
) -> dict:
    """IoU per class, their mean, and accuracies over all pixels and over the objects' pixels.

    Rods and paths, several to a picture, also get the share of objects that are right, and that by
    length, where it is known which pixels are one object's: not in pictures from a folder.
    Arguments as of `score_drawn`.
    """
    pictures = list(sequence)
    confusion, objects = score_drawn(network, task, pictures, noise, seed)
    scores = {"images": len(pictures), **_class_scores(confusion)}
    return scores | _object_scores(objects) if objects and task != "qtips" else scores


def _object_scores(objects: list[ObjectScore]) -> dict:
    """The bins of the lengths are equally wide, from the shortest object to the longest."""
    right = np.array([one.right for one in objects])
    lengths = np.array([one.length for one in objects])
    edges = np.histogram_bin_edges(lengths, LENGTH_BINS)
    of = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, LENGTH_BINS - 1)
    bins = []
    for k in range(LENGTH_BINS):
        inside = right[of == k]
        share = float(inside.mean()) if inside.size else None
        ends = {"from": float(edges[k]), "to": float(edges[k + 1])}
        bins.append({**ends, "objects": int(inside.size), "right": share})
    return {"objects": len(objects), "objects_right": float(right.mean()), "by_length": bins}


def evaluate_indoor(network: Network, rooms: Iterable[nyu.Room]) -> dict:
    """Depth and segmentation scores of all rooms, and of the kitchens among them.

    Predictions are resized to the truth's size. Depth is scored inside the Eigen crop, per image,
    then the mean over images, as it is and scaled by the median per image; classes 1…13 in one
    confusion matrix, unlabelled pixels ignored.

    Raises:
        ValueError: if there are no rooms.
    """
    scored = [score_room(network, room) for room in rooms]
    if not scored:
        raise ValueError("there are no rooms to evaluate")
    result = _rooms_summary(scored)
    kitchens = [room for room in scored if room.kitchen]
    result["kitchens"] = _rooms_summary(kitchens) if kitchens else None
    return result


@dataclass(frozen=True)
class RoomScore:
    """One room's scores.

    Attributes:
        depth: errors as they are.
        scaled: errors after scaling the prediction so that its median is that of the truth.
        boundary_f1: of the edges of depth, see `metrics.boundary_f1`.
        log_bias: mean of log predicted − log true depth: positive where rooms come out too large.
        confusion: (13, 13), of labelled pixels.
        kitchen: whether it is one.
    """

    depth: DepthScores
    scaled: DepthScores
    boundary_f1: float
    log_bias: float
    confusion: np.ndarray
    kitchen: bool


def score_room(network: Network, room: nyu.Room) -> RoomScore:
    """Of depth inside the Eigen crop, of classes where labelled."""
    depth, classes = predict_room(network, room)
    crop = eigen_crop((room.depth.shape[0], room.depth.shape[1]))
    predicted, true, known = depth[crop], room.depth[crop], room.labels > 0
    return RoomScore(
        depth_scores(predicted, true),
        depth_scores(median_scaled(predicted, true), true),
        boundary_f1(predicted, true),
        log_bias(predicted, true),
        confusion_matrix(classes[known], room.labels[known], 14)[1:, 1:],
        room.scene_type == "kitchen",
    )


def _rooms_summary(rooms: list[RoomScore]) -> dict:
    confusion = np.sum([room.confusion for room in rooms], axis=0)
    return {
        "images": len(rooms),
        "depth": {
            **mean_depth_scores([room.depth for room in rooms]),
            "boundary_f1": float(np.mean([room.boundary_f1 for room in rooms])),
        },
        "scaled": mean_depth_scores([room.scaled for room in rooms]),
        "log_bias": float(np.mean([room.log_bias for room in rooms])),
        "segmentation": {
            "mean_iou": mean_iou(confusion),
            "pixel_accuracy": pixel_accuracy(confusion),
        },
    }


def predict_room(network: Network, room: nyu.Room) -> tuple[np.ndarray, np.ndarray]:
    """Metres and classes 1…13 at the truth's size."""
    x = to_input(room.photo, network.config, network.mean.device)
    size = (room.depth.shape[0], room.depth.shape[1])
    outputs, _ = forward(network, x)  # depth as it is: of NYU, the camera is the networks' own
    depth, classes = (answer(task, outputs, size) for task in ("depth", "segmentation"))
    assert isinstance(depth, Depth)
    assert isinstance(classes, Classes)
    return depth.metres, classes.classes
