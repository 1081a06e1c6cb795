"""NYU Depth V2, labelled set, from the folder that `prepare-nyu` writes.

rgb/NNNN.jpg, depth/NNNN.png (16-bit millimetres, 0 = unknown), label40/NNNN.png (NYU40 classes,
0 = unlabelled) and index.csv. Silberman, Hoiem, Kohli, Fergus, ECCV 2012.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = (
    "unlabelled", "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture",
    "sofa", "table", "tv", "wall", "window",
)  # fmt: skip
NYU40_TO_13 = np.array([
    0, 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11,
    7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
], np.uint8)  # fmt: skip
"""Index: NYU40 class, 0 = unlabelled; value: index into `CLASSES`."""


@dataclass(frozen=True)
class Room:
    """One photo with its truth.

    Attributes:
        photo: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres, 0 where unknown.
        labels: (H, W) uint8, 1…13, 0 where unlabelled.
        scene_type: "kitchen", "bedroom", …
    """

    photo: np.ndarray
    depth: np.ndarray
    labels: np.ndarray
    scene_type: str


def read_rooms(folder: Path, split: str) -> list[Room]:
    """All rooms of a split ("train", "val" or "test") in the order of index.csv.

    Raises:
        ValueError: if the folder or the split is not there, or a file is missing or broken.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise ValueError(f"{folder} is no NYU folder: it has no index.csv (see prepare-nyu)")
    with index.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    if not rows:
        raise ValueError(f"{index} lists no image of the split {split!r}")
    return [_read_room(folder, row) for row in rows]


def _read_room(folder: Path, row: dict[str, str]) -> Room:
    try:
        with Image.open(folder / "rgb" / f"{row['id']}.jpg") as image:
            photo = np.asarray(image.convert("RGB"))
        with Image.open(folder / "depth" / f"{row['id']}.png") as image:
            depth = np.asarray(image, np.float32) / 1000
        with Image.open(folder / "label40" / f"{row['id']}.png") as image:
            labels = NYU40_TO_13[np.asarray(image)]
    except (OSError, IndexError, SyntaxError) as error:
        raise ValueError(f"image {row['id']} of {folder} cannot be read: {error}") from error
    return Room(photo, depth, labels, row["scene_type"])
