"""Which focal length is used, by hand for every shape, and what it does to depth."""

import io
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imexnet.io.camera import KINECT_ANGLE, KINECT_FOCAL_LENGTH, camera_of
from imexnet.io.photos import Photo, read_photo

LANDSCAPE, PORTRAIT = (640, 480), (480, 640)


def photo(size: tuple[int, int] = LANDSCAPE, focal_length: float | None = None) -> Photo:
    return replace(Photo.of(Image.new("RGB", size, "teal")), focal_length_35mm=focal_length)


def test_the_kinect_of_nyu():
    """518.86 pixels at 640 × 480: 63.3 degrees across, and 28.06 mm by the diagonal of 800."""
    assert pytest.approx(63.33, abs=0.01) == KINECT_ANGLE
    assert pytest.approx(518.86 / 800 * 43.267, abs=0.005) == KINECT_FOCAL_LENGTH
    assert pytest.approx(28.06, abs=0.005) == KINECT_FOCAL_LENGTH


@pytest.mark.parametrize(
    "size", [LANDSCAPE, PORTRAIT, (1600, 900), (900, 1600), (300, 300), (3, 1)]
)
def test_a_photo_that_says_nothing_was_taken_by_the_kinect(size):
    """Depths stay as they are, bit by bit; the angle is that of its lens for such a shape."""
    camera = camera_of(photo(size))
    assert (camera.depth_scale, camera.source) == (1.0, "assumed")
    pixels = 518.858 / 800 * math.hypot(*size)
    assert camera.angle == pytest.approx(math.degrees(2 * math.atan(max(size) / 2 / pixels)))
    assert camera_of(photo(size), angle=0) == camera_of(photo(size), None, None) == camera


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT, (600, 400), (1600, 900), (300, 300)])
def test_focal_lengths_are_compared_by_the_diagonal(size):
    """52 mm is 1.853 times 28.06 mm, however the photo is held and cut."""
    for camera, source in (
        (camera_of(photo(size, 52)), "photo"),
        (camera_of(photo(size), 52), "given"),
        (camera_of(photo(size, 24), 52), "given"),
        (camera_of(photo(size, 24), 52, 90), "given"),
    ):
        assert camera.source == source
        assert camera.depth_scale / camera.shown == pytest.approx(52 / 28.0615, rel=1e-5)
        longer = max(size) / math.hypot(*size) * math.hypot(36, 24)
        assert camera.angle == pytest.approx(math.degrees(2 * math.atan(longer / 2 / 52)))


def test_the_middle_of_a_photo_is_a_photo_through_a_longer_lens():
    """The half of either side: pixels per radian stay, the diagonal halves, depths double.

    Half of that doubling, as a factor, is in the picture, which is shown smaller.
    """
    whole = camera_of(photo(LANDSCAPE, 28))
    middle = camera_of(photo((320, 240), 56))
    doubled = 2 * whole.depth_scale / whole.shown
    assert middle.depth_scale / middle.shown == pytest.approx(doubled)
    assert middle.depth_scale * middle.shown == pytest.approx(1)
    assert 0.7 < middle.shown < 0.71 and 0.99 < whole.shown <= 1
    wide = camera_of(photo(LANDSCAPE, 14))
    assert wide.shown == 1 and wide.depth_scale == pytest.approx(0.49890, rel=1e-4)
    half = math.tan(math.radians(whole.angle) / 2) / 2
    assert math.tan(math.radians(middle.angle) / 2) == pytest.approx(half)


@given(st.floats(1, 170), st.sampled_from([LANDSCAPE, PORTRAIT, (1600, 900), (70, 70)]))
@settings(deadline=None)
def test_the_angle_that_is_set_is_that_of_the_camera(angle, size):
    for told in (None, 52.0):
        camera = camera_of(photo(size, told), angle=angle)
        assert camera.source == "set" and camera.angle == pytest.approx(angle)
        pixels = max(size) / 2 / math.tan(math.radians(angle) / 2)
        of_the_kinect = 518.858 / 800 * math.hypot(*size)
        scale = camera.depth_scale / camera.shown
        assert scale == pytest.approx(pixels / of_the_kinect, rel=1e-5)


def test_exif_decides_for_photos_however_they_are_stored():
    for orientation in (1, 6):
        told = Image.Exif()
        told[0x0112] = orientation
        told.get_ifd(0x8769)[0xA405] = 77
        content = io.BytesIO()
        Image.new("RGB", (400, 300)).save(content, "JPEG", exif=told.tobytes())
        camera = camera_of(read_photo(content).shrunk(100))
        assert camera.source == "photo" and camera.focal_length == 77
        assert camera.size == ((400, 300) if orientation == 1 else (300, 400))


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (camera_of(photo()), "The photo has no focal length; a view of 63° across is assumed."),
        (
            camera_of(photo(PORTRAIT)),
            "The photo has no focal length; a view of 63° along the longer side is assumed.",
        ),
        (
            camera_of(photo(focal_length=52)),
            "Focal length from the photo: 52 mm (35 mm equivalent), shown at 73 % of the usual "
            "size, depths × 1.36.",
        ),
        (
            camera_of(photo(), 1234.56),
            "Focal length as given: 1234.6 mm (35 mm equivalent), shown at 15 % of the usual "
            "size, depths × 6.63.",
        ),
        (camera_of(photo(), angle=90), "Field of view as set: 90° across, depths × 0.62."),
    ],
)
def test_which_one_is_said_in_a_sentence(camera, words):
    assert camera.words == words


@pytest.mark.parametrize("length", [0, -5, 0.5, float("nan"), float("inf"), 1e9])
def test_focal_lengths_of_no_camera(length):
    with pytest.raises(ValueError, match="the focal length lies between 1 and 10000 mm, got"):
        camera_of(photo(), length)


@pytest.mark.parametrize("angle", [-1, 180, 500, float("nan"), float("inf")])
def test_angles_of_no_camera(angle):
    with pytest.raises(ValueError, match="angle lies between 0 and 180 degrees, got"):
        camera_of(photo(), angle=angle)
    with pytest.raises(ValueError, match="the focal length lies between"):
        camera_of(photo(), angle=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("length", [28, 28.5, 1 / 3 + 1, None])
def test_a_copy_of_a_photo_keeps_its_focal_length(kind, length):
    copy = read_photo(io.BytesIO(photo(focal_length=length).encoded(kind)))
    assert copy.focal_length_35mm == length and copy.full_size == LANDSCAPE
