"""Heat maps and figures of made-up fields of view."""

import io

import numpy as np
import pytest
from PIL import Image

from imexnet.inference import to_input
from imexnet.io import point_cloud
from imexnet.io.photos import Photo, PhotoLike, read_photo
from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.sensitivity.field_of_view import FieldOfView, Metres
from imexnet.sensitivity.measures import measure, set_level
from imexnet.sensitivity.questions import Question, arrays, ask_all
from imexnet.viz import colours, field_of_view_figures
from imexnet.viz.drawing import contour
from imexnet.viz.heat_maps import HeatMapStyle, heat_maps, shared_scale, shown_map


def made(derivative: np.ndarray, window=(slice(0, 12), slice(0, 16))) -> FieldOfView:
    s = np.abs(derivative).sum(0)
    asked = (slice(3, 4), slice(4, 5))
    return FieldOfView(Metres(2.5), s, derivative, asked, window, measure(s, asked, window))


@pytest.fixture
def views() -> dict[str, FieldOfView]:
    random = np.random.default_rng(0)
    wide = random.standard_normal((3, 12, 16)).astype(np.float32)
    narrow = np.zeros_like(wide)
    narrow[:, 2:6, 2:8] = 10 * wide[:, 2:6, 2:8]
    return {"resnet": made(narrow, (slice(1, 7), slice(1, 9))), "imexnet": made(wide)}


def photo() -> Image.Image:
    return Image.fromarray(np.full((24, 32, 3), 90, np.uint8))


def test_parts_are_shares_of_the_whole(views):
    view = views["imexnet"]
    colours = [shown_map(view, part) for part in ("red", "green", "blue")]
    np.testing.assert_allclose(sum(colours), shown_map(view, "absolute"), rtol=1e-5)
    assert shown_map(view, "absolute").sum() == pytest.approx(1, rel=1e-5)
    signed = shown_map(view, "signed")
    np.testing.assert_allclose(signed, view.derivative.sum(0) / view.sensitivity.sum(), rtol=1e-5)
    grey = made(view.derivative[:1])
    with pytest.raises(ValueError, match="no red channel"):
        shown_map(grey, "red")


def test_one_scale_for_all_and_independent_of_the_gradients_scale(views):
    shown = shared_scale(views, HeatMapStyle(part="signed"))
    assert max(np.abs(m).max() for m in shown.values()) == pytest.approx(1)
    assert (np.sign(shown["imexnet"]) == np.sign(views["imexnet"].derivative.sum(0))).all()
    scaled = {kind: made(2.0**-40 * view.derivative, view.window) for kind, view in views.items()}
    for look in (HeatMapStyle(), HeatMapStyle("linear"), HeatMapStyle(part="blue")):
        for kind, heat in shared_scale(views, look).items():
            np.testing.assert_allclose(heat, shared_scale(scaled, look)[kind], rtol=1e-5)


def test_pictures_have_window_marker_and_contours(views):
    question = Question("depth", (7, 9))
    plain = heat_maps(photo(), views, question, longest=128)
    assert {p.shape for p in plain.values()} == {(96, 128, 3)}
    lined = heat_maps(photo(), views, question, HeatMapStyle(contours=(50,)), longest=128)
    assert all((lined[kind] != plain[kind]).any() for kind in views)
    white = (plain["resnet"] == 255).all(-1)
    assert white[8, 8:71].all()  # the upper edge of the window, rows 1 … 6 of 12, columns 1 … 8
    faint = heat_maps(photo(), views, question, HeatMapStyle(opacity=0), longest=128)
    assert (faint["imexnet"][90, 3:120] == 63).all()  # 0.7 of the photo's grey
    box = heat_maps(photo(), views, Question("depth", (7, 9), (15, 20)), longest=128)
    assert (box["imexnet"][28, 36:83] == (255, 212, 0)).all()
    assert heat_maps(photo(), views, question)["imexnet"].shape == (24, 32, 3)


@pytest.mark.parametrize("scale", ["logarithmic", "linear"])
def test_the_printed_bar_of_a_signed_map_says_what_its_colours_mean(views, scale):
    style, digits = HeatMapStyle(scale, "signed"), str.maketrans("−⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    question = Question("depth", (7, 9))
    bar = field_of_view_figures.printed_figure(photo(), views, question, style).axes[len(views)]
    labels = [label.get_text().replace("10⁻", "1e-") for label in bar.get_xticklabels()]
    values = np.array([float(label.translate(digits)) for label in labels])
    shades = colours.heat_values(values, 1.0, scale == "logarithmic")
    np.testing.assert_allclose(bar.get_xticks(), shades, atol=1e-6)
    assert len(labels) == 9 and shades[0] == -1 and shades[-1] == 1


def test_every_kind_of_photo_will_do(views):
    """A file of the phone's, lying on its side: in Pillow as on disk, it is seen upright."""
    upright = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(file, "PNG", exif=exif)
    question, look = Question("depth", (23, 31)), HeatMapStyle(opacity=0.5)
    network = build(MODELS["indoor-imexnet"]).eval()
    x = to_input(upright, network.config, "cpu")

    def made_of(photo: PhotoLike) -> list[np.ndarray]:
        figure = field_of_view_figures.printed_figure(photo, views, question, look)
        return [
            to_input(photo, network.config, "cpu").numpy(),
            ask_all({"imexnet": network}, photo, x, question)["imexnet"].sensitivity,
            heat_maps(photo, views, question, look)["imexnet"],
            np.asarray(figure.axes[0].images[0].get_array()),
            np.frombuffer(point_cloud.mesh(photo, np.ones((3, 4))), np.uint8),
        ]

    expected = made_of(Photo.of(upright))
    for other in (upright, Image.fromarray(upright), Image.open(file), read_photo(file)):
        for found, wanted in zip(made_of(other), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_contour_goes_round_the_set_and_closes_at_the_edge():
    s = np.zeros((8, 8))
    s[2:5, 3:8] = 1
    drawn = contour(np.zeros((80, 80, 3), np.uint8), s, set_level(s, 0.9))
    white = (drawn == 255).all(-1)
    assert white.any()
    rows, columns = np.nonzero(white)
    assert 20 <= rows.min() <= 25  # the set is the rows from 20 to 49
    assert 44 <= rows.max() <= 50
    assert 30 <= columns.min() <= 35
    assert columns.max() >= 74
    assert not white[28:42, 40:70].any()


def test_a_map_of_zeros_is_shown(views):
    nothing = {"resnet": made(np.zeros((3, 12, 16), np.float32))}
    question = Question("depth", (7, 9))
    for scale in ("logarithmic", "linear"):
        look = HeatMapStyle(scale, contours=(95,))
        assert (heat_maps(photo(), nothing, question, look)["resnet"][20, 25] == 63).all()
        field_of_view_figures.printed_figure(photo(), nothing, question, look)
    field_of_view_figures.decay_figure(nothing)


@pytest.mark.parametrize("kind", field_of_view_figures.FORMATS)
def test_printed_figure_is_complete_and_the_same_every_time(views, kind):
    question = Question("depth", (7, 9), (10, 12))
    look = HeatMapStyle("linear", "signed", contours=(50, 95))
    first, second = (
        field_of_view_figures.encode(
            field_of_view_figures.printed_figure(photo(), views, question, look), kind
        )
        for _ in range(2)
    )
    assert first == second
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert first.startswith(starts[kind])


def test_printed_figure_draws_every_contour(views):
    question, drawn = Question("depth", (7, 9)), []
    for contours in ((10, 20, 50, 95), (10, 20, 50, 95, 99)):
        look = HeatMapStyle(contours=contours)
        figure = field_of_view_figures.printed_figure(photo(), views, question, look)
        drawn.append([len(axes.collections) for axes in figure.axes[: len(views)]])
    assert drawn == [[4, 4], [5, 5]]


def test_caption_says_what_is_shown(views):
    words = field_of_view_figures.caption(
        Question("segmentation", (7, 9), about="sofa"), HeatMapStyle(), views
    )
    assert "the logit of “sofa” at column 9, row 7" in words
    assert "16 × 12 pixels" in words
    box = field_of_view_figures.caption(
        Question("depth", (7, 9), (3, 20)), HeatMapStyle("linear"), views
    )
    assert "mean of the depth over columns 9 … 20, rows 3 … 7" in box
    assert "99.9 % quantile" in box
    reverse = Question("depth", (7, 9), direction="outputs")
    assert "brighter input pixel at column 9, row 7" in field_of_view_figures.caption(
        reverse, HeatMapStyle(), views
    )


def test_arrays_hold_all_of_both_networks(views):
    found = arrays(Question("depth", (7, 9)), views)
    np.testing.assert_array_equal(found["imexnet_derivative"], views["imexnet"].derivative)
    assert found["resnet_window"].tolist() == [[1, 7], [1, 9]]
    assert found["resnet_rms_radius"] == views["resnet"].measures.rms_radius
