"""Views: made from a form or a link, written as a link, and refused where they name nothing."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from PIL import Image

from imexnet.io.photos import Photo
from imexnet.sensitivity.questions import Question
from imexnet.ui.compare.links import link, name_of, restore
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
    assert name_of(example(3)) == "qtip-3"
    view = View("qtips", 6, 5)
    query = dict(parse_qsl(link(example(3), view)))
    assert query == {"task": "qtips", "example": "qtip-3", "x": "6", "y": "5"}
    assert restore(query) == (example(3), view)
    assert link(Photo.of(Image.new("RGB", (40, 30))), View("depth", 2, 1)) == ""


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
