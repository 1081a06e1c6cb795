"""200 files that are no ordinary photos: each gives a right answer or one sentence."""

import io
import random
import re
import struct
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pillow_heif
import pytest
from conftest import png_of
from PIL import Image

from imexnet.benchmark.page import RefusedError, Visitor
from imexnet.io.photos import MAX_ASPECT, MAX_MEGAPIXELS, read_photo

COUNT, SEED = 200, 0
LOSSY = 4  # grey levels
SIZE = 48, 32  # width and height
SENTENCE = re.compile(r"[^/\\\n]{10,120}")
# Pillow and the HTTP client warn of what is broken; here it is broken on purpose.
pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Made:
    """A file.

    Attributes:
        name: as it is uploaded.
        content: of the file.
        expected: (H, W, 3) pixels, "refused", or None where either is right.
        tolerance: of the mean difference from those pixels; lossy formats need some.
    """

    name: str
    content: bytes
    expected: np.ndarray | str | None = None
    tolerance: float = 0


def scene() -> np.ndarray:
    """Smooth colours, so that lossy formats stay near them."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.stack([columns * 5, rows * 7, np.full_like(rows, 90)], -1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


KINDS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "TIFF": "tif",
    "BMP": "bmp",
    "HEIF": "heic",
    "AVIF": "avif",
}


def right() -> Iterator[Made]:
    """Unusual, and still pictures."""
    pixels = scene()
    photo, grey = Image.fromarray(pixels), pixels[..., 0]
    as_grey = np.dstack([grey] * 3)
    for kind, ending in KINDS.items():
        tolerance = 0 if kind in ("PNG", "BMP", "TIFF") else LOSSY
        yield Made(f"plain.{ending}", encoded(photo, kind), pixels, tolerance)
        other = "png" if kind == "JPEG" else "jpg"
        yield Made(f"in truth {ending}.{other}", encoded(photo, kind), pixels, tolerance)
    whole = encoded(photo, "PNG")
    yield Made("no-ending", whole, pixels)
    yield Made("script.html", whole + b"<script>alert(1)</script>", pixels)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(zipfile.ZipInfo("evil.txt"), "x")
    yield Made("polyglot.zip", encoded(photo, "BMP") + archive.getvalue(), pixels)
    yield Made("polyglot.jpg", encoded(photo, "JPEG") + b"<?php echo 1; ?>", pixels, LOSSY)
    yield Made("cmyk.jpg", encoded(photo.convert("CMYK"), "JPEG"), None)
    yield Made("cmyk.tif", encoded(photo.convert("CMYK"), "TIFF"), pixels, 2)
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    yield Made("sixteen.png", encoded(wide, "PNG"), as_grey)
    yield Made("sixteen.tif", encoded(wide, "TIFF"), as_grey)
    for name, scale in (("unit", 1 / 255), ("bytes", 1.0)):
        values = grey.astype(np.float32) * np.float32(scale)
        values[0, 0] = scale * 255
        expected = as_grey.copy()
        expected[0, 0] = 255
        yield Made(f"{name}.tif", encoded(Image.fromarray(values), "TIFF"), expected, 1)
    black = np.zeros_like(pixels)
    for value in (np.nan, np.inf, -np.inf, -1.0):
        flat = Image.fromarray(np.full(grey.shape, value, np.float32))
        yield Made(f"all {value}.tif", encoded(flat, "TIFF"), black)
    palette = photo.quantize(8)
    transparent = {"transparency": bytes([0, 128, *[255] * 6])}
    yield Made("palette-alpha.png", encoded(palette, "PNG", **transparent))
    clear = np.dstack([pixels, np.zeros_like(grey)])
    yield Made("clear.png", encoded(Image.fromarray(clear), "PNG"), np.full_like(pixels, 255))
    yield Made("clear.webp", encoded(Image.fromarray(clear), "WEBP"), np.full_like(pixels, 255))
    for mode in ("1", "L", "LA", "P", "RGBA"):
        yield Made(f"mode-{mode}.png", encoded(photo.convert(mode), "PNG"))
    yield Made("YCbCr.tif", encoded(photo.convert("YCbCr"), "TIFF"))
    lab = photo.convert("LAB").tobytes()  # Pillow leaves the fourth byte of its pixels as it was
    yield Made("LAB.tif", encoded(Image.frombytes("LAB", photo.size, lab), "TIFF"))
    frames = [photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        moving = encoded(photo, kind, save_all=True, append_images=frames)
        yield Made(f"moving.{KINDS[kind]}", moving, pixels, LOSSY)
    for turn in range(9):
        exif = Image.Exif()
        exif[0x0112] = turn
        yield Made(f"turned {turn}.jpg", encoded(photo, "JPEG", exif=exif))
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(200))
    yield Made("exif.jpg", encoded(photo, "JPEG", exif=broken), pixels, LOSSY)
    yield Made(
        "one.png", encoded(Image.new("RGB", (1, 1), "red"), "PNG"), np.array([[[255, 0, 0]]])
    )


def wrong() -> Iterator[Made]:
    """No pictures, or none that are taken."""
    yield Made("empty.png", b"", "refused")
    yield Made("zeros.jpg", bytes(5000), "refused")
    yield Made("text.jpg", "no picture, äöü".encode() * 40, "refused")
    vector = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield Made("vector.svg", vector, "refused")
    yield Made("vector.png", vector, "refused")
    yield Made("page.html", b"<html><img src=x onerror=alert(1)></html>", "refused")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    yield Made("print.eps", script, "refused")
    paper = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<<>>\n%%EOF"
    yield Made("paper.pdf", paper, "refused")
    yield Made("program.jpg", b"\x7fELF" + bytes(300), "refused")
    yield Made("pickle.png", b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x94.", "refused")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("zeros"), bytes(10**6), zipfile.ZIP_DEFLATED)
    yield Made("archive.jpg", archive.getvalue(), "refused")
    for width, height in ((60_000, 60_000), (2**31 - 1, 1), (0, 0), (9000, 9000), (65535, 65535)):
        yield Made(f"bomb {width}.png", png_of(width, height), "refused")
    screen = b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6)
    yield Made("bomb.gif", screen + b",\0\0\0\0\xff\xff\xff\xff\0\x02", "refused")
    head = struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, 50_000, 50_000, 1, 24, *[0] * 6)
    yield Made("bomb.bmp", b"BM" + head, "refused")
    large = Image.new("1", (9000, 9000))
    yield Made("flat.png", encoded(large, "PNG"), "refused")
    for size in ((1, 20_000), (20_000, 1), (MAX_ASPECT + 1, 1)):
        yield Made(f"sliver {size[0]}.png", encoded(Image.new("L", size), "PNG"), "refused")


def broken(count: int) -> Iterator[Made]:
    """Whole files cut off, with bits turned, or with pieces exchanged."""
    chance = random.Random(SEED)
    photo = Image.fromarray(scene()).resize((120, 80))
    whole = {kind: encoded(photo, kind) for kind in KINDS}
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        content = bytearray(whole[kind])
        way = ("cut", "header", "anywhere", "zeros", "spliced")[number // len(KINDS) % 5]
        if way == "cut":
            del content[chance.randrange(4, len(content)) :]
        elif way == "zeros":
            start = chance.randrange(len(content))
            length = min(chance.randrange(1, 64), len(content) - start)
            content[start : start + length] = bytes(length)
        elif way == "spliced":
            other = whole[chance.choice(list(KINDS))]
            content[chance.randrange(len(content)) :] = other[chance.randrange(len(other)) :]
        else:
            end = 64 if way == "header" else len(content)
            for _ in range(chance.randrange(1, 12)):
                content[chance.randrange(2, min(end, len(content)))] = chance.randrange(256)
        yield Made(f"{way} {number}.{KINDS[kind]}", bytes(content))


def made() -> list[Made]:
    """All of them, the same every time."""
    files = [*right(), *wrong()]
    return [*files, *broken(COUNT - len(files))]


FILES = made()


def test_there_are_enough_of_every_sort():
    assert len(FILES) == COUNT
    assert len({file.name for file in FILES}) == COUNT
    assert sum(isinstance(file.expected, np.ndarray) for file in FILES) > 35
    assert sum(isinstance(file.expected, str) for file in FILES) > 20
    assert sum(file.expected is None for file in FILES) > 100
    assert [file.content for file in made()] == [file.content for file in FILES]


def check(file: Made, pixels: np.ndarray) -> None:
    """That an answer is no refusal missed, and the right picture."""
    assert not isinstance(file.expected, str), f"{file.name} was taken"
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    assert pixels.shape[0] * pixels.shape[1] <= MAX_MEGAPIXELS * 1e6
    if isinstance(file.expected, np.ndarray):
        assert pixels.shape == file.expected.shape
        assert np.abs(pixels.astype(int) - file.expected).mean() <= file.tolerance, file.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_right_answer_or_one_sentence(file):
    try:
        picture = read_photo(io.BytesIO(file.content)).picture
    except ValueError as error:
        assert SENTENCE.fullmatch(str(error))
        assert not isinstance(file.expected, np.ndarray), f"{file.name}: {error}"
        return
    check(file, np.asarray(picture))


def answered_in_words(url: str, files: list[Made]) -> None:
    """Sends files to the running page, and looks after each whether it lives."""
    visitor = Visitor(url)
    taken = []
    for file in files:
        photo = visitor.upload(file.content, file.name)
        try:
            answer = visitor.ask("predict", photo, "depth")
            assert not isinstance(file.expected, str), f"{file.name} was taken"
            assert answer[0]["path"].endswith("resnet.png")
            taken.append(file.name)
        except RefusedError as error:
            assert not isinstance(file.expected, np.ndarray), f"{file.name}: {error}"
            assert SENTENCE.fullmatch(str(error)), f"{file.name}: {error}"
            assert "megapixels" in str(error) or "picture" in str(error), f"{file.name}: {error}"
        with urllib.request.urlopen(f"{url}/healthz") as response:
            assert response.status == 200
    assert len(taken) > len(files) / 8


@pytest.mark.browser
def test_the_page_lives_through_some(url):
    answered_in_words(url, FILES[::10])


@pytest.mark.slow
def test_the_page_lives_through_all(url):
    answered_in_words(url, FILES)
