"""Raw values and pictures into files: complete, or not there at all."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def write_raw(task: str, values: np.ndarray, stem: Path) -> list[Path]:
    """`<stem>.npy`, and for depth in metres also `<stem>-mm.png`, 16-bit millimetres.

    Depth is float32, other tasks are uint8 classes.
    """
    array = stem.with_name(f"{stem.name}.npy")
    if task != "depth":
        return [write_array(values.astype(np.uint8), array)]
    millimetres = (values * 1000).round().clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    return [
        write_array(values.astype(np.float32), array),
        write_picture(millimetres, stem.with_name(f"{stem.name}-mm.png")),
    ]


def write_together(task: str, values: Mapping[str, np.ndarray], path: Path) -> Path:
    """A .npz: an array a network, typed as in `write_raw`, and `readme`, which says the unit."""
    unit = "depth in metres" if task == "depth" else f"class numbers of the task {task}"
    kind = np.float32 if task == "depth" else np.uint8
    readme = np.array(f"One array (height, width) a network: {unit}.")
    return write_arrays({n: v.astype(kind) for n, v in values.items()} | {"readme": readme}, path)


def write_array(values: np.ndarray, path: Path) -> Path:
    """A .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return write_bytes(path, buffer.getvalue())


def write_arrays(values: Mapping[str, np.ndarray], path: Path) -> Path:
    """A .npz file of arrays by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **values)
    return write_bytes(path, buffer.getvalue())


def write_picture(pixels: np.ndarray, path: Path) -> Path:
    """A PNG: (H, W, 3) uint8, or (H, W) uint8 or uint16."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return write_bytes(path, buffer.getvalue())


def write_bytes(path: Path, content: bytes) -> Path:
    """The content at `path`, moved there when it is complete; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
