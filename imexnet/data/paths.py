"""Paths: winding curves with gaps, some with one marked end, that every pixel of theirs must know.

Pathfinder in the spirit of Linsley et al. (2018, arXiv 1805.08315) as dense prediction: the curves
are of equal width and grey, so that only what comes along a curve, and across its gaps, tells
whether its own end is marked.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from imexnet.data.drawn import BACKGROUND, BODY, WHITE, Drawn
from imexnet.data.rods import SIZE, check_size

COUNTS, LENGTHS = (2, 3), (30, 60)
WIDTH = 3  # of every curve
APART = 8  # pixels between the middles of two curves, and of two bends of one, at least
DASHES, GAP = (8, 20), 5  # pixels along a curve between two gaps, and of a gap, round caps included
MARKER = 4  # pixels along a curve
CLASSES = ("background", "not marked", "marked")
CANDIDATES, TRIES = 32, 8  # curves that are looked at together; how often
SPACING = 0.5  # pixels between two points of a curve
BRIDGE = 4.5  # pixels: no gap of a curve is so wide, and no two curves are so near


def draw(seed: int, index: int, size: int = SIZE) -> Drawn:
    """Picture number `index` of the endless sequence `seed`, always the same.

    2 or 3 curves of a uniform length in 30…60, times `size` / 64, in dashes of 8 to 20 pixels with
    gaps of 2 to 3 between their round caps. At least one has an end marked in white, and at least
    one has not: class 2 and class 1 of all their pixels. Gaps are background.

    Args:
        seed: of the sequence.
        index: in it.
        size: rows and columns, 64 … 256.

    Raises:
        ValueError: for another size.
    """
    check_size("paths", size)
    random = np.random.default_rng((seed, index))
    count = int(random.integers(COUNTS[0], COUNTS[1] + 1))
    shortest, longest = (length * size / SIZE for length in LENGTHS)
    lengths = np.sort(random.uniform(shortest, longest, count))[::-1]  # the longest first
    marked = random.permutation(count) < random.integers(1, count)
    curves: list[np.ndarray] = []
    while len(curves) < count:
        found = _place(random, size, lengths[len(curves)], curves)
        curves = [*curves, found] if found is not None else []  # no room: all anew
    planes = np.zeros((4, size, size), np.uint8)
    picture, label, objects, ends = planes
    picture[:] = BACKGROUND
    for number, (curve, length) in enumerate(zip(curves, lengths, strict=True)):
        at = np.arange(len(curve)) * SPACING
        seen = _stamped(curve[_dashes(random, at, length)], size)
        picture[seen], objects[seen] = BODY, number + 1
        label[seen] = CLASSES.index("marked" if marked[number] else "not marked")
        for end, near in enumerate((at <= MARKER, at >= at[-1] - MARKER)):
            tip = _stamped(curve[near], size)
            ends[tip] = 2 * number + 1 + end
            if marked[number] and end == 0:
                picture[tip] = WHITE
    return Drawn(picture, label, objects, ends, tuple(map(float, lengths)))


def true_label(picture: np.ndarray) -> np.ndarray | None:
    """The label that the picture itself gives away; None if these are no 2 or 3 such curves.

    Pixels nearer than `BRIDGE` belong to one curve.

    Args:
        picture: (H, W) uint8.
    """
    if set(np.unique(picture).tolist()) != {BACKGROUND, BODY, WHITE}:
        return None
    drawn = np.nonzero(picture != BACKGROUND)
    pixels = len(drawn[0])
    near = KDTree(np.stack(drawn, axis=1)).query_pairs(BRIDGE, output_type="ndarray")
    graph = coo_array((np.ones(len(near)), near.T), (pixels, pixels))
    count, curve = connected_components(graph, directed=False)
    marked = np.bincount(curve, picture[drawn] == WHITE) > 0  # of each curve
    if not COUNTS[0] <= count <= COUNTS[1] or marked.all():
        return None
    label = np.zeros(picture.shape, np.uint8)
    label[drawn] = np.where(marked[curve], CLASSES.index("marked"), CLASSES.index("not marked"))
    return label


def _place(
    random: np.random.Generator, size: int, length: float, others: list[np.ndarray]
) -> np.ndarray | None:
    """Points (N, 2) of a curve in the picture, apart from itself and the others; None if none."""
    for _ in range(TRIES):
        curves = _winding(random, length)
        low, high = curves.min(1), curves.max(1)
        room = size - 1 - WIDTH - (high - low)
        shift = WIDTH / 2 - low + random.random(low.shape) * room
        curves = curves + shift[:, None]
        free = (room >= 0).all(1)
        coarse = curves[:, ::2]  # a pixel apart
        for other in others:
            free[free] = _distance(coarse[free], other[None, ::2]).min((1, 2)) >= APART
        along = np.abs(np.subtract.outer(*[np.arange(coarse.shape[1])] * 2)) * 2 * SPACING
        own = np.where(along < 2 * APART, np.inf, _distance(coarse[free], coarse[free]))
        free[free] = own.min((1, 2)) >= APART
        if free.any():
            return curves[int(free.argmax())]
    return None


def _winding(random: np.random.Generator, length: float) -> np.ndarray:
    """Candidates (n, N, 2) of that length: the heading bends as a whole, and to and fro."""
    at = np.arange(0, length + SPACING / 2, SPACING)
    start, bend, swing, phase = random.uniform(
        (0, -1.5, 0.3, 0), (2 * np.pi, 1.5, 1.2, 2 * np.pi), (CANDIDATES, 4)
    ).T[..., None]
    waves = random.uniform(20, 40, (CANDIDATES, 1))  # pixels along the curve
    heading = start + bend * at / length + swing * np.sin(2 * np.pi * at / waves + phase)
    return SPACING * np.cumsum(np.stack((np.sin(heading), np.cos(heading)), axis=-1), axis=1)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Between the points of curves (n, N, 2) and (n or 1, M, 2): (n, N, M)."""
    difference = a[:, :, None] - b[:, None]
    return np.hypot(difference[..., 0], difference[..., 1])


def _dashes(random: np.random.Generator, at: np.ndarray, length: float) -> np.ndarray:
    """Whether the curve is drawn at these distances from its start; its ends always are."""
    drawn, start = np.ones(len(at), bool), 0.0
    while True:
        start += random.uniform(*DASHES)
        if start + GAP + DASHES[0] > length:
            return drawn
        drawn[(at > start) & (at < start + GAP)] = False
        start += GAP


def _stamped(points: np.ndarray, size: int) -> np.ndarray:
    """Pixels within half a `WIDTH` of the points (N, 2)."""
    offsets = np.moveaxis(np.mgrid[-2:3, -2:3], 0, -1).reshape(-1, 2)
    pixels = np.rint(points)[:, None].astype(int) + offsets
    near = np.hypot(*np.moveaxis(pixels - points[:, None], -1, 0)) <= WIDTH / 2
    rows, columns = pixels[near].T
    inside = np.zeros((size, size), bool)
    inside[rows, columns] = True
    return inside
