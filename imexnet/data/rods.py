"""Many rods: 3 to 5 in a picture, each with its own pair of markers; a rod's class is its pair's.

The grey values and the classes are those of the Q-tips (Haber et al., "IMEXnet", ICML 2019). As the
rods of a picture differ, its mean says nothing of any one of them: what a pixel must know has to
come along its own rod.
"""

import numpy as np

from imexnet.data.drawn import BACKGROUND, BLACK, BODY, WHITE, Drawn, rods_by_markers
from imexnet.data.qtips import CLASSES

SIZE, LARGEST = 64, 256
COUNTS, LENGTHS, WIDTHS = (3, 5), (20, 37), (3, 5)
GAP = 3  # pixels between two rods, at least
CANDIDATES, TRIES = 64, 4  # places that are looked at together for one rod; how often


def draw(seed: int, index: int, size: int = SIZE) -> Drawn:
    """Picture number `index` of the endless sequence `seed`, always the same.

    3 to 5 rods, each of a uniform class in 1…3, width in 3…5 and length in 20…37, times
    `size` / 64; at random places and angles, whole in the picture, 3 pixels or more apart.

    Args:
        seed: of the sequence.
        index: in it.
        size: rows and columns, 64 … 256.

    Raises:
        ValueError: for another size.
    """
    check_size("rods", size)
    random = np.random.default_rng((seed, index))
    count = int(random.integers(COUNTS[0], COUNTS[1] + 1))
    shortest, longest = (round(length * size / SIZE) for length in LENGTHS)
    lengths = np.sort(random.integers(shortest, longest + 1, count))[::-1]  # the longest first
    widths = random.integers(WIDTHS[0], WIDTHS[1] + 1, count)
    kinds = random.integers(1, len(CLASSES), count)
    flipped = random.integers(2, size=count)
    rods: list[_Rods] = []
    while len(rods) < count:
        found = _place(random, size, lengths[len(rods)], widths[len(rods)], rods)
        rods = [*rods, found] if found else []  # no room: all anew
    planes = np.zeros((4, size, size), np.uint8)
    picture, label, objects, ends = planes
    picture[:] = BACKGROUND
    y, x = np.mgrid[:size, :size]
    for number, rod in enumerate(rods):
        along = (y - rod.y) * rod.sine + (x - rod.x) * rod.cosine
        across = (y - rod.y) * rod.cosine - (x - rod.x) * rod.sine
        inside = (np.abs(along) <= rod.length / 2) & (np.abs(across) <= rod.width / 2)
        marker = inside & (np.abs(along) > rod.length / 2 - rod.width)
        kind = int(kinds[number])
        greys = (BLACK if kind == 3 else WHITE, WHITE if kind == 1 else BLACK)
        picture[inside], label[inside], objects[inside] = BODY, kind, number + 1
        for end, side in enumerate((along < 0, along >= 0)):
            picture[marker & side] = greys[end ^ int(flipped[number])]
            ends[marker & side] = 2 * number + 1 + end
    return Drawn(picture, label, objects, ends, tuple(float(length) for length in lengths))


def true_label(picture: np.ndarray) -> np.ndarray | None:
    """The label that the rods' own grey values give away; None if these are no 3 to 5 rods.

    Args:
        picture: (H, W) uint8.
    """
    found = rods_by_markers(picture)
    return found[0] if found is not None and COUNTS[0] <= found[1] <= COUNTS[1] else None


def check_size(what: str, size: int) -> None:
    """Refuses a side that the pictures do not come in.

    Raises:
        ValueError: with the range.
    """
    if not SIZE <= size <= LARGEST:
        raise ValueError(f"pictures of {what} have {SIZE} … {LARGEST} pixels a side, got {size}")


class _Rods:
    """One rod, or candidates for one: centre, direction, length and width."""

    def __init__(self, y, x, angle, length: float, width: float) -> None:
        self.y, self.x, self.angle, self.length, self.width = y, x, angle, length, width
        self.sine, self.cosine = np.sin(angle), np.cos(angle)


def _place(
    random: np.random.Generator, size: int, length: float, width: float, others: list[_Rods]
) -> _Rods | None:
    """A rod whole in the picture and apart from the others; None if none was found."""
    for _ in range(TRIES):
        angle = random.uniform(0, np.pi, CANDIDATES)
        sine, cosine = np.abs(np.sin(angle)), np.abs(np.cos(angle))
        halves = ((length * a + width * b) / 2 for a, b in ((sine, cosine), (cosine, sine)))
        y, x = (h + random.random(CANDIDATES) * (size - 1 - 2 * h) for h in halves)
        candidates = _Rods(y, x, angle, length, width)
        free = np.ones(CANDIDATES, bool)
        for other in others:
            free &= _apart(candidates, other)
        if free.any():
            first = int(free.argmax())
            return _Rods(y[first], x[first], angle[first], length, width)
    return None


def _apart(a: _Rods, b: _Rods) -> np.ndarray:
    """Whether a line with `GAP` to either side of it divides them: along a side of one of them."""
    free = np.zeros(np.shape(a.angle), bool)
    for of in (a, b):
        for sine, cosine in ((of.sine, of.cosine), (of.cosine, -of.sine)):
            extent = sum(
                rod.length * np.abs(rod.sine * sine + rod.cosine * cosine) / 2
                + rod.width * np.abs(rod.cosine * sine - rod.sine * cosine) / 2
                for rod in (a, b)
            )
            free |= np.abs((a.y - b.y) * sine + (a.x - b.x) * cosine) > extent + GAP
    return free
