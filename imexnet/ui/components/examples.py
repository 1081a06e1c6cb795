"""Example pictures, their truth, and how near to it each network comes.

A picture is recognised by its pixels alone, so that nothing is remembered between visitors and an
upload of one's own has no truth.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from html import escape

import numpy as np
from torch import Tensor

from imexnet.data import nyu, paths, qtips, rods
from imexnet.data.sequences import DRAW
from imexnet.evaluation import predict_room
from imexnet.inference import answer, resize
from imexnet.io.photos import Photo
from imexnet.metrics import confusion_matrix, depth_scores, iou, mean_iou, pixel_accuracy
from imexnet.models.networks import Network
from imexnet.models.tasks import TASKS
from imexnet.places import KITCHENS
from imexnet.ui.components.parts import colour_bar, table
from imexnet.viz import colours, drawing, plots

ERROR_COLOURS = "RdBu"  # too near is red, too far is blue
LARGEST_ERROR = 0.5  # of the true depth, at the ends of the colour scale


@dataclass(frozen=True)
class DrawnExamples:
    """The examples of a drawn task.

    Attributes:
        seed: of the sequence that begins with them.
        side: of a picture, in pixels.
        title: of the task.
        question: that the networks answer.
        name: of each, in addresses; its number follows.
        true_label: classes of a picture of that side; None if it is none of the task.
        pictures: what the pictures are, in the plural.
        objects: what is on one.
        greys: how many grey values a picture has.
    """

    seed: int
    side: int
    title: str
    question: str
    name: str
    true_label: Callable[[np.ndarray], np.ndarray | None]
    pictures: str
    objects: str
    greys: int = 4

    @property
    def refusal(self) -> str:
        """Words for a picture that is none of the task."""
        return (
            f"These two networks know only {self.pictures}, drawn with {self.greys} grey values on "
            f"{self.side} × {self.side} pixels. Choose depth or segmentation for a photo."
        )


DRAWN = {
    "qtips": DrawnExamples(
        26,  # two Q-tips of each class among its first six, long ones
        qtips.SIZE,
        "Q-tips",
        "which markers does the rod have?",
        "qtip",
        qtips.true_label,
        "Q-tips",
        "the rod",
    ),
    "rods": DrawnExamples(
        28,  # 3, 4 and 5 rods, and all classes in either of the first two
        2 * rods.SIZE,
        "Many rods",
        "which markers does each have?",
        "rods",
        rods.true_label,
        "pictures of 3 to 5 rods",
        "the rods",
    ),
    "paths": DrawnExamples(
        0,  # 2 and 3 curves among its first six
        2 * paths.SIZE,
        "Paths",
        "which curves have a white end?",
        "paths",
        paths.true_label,
        "pictures of 2 or 3 curves",
        "the curves",
        greys=3,
    ),
}
OFFERED = 6  # of each drawn task


@lru_cache(1)
def _gallery() -> dict[str, nyu.Room]:
    """The rendered kitchens by the digest of their pixels, in their order."""
    return {digest(room.photo): room for room in nyu.read_rooms(KITCHENS, "test")}


def kitchens() -> list[str]:
    """The files of the rendered kitchens."""
    return [str(path) for path in sorted((KITCHENS / "rgb").glob("*.jpg"))]


def drawn(task: str, index: int, longest: int) -> Photo:
    """A picture of a drawn task, enlarged as it is."""
    of = DRAWN[task]
    picture = DRAW[task](of.seed, index, of.side).picture
    size = drawing.display_size(picture.shape, longest)
    return Photo.of(drawing.enlarge(picture, size, smooth=False))


def drawn_task(photo: Photo) -> str | None:
    """The task that a picture was drawn for, by its grey values; None for a photo."""
    greys = {side: _greys(photo, side) for side in {of.side for of in DRAWN.values()}}
    return next(
        (task for task, of in DRAWN.items() if of.true_label(greys[of.side]) is not None), None
    )


def first_pixel(photo: Photo, task: str) -> tuple[int, int]:
    """Column and row to ask about first: the middle, or the nearest pixel of an object."""
    width, height = photo.full_size
    label = _drawn_label(photo, task) if task in DRAWN else None
    if label is None or label[label.shape[0] // 2, label.shape[1] // 2]:
        return width // 2, height // 2
    rows, columns = np.nonzero(label)
    nearest = np.hypot(rows - label.shape[0] // 2, columns - label.shape[1] // 2).argmin()
    across, down = width / label.shape[1], height / label.shape[0]
    return int((columns[nearest] + 0.5) * across), int((rows[nearest] + 0.5) * down)


def true_values(photo: Photo, task: str) -> np.ndarray | None:
    """(h, w) true metres or classes; None where they are not known."""
    if task in DRAWN:
        return _drawn_label(photo, task)
    room = _gallery().get(digest(np.asarray(photo.picture)))
    if room is None:
        return None
    return room.depth if task == "depth" else room.labels


def caution(photo: Photo, task: str) -> str:
    """Why answers for a picture mean nothing, in a sentence; nothing if they mean something."""
    if task in DRAWN:
        return "" if true_values(photo, task) is not None else DRAWN[task].refusal
    if drawn_task(photo) is None:
        return ""
    return (
        f"This is a drawing: {'depth means' if task == 'depth' else 'these classes mean'} nothing."
    )


def answers_on(
    truth: np.ndarray, task: str, outputs: Mapping[str, dict[str, Tensor]]
) -> dict[str, np.ndarray]:
    """Network → its metres or classes on the grid of the truth."""
    size = (truth.shape[0], truth.shape[1])
    return {kind: answer(task, o, size).values for kind, o in outputs.items()}


def nearer_on(pair: Mapping[str, Network]) -> str:
    """On how many of the kitchens the IMEXNet's depth has the smaller AbsRel, in a sentence."""
    rooms, ahead = list(_gallery().values()), 0
    for room in rooms:
        metres = {kind: predict_room(network, room)[0] for kind, network in pair.items()}
        error = {kind: depth_scores(m, room.depth)["abs_rel"] for kind, m in metres.items()}
        ahead += error["imexnet"] < error["resnet"]
    return (
        f"The page opens with this example. Of the {len(rooms)} kitchens, the IMEXNet is "
        f"nearer to the truth on {ahead}."
    )


def plain_verdict(task: str, answers: Mapping[str, np.ndarray], truth: np.ndarray) -> str:
    """How far off each network's metres are, or how often its class is right, in a sentence."""
    if task == "depth":
        share = {k: depth_scores(metres, truth)["abs_rel"] for k, metres in answers.items()}
        about, how = "Depth, on average", "is off by"
    else:
        share = {k: (classes == truth)[truth > 0].mean() for k, classes in answers.items()}
        about, how = "Right class", "on"
        if task in DRAWN:
            about = f"Right about {DRAWN[task].objects}"
    words = " and ".join(
        f"the {plots.LABELS[kind]} {how} {100 * v:.0f} %" for kind, v in share.items()
    )
    return f"{about}: {words}{'' if task == 'depth' else ' of the pixels'}."


def verdict(task: str, answers: Mapping[str, np.ndarray], truth: np.ndarray | None) -> str:
    """HTML: how near each network comes to the truth."""
    if truth is None:
        return ""
    scores: dict[str, dict[str, str]] = {}
    for kind, values in answers.items():
        for name, score in _scores(task, values, truth).items():
            scores.setdefault(name, {})[kind] = score
    about = "Compared with the exact truth of the whole rendered picture (no crop):"
    if task == "qtips":
        about = f"True label: <b>{escape(qtips.CLASSES[int(truth.max())])}</b>."
    elif task in DRAWN:
        about = "Compared with the truth:"
    return f'<div class="note">{about}</div>' + table(list(scores.items()), list(answers))


def error_pictures(
    answers: Mapping[str, np.ndarray], truth: np.ndarray, longest: int
) -> dict[str, np.ndarray]:
    """Network → picture of its relative error of depth, (ŷ - y) / y, at the page's size."""
    size = drawing.display_size(truth.shape, longest)
    pictures = {}
    for kind, metres in answers.items():
        share = 0.5 + (metres / truth - 1) / (2 * LARGEST_ERROR)
        pictures[kind] = drawing.enlarge(colours.colour(share, ERROR_COLOURS), size)
    return pictures


def error_bar() -> str:
    """The scale of the pictures of errors."""
    most = round(100 * LARGEST_ERROR)
    ticks = [f"−{most} %", "too near", "0", "too far", f"+{most} %"]
    return colour_bar(ERROR_COLOURS, ticks, "Error of depth, share of the true one")


def _scores(task: str, values: np.ndarray, truth: np.ndarray) -> dict[str, str]:
    if task == "depth":
        scores = depth_scores(values, truth)
        return {
            "AbsRel ↓": f"{scores['abs_rel']:.3f}",
            "RMSE ↓": f"{scores['rmse']:.2f} m",
            "δ1 ↑": f"{scores['delta1']:.3f}",
        }
    confusion = confusion_matrix(values, truth, len(TASKS[task].classes))
    ious = iou(confusion)
    if task == "qtips":
        return {"IoU of the rod ↑": f"{ious[int(truth.max())]:.3f}"}
    if task in DRAWN:
        return {
            f"Mean IoU of the classes of {DRAWN[task].objects} ↑": f"{np.nanmean(ious[1:]):.3f}"
        }
    # Classes that neither the truth nor the answer has do not count.
    return {
        "mIoU ↑": f"{mean_iou(confusion):.3f}",
        "Accuracy ↑": f"{pixel_accuracy(confusion):.3f}",
    }


def _drawn_label(photo: Photo, task: str) -> np.ndarray | None:
    """The label of a drawn picture, at any whole enlargement."""
    of = DRAWN[task]
    return of.true_label(_greys(photo, of.side))


def _greys(photo: Photo, side: int) -> np.ndarray:
    """(side, side) grey values, 0 … 255."""
    return np.asarray(resize(photo.picture, (side, side)).convert("L"))


def digest(pixels: np.ndarray) -> str:
    """By which an example is known."""
    return sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
