"""Links to a view: written, read again, and refused where they name nothing."""

from urllib.parse import parse_qsl

import pytest
from PIL import Image

from imexnet.models.networks import TRAINED
from imexnet.sensitivity.questions import Question
from imexnet.ui.compare.links import BEGUN, link, name_of, restore
from imexnet.ui.components.inputs import example
from imexnet.ui.components.parts import decoded
from imexnet.viz.heat_maps import HeatMapStyle

USUAL = ("plain", TRAINED, BEGUN)
KITCHEN = {"task": "segmentation", "example": "kitchen-0004", "x": "400", "y": "240"}


@pytest.mark.parametrize(
    ("question", "trunk", "boundary", "look"),
    [
        (Question("depth", (240, 400)), "plain", TRAINED, BEGUN),
        (
            Question("segmentation", (0, 0), (479, 639), "wall"),
            "pyramid",
            "mirrored",
            HeatMapStyle("linear"),
        ),
        (
            Question("depth", (1, 2), direction="outputs"),
            "plain",
            "periodic",
            HeatMapStyle(part="signed", opacity=0.5, contours=(99,)),
        ),
    ],
)
def test_a_link_restores_what_it_was_made_of(question, trunk, boundary, look):
    found = restore(KITCHEN)
    assert found is not None
    assert isinstance(found.photo, str)
    photo = decoded(found.photo)
    query = link(photo, question, trunk, boundary, look)
    again = restore(dict(parse_qsl(query, keep_blank_values=True)))
    assert again == (found.photo, question, trunk, boundary, look)


def test_qtips_have_names_and_other_pictures_have_no_link():
    assert name_of(example(3)) == "qtip-3"
    query = dict(parse_qsl(link(example(3), Question("qtips", (5, 6)), *USUAL)))
    assert query == {"task": "qtips", "example": "qtip-3", "x": "6", "y": "5"}
    found = restore(query)
    assert found is not None
    assert found.photo == example(3)
    assert link(Image.new("RGB", (40, 30)), Question("depth", (1, 2)), *USUAL) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"example": "../../etc/passwd"}, {"example": "qtip-6"}, {"example": "kitchen-0099"},
        {"x": "640"}, {"y": "-1"}, {"x": "four"}, {"task": "heat"}, {"about": "spaceship"},
        {"scale": "cubic"}, {"opacity": "nan"}, {"lines": "0"}, {"boundary": "open"},
        {"trunk": "unet"},
        {"show": "nothing"}, {"x2": "3"}, {"x2": "3", "y2": "480"},
    ],
)  # fmt: skip
def test_links_that_name_no_view_are_ignored(wrong):
    assert restore(KITCHEN) is not None
    assert restore(KITCHEN | wrong) is None
    assert restore({}) is None
