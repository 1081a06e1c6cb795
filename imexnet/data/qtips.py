"""Q-tips: a rod with a marker at either end; every pixel of the rod bears the pair's class.

The segmentation set of Haber et al., "IMEXnet", ICML 2019, drawn anew: 64×64 grey pictures with
four grey values, one centred rod at a uniform angle. A pixel in the middle can only know its
class by seeing both ends, so the task measures the field of view.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
BACKGROUND, BODY, WHITE, BLACK = 64, 128, 255, 1
CLASSES = ("background", "white-white", "white-black", "black-black")


def qtip(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and label number `index` of the endless sequence `seed`, always the same.

    Length uniform in 32…59, width in 4…7, angle in [0°, 360°), class in 1…3. The upright rod is
    rotated about the picture's centre, nearest neighbour.

    Returns:
        (64, 64) uint8 grey values, and (64, 64) uint8 classes 0…3.
    """
    random = np.random.default_rng((seed, index))
    length, width = int(random.integers(32, 60)), int(random.integers(4, 8))
    kind = int(random.integers(1, 4))
    angle = random.uniform(0, 2 * np.pi)
    upright = np.full((SIZE, SIZE), BACKGROUND, np.uint8)
    first, across = (SIZE - length) // 2, (SIZE - width) // 2
    rod = upright[first : first + length, across : across + width]
    rod[:] = BODY
    rod[:width] = BLACK if kind == 3 else WHITE
    rod[-width:] = WHITE if kind == 1 else BLACK

    centre = (SIZE - 1) / 2
    y, x = np.mgrid[:SIZE, :SIZE] - centre
    rows = np.rint(np.cos(angle) * y - np.sin(angle) * x + centre).astype(int)
    columns = np.rint(np.sin(angle) * y + np.cos(angle) * x + centre).astype(int)
    inside = (rows >= 0) & (rows < SIZE) & (columns >= 0) & (columns < SIZE)
    picture = np.full((SIZE, SIZE), BACKGROUND, np.uint8)
    picture[inside] = upright[rows[inside], columns[inside]]
    return picture, np.where(picture == BACKGROUND, 0, kind).astype(np.uint8)


def true_label(picture: np.ndarray) -> np.ndarray | None:
    """The label that a Q-tip's own grey values give away; None if the picture is no Q-tip.

    Args:
        picture: (64, 64) uint8.
    """
    greys = set(np.unique(picture).tolist())
    if picture.shape != (SIZE, SIZE) or not {BACKGROUND, BODY} < greys:
        return None
    kind = {(WHITE,): 1, (BLACK, WHITE): 2, (BLACK,): 3}.get(
        tuple(sorted(greys - {BACKGROUND, BODY}))
    )
    if kind is None:
        return None
    return np.where(picture == BACKGROUND, 0, kind).astype(np.uint8)


def qtips(seed: int, indices: range) -> tuple[np.ndarray, np.ndarray]:
    """The Q-tips `indices` of sequence `seed`: two (N, 64, 64) uint8 arrays."""
    pairs = [qtip(seed, index) for index in indices]
    return np.stack([picture for picture, _ in pairs]), np.stack([label for _, label in pairs])


def read_qtips(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The data set in `folder`: images/*.png (grey) and labels/*.png (0…3) of equal names.

    Raises:
        ValueError: if there are none, a label is missing, a file is broken, sizes differ or a class
            is unknown.
    """
    names = sorted(path.name for path in (folder / "images").glob("*.png"))
    if not names:
        raise ValueError(f"{folder} holds no images/*.png")
    missing = [name for name in names if not (folder / "labels" / name).is_file()]
    if missing:
        raise ValueError(f"{folder} lacks labels/{missing[0]} ({len(missing)} missing)")
    pictures = [_read(folder / "images" / name) for name in names]
    labels = [_read(folder / "labels" / name, keep="P") for name in names]
    if len({array.shape for array in pictures + labels}) > 1:
        raise ValueError(f"the pictures and labels in {folder} differ in size")
    if max(label.max() for label in labels) >= len(CLASSES):
        raise ValueError(f"the labels in {folder} must be 0…{len(CLASSES) - 1}")
    return np.stack(pictures), np.stack(labels)


def _read(path: Path, keep: str = "L") -> np.ndarray:
    """Grey values; the indices of a palette if that is the mode to keep."""
    try:
        with Image.open(path) as image:
            return np.asarray(image if image.mode == keep else image.convert("L"), np.uint8)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
