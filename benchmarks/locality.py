"""The best that a strictly local network with a w × w window can do on a drawn task.

    python benchmarks/locality.py                        (Q-tips: mean IoU)
    python benchmarks/locality.py rods [SIZE]            (or paths: share of the objects' pixels)

Q-tips: an oracle that finds every rod, and whose answer for a pixel is right if the window holds
both markers; seeing markers of one colour it answers that both are of that colour, seeing none that
both are black.

Rods and paths: an oracle that knows where every object is and which ends are whose, and of the
markers those of which the window holds a pixel. It answers the most probable class given these, by
the odds with which the pictures are drawn; its expected share of right pixels bounds that of every
local network from above.
"""

import sys
from functools import lru_cache
from itertools import product

import numpy as np
from scipy.ndimage import maximum_filter

from imexnet.data.drawn import Drawn
from imexnet.data.qtips import BLACK, CLASSES, WHITE, qtips
from imexnet.data.sequences import DRAW
from imexnet.metrics import confusion_matrix, mean_iou
from imexnet.program import run

WIDTHS = (27, 43, 63, 83, 127)
Marks = tuple[int, ...]


def seen(marker: np.ndarray, width: int) -> np.ndarray:
    """Whether the window round each pixel of (H, W) holds any of the marker."""
    return maximum_filter(marker.astype(np.uint8), width, mode="constant") > 0


@lru_cache
def states(task: str, count: int) -> list[tuple[float, Marks, Marks]]:
    """All that a picture of so many objects can be: its odds, its 2 · `count` marks, its classes.

    A rod's marks are the colours of its ends, 0 and 1; its three classes are equally likely, and a
    white-black rod lies either way round. A curve's are 1 at its marked end; of the curves one to
    all but one are marked, each number equally likely.
    """
    if task == "rods":
        one = [(1 / 3, (1, 1), 1), (1 / 6, (1, 0), 2), (1 / 6, (0, 1), 2), (1 / 3, (0, 0), 3)]
    else:
        one = [(1.0, (0, 0), 1), (0.5, (1, 0), 2), (0.5, (0, 1), 2)]
    found = []
    for objects in product(one, repeat=count):
        odds = float(np.prod([odds for odds, _, _ in objects]))
        classes = tuple(kind for _, _, kind in objects)
        if task == "paths":
            marked = classes.count(2)
            if not 0 < marked < count:
                continue
            subsets = len(list(filter(lambda c: sum(c) == marked, product((0, 1), repeat=count))))
            odds /= subsets * (count - 1)
        found.append((odds, tuple(mark for _, marks, _ in objects for mark in marks), classes))
    return found


@lru_cache(None)
def chance(task: str, count: int, own: int, known: tuple[int | None, ...]) -> float:
    """The chance of the likeliest class of object `own`, from the marks that are known."""
    weights: dict[int, float] = {}
    for odds, marks, classes in states(task, count):
        if all(k is None or k == mark for k, mark in zip(known, marks, strict=True)):
            weights[classes[own]] = weights.get(classes[own], 0.0) + odds
    return max(weights.values()) / sum(weights.values())


def ceiling(task: str, drawn: Drawn, width: int) -> tuple[float, int]:
    """Expected right pixels of the objects, and their number."""
    count = len(drawn.lengths)
    # Without noise a grey value says which marker an end bears; an end of a rod bears one for sure.
    marks = [int((drawn.picture[drawn.ends == e] == WHITE).any()) for e in range(1, 2 * count + 1)]
    holds = np.stack([seen(drawn.ends == e, width) for e in range(1, 2 * count + 1)])
    right, pixels = 0.0, 0
    for own in range(count):
        inside = drawn.objects == own + 1
        views, times = np.unique(holds[:, inside], axis=1, return_counts=True)
        for view, n in zip(views.T, times, strict=True):
            known = tuple(m if held else None for m, held in zip(marks, view, strict=True))
            if task == "rods":  # of which the others say nothing
                right += chance(task, 1, 0, known[2 * own : 2 * own + 2]) * int(n)
            else:
                right += chance(task, count, own, known) * int(n)
        pixels += int(inside.sum())
    return right, pixels


def main(arguments: list[str] | None = None, images: int = 1000) -> None:
    task, *rest = arguments or ["qtips"]
    if (
        task not in DRAW
        or len(rest) > (task != "qtips")
        or not all(word.isdecimal() for word in rest)
    ):
        raise ValueError(
            "usage: python benchmarks/locality.py [qtips | rods [SIZE] | paths [SIZE]]"
        )
    if task != "qtips":
        size = int(rest[0]) if rest else 64
        pictures = [DRAW[task](0, index, size) for index in range(images)]
        for width in WIDTHS:
            right, pixels = np.sum([ceiling(task, drawn, width) for drawn in pictures], axis=0)
            print(f"window {width:3}: right {right / pixels:.3f}")
        return
    pictures, labels = qtips(0, range(images))
    for width in WIDTHS:
        confusion = np.zeros((len(CLASSES),) * 2, np.int64)
        for picture, label in zip(pictures, labels, strict=True):
            white, black = seen(picture == WHITE, width), seen(picture == BLACK, width)
            local = np.where(white & black, 2, np.where(white, 1, 3))
            confusion += confusion_matrix(np.where(label > 0, local, 0), label, len(CLASSES))
        print(f"window {width:3}: mIoU {mean_iou(confusion):.3f}")


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "locality")
