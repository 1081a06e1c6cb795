"""Q-tips: a rod with a marker at either end; every pixel of the rod bears the pair's class.

The segmentation set of Haber et al., "IMEXnet", ICML 2019, drawn anew: 64×64 grey pictures with
four grey values, one centred rod at a uniform angle. A pixel in the middle can only know its
class by seeing both ends, so the task measures the field of view.
"""

import numpy as np

from imexnet.data.drawn import BACKGROUND, BLACK, BODY, WHITE, Drawn, rods_by_markers

SIZE = 64
CLASSES = ("background", "white-white", "white-black", "black-black")


def qtip(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and label number `index` of the endless sequence `seed`, always the same.

    Returns:
        (64, 64) uint8 grey values, and (64, 64) uint8 classes 0…3.
    """
    drawn = draw(seed, index)
    return drawn.picture, drawn.label


def draw(seed: int, index: int, size: int = SIZE) -> Drawn:
    """Q-tip number `index` of the endless sequence `seed`, with its length and its ends.

    Length uniform in 32…59, width in 4…7, angle in [0°, 360°), class in 1…3. The upright rod is
    rotated about the picture's centre, nearest neighbour.

    Raises:
        ValueError: for another size than 64.
    """
    if size != SIZE:
        raise ValueError(f"Q-tips have {SIZE} pixels a side, got {size}")
    random = np.random.default_rng((seed, index))
    length, width = int(random.integers(32, 60)), int(random.integers(4, 8))
    kind = int(random.integers(1, 4))
    angle = random.uniform(0, 2 * np.pi)
    upright = np.full((SIZE, SIZE), BACKGROUND, np.uint8)
    ends = np.zeros_like(upright)
    first, across = (SIZE - length) // 2, (SIZE - width) // 2
    rod, tips = (
        plane[first : first + length, across : across + width] for plane in (upright, ends)
    )
    rod[:] = BODY
    rod[:width] = BLACK if kind == 3 else WHITE
    rod[-width:] = WHITE if kind == 1 else BLACK
    tips[:width], tips[-width:] = 1, 2

    centre = (SIZE - 1) / 2
    y, x = np.mgrid[:SIZE, :SIZE] - centre
    rows = np.rint(np.cos(angle) * y - np.sin(angle) * x + centre).astype(int)
    columns = np.rint(np.sin(angle) * y + np.cos(angle) * x + centre).astype(int)
    inside = (rows >= 0) & (rows < SIZE) & (columns >= 0) & (columns < SIZE)
    picture, turned = np.full((SIZE, SIZE), BACKGROUND, np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    picture[inside] = upright[rows[inside], columns[inside]]
    turned[inside] = ends[rows[inside], columns[inside]]
    objects = (picture != BACKGROUND).astype(np.uint8)
    return Drawn(picture, objects * np.uint8(kind), objects, turned, (float(length),))


def true_label(picture: np.ndarray) -> np.ndarray | None:
    """The label that a Q-tip's own grey values give away; None if the picture is no Q-tip.

    Args:
        picture: (64, 64) uint8.
    """
    found = rods_by_markers(picture) if picture.shape == (SIZE, SIZE) else None
    return found[0] if found is not None and found[1] == 1 else None


def qtips(seed: int, indices: range) -> tuple[np.ndarray, np.ndarray]:
    """The Q-tips `indices` of sequence `seed`: two (N, 64, 64) uint8 arrays."""
    pairs = [qtip(seed, index) for index in indices]
    return np.stack([picture for picture, _ in pairs]), np.stack([label for _, label in pairs])
