"""Pixels of any mode and depth as 8-bit sRGB, with the transparency that they have."""

import io

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

PROFILED = {"RGB": "RGB", "L": "GRAY", "I;16": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
"""Mode → the colour space of the ICC profiles that fit it."""

PHOTOMETRIC, WHITE_IS_ZERO, BITS = 262, 0, 258  # of TIFF
# Pillow knows white-is-zero of 16 bits in little-endian files alone.
BIG_ENDIAN = (b"MM", WHITE_IS_ZERO, (1,), 1, (16,), ())
TiffImagePlugin.OPEN_INFO.setdefault(BIG_ENDIAN, ("I;16B", "I;16B"))


def to_srgb(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where something is transparent: 16 bits scaled, the ICC profile applied.

    A profile that is broken or belongs to another kind of picture is ignored, as viewers do.
    """
    alpha = _png_alpha(image)
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        colour, other = _deep_grey(image)
    else:
        colour, other = _split(image)
    rgb = _converted(colour, image.info.get("icc_profile"))
    alpha = alpha or other
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb


def _png_alpha(image: Image.Image) -> Image.Image | None:
    """The alpha of a PNG that is not loaded yet, if one of its colours of 16 bits is transparent.

    Pillow compares that colour with 8 bits, as it does with grey values of 2 or 4 bits, which
    are scaled in place here.
    """
    key = image.info.get("transparency")
    if key is None or not isinstance(image, PngImagePlugin.PngImageFile) or not image.tile:
        return None
    raw = image.tile[0].args
    if raw in ("L;2", "L;4"):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[raw]
    if raw != "RGB;16B" or image.fp is None:
        return None
    del image.info["transparency"]
    here = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(here)
    differs = np.zeros((image.height, image.width), bool)
    for order, shift in (("RGB;16B", 8), ("RGB;16L", 0)):  # the high bytes, and the low ones
        with Image.open(io.BytesIO(content), formats=["PNG"]) as twin:
            twin.tile = [tile._replace(args=order) for tile in image.tile]
            part = np.array([value >> shift & 255 for value in key])
            differs |= (np.asarray(twin) != part).any(-1)
    return Image.fromarray(differs.astype(np.uint8) * 255)


def _deep_grey(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of 16 or 32 bits, or real, as 16 bits, black where it is no number; and its alpha.

    Reals may have white at 1, 255 or 65535.
    """
    grey = np.asarray(image, np.float32)
    key = image.info.get("transparency")
    alpha = None if key is None else Image.fromarray((grey != key).astype(np.uint8) * 255)
    grey = np.nan_to_num(grey, posinf=0, neginf=0)
    tags = getattr(image, "tag_v2", {})
    whites = (1, 255) if image.mode == "F" else (4095,) if tags.get(BITS) == (12,) else ()
    highest = float(grey.max())
    white = next((w for w in whites if highest <= w), max(highest, 65535))
    share = (grey / white).clip(0, 1)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        share = 1 - share
    return Image.fromarray((share * 65535).round().astype(np.uint16)), alpha


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours in a mode of `PROFILED`, and the alpha."""
    if image.mode == "1":
        image = image.convert("L")
    if not image.has_transparency_data:
        return image if image.mode in PROFILED else image.convert("RGB"), None
    grey = image.mode in ("L", "LA", "La")
    *bands, alpha = image.convert("LA" if grey else "RGBA").split()
    return bands[0] if grey else Image.merge("RGB", bands), alpha


def _converted(colour: Image.Image, icc: bytes | None) -> Image.Image:
    """The colours as RGB, through their profile if there is one that fits."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if ImageCms.core.profile_frombytes(icc).xcolor_space.strip() == PROFILED[colour.mode]:
                srgb = ImageCms.createProfile("sRGB")
                flags = ImageCms.Flags.NONE
                if colour.mode == "I;16":  # else 8 bits' worth of steps
                    flags = ImageCms.Flags.NOOPTIMIZE
                made = ImageCms.profileToProfile(
                    colour, profile, srgb, outputMode="RGB", flags=flags
                )
                assert made is not None
                return made
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # no viewer refuses a picture for it
    if colour.mode == "I;16":
        colour = Image.fromarray((np.asarray(colour, np.float32) / 257).round().astype(np.uint8))
    return colour.convert("RGB")
