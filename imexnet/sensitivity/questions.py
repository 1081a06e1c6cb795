"""A question as a person asks it, in the photo's own pixels, put to several networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from imexnet.inference import forward, to_grid
from imexnet.io.camera import Camera, camera_of
from imexnet.io.photos import Photo, PhotoLike
from imexnet.models.networks import Network
from imexnet.models.tasks import TASKS, task_named
from imexnet.sensitivity.attribution import GRADIENT, METHODS, usual_method
from imexnet.sensitivity.field_of_view import (
    ClassReading,
    FieldOfView,
    Metres,
    field_of_view,
    influence,
    read_output,
)

ANSWER = "answer"
DIRECTIONS = ("inputs", "outputs")
USUAL = "usual"

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Question:
    """What is asked of a network.

    Attributes:
        task: a key of `TASKS`.
        pixel: (row, column) in the photo's own pixels.
        other: the opposite corner of a box, whose mean is asked for.
        about: "answer", the depth or the winner's logit minus the runner-up's; or the name of a
            class, its logit.
        direction: "inputs", what the output here depends on; or "outputs", what a brighter input
            pixel moves.
        method: a key of `METHODS`; or "usual", that of the task.

    Raises:
        ValueError: for a task, a class, a direction or a method that is not there; with the
            direction "outputs" also for a box, and for any method but the gradient.
    """

    task: str
    pixel: Pixel
    other: Pixel | None = None
    about: str = ANSWER
    direction: str = "inputs"
    method: str = USUAL

    def __post_init__(self) -> None:
        task_named(self.task)
        if self.direction not in DIRECTIONS:
            raise ValueError(
                f"the direction must be one of {', '.join(DIRECTIONS)}, got {self.direction!r}"
            )
        if self.about != ANSWER and self.about not in abouts(self.task):
            raise ValueError(
                f"{self.task} can be asked about {', '.join(abouts(self.task))}, got {self.about!r}"
            )
        if self.direction == "outputs" and self.other is not None:
            raise ValueError("what an input moves is asked for a pixel, not for a box")
        if self.method not in methods():
            raise ValueError(
                f"the method must be one of {', '.join(methods())}, got {self.method!r}"
            )
        if self.direction == "outputs" and self.method not in (USUAL, GRADIENT):
            raise ValueError(f"what an input moves is a {GRADIENT}; {self.method} asks for inputs")

    @property
    def class_number(self) -> int | None:
        """Of the class that is asked about."""
        return None if self.about == ANSWER else TASKS[self.task].classes.index(self.about)

    @property
    def asked_by(self) -> str:
        """The name of the method that answers."""
        if self.method != USUAL:
            return self.method
        return GRADIENT if self.direction == "outputs" else usual_method(self.task)

    @property
    def place(self) -> str:
        """Words for the pixel or the box."""
        row, column = self.pixel
        if self.other is None:
            return f"column {column}, row {row}"
        rows, columns = (sorted(ends) for ends in zip(self.pixel, self.other, strict=True))
        return f"columns {columns[0]} … {columns[1]}, rows {rows[0]} … {rows[1]}"

    @property
    def scalar(self) -> str:
        """Words for what the derivative is taken of."""
        if not TASKS[self.task].classes:
            return "the depth"
        if self.about == ANSWER:
            return "the winning class's logit minus the runner-up's"
        return f"the logit of “{self.about}”"


def abouts(task: str) -> list[str]:
    """What one can ask about: "answer", and for classes their names."""
    return [ANSWER, *TASKS[task].predicted]


def methods() -> list[str]:
    """How one can ask: "usual", and the methods by their names."""
    return [USUAL, *METHODS]


def ask_all(
    networks: Mapping[str, Network],
    photo: PhotoLike,
    x: Tensor,
    question: Question,
    camera: Camera | None = None,
    ask: Callable[[Network, Tensor], tuple[dict[str, Tensor], Any]] = forward,
) -> dict[str, FieldOfView]:
    """Network → its field of view for the question, whose reading is the answer of `predict`.

    Args:
        networks: by name, in eval mode.
        photo: any that `Photo.of` takes; the question is in its pixels.
        x: (1, C, h, w), what the networks are shown of it.
        question: what is asked.
        camera: of the photo, whose metres are meant; by default what `camera_of` finds.
        ask: a network's outputs for an input, as `forward` gives them; one that remembers saves
            their time.

    Raises:
        ValueError: for a pixel outside the photo.
    """
    photo = Photo.of(photo)
    size, grid = photo.shape, (x.shape[-2], x.shape[-1])
    cell = to_grid(question.pixel, size, grid)
    other = question.other and to_grid(question.other, size, grid)
    found = {}
    for kind, network in networks.items():
        if question.direction == "outputs":
            view = influence(network, question.task, x, cell, question.class_number)
        else:
            # The gradient itself comes with the answer, in one pass.
            method = question.asked_by
            attribute = None if method == GRADIENT else METHODS[method].attribute
            view = field_of_view(
                network, question.task, x, cell, other, question.class_number, attribute
            )
        # The derivative is in float32, the answer shown elsewhere may be in bfloat16: read that.
        values = ask(network, x)[0][question.task][0][(slice(None), *view.asked)]
        read = read_output(TASKS[question.task], values.float(), question.class_number)
        found[kind] = replace(view, reading=read)
    scale = (camera or camera_of(photo)).depth_scale
    return {kind: view.scaled(scale) for kind, view in found.items()}


def reading(view: FieldOfView) -> str:
    """What the network says there, in words."""
    return in_words(view.reading)


def in_words(read: Metres | ClassReading) -> str:
    """Metres, or class and probability."""
    if isinstance(read, Metres):
        return f"{read.value:.2f} m"
    return f"{read.name}, p = {read.probability:.2f}"


def arrays(question: Question, views: Mapping[str, FieldOfView]) -> dict[str, np.ndarray]:
    """Everything that was found, by name, for an .npz file: maps on the network's grid."""
    found: dict[str, np.ndarray] = {
        "pixel": np.array(question.pixel),
        "other": np.array(question.other or question.pixel),
        "question": np.array(f"{question.task}, {question.about}, {question.direction}"),
        "method": np.array(question.asked_by),
    }
    for kind, view in views.items():
        read = view.reading
        value = read.value if isinstance(read, Metres) else float(read.number)
        spans = [(span.start, span.stop) for span in (*view.asked, *view.window)]
        found |= {
            f"{kind}_sensitivity": view.sensitivity,
            f"{kind}_derivative": view.derivative,
            f"{kind}_asked": np.array(spans[:2]),  # rows, columns: first and one past the last
            f"{kind}_window": np.array(spans[2:]),
            f"{kind}_value": np.array(value),
        }
        found |= {f"{kind}_{name}": np.array(value) for name, value in view.to_dict().items()}
    return found
