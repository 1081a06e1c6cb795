"""The tasks: what a network's output of each means, and which networks answer it."""

from dataclasses import dataclass

from torch import Tensor

from imexnet.data import nyu, paths, qtips

KINDS = ("resnet", "imexnet")
"""Of networks that are identical except for the implicit solve."""


@dataclass(frozen=True)
class Task:
    """What is predicted for every pixel.

    Attributes:
        name: of the network's head, in file names and on the command line.
        family: of the networks that have this head: "indoor", "qtips", "rods" or "paths".
        unit: of the output.
        classes: names by class number; none for depth.
        first_class: number of the class that the first logit stands for. Those before it occur in
            the truth alone: pixels without a label.
        drawn: whether pictures for it are drawn afresh, instead of photographed.
    """

    name: str
    family: str
    unit: str
    classes: tuple[str, ...] = ()
    first_class: int = 0
    drawn: bool = False

    @property
    def predicted(self) -> tuple[str, ...]:
        """Names of the classes that a network tells apart, in the order of its logits."""
        return self.classes[self.first_class :]

    @property
    def reading(self) -> str:
        """Words for what an answer's values are."""
        if self.classes:
            return f"class numbers of the task {self.name}"
        return f"{self.name} in {self.unit}"

    def logit(self, class_number: int) -> int:
        """The channel of the output that stands for a class.

        Raises:
            ValueError: for a class that is not predicted, and for any class of depth.
        """
        if not self.classes:
            raise ValueError(f"{self.name} has no classes to ask for")
        first, last = self.first_class, len(self.classes) - 1
        if not first <= class_number <= last:
            raise ValueError(f"classes are {first} … {last}, got {class_number}")
        return class_number - first

    def quantity(self, y: Tensor, class_number: int | None = None) -> Tensor:
        """The scalar q per pixel that derivatives are taken of: (…, C, H, W) → (…, H, W).

        Depth in metres; or the logit of a class, by default the winner's minus the runner-up's.

        Raises:
            ValueError: as `logit`.
        """
        if class_number is not None:
            return y.select(-3, self.logit(class_number))
        if not self.classes:
            return y.select(-3, 0)
        winner, runner_up = y.topk(2, dim=-3).values.unbind(-3)
        return winner - runner_up

    def answer(self, y: Tensor) -> Tensor:
        """Depth in metres, or the channel of the winning logit: (…, C, H, W) → (…, H, W)."""
        return y.argmax(-3) if self.classes else y.select(-3, 0)


TASKS = {
    task.name: task
    for task in (
        Task("depth", "indoor", "metres"),
        Task("segmentation", "indoor", "logits", nyu.CLASSES, first_class=1),
        Task("qtips", "qtips", "logits", qtips.CLASSES, drawn=True),
        Task("rods", "rods", "logits", qtips.CLASSES, drawn=True),
        Task("paths", "paths", "logits", paths.CLASSES, drawn=True),
    )
}


def task_named(name: str, asked: str = "the task") -> Task:
    """A task by its name.

    Args:
        name: a key of `TASKS`.
        asked: what the name was given as, for the error.

    Raises:
        ValueError: for another name.
    """
    if name not in TASKS:
        raise ValueError(f"{asked} must be one of {', '.join(TASKS)}, got {name!r}")
    return TASKS[name]
