"""Picture files as a viewer shows them: upright, in sRGB, on white, and what there is of a cut one.

Browsers and other readers disagree on which files are turned. Here a picture is turned as its EXIF
says, or, in HEIF and AVIF, as the container says; orientations in XMP and in text are ignored.
"""

import io
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageFile

from imexnet.io.srgb import to_srgb

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "HEIF", "AVIF")
"""What is read. Pillow knows many more, some of which start other programs."""

MAX_MEGAPIXELS = 64
TOO_LARGE = f"the picture has more than {MAX_MEGAPIXELS} megapixels"
LONGEST_END = 40_000_000  # bytes that are made up where a file is cut short
ENDS = (0, 1, 85, 170)  # bytes that they are made of
LEAST_ALIKE = 0.02  # of the values, so that there is something
MAX_ASPECT = 1000  # of the longer side to the shorter
pillow_heif.register_heif_opener()  # photos of phones

FOCAL_LENGTH = ExifTags.Base.FocalLengthIn35mmFilm
FOCAL_LENGTHS = 1, 10_000  # mm: what cameras have; EXIF says 0 for "unknown"
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the picture upright."""

BROWSERS = ("JPEG", "PNG", "WEBP", "BMP")  # formats that all of them show
HARMLESS = {
    *("jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe", "adobe_transform"),
    *("progressive", "progression", "interlace", "compression", "dpi", "icc_profile", "srgb"),
    *("loop", "background", "timestamp", "duration"),
}
"""What a file may say of itself without viewers disagreeing on it."""


class UnfitError(ValueError):
    """A picture of a size or shape that is not taken."""


class CutShortWarning(UserWarning):
    """Only a part of the picture could be read."""


@dataclass(frozen=True)
class Photo:
    """A picture for the networks, and what is known of the file that it came from.

    Attributes:
        picture: upright RGB, see `to_rgb`.
        full_size: (width, height) that it had before `shrunk`.
        is_plain: whether every browser shows the file as this very picture.
        is_cut_short: whether the file held only a part of the picture.
        focal_length_35mm: of the camera, in mm for a frame of 36 × 24 mm, as EXIF says; None where
            it does not.
    """

    picture: Image.Image
    full_size: tuple[int, int]
    is_plain: bool = False
    is_cut_short: bool = False
    focal_length_35mm: float | None = None

    @classmethod
    def of(cls, source: "PhotoLike") -> "Photo":
        """A photo from whatever holds one: the first step of every function that takes photos.

        Args:
            source: a photo, a path, a Pillow picture, or an array: (H, W) grey, (H, W, 3) RGB or
                (H, W, 4) RGBA, of bytes, or in floating point on [0, 1].

        Raises:
            TypeError: for anything else.
            ValueError: for an array of other values, and as `read_photo`.
        """
        if isinstance(source, Photo):
            return source
        if isinstance(source, str | os.PathLike):
            return read_photo(source)
        if isinstance(source, np.ndarray):
            source = _from_array(source)
        if not isinstance(source, Image.Image):
            raise TypeError(
                f"a photo is a path, a Pillow picture or an array, got {type(source).__name__}"
            )
        try:
            return _photo(source)
        except (OSError, SyntaxError) as error:
            raise ValueError("the picture cannot be decoded") from error

    @property
    def shape(self) -> tuple[int, int]:
        """The full size as arrays have it: (H, W)."""
        return self.full_size[1], self.full_size[0]

    def shrunk(self, longest: int = 1024) -> "Photo":
        """By area averages over whole blocks, its longer side below twice `longest`.

        All that networks and page need of many megapixels, at a fraction of the memory.
        """
        factor = max(self.picture.size) // longest
        return self if factor < 2 else replace(self, picture=self.picture.reduce(factor))

    def encoded(self, format: str, **options: Any) -> bytes:
        """The picture as a file that keeps the focal length, in a format that Pillow writes."""
        if self.focal_length_35mm is not None:
            told = Image.Exif()
            told.get_ifd(ExifTags.IFD.Exif)[FOCAL_LENGTH] = self.focal_length_35mm
            options["exif"] = told.tobytes()
        buffer = io.BytesIO()
        self.picture.save(buffer, format, **options)
        return buffer.getvalue()


PhotoLike = Photo | str | os.PathLike[str] | Image.Image | np.ndarray
"""What `Photo.of` takes."""


def read_photo(file: str | os.PathLike[str] | BinaryIO) -> Photo:
    """The photo in a file.

    Of a file that is cut short or damaged it is what can be read; the rest is grey, black or
    white, and there is a `CutShortWarning`.

    Raises:
        ValueError: if it is no picture that can be read.
        UnfitError: if it is too large or too narrow.
    """
    name = "the file"
    if isinstance(file, str | os.PathLike):
        file = Path(file)
        name = file.name or str(file)
        if file.is_dir():
            raise ValueError(f"{name} is a folder, not a picture")
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.format == "TIFF":  # turned when it is loaded, otherwise by XMP, too
                image.info.pop("xmp", None)
            return _photo(image)
    except UnfitError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnfitError(TOO_LARGE) from error  # far too large; where it is no error, Pillow warns
    except FileNotFoundError:
        raise ValueError(f"there is no file {file}") from None
    except Exception as error:  # on broken files, decoders raise whatever they stumble over
        photo = _remains(file)
        if photo is None:
            raise ValueError(f"{name} is not a picture that can be read") from error
    warnings.warn(
        f"{name} is cut short or damaged; only a part of the picture could be read",
        CutShortWarning,
        stacklevel=2,
    )
    return replace(photo, is_plain=False, is_cut_short=True)


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright 8-bit sRGB of any picture: first frame, ICC profile applied, 16-bit scaled, on white.

    Raises:
        UnfitError: for more than `MAX_MEGAPIXELS` or `MAX_ASPECT`, before anything is decoded.
    """
    _check_size(image)
    colours = to_srgb(image)
    if colours.mode == "RGBA":
        white = Image.new("RGBA", colours.size, "white")
        colours = Image.alpha_composite(white, colours).convert("RGB")
    turn = TURNS.get(_orientation(image))
    colours = colours if turn is None else colours.transpose(turn)
    colours.info = {}  # it described the file
    return colours


@lru_cache(1)
def endings() -> frozenset[str]:
    """The endings of the files that can be read, in small letters: ".jpg", ".heic", …"""
    formats = (*FORMATS, "MPO", "DIB")  # names that Pillow has for kinds of JPEG and BMP
    return frozenset(e for e, kind in Image.registered_extensions().items() if kind in formats)


def _photo(image: Image.Image) -> Photo:
    picture = to_rgb(image)
    # Now, as some of what a file says may come after its pixels.
    return Photo(
        picture, picture.size, _is_plain(image), focal_length_35mm=_focal_length_35mm(image)
    )


def _from_array(pixels: np.ndarray) -> Image.Image:
    grey, colour = pixels.ndim == 2, pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    if not (grey or colour) or pixels.size == 0:
        raise ValueError(
            "a photo as an array is (height, width), grey, or (height, width, 3), "
            f"got {pixels.shape}"
        )
    if np.issubdtype(pixels.dtype, np.floating):
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # nor where one is not a number
            raise ValueError("a photo in floating point has its values on [0, 1]")
        pixels = (255 * pixels).round().astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ValueError(f"a photo's array has bytes or floating point, got {pixels.dtype}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _remains(file: Path | BinaryIO) -> Photo | None:
    """What can be read of a file that is cut short or damaged; None if it is nothing."""
    if isinstance(file, Path):
        content = file.read_bytes()
    else:
        file.seek(0)
        content = file.read()
    missing = _missing(content)
    try:
        photo = _whatever_the_end(content, missing) if missing else _decoded_so_far(content)
    except UnfitError:
        raise
    except Exception:
        return None
    colours = photo.picture.getcolors(2)
    return photo if colours is None or len(colours) > 1 else None


def _decoded_so_far(content: bytes) -> Photo:
    """What decoders that go from top to bottom have done when they fail."""
    if content.startswith(b"\xff\xd8"):
        content += b"\xff\xd9"  # libjpeg then shows what there is, of progressive files, too
    with _opened(content) as image:
        try:
            return _photo(image)
        except OSError:
            image.tile = []  # nothing more is to be decoded
            return _photo(image)


def _whatever_the_end(content: bytes, missing: int) -> Photo:
    """The pixels that do not depend on the bytes that are missing; the others are grey.

    For decoders that want the whole file at once.

    Raises:
        ValueError: if there are next to none, or no end will do.
    """
    pictures = []
    for byte in ENDS:
        with suppress(OSError), _opened(content + bytes([byte]) * missing) as image:
            pictures.append(np.array(to_rgb(image)))
        if len(pictures) == 2:
            break
    alike = pictures[0] == pictures[-1]
    if alike.mean() < LEAST_ALIKE:
        raise ValueError("nothing of the picture is there")
    return Photo.of(np.where(alike, pictures[0], np.uint8(128)))


def _opened(content: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _missing(content: bytes) -> int:
    """Bytes by which a WebP, HEIF or AVIF is shorter than it says; 0 for other files."""
    end = 0
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        end = 8 + int.from_bytes(content[4:8], "little")
    elif content[4:8] == b"ftyp":
        while 0 <= end <= len(content) - 8:  # boxes, each of which begins with its length
            length = int.from_bytes(content[end : end + 4], "big")
            if length == 1:
                length = int.from_bytes(content[end + 8 : end + 16], "big")
            if length < 8:
                return 0
            end += length
    missing = end - len(content)
    return missing if 0 < missing <= LONGEST_END else 0


def _is_plain(image: Image.Image) -> bool:
    """Of a file that has been loaded, as some of what it says may come after its pixels."""
    segments = {name for name, _ in getattr(image, "applist", [])}
    return (
        image.format in BROWSERS
        and image.mode in ("RGB", "L")
        and image.info.keys() <= HARMLESS
        and "APP1" not in segments  # of JPEG: EXIF or XMP, be it ever so broken
        and getattr(image, "n_frames", 1) == 1
    )


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise UnfitError(TOO_LARGE)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnfitError(
            f"the picture has {width} × {height} pixels; "
            f"one side can be at most {MAX_ASPECT} times the other"
        )


def _orientation(image: Image.Image) -> int:
    """1 … 8; 1 where EXIF does not say or cannot be read. Pillow has turned TIFFs already."""
    exif = Image.Exif()
    with suppress(Exception):  # the pixels are whole
        exif.load(image.info.get("exif", b""))
        return exif.get(ExifTags.Base.Orientation, 1)
    return 1


def _focal_length_35mm(image: Image.Image) -> float | None:
    with suppress(Exception):  # the pixels are whole
        told = image.getexif().get_ifd(ExifTags.IFD.Exif)[FOCAL_LENGTH]
        if FOCAL_LENGTHS[0] <= (length := float(told)) <= FOCAL_LENGTHS[1]:
            return length
    return None
