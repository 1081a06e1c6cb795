"""Any picture in; sizes, units and files out."""

import io
import math
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import imexnet
from imexnet.data import qtips
from imexnet.inference import (
    Classes,
    Depth,
    answer,
    input_size,
    predict_input,
    resize,
    to_grid,
    to_input,
)
from imexnet.io.camera import KINECT_FOCAL_LENGTH
from imexnet.io.photos import MAX_MEGAPIXELS, Photo, read_photo
from imexnet.models.config import MODELS
from imexnet.models.networks import Network, build
from imexnet.viz import colours

INDOOR = MODELS["indoor-resnet"]


def gradient(size: tuple[int, int] = (30, 40)) -> np.ndarray:
    """RGB whose red grows to the right and whose green grows downwards."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    red, green = 255 * columns // (size[1] - 1), 255 * rows // (size[0] - 1)
    return np.stack([red, green, np.full(size, 90)], -1).astype(np.uint8)


def stored(image: Image.Image, format: str, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    buffer.seek(0)
    return buffer


def test_grey_of_8_and_16_bits_give_the_same_picture():
    grey = gradient()[..., 0]
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    eight = np.asarray(read_photo(stored(Image.fromarray(grey), "PNG")).picture)
    sixteen = np.asarray(read_photo(stored(wide, "PNG")).picture)
    assert (eight == sixteen).all()
    assert sixteen.max() == 255


def test_transparent_parts_become_white():
    rgba = np.dstack([gradient(), np.full((30, 40), 255, np.uint8)])
    rgba[:10, :, 3] = 0
    photo = np.asarray(read_photo(stored(Image.fromarray(rgba), "PNG")).picture)
    assert (photo[:10] == 255).all()
    assert (photo[10:] == gradient()[10:]).all()


def test_too_many_pixels_are_refused_before_decoding():
    side = math.isqrt(int(MAX_MEGAPIXELS * 1e6)) + 100
    with pytest.raises(ValueError, match="more than 64 megapixels"):
        read_photo(stored(Image.new("1", (side, side)), "PNG"))


@given(st.integers(1, 5000), st.integers(1, 5000))
@settings(max_examples=200, deadline=None)
def test_input_size_keeps_diagonal_and_aspect(height, width):
    h, w = input_size((height, width), INDOOR)
    assert h % INDOOR.stride == w % INDOOR.stride == 0
    assert min(h, w) >= 8 * INDOOR.stride
    assert h * w <= 1.3 * math.prod(INDOOR.size)
    if 0.4 < width / height < 2.5:
        assert math.hypot(h, w) == pytest.approx(math.hypot(*INDOOR.size), rel=0.03)
        assert w / h == pytest.approx(width / height, rel=0.06)


def test_input_size_of_the_data_sets():
    assert input_size((480, 640), INDOOR) == (120, 160)
    assert input_size((640, 480), INDOOR) == (160, 120)
    assert input_size((64, 64), MODELS["qtips-resnet"]) == (64, 64)
    assert input_size((480, 640), MODELS["indoor-backbone-resnet"]) == (240, 320)
    wide = input_size((1080, 1920), MODELS["indoor-backbone-resnet"])
    assert wide == (196, 348)  # 400 pixels from corner to corner, too


@pytest.mark.parametrize("size", [(30, 4000), (4000, 30), (1, 1)])
def test_the_backbone_answers_for_pictures_of_any_shape(size):
    net = build(MODELS["indoor-backbone-imexnet"]).eval()
    height, width = input_size(size, net.config)
    assert height * width <= 1.3 * math.prod(net.config.size)
    x = torch.rand(1, 3, height, width)
    answered = predict_input(net, "depth", x, size)
    assert isinstance(answered, Depth) and answered.metres.shape == size


def test_enlarged_qtip_is_seen_as_it_was():
    picture, _ = qtips.qtip(1, 2)
    enlarged = Image.fromarray(picture.repeat(8, 0).repeat(8, 1)).convert("RGB")
    x = to_input(enlarged, MODELS["qtips-resnet"], "cpu")
    assert torch.equal(x[0, 0], torch.from_numpy(picture) / 255)
    assert (np.asarray(resize(enlarged, (64, 64)).convert("L")) == picture).all()


def test_to_grid_maps_corners_and_refuses_the_outside():
    assert to_grid((0, 0), (480, 640), (120, 160)) == (0, 0)
    assert to_grid((479, 639), (480, 640), (120, 160)) == (119, 159)
    assert to_grid((7, 8), (480, 640), (120, 160)) == (1, 2)
    assert to_grid((0, 1), (1, 2), (32, 64)) == (16, 48)
    for pixel in ((480, 0), (0, 640), (-1, 0)):
        with pytest.raises(ValueError, match="outside the picture of 640 × 480"):
            to_grid(pixel, (480, 640), (120, 160))


def test_answers_have_the_asked_size_and_units():
    """Heads that answer the same everywhere: 2.5 m, and the fifth class with probability 0.7."""
    network = build(INDOOR).eval().requires_grad_(False)
    logits = torch.full((13,), math.log(0.3 / 12))
    logits[4] = math.log(0.7)
    for task, bias in (("depth", torch.tensor([math.log(2.5)])), ("segmentation", logits)):
        head = cast(nn.Conv2d, network.heads[task])
        head.weight.zero_()
        assert head.bias is not None
        head.bias.copy_(bias)
    x = to_input(Image.fromarray(gradient((120, 160))), INDOOR, "cpu")
    depth = predict_input(network, "depth", x, (37, 53))
    assert isinstance(depth, Depth)
    assert depth.metres.shape == (37, 53)
    assert depth.metres.dtype == np.float32
    np.testing.assert_allclose(depth.metres, 2.5, rtol=1e-5)
    classes = predict_input(network, "segmentation", x)
    assert isinstance(classes, Classes)
    assert classes.classes.shape == classes.probability.shape == (120, 160)
    assert (classes.classes == 5).all()  # 0 is unlabelled
    np.testing.assert_allclose(classes.probability, 0.7, rtol=1e-5)


@pytest.fixture(scope="module")
def indoor() -> Network:
    torch.manual_seed(0)
    network = build(INDOOR).eval()
    for head in network.heads.values():
        torch.nn.init.normal_(head.weight)  # pyright: ignore[reportArgumentType]
    return network


@pytest.fixture(scope="module")
def room() -> Image.Image:
    return Image.fromarray(gradient((90, 110)))


def test_a_photo_to_metres_in_one_call(indoor, room, tmp_path):
    """Path, picture and array give the same, that of the steps one by one, at the photo's size."""
    room.save(tmp_path / "room.png")
    x = to_input(room, INDOOR, "cpu")
    expected = predict_input(indoor, "depth", x, (90, 110)).values
    assert np.ptp(expected) > 0
    pixels = np.asarray(room)
    for photo in (
        tmp_path / "room.png", str(tmp_path / "room.png"), room, room.convert("RGBA"), pixels,
        pixels / 255, pixels.astype(np.float32) / 255, np.flip(pixels[::-1], 0),
    ):  # fmt: skip
        answered = imexnet.predict(photo, indoor, "depth")
        assert isinstance(answered, Depth)
        assert (answered.metres.shape, answered.metres.dtype) == ((90, 110), np.float32)
        np.testing.assert_array_equal(answered.metres, expected)
        np.testing.assert_array_equal(np.asarray(answered), expected)
    classes = imexnet.predict(room, indoor, "segmentation")
    assert isinstance(classes, Classes) and set(np.unique(classes.classes)) <= set(range(1, 14))
    assert np.asarray(classes, float).dtype == np.float64


def with_lens(picture: Image.Image, focal_length: float) -> Photo:
    return replace(Photo.of(picture), focal_length_35mm=focal_length)


def test_a_longer_lens_is_shown_smaller_and_a_shorter_one_scales_metres_alone(indoor, room):
    """The photo's own, or the one that is given; photos without one stay as they are."""
    plain = imexnet.predict(room, indoor, "depth").metres
    wide = imexnet.predict(with_lens(room, 99), indoor, "depth", KINECT_FOCAL_LENGTH / 2)
    np.testing.assert_allclose(wide.metres, plain / 2, rtol=1e-6)
    same = imexnet.predict(with_lens(room, KINECT_FOCAL_LENGTH), indoor, "depth")
    np.testing.assert_array_equal(same.metres, plain)
    longer = with_lens(room, 4 * KINECT_FOCAL_LENGTH)
    smaller = to_input(room, replace(INDOOR, size=(60, 80)), "cpu")  # half, √4
    for task, of in (("depth", 2), ("segmentation", 1)):
        found = np.asarray(imexnet.predict(longer, indoor, task))
        shown = np.asarray(predict_input(indoor, task, smaller, room.size[::-1]))
        assert found.dtype == shown.dtype and smaller.shape[-2:] == (64, 76)
        np.testing.assert_allclose(found, of * shown, rtol=1e-6)
    with pytest.raises(ValueError, match="the focal length lies between 1 and 10000 mm, got 0"):
        imexnet.predict(room, indoor, "depth", 0)


def test_a_turned_photo_is_answered_upright(indoor, room, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    room.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        both = [imexnet.predict(p, indoor, "depth") for p in (tmp_path / "turned.png", opened)]
    upright = imexnet.predict(np.rot90(np.asarray(room), -1), indoor, "depth").metres
    for answered in both:
        np.testing.assert_array_equal(answered.metres, upright)


def test_a_large_photo_is_seen_and_answered_as_its_shrunk_self(indoor):
    photo = Photo.of(np.tile(gradient((30, 40)), (90, 80, 1)))
    small = photo.shrunk()
    assert small.picture.size == (1067, 900)
    assert torch.equal(to_input(photo, INDOOR, "cpu"), to_input(small, INDOOR, "cpu"))
    whole, less = (imexnet.predict(p, indoor, "depth").metres for p in (photo, small))
    assert less.shape == (2700, 3200)
    np.testing.assert_array_equal(less, whole)


def test_photos_of_every_mode_and_shape_are_answered(indoor):
    for height, width in ((1, 1), (3, 700), (1500, 40)):
        for mode in ("1", "L", "LA", "P", "RGB", "CMYK", "I;16", "F"):
            answered = imexnet.predict(Image.new(mode, (width, height)), indoor, "depth")
            assert answered.metres.shape == (height, width)
    rod = np.asarray(qtips.qtip(0, 0)[0])
    qtip = build(MODELS["qtips-imexnet"]).eval()
    answered = imexnet.predict(rod, qtip, "qtips")
    assert answered.classes.shape == (64, 64)
    x = torch.from_numpy(rod / np.float32(255))[None, None]
    np.testing.assert_array_equal(answered.classes, predict_input(qtip, "qtips", x).values)


@pytest.mark.parametrize(
    ("photo", "error", "words"),
    [
        ("none.png", ValueError, "there is no file none.png"),
        (".", ValueError, "is a folder"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "a photo as an array is"),
        (np.zeros((3, 4, 5), np.uint8), ValueError, r"got \(3, 4, 5\)"),
        (np.zeros(3, np.uint8), ValueError, "a photo as an array is"),
        (np.full((4, 4), 255.0), ValueError, r"values on \[0, 1\]"),
        (np.full((4, 4), -0.1), ValueError, r"values on \[0, 1\]"),
        (np.full((4, 4), np.nan), ValueError, r"values on \[0, 1\]"),
        (np.zeros((4, 4), int), ValueError, "bytes or floating point, got int64"),
        (np.zeros((4, 4), bool), ValueError, "bytes or floating point, got bool"),
        (np.zeros((2, 2001), np.uint8), ValueError, "at most 1000 times the other"),
        (np.zeros((8001, 8000), np.uint8), ValueError, "more than 64 megapixels"),
        (None, TypeError, "a photo is a path, .*, got NoneType"),
        (torch.zeros(3, 4, 4), TypeError, "a photo is a path, .*, got Tensor"),
    ],
)
def test_photos_that_are_none(indoor, photo, error, words):
    with pytest.raises(error, match=words):
        imexnet.predict(photo, indoor, "depth")


def test_a_picture_that_is_cut_short_in_pillow(indoor, room):
    content = stored(room, "JPEG").getvalue()
    opened = Image.open(io.BytesIO(content[: len(content) // 2]))
    with pytest.raises(ValueError, match="the picture cannot be decoded"):
        imexnet.predict(opened, indoor, "depth")


def test_networks_and_tasks_that_do_not_fit(indoor, room):
    with pytest.raises(ValueError, match="this network answers depth and segmentation, not qtips"):
        imexnet.predict(room, indoor, "qtips")
    with pytest.raises(ValueError, match="the task must be one of depth, segmentation, qtips"):
        imexnet.predict(room, indoor, "metres")
    with pytest.raises(TypeError, match="load_pretrained gives, got str"):
        imexnet.predict(room, "indoor-imexnet", "depth")  # pyright: ignore
    training = build(INDOOR)
    for part in (training, training.layers):  # all of it, or a part alone
        training.eval()
        part.train()
        with pytest.raises(ValueError, match="must be in eval mode"):
            imexnet.predict(room, training, "depth")


def test_classes_equal_argmax_and_softmax_of_the_enlarged_logits():
    torch.manual_seed(0)
    logits = torch.randn(1, 13, 6, 8)
    answered = answer("segmentation", {"segmentation": logits}, (12, 16))
    assert isinstance(answered, Classes)
    large = torch.nn.functional.interpolate(logits, (12, 16), mode="bilinear")[0]
    assert (answered.classes == large.argmax(0).numpy() + 1).all()
    expected = large.softmax(0).max(0).values.numpy()
    np.testing.assert_allclose(answered.probability, expected, rtol=1e-5)


def test_depth_pictures_share_one_range():
    near, far = np.full((4, 4), 1.0), np.full((4, 4), 5.0)
    pictures = colours.pictures("depth", {"resnet": near, "imexnet": far})
    assert pictures["resnet"][0, 0].tolist() != pictures["imexnet"][0, 0].tolist()
    same = colours.pictures("depth", {"resnet": near, "imexnet": near})
    assert np.array_equal(same["resnet"], same["imexnet"])


def test_heat_scale():
    s = np.array([1.0, 0.1, 1e-4, 1e-9, 0.0])
    np.testing.assert_allclose(colours.heat_values(s, 1.0), [1, 0.75, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(colours.heat_values(s, 2.0, logarithmic=False), s / 2)
    assert not colours.heat_values(np.zeros(3), 0.0, logarithmic=False).any()


def test_heat_picture_leaves_cold_pixels_grey():
    heat = np.zeros((6, 8))
    heat[2, 2] = 1
    shown = colours.heat_picture(gradient((6, 8)), heat).astype(int)
    assert (shown[5, 7] == shown[5, 7, 0]).all()
    assert np.ptp(shown[2, 2]) > 20


def test_class_picture_uses_the_palette():
    shown = colours.class_picture(np.array([[0, 1], [2, 3]]), colours.PALETTES["qtips"])
    assert shown[0, 0].tolist() == [0x40, 0x40, 0x40]
    assert shown[1, 1].tolist() == [0x2E, 0x86, 0xAB]


def test_palettes_name_every_class_with_a_colour_of_its_own():
    from imexnet.data import nyu

    assert len(set(colours.PALETTES["segmentation"])) == len(nyu.CLASSES)
    assert len(set(colours.PALETTES["qtips"])) == len(qtips.CLASSES)
