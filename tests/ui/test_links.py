"""Views: made from a form or a link, written as a link, and refused where they name nothing."""

import time
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image

from imexnet.io.photos import Photo
from imexnet.sensitivity.questions import Question
from imexnet.ui.compare import links
from imexnet.ui.compare.links import link, restore
from imexnet.ui.compare.view import View
from imexnet.ui.components.inputs import example
from imexnet.ui.components.parts import decoded
from imexnet.viz.heat_maps import HeatMapStyle

KITCHEN = {"task": "segmentation", "example": "kitchen-0004", "x": "400", "y": "240"}
USUAL = View("depth", 400, 240)


@pytest.mark.parametrize(
    "view",
    [
        USUAL,
        View(
            "segmentation", 0, 0, "wall", 639, 479, trunk="backbone", boundary="mirrored",
            scale="linear", contours=(),
        ),
        View(
            "depth", 2, 1, direction="outputs", boundary="periodic", part="signed", opacity=0.5,
            contours=(99,), angle=90.0,
        ),
    ],
)  # fmt: skip
def test_a_link_restores_what_it_was_made_of(view):
    found = restore(KITCHEN)
    assert found is not None and isinstance(found[0], str)
    query = link(decoded(found[0]), view)
    assert restore(dict(parse_qsl(query, keep_blank_values=True))) == (found[0], view)


def test_a_link_says_only_what_differs_from_the_page_as_it_begins():
    photo = decoded(restore(KITCHEN)[0])  # pyright: ignore
    usual = "task=depth&example=kitchen-0004&x=400&y=240"
    assert link(photo, USUAL) == usual
    for field, value, said in (
        ("about", "wall", "about=wall"), ("direction", "outputs", "show=outputs"),
        ("trunk", "backbone", "trunk=backbone"), ("boundary", "periodic", "boundary=periodic"),
        ("scale", "linear", "scale=linear"), ("part", "red", "part=red"),
        ("opacity", 0.0, "opacity=0"), ("contours", (50, 99), "lines=50,99"),
        ("contours", (), "lines="), ("method", "occlusion-mean", "method=occlusion-mean"),
        ("angle", 40.0, "angle=40"),
    ):  # fmt: skip
        asked = replace(USUAL, task="segmentation", **{field: value})
        assert link(photo, asked) == f"{usual.replace('depth', 'segmentation')}&{said}"


def test_a_form_has_floats_and_empty_numbers():
    form = {"task": "depth", "column": 400.0, "row": 240.0, "other_column": 3.0, "opacity": 1}
    view = View.from_form(**form, other_row=None, contours=[50, 95])
    assert view == replace(USUAL, opacity=1.0)  # a corner of which one number is missing is none
    assert view.question == Question("depth", (240, 400))
    assert view.style == HeatMapStyle(opacity=1, contours=(50, 95))
    assert View.from_form(**{**form, "other_row": 5.0}).question.other == (5, 3)
    assert View.from_form(**form, contours=None).contours == ()
    with pytest.raises(ValueError, match="give a column and a row"):
        View.from_form(**{**form, "row": None})


def test_qtips_have_names_and_other_pictures_have_no_link():
    view = View("qtips", 6, 5)
    query = dict(parse_qsl(link(example("qtips", 3), view)))
    assert query == {"task": "qtips", "example": "qtip-3", "x": "6", "y": "5"}
    assert restore(query) == (example("qtips", 3), view)
    assert link(Photo.of(Image.new("RGB", (40, 30))), View("depth", 2, 1)) == ""


@pytest.fixture
def shared(monkeypatch):
    """Where shared photos are kept, for this test alone."""
    kept = links.Kept(links.SHARED.most, links.SHARED._size, links.SHARED.seconds)
    monkeypatch.setattr(links, "SHARED", kept)
    return kept


def test_a_shared_photo_has_a_link_for_an_hour(shared, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    photo = replace(Photo.of(pixels), full_size=(80, 60), focal_length_35mm=50.0)
    view = View("segmentation", 60, 31, about="wall", other_column=7, other_row=4)
    assert link(photo, view) == ""  # not before the visitor has asked for one
    links.share(photo)
    query = dict(parse_qsl(link(photo, view)))
    assert "example" not in query and len(query["photo"]) >= 20
    found = restore(query)
    assert found is not None and isinstance(found[0], Photo)
    np.testing.assert_array_equal(np.asarray(found[0].picture), pixels)
    assert found[0].focal_length_35mm == 50
    assert found[1] == replace(view, column=30, row=15, other_column=3, other_row=2)
    assert link(found[0], found[1]) == link(photo, view)  # whoever opens it can pass it on
    assert restore(query | {"photo": query["photo"][:-1] + "?"}) is None
    now = time.monotonic()
    monkeypatch.setattr("imexnet.ui.components.kept.time.monotonic", lambda: now + 3601)
    assert restore(query) is None and link(photo, view) == "" and not shared.items()


def test_shared_photos_are_bounded_in_number_and_in_bytes(shared):
    for shade in range(links.MOST + 3):
        links.share(Photo.of(Image.new("RGB", (9, 9), (shade, 0, 0))))
    assert len(shared.items()) == links.MOST
    for _ in range(3):  # the same once more drives no other away
        links.share(Photo.of(Image.new("RGB", (9, 9), (links.MOST + 2, 0, 0))))
    assert len(shared.items()) == links.MOST
    assert link(Photo.of(Image.new("RGB", (9, 9), (2, 0, 0))), View("depth", 2, 1)) == ""
    assert link(Photo.of(Image.new("RGB", (9, 9), (3, 0, 0))), View("depth", 2, 1)) != ""
    shared.clear()
    shared.most = 2000
    shared._size = lambda kept: len(kept[1])
    noisy = [np.random.default_rng(n).integers(0, 256, (20, 20, 3), np.uint8) for n in range(3)]
    for pixels in noisy:
        links.share(Photo.of(pixels))
    assert sum(len(png) for _, png in shared.values()) <= 2000


@pytest.mark.parametrize(
    "wrong",
    [
        {"example": "../../etc/passwd"}, {"example": "qtip-6"}, {"example": "kitchen-0099"},
        {"x": "640"}, {"y": "-1"}, {"x": "four"}, {"task": "heat"}, {"about": "spaceship"},
        {"scale": "cubic"}, {"opacity": "nan"}, {"lines": "0"}, {"boundary": "open"},
        {"trunk": "unet"}, {"method": "magic"}, {"method": "occlusion-mean", "show": "outputs"},
        {"show": "nothing"}, {"x2": "3"}, {"x2": "3", "y2": "480"},
        {"angle": "121"}, {"angle": "-1"}, {"angle": "nan"}, {"angle": "wide"},
    ],
)  # fmt: skip
def test_links_that_name_no_view_are_ignored(wrong):
    assert restore(KITCHEN) is not None
    assert restore(KITCHEN | wrong) is None
    assert restore({}) is None
