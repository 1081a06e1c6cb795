"""Files in the folder layout of a room data set: complete, or not there at all."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imexnet.io.files import check_folder, write_bytes

COLUMNS = ("id", "official_split", "split", "scene_type", "run_id")


def check_free(out: Path) -> None:
    """That a new data set may be written to `out`.

    Raises:
        ValueError: it is a file, holds a data set already, or may not be written to.
    """
    if (out / "index.csv").exists():
        raise ValueError(f"{out.resolve().name} already holds a data set; choose another folder.")
    check_folder(out)


def make_folders(out: Path) -> None:
    """`rgb/`, `depth/` and `label40/`."""
    for folder in ("rgb", "depth", "label40"):
        (out / folder).mkdir(parents=True, exist_ok=True)


def write_room(
    out: Path, name: str, photo: Image.Image, metres: np.ndarray, label40: np.ndarray
) -> None:
    """A photo as JPEG, depth as 16-bit PNG in millimetres, NYU40 classes as 8-bit PNG."""
    millimetres = np.rint(metres * 1000).clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    _save(out / "rgb" / f"{name}.jpg", photo, format="JPEG", quality=92, subsampling=0)
    for folder, values in (("depth", millimetres), ("label40", label40)):
        picture = Image.fromarray(np.ascontiguousarray(values))
        _save(out / folder / f"{name}.png", picture, format="PNG", optimize=True)


def write_index(out: Path, rows: Iterable[Sequence[object]]) -> None:
    """`index.csv`, last of all: a folder without it is incomplete."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_bytes(out / "index.csv", text.getvalue().encode())


def _save(path: Path, image: Image.Image, **options: Any) -> None:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    write_bytes(path, buffer.getvalue())
