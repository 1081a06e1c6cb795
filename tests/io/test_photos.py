"""What a viewer shows of a file is what the networks see: its turn, its colours, its part."""

import io
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import ExifTags, Image, ImageFile

from imexnet.io.photos import CutShortWarning, Photo, endings, read_photo, to_rgb

SIZE = 48, 32  # width and height
TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
LOSSY = {"quality": 95}
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
D65 = (0.3127, 0.3290)


def scene(size: tuple[int, int] = SIZE) -> np.ndarray:
    """Smooth colours that differ in all corners."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    red, green = 230 * columns // size[0] + 12, 230 * rows // size[1] + 12
    return np.stack([red, green, np.full_like(rows, 90)], -1).astype(np.uint8)


def stored(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(content: bytes) -> np.ndarray:
    return np.asarray(read_photo(io.BytesIO(content)).picture).astype(int)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def photo_of(pixels: np.ndarray, kind: str, focal_length, orientation: int = 1, **options) -> bytes:
    """A file whose EXIF names a focal length."""
    told = exif(orientation)
    told.get_ifd(ExifTags.IFD.Exif)[0xA405] = focal_length
    return stored(Image.fromarray(pixels), kind, exif=told.tobytes(), **options)


def png(depth: int, colour: int, width: int, rows: list[bytes], *chunks: tuple[bytes, bytes]):
    """A PNG as its samples are: Pillow writes none of 16-bit colours, nor grey and alpha."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(endian: str, samples: np.ndarray, bits: int, photometric: int, format: int = 1) -> bytes:
    """An uncompressed TIFF of grey."""
    height, width = samples.shape
    data = samples.tobytes()
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
        (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(data)), (339, 3, format),
    ]  # fmt: skip
    table = struct.pack(f"{endian}H", len(entries))
    for tag, kind, value in entries:
        table += struct.pack(f"{endian}HHI", tag, kind, 1)
        table += struct.pack(
            f"{endian}I" if kind == 4 else f"{endian}HH", *([value, 0][: 5 - kind])
        )
    start = b"II*\0" if endian == "<" else b"MM\0*"
    return start + struct.pack(f"{endian}I", 8 + len(data)) + data + table + bytes(4)


def to_xyz(primaries, white=D65) -> np.ndarray:
    """The matrix from linear RGB to XYZ."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    x, y = white
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def to_linear(v: np.ndarray) -> np.ndarray:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def from_linear(v: np.ndarray) -> np.ndarray:
    return np.where(v <= 0.0031308, 12.92 * v, 1.055 * np.maximum(v, 0) ** (1 / 2.4) - 0.055)


def profile(space: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ", kind: bytes = b"mntr"):
    """An ICC profile of version 2 with these tags."""
    tags = {b"wtpt": xyz((0.9642, 1, 0.8249)), **tags}
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"lcms", 0x02400000, kind, space, pcs)
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    assert len(head) == 128
    return head + struct.pack(">I", len(tags)) + table + body


def xyz(values) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def curve(function) -> bytes:
    values = np.round(function(np.linspace(0, 1, 1024)) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + values.tobytes()


def rgb_profile(primaries, tone: bytes) -> bytes:
    """Of a display with the white D65, adapted to D50 by Bradford's transform."""
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    x, y = D65
    d65, d50 = np.array([x / y, 1, (1 - x - y) / y]), np.array([0.9642, 1, 0.8249])
    adapt = np.linalg.inv(bradford) @ np.diag(bradford @ d50 / (bradford @ d65)) @ bradford
    columns = (adapt @ to_xyz(primaries)).T
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, columns), strict=True))
    return profile(b"RGB ", {**tags, b"rTRC": tone, b"gTRC": tone, b"bTRC": tone})


def cmyk_profile() -> bytes:
    """Of a press that prints with red where cyan is, on a table of its 16 corners in Lab."""
    table = b""
    for c in (0, 1):
        for m in (0, 1):
            for y in (0, 1):
                for k in (0, 1):
                    light = 0 if k else 255 - 80 * c - 60 * m - 20 * y
                    table += bytes([light, 128 + 60 * c * (1 - k), 128 + 40 * y * (1 - k)])
    ramp = bytes(range(256))
    lut = (
        b"mft1"
        + bytes(4)
        + bytes([4, 3, 2, 0])
        + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    )
    return profile(b"CMYK", {b"A2B0": lut + ramp * 4 + table + ramp * 3}, b"Lab ", b"prtr")


def seen(linear: np.ndarray, primaries) -> np.ndarray:
    """8-bit sRGB of linear light in other primaries."""
    to_srgb = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries))
    return 255 * from_linear(np.clip(linear @ to_srgb.T, 0, 1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_and_containers_turn_the_picture(kind, orientation):
    photo = Image.fromarray(scene())
    options = {} if kind in ("PNG", "TIFF") else LOSSY
    content = stored(photo, kind, exif=exif(orientation).tobytes(), **options)
    expected = TURNED[orientation](scene())
    pixels = read(content)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 4
    assert not read_photo(io.BytesIO(content)).is_plain  # the page shows what was read


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_turns_nothing_as_in_browsers(kind):
    photo, options = Image.fromarray(scene()), {}
    if kind == "PNG":
        content = png_with(scene(), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    elif kind == "TIFF":
        content = stored(photo, kind, tiffinfo={700: XMP})
    else:
        content = stored(photo, kind, xmp=XMP, **LOSSY, **options)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert "xmp" in image.info or "XML:com.adobe.xmp" in image.info
    assert read(content).shape == scene().shape
    assert not read_photo(io.BytesIO(content)).is_plain


def png_with(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    return png(8, 2, pixels.shape[1], [row.tobytes() for row in pixels], *chunks)


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_odd_places_of_exif():
    plain = stored(Image.fromarray(scene()), "JPEG", **LOSSY)
    told = segment(0xE1, exif(6).tobytes())
    other = segment(0xE1, exif(3).tobytes())
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.replace(b'"6"', b'"3"'))
    broken = segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(200)))
    for segments, upright in (
        (xmp + told, False),
        (told + xmp, False),
        (told + other, False),  # the first one counts
        (broken, True),
        (segment(0xE1, exif(9).tobytes()), True),
        (segment(0xE1, exif(0).tobytes()), True),
        (xmp, True),
    ):
        content = plain[:2] + segments + plain[2:]
        assert read(content).shape[:2] == (SIZE[::-1] if upright else SIZE)
        assert not read_photo(io.BytesIO(content)).is_plain
    late = png_with(scene())
    end = late.rindex(b"IEND") - 4
    data = exif(6).tobytes()[6:]
    chunk = struct.pack(">I", len(data)) + b"eXIf" + data
    late = late[:end] + chunk + struct.pack(">I", zlib.crc32(b"eXIf" + data)) + late[end:]
    assert read(late).shape[:2] == SIZE


def test_files_that_every_browser_shows_alike_are_plain():
    photo = Image.fromarray(scene())
    alike = [stored(photo, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP")]
    assert all(read_photo(io.BytesIO(content)).is_plain for content in alike)
    moving = stored(photo, "WEBP", save_all=True, append_images=[photo.rotate(180)])
    clear = photo.copy()
    clear.putalpha(9)
    others = [stored(photo, "TIFF"), moving, stored(clear, "PNG"), stored(photo, "GIF")]
    assert not any(read_photo(io.BytesIO(content)).is_plain for content in others)


@pytest.mark.parametrize(
    ("primaries", "tone", "linear"),
    [
        (P3, curve(to_linear), to_linear),
        (ADOBE, gamma(2.19921875), lambda v: v**2.19921875),
        (SRGB, curve(to_linear), to_linear),
    ],
    ids=["Display P3", "Adobe RGB", "sRGB"],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_colours_are_those_of_the_profile(primaries, tone, linear, kind):
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0}
    options = options if kind in ("JPEG", "WEBP") else {}
    photo = Image.fromarray(scene())
    content = stored(photo, kind, icc_profile=rgb_profile(primaries, tone), **options)
    with Image.open(io.BytesIO(content)) as image:
        values = np.asarray(image)
    expected = seen(linear(values / 255), primaries)
    assert np.abs(read(content) - expected).max() < 2
    assert primaries is SRGB or np.abs(values - expected).max() > 15


def test_profiles_keep_transparency_palettes_and_turns():
    icc = rgb_profile(P3, curve(to_linear))
    expected = seen(to_linear(scene() / 255), P3)
    alpha = np.dstack([scene(), np.full(SIZE[::-1], 255, np.uint8)])
    alpha[:9, :, 3] = 0
    pixels = read(stored(Image.fromarray(alpha), "PNG", icc_profile=icc, exif=exif(6)))
    pixels = np.rot90(pixels)
    assert (pixels[:9] == 255).all()
    assert np.abs(pixels[9:] - expected[9:]).max() < 2
    few = Image.fromarray(scene()).quantize(16)
    pixels = read(stored(few, "PNG", icc_profile=icc))
    assert np.abs(pixels - seen(to_linear(np.asarray(few.convert("RGB")) / 255), P3)).max() < 2


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_profiles(depth):
    icc = profile(b"GRAY", {b"kTRC": gamma(1.0)})  # linear light: mid-tones come out brighter
    grey = scene()[..., 0]
    picture = Image.fromarray(grey if depth == 8 else grey.astype(np.uint16) * 257)
    expected = 255 * from_linear(grey / 255)
    pixels = read(stored(picture, "PNG", icc_profile=icc))
    assert np.abs(pixels - expected[..., None]).max() < 2
    if depth == 16:  # dark steps that 8 bits do not have
        dark = np.arange(1024, dtype=np.uint16).reshape(32, 32)
        pixels = read(stored(Image.fromarray(dark), "PNG", icc_profile=icc))
        assert np.abs(pixels[..., 0] - 255 * from_linear(dark / 65535)).max() < 2
    both = np.dstack([grey, np.full_like(grey, 255)])
    both[:9, :, 1] = 0
    pixels = read(stored(Image.fromarray(both), "PNG", icc_profile=icc))
    assert (pixels[:9] == 255).all()
    assert np.abs(pixels[9:] - expected[9:, :, None]).max() < 2


def test_cmyk_without_and_with_a_profile():
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:4, :, 0], inks[:, :4, 2], inks[6:, :, 3] = 255, 255, 255
    picture = Image.fromarray(inks, "CMYK")
    naive = 255 - np.maximum(inks[..., :3].astype(int), inks[..., 3:])
    assert np.abs(read(stored(picture, "TIFF")) - naive).max() <= 1
    pixels = read(stored(picture, "TIFF", icc_profile=cmyk_profile()))
    red, paper, key = pixels[1, 6], pixels[5, 6], pixels[7, 6]
    assert red[0] > red[1] + 60 and red[0] > red[2] + 60  # L* 69, a* 60, and cyan without it
    assert paper.min() > 250 and key.max() < 5
    assert naive[1, 6].tolist() == [0, 255, 255]


def test_lab_profile_is_applied_to_lab_pixels():
    lab = Image.frombytes("LAB", (2, 1), bytes([255, 0, 0, 138, 0, 0]))
    plain = read(stored(lab, "TIFF"))
    assert plain[0, 0].min() > 252
    assert np.ptp(plain[0, 1]) <= 2 and abs(plain[0, 1, 0] - 128) < 3


@pytest.mark.parametrize(
    "icc",
    [
        b"no profile",
        rgb_profile(P3, gamma(2.2))[:200],
        cmyk_profile(),
        profile(b"GRAY", {b"kTRC": gamma(1.0)}),
        profile(b"RGB ", {}),
        rgb_profile(P3, gamma(2.2))[:128] + bytes(400),
    ],
    ids=["text", "cut", "CMYK", "grey", "no tags", "zeros"],
)
def test_broken_and_unfitting_profiles_are_ignored(icc):
    photo = Image.fromarray(scene())
    assert (read(stored(photo, "TIFF", icc_profile=icc)) == scene()).all()


def test_transparency_of_grey_of_any_depth():
    half = struct.pack(">4H", 0x4000, 65535, 0x4000, 0)
    assert read(png(16, 4, 2, [half]))[0].tolist() == [[64] * 3, [255] * 3]
    key = (b"tRNS", struct.pack(">H", 0x1234))
    values = struct.pack(">3H", 0x1234, 0x1235, 0x8080)
    assert read(png(16, 0, 3, [values], key))[0, :, 0].tolist() == [255, 18, 128]
    for depth, raw, shades in ((1, 0b01000000, 2), (2, 0b00011011, 4), (4, 0x12, 2)):
        key = (b"tRNS", struct.pack(">H", 1))
        row = read(png(depth, 0, shades, [bytes([raw])], key))[0, :, 0].tolist()
        assert row == {1: [0, 255], 2: [0, 255, 170, 255], 4: [255, 34]}[depth]
    zero = (b"tRNS", struct.pack(">H", 0))
    assert read(png(1, 0, 2, [bytes([0b01000000])], zero))[0, :, 0].tolist() == [255, 255]


def test_transparent_colours_of_8_and_16_bits():
    key = (b"tRNS", struct.pack(">3H", 1, 2, 3))
    assert read(png(8, 2, 2, [bytes([1, 2, 3, 1, 2, 4])], key))[0].tolist() == [
        [255] * 3,
        [1, 2, 4],
    ]
    key = (b"tRNS", struct.pack(">3H", 0x1001, 2, 3))
    row = struct.pack(">9H", 0x1001, 2, 3, 0x1000, 2, 3, 0x1001, 0x2002, 3)
    assert read(png(16, 2, 3, [row], key))[0].tolist() == [[255] * 3, [16, 0, 0], [16, 32, 0]]
    row = struct.pack(">8H", 0x4000, 0, 0, 65535, 0x4000, 0, 0, 0)
    assert read(png(16, 6, 2, [row]))[0].tolist() == [[64, 0, 0], [255] * 3]


@pytest.mark.parametrize("mode", ["RGBa", "La"])
def test_premultiplied_colours_are_taken_apart(mode):
    clear = np.dstack([np.full((2, 2, 3), 100, np.uint8), np.full((2, 2), 128, np.uint8)])
    straight = Image.fromarray(clear).convert("LA" if mode == "La" else "RGBA")
    pixels = np.asarray(to_rgb(straight.convert(mode))).astype(int)
    assert np.abs(pixels - (100 * 128 + 255 * 127) / 255).max() <= 1


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_white_is_zero(endian, compression):
    grey = np.array([[0, 0x4040, 65535]], f"{endian}u2")
    if compression is None:
        for photometric in (0, 1):
            row = read(tiff(endian, grey, 16, photometric))[0, :, 0].tolist()
            assert row == ([255, 191, 0] if photometric == 0 else [0, 64, 255])
    elif endian == "<":
        packed = stored(Image.fromarray(grey), "TIFF", compression=compression, tiffinfo={262: 0})
        with Image.open(io.BytesIO(packed)) as image:
            assert image.getexif()[262] == 0
        assert read(packed)[0, :, 0].tolist() == [255, 191, 0]
    bits = tiff(endian, np.array([[0b01000000]], np.uint8), 1, 0)
    assert read(bits)[0, 0, 0] == 255
    eight = tiff(endian, np.array([[0, 64, 255]], np.uint8), 8, 0)
    assert read(eight)[0, :, 0].tolist() == [255, 191, 0]
    real = tiff(endian, np.array([[0, 0.25, 1]], f"{endian}f4"), 32, 0, 3)
    assert read(real)[0, :, 0].tolist() == [255, 191, 0]


def test_white_of_12_bits():
    packed = np.array([[0x00, 0x0F, 0xFF]], np.uint8)  # 0 and 4095
    content = tiff("<", packed, 12, 1).replace(
        struct.pack("<HHII", 256, 4, 1, 3), struct.pack("<HHII", 256, 4, 1, 2)
    )
    assert read(content)[0, :, 0].tolist() == [0, 255]


CUT = {
    "JPEG": {"quality": 90},
    "progressive JPEG": {"progressive": True},
    "PNG": {},
    "WEBP": {"quality": 90},
    "lossless WEBP": {"lossless": True},
    "HEIF": {"quality": 90},
    "AVIF": {"quality": 90},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "PPM": {},
}


def noisy() -> np.ndarray:
    """Enough detail that half of the file is half of the picture."""
    noise = np.random.default_rng(0).integers(-10, 11, (300, 400, 3))
    return np.clip(scene((400, 300)) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.6, 0.98])
def test_what_is_there_of_a_file_that_is_cut_short(name, share):
    whole = stored(Image.fromarray(noisy()), name.split()[-1], **CUT[name])
    expected = read(whole)
    with pytest.warns(CutShortWarning, match="the file is cut short or damaged"):
        part = read_photo(io.BytesIO(whole[: int(share * len(whole))]))
    assert part.is_cut_short and not part.is_plain
    right = (np.abs(np.asarray(part.picture).astype(int) - expected).mean(-1) < 8).mean()
    assert right > share - 0.2
    assert name == "progressive JPEG" or right < share + 0.02
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("name", CUT)
def test_nothing_is_no_picture(name):
    whole = stored(Image.fromarray(noisy()), name.split()[-1], **CUT[name])
    start = {"JPEG": whole.find(b"\xff\xda") + 10, "PNG": whole.find(b"IDAT") + 4}
    length = start.get(name.split()[-1], 30)
    with pytest.raises(ValueError, match="not a picture"):
        read_photo(io.BytesIO(whole[:length]))


def test_others_do_not_see_how_a_cut_file_is_read():
    whole = stored(Image.fromarray(noisy()), "JPEG")
    seen, over = [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.append(ImageFile.LOAD_TRUNCATED_IMAGES)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for share in (0.3, 0.5, 0.7):
            with pytest.warns(CutShortWarning):
                read_photo(io.BytesIO(whole[: int(share * len(whole))]))
    finally:
        over.set()
        watcher.join()
    assert seen and not any(seen)


def test_a_promised_length_is_not_believed():
    whole = bytearray(stored(Image.fromarray(noisy()), "WEBP"))
    whole[4:8] = struct.pack("<I", 2**32 - 10)
    with pytest.raises(ValueError, match="not a picture"):
        read_photo(io.BytesIO(bytes(whole[:2000])))


def test_command_line_says_that_a_file_is_cut_short(tmp_path):
    whole = stored(Image.fromarray(noisy()), "JPEG")
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    command = [sys.executable, "-m", "imexnet", "predict", "half.jpg", "--task", "depth"]
    done = subprocess.run(
        [*command, "--model", "resnet", "--out", "out"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "imexnet: half.jpg is cut short or damaged; only a part of the picture could be read"
    ]
    assert (tmp_path / "out" / "half-resnet-depth.npy").is_file()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_focal_length_is_that_of_exif(kind, orientation):
    content = photo_of(scene(), kind, 28, orientation)
    photo = read_photo(io.BytesIO(content))
    assert photo.focal_length_35mm == 28
    assert photo.shrunk(8).focal_length_35mm == 28
    with Image.open(io.BytesIO(content)) as image:
        assert Photo.of(image) == photo
    assert read_photo(io.BytesIO(stored(Image.fromarray(scene()), kind))).focal_length_35mm is None


def test_a_cut_file_keeps_its_focal_length():
    whole = photo_of(noisy(), "JPEG", 50)
    with pytest.warns(CutShortWarning):
        photo = read_photo(io.BytesIO(whole[: len(whole) // 2]))
    assert photo.is_cut_short and photo.focal_length_35mm == 50


@pytest.mark.parametrize("told", [0, 65535, "wide", b"\xff\xfe", (28, 35)])
def test_a_focal_length_of_no_camera_is_none(told):
    photo = read_photo(io.BytesIO(photo_of(scene(), "JPEG", told)))
    assert photo.focal_length_35mm is None and photo.full_size == SIZE


def test_a_photo_of_whatever_holds_one(tmp_path: Path):
    """A file, a Pillow picture and an array are the same photo; a photo is itself."""
    turned = photo_of(scene(), "PNG", 35, 6)
    (tmp_path / "a.png").write_bytes(turned)
    photo = Photo.of(tmp_path / "a.png")
    assert photo.full_size == SIZE[::-1] and photo.shape == SIZE
    assert Photo.of(str(tmp_path / "a.png")) == photo == Photo.of(Image.open(io.BytesIO(turned)))
    assert Photo.of(photo) is photo
    pixels = np.rot90(scene(), -1)
    for source in (photo, pixels, pixels / 255, Image.fromarray(pixels)):
        assert np.array_equal(np.asarray(Photo.of(source).picture), pixels)


def test_a_broken_file_is_refused_whichever_way_it_is_named(tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for file in (tmp_path / "broken.jpg", str(tmp_path / "broken.jpg")):
        with pytest.raises(ValueError, match=r"broken\.jpg is not a picture that can be read"):
            read_photo(file)


def test_a_shrunk_photo_knows_its_full_size():
    photo = Photo.of(scene((300, 200)))
    small = photo.shrunk(100)
    assert small.picture.size == (100, 67) and small.full_size == photo.full_size == (300, 200)
    assert small.shape == photo.shape == (200, 300)
    assert small.shrunk(30).full_size == (300, 200)
    blocks = scene((300, 200))[:198].astype(float).reshape(66, 3, 100, 3, 3).mean((1, 3))
    assert np.abs(np.asarray(small.picture)[:66] - blocks).max() <= 0.5
    assert photo.shrunk(151) is photo


def test_readable_endings():
    assert endings() >= {".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".webp", ".gif", ".tif", ".tiff"}
    assert endings() >= {".bmp", ".ppm", ".pgm", ".heic", ".heif", ".avif"}
    assert not endings() & {".svg", ".eps", ".pdf", ".psd", ".txt", ".mp4"}


def test_folders_of_photos_know_all_endings(tmp_path: Path, capsys):
    from imexnet.cli.options import photo_files

    names = ["a.JPG", "b.jpeg", "c.PNG", "d.heic", "e.TIFF", "f.webp", "g.avif", "h.gif", "i.bmp"]
    for name in [*names, "notes.txt", ".DS_Store", "z.mov"]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "more.jpg").mkdir()
    assert [path.name for path in photo_files(tmp_path)] == names
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("passed over, not photos: more.jpg, notes.txt, z.mov")
    assert photo_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
