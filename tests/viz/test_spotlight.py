"""Spotlights of made-up fields of view, and share cards."""

import numpy as np
import pytest
from PIL import Image

from imexnet.sensitivity.field_of_view import ClassReading, FieldOfView, Metres
from imexnet.sensitivity.hiding import Answered
from imexnet.sensitivity.measures import measure
from imexnet.viz import share_card
from imexnet.viz.spotlight import light, shade, spotlights

SIZE = 60, 80
WINDOW = slice(20, 41), slice(30, 61)
ROWS, COLUMNS = np.mgrid[:60, :80]


def made(s: np.ndarray, window=WINDOW) -> FieldOfView:
    asked = slice(30, 31), slice(45, 46)
    return FieldOfView(Metres(2.5), s, s[None], asked, window, measure(s, asked, window))


def peaked(width: float) -> np.ndarray:
    return np.exp(-np.hypot(ROWS - 30, COLUMNS - 45) / width)


@pytest.fixture
def views() -> dict[str, FieldOfView]:
    narrow = np.zeros(SIZE)
    narrow[WINDOW] = peaked(12)[WINDOW]
    return {"resnet": made(narrow), "imexnet": made(peaked(30))}


def grey(size: tuple[int, int] = (480, 640), value: int = 200) -> Image.Image:
    return Image.fromarray(np.full((*size, 3), value, np.uint8))


def test_shade_is_full_at_the_peak_and_black_where_nothing_is_seen():
    s = np.zeros(SIZE)
    s[WINDOW] = peaked(12)[WINDOW]
    shown = shade(s)
    assert shown.max() == shown[30, 45] == 255
    assert shown[WINDOW].min() > 0 and shown.astype(int).sum() == shown[WINDOW].astype(int).sum()
    assert shown[30, 60] < shown[30, 50] < 255
    assert not shade(np.zeros(SIZE)).any()


def test_light_is_full_at_the_peak_of_both_and_dark_where_there_is_nothing(views):
    found = light(views)
    assert found["resnet"].max() == 1 > found["imexnet"].max()  # shares: the window holds more
    assert np.unravel_index(found["resnet"].argmax(), SIZE) == (30, 45)
    outside = np.ones(SIZE, bool)
    outside[WINDOW] = False
    assert not found["resnet"][outside].any() and found["resnet"][WINDOW].all()
    assert found["imexnet"].all()
    pictures = spotlights(grey(), views)
    assert pictures["resnet"].shape == pictures["imexnet"].shape == (768, 1024, 3)
    assert pictures["resnet"].dtype == np.uint8
    assert pictures["resnet"].max() == 200
    assert not pictures["resnet"][:250].any() and not pictures["resnet"][:, 800:].any()


def test_one_scale_and_independent_of_the_scale_of_the_gradient(views):
    scaled = {
        "resnet": made(2.0**-40 * views["resnet"].sensitivity),
        "imexnet": made(2.0**30 * views["imexnet"].sensitivity),
    }
    for kind, plane in light(scaled).items():
        np.testing.assert_allclose(plane, light(views)[kind], atol=1e-9)
    alone = light({"imexnet": views["imexnet"]})["imexnet"]
    assert alone.max() == 1  # beside the ResNet it was less
    difference = alone - light(views)["imexnet"]
    np.testing.assert_allclose(difference, difference.max(), atol=1e-9)
    ratio = np.log10(views["imexnet"].sensitivity[30, 5] / views["imexnet"].sensitivity[30, 15])
    assert alone[30, 5] - alone[30, 15] == pytest.approx(ratio / 2.5, abs=1e-3)


def test_two_and_a_half_decades():
    s = np.ones(SIZE)
    s[:, 40:] = 10**-2.4
    s[:, 60:] = 10**-2.6
    found = light({"imexnet": made(s)})["imexnet"]
    assert found[30, 10] == pytest.approx(1)
    assert found[30, 50] == pytest.approx(0.04, abs=0.005)
    assert not found[30, 68:].any()


def test_the_edge_of_the_window_is_a_hard_frame(views):
    picture = spotlights(grey(), views)["resnet"][..., 0].astype(int)
    scale = 1024 / 80
    top, left = round(20 * scale), round(30 * scale)
    assert not picture[top - 3, left : left + 300].any()
    assert (picture[top + 4, left + 4 : left + 300] > 60).all()
    assert (picture[top, left + 4 : left + 300] == 128).all()  # the frame itself
    lit = spotlights(grey(), {"imexnet": views["imexnet"]})["imexnet"]
    assert (lit > 60).all()  # no frame, no dark


def test_two_openings_leave_no_plaid():
    """46 % of S on odd rows and columns, as gradients have it: light does not show it."""
    share = np.where(ROWS % 2, 0.68, 0.32) * np.where(COLUMNS % 2, 0.68, 0.32)
    smooth = peaked(30)
    plaid = made(smooth * share)
    odd = plaid.sensitivity[1::2, 1::2].sum() / plaid.sensitivity.sum()
    assert odd == pytest.approx(0.46, abs=0.01)
    found = light({"imexnet": plaid})["imexnet"]
    expected = light({"imexnet": made(smooth)})["imexnet"]
    inside = slice(6, -6), slice(6, -6)
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.01)
    raw = np.log10(share.max() / share.min()) / 2.5
    assert raw > 0.25  # what would be seen without


def test_a_map_of_zeros_is_dark_and_large_or_narrow_photos_keep_their_shape(views):
    nothing = {
        "resnet": made(np.zeros(SIZE)),
        "imexnet": made(np.zeros(SIZE), (slice(0, 60), slice(0, 80))),
    }
    pictures = spotlights(grey(), nothing)
    assert not pictures["resnet"][300:400, 450:700].any()
    assert spotlights(grey((3, 1500)), views)["imexnet"].shape == (3, 1500, 3)
    single = Image.new("L", (64, 48), 90)
    assert spotlights(single, views)["resnet"].shape == (768, 1024, 3)


ANSWERS = {
    "resnet": Answered(
        ClassReading(3, "black-black", 0.36), ClassReading(3, "black-black", 0.36),
        np.zeros(SIZE), np.zeros(SIZE, bool),
    ),
    "imexnet": Answered(
        ClassReading(2, "white-black", 0.99), ClassReading(3, "black-black", 0.8),
        np.zeros(SIZE), np.zeros(SIZE, bool),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", [(64, 64), (480, 640, 3), (700, 20, 3), (20, 900, 3)])
def test_a_card_shows_both_pictures_and_answers(shape):
    before, after = np.full(shape, 40, np.uint8), np.full(shape, 220, np.uint8)
    card = share_card.share_card(before, after, (5, 7), ANSWERS)
    assert (card.shape, card.dtype) == ((630, 1200, 3), np.uint8)
    dark, pale = ((card == value).all(-1) for value in (40, 220))
    assert dark[:, :600].any() and not dark[:, 600:].any()
    assert pale[:, 600:].any() and not pale[:, :600].any()
    other = {"resnet": ANSWERS["resnet"], "imexnet": ANSWERS["resnet"]}
    said = share_card.share_card(before, after, (5, 7), other) != card
    assert said.any() and not said[:480].any()


def test_long_words_stay_on_the_card():
    long = ClassReading(2, "white-black " * 40, 0.99)
    answers = {"resnet": Answered(long, long, np.zeros(SIZE), np.zeros(SIZE, bool))}
    picture = np.zeros((64, 64), np.uint8)
    card = share_card.share_card(picture, picture, (0, 63), answers)
    assert (card[:, -25:] == 255).all() and (card[:, :25] == 255).all()
    assert (card[-25:] == 255).all()
