"""NYU Depth V2, labelled set, from the folder that `prepare-nyu` writes.

rgb/NNNN.jpg, depth/NNNN.png (16-bit millimetres, 0 = unknown), label40/NNNN.png (NYU40 classes,
0 = unlabelled) and index.csv. Silberman, Hoiem, Kohli, Fergus, ECCV 2012.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from imexnet.io.tables import read_table
from imexnet.metrics import MAX_DEPTH, MIN_DEPTH, eigen_crop

CLASSES = (
    "unlabelled", "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture",
    "sofa", "table", "tv", "wall", "window",
)  # fmt: skip
NYU40_TO_13 = np.array([
    0, 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11,
    7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
], np.uint8)  # fmt: skip
"""Index: NYU40 class, 0 = unlabelled; value: index into `CLASSES`."""
PARTS = {"rgb": "jpg", "depth": "png", "label40": "png"}
"""Folder → ending of its files."""


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

    `index.csv` may have been saved by a spreadsheet, which takes the zeros off an id.

    Raises:
        ValueError: if the folder, the split or a column is not there, a file is missing or broken,
            or depth and labels of a room differ in size, or none of its depth is known.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise ValueError(f"{folder} is no NYU folder: it has no index.csv (see prepare-nyu)")
    table = read_table(index, ("id", "split", "scene_type"))
    rows = [row for row in table if row["split"].lower() == split]
    if not rows:
        raise ValueError(f"{index} lists no image of the split {split!r}")
    names = _names(folder, [row["id"] for row in rows])
    _check_files(folder, names)
    return [
        _read_room(folder, name, row["scene_type"].lower())
        for name, row in zip(names, rows, strict=True)
    ]


def _names(folder: Path, ids: Iterable[str]) -> list[str]:
    """The files' names without their endings: ids as they stand, or the same number (1, 0001)."""
    present = {path.stem for path in (folder / "rgb").glob("*.jpg")}
    by_number = {_number(name): name for name in sorted(present)}
    return [i if i in present else by_number.get(_number(i), i) for i in ids]


def _number(name: str) -> str:
    """0001, 1 and 1.0 are one number; other names stay."""
    whole = re.fullmatch(r"0*(\d+)([.,]0*)?", name)
    return whole[1] if whole else name


def _check_files(folder: Path, names: Iterable[str]) -> None:
    files = [f"{part}/{name}.{end}" for name in names for part, end in PARTS.items()]
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        name = Path(missing[0]).stem
        count = f" ({len(missing)} files are missing)" if len(missing) > 1 else ""
        raise ValueError(f"image {name} of {folder} cannot be read: no {missing[0]}{count}")


def _read_room(folder: Path, name: str, scene_type: str) -> Room:
    try:
        with Image.open(folder / "rgb" / f"{name}.jpg") as image:
            photo = np.asarray(image.convert("RGB"))
        with Image.open(folder / "depth" / f"{name}.png") as image:
            depth = np.asarray(image, np.float32) / 1000
        with Image.open(folder / "label40" / f"{name}.png") as image:
            labels = NYU40_TO_13[np.asarray(image)]
    except (OSError, IndexError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"image {name} of {folder} cannot be read: {error}") from error
    if depth.ndim != 2 or depth.shape != labels.shape:
        raise ValueError(
            f"depth and label40 of image {name} of {folder} must be grey pictures of one size, "
            f"got {depth.shape} and {labels.shape}"
        )
    scored = depth[eigen_crop(depth.shape)]
    if not ((scored >= MIN_DEPTH) & (scored <= MAX_DEPTH)).any():
        raise ValueError(
            f"image {name} of {folder} has no pixel with a known depth ({MIN_DEPTH:g} to "
            f"{MAX_DEPTH:g} m) in the part that is scored"
        )
    return Room(photo, depth, labels, scene_type)
