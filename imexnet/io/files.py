"""Raw values and pictures into files: complete, or not there at all."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

SOURCE = "Source"  # in a PNG: what it was made of


def write_raw(values: np.ndarray, stem: Path) -> list[Path]:
    """`<stem>.npy`, and for metres also `<stem>-mm.png`, 16-bit millimetres.

    Args:
        values: (H, W) metres in floating point, written as float32; or class numbers, as uint8.
        stem: of the names.
    """
    written = [write_array(_raw(values), stem.with_name(f"{stem.name}.npy"))]
    if np.issubdtype(values.dtype, np.floating):
        millimetres = (values * 1000).round().clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
        written.append(write_picture(millimetres, stem.with_name(f"{stem.name}-mm.png")))
    return written


def write_together(values: Mapping[str, np.ndarray], reading: str, path: Path) -> Path:
    """A .npz: one array per network, as `write_raw` writes it, and a `readme`.

    Args:
        values: network → (H, W).
        reading: words for what they are, with the unit.
        path: of the file.
    """
    readme = np.array(f"One array (height, width) per network: {reading}.")
    return write_arrays({n: _raw(v) for n, v in values.items()} | {"readme": readme}, path)


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


def write_picture(pixels: np.ndarray, path: Path, source: Path | None = None) -> Path:
    """A PNG: (H, W, 3) uint8, or (H, W) uint8 or uint16; with a note of the photo behind it."""
    buffer, notes = io.BytesIO(), PngImagePlugin.PngInfo()
    if source is not None:
        notes.add_text(SOURCE, _source(source))
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1, pnginfo=notes)
    return write_bytes(path, buffer.getvalue())


def write_bytes(path: Path, content: bytes) -> Path:
    """The content at `path`, moved there when it is complete; folders are made."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which is moved to `path` when all went well, and goes when it did not.

    Raises:
        OSError: which names `path`, whatever could not be done.
    """
    temporary = path.with_name(f".{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def check_folder(folder: Path) -> None:
    """That files can be written to a folder, which need not be there yet: told before any work.

    Raises:
        ValueError: if it is or lies below a file, or may not be written to.
    """
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise ValueError(f"{there} is a file; choose a folder to write to")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"nothing may be written to the folder {there}")


def check_new(path: Path) -> None:
    """That a file can be written, and that none is there: nobody's work is overwritten.

    Raises:
        ValueError: if it is there, or as `check_folder`.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file to write")
    if os.path.lexists(path):
        raise ValueError(f"{path} is there already; choose another name, or delete it")
    check_folder(path.parent)


def check_source(path: Path, source: Path) -> None:
    """That a picture of results may be written: none is there, or one made of the same photo.

    a.jpg and a.png, or two folders' a.jpg, would have results of one name.

    Raises:
        ValueError: if there is another file, or as `check_folder`.
    """
    check_folder(path.parent)
    try:
        with Image.open(path) as picture:
            noted = picture.info.get(SOURCE)
    except FileNotFoundError:
        return
    except (UnidentifiedImageError, SyntaxError, Image.DecompressionBombError):
        noted = None
    if noted != _source(source):
        raise ValueError(f"{path} was not made of {source}: choose another folder for the results")


def _raw(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32 if np.issubdtype(values.dtype, np.floating) else np.uint8)


def _source(photo: Path) -> str:
    """A digest of its place, which need not be known to all who get the results."""
    return sha256(os.fsencode(photo.resolve())).hexdigest()
