"""Pictures drawn for a task, what they are made of, and folders of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image
from scipy import ndimage

from imexnet.io.files import check_folder, write_picture

BACKGROUND, BODY, WHITE, BLACK = 64, 128, 255, 1
"""Grey values."""
GREYS = {BACKGROUND, BODY, WHITE, BLACK}


@dataclass(frozen=True)
class Drawn:
    """A picture of a few objects, with its truth.

    Attributes:
        picture: (H, W) uint8 grey values.
        label: (H, W) uint8 class per pixel, 0 the background.
        objects: (H, W) uint8 number of the object, from 1; 0 the background.
        ends: (H, W) uint8, 2k − 1 and 2k on the two ends of object k, where it bears its markers;
            0 elsewhere.
        lengths: of the objects, in pixels; none where the objects are not known apart.
    """

    picture: np.ndarray
    label: np.ndarray
    objects: np.ndarray
    ends: np.ndarray
    lengths: tuple[float, ...]


def rods_by_markers(picture: np.ndarray) -> tuple[np.ndarray, int] | None:
    """What the grey values of a picture of rods give away of its truth.

    Args:
        picture: (H, W) uint8.

    Returns:
        (H, W) uint8 classes 0…3 and the number of rods; None if anything else is on the picture.
    """
    if not {BACKGROUND, BODY} < set(np.unique(picture).tolist()) <= GREYS:
        return None
    found = ndimage.label(picture != BACKGROUND, np.ones((3, 3)))
    rods, count = cast(tuple[np.ndarray, int], found)
    label = np.zeros(picture.shape, np.uint8)
    for number in range(1, count + 1):
        markers = set(picture[rods == number].tolist()) - {BODY}
        kind = {(WHITE,): 1, (BLACK, WHITE): 2, (BLACK,): 3}.get(tuple(sorted(markers)))
        if kind is None:
            return None
        label[rods == number] = kind
    return label, count


def write_folder(folder: Path, sequence: Iterable[Drawn]) -> int:
    """Writes images/*.png and labels/*.png, numbered from 0; how many.

    Raises:
        ValueError: if the folder holds images already, or as `check_folder`.
    """
    if any((folder / "images").glob("*.png")):
        raise ValueError(f"{folder.resolve().name} already holds images; choose another folder.")
    check_folder(folder)
    count = 0
    for count, drawn in enumerate(sequence, start=1):
        for part, plane in (("images", drawn.picture), ("labels", drawn.label)):
            write_picture(plane, folder / part / f"{count - 1:05d}.png")
    return count


def read_folder(folder: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The data set in `folder`: images/*.png (grey) and labels/*.png (classes) of equal names.

    Args:
        folder: to read.
        classes: number of classes, the background among them.

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
    if max(label.max() for label in labels) >= classes:
        raise ValueError(f"the labels in {folder} must be 0…{classes - 1}")
    return np.stack(pictures), np.stack(labels)


def from_folder(folder: Path, classes: int) -> list[Drawn]:
    """The pictures of a folder, see `read_folder`; their objects are not known apart."""
    nothing = np.zeros(0, np.uint8)
    pairs = zip(*read_folder(folder, classes), strict=True)
    return [Drawn(picture, label, nothing, nothing, ()) for picture, label in pairs]


def _read(path: Path, keep: str = "L") -> np.ndarray:
    """Grey values; the indices of a palette if that is the mode to keep."""
    try:
        with Image.open(path) as image:
            return np.asarray(image if image.mode == keep else image.convert("L"), np.uint8)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
