"""Links to a view: what they say comes back; what they get wrong does no harm."""

from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imexnet.ui import examples, link
from imexnet.ui.inputs import QTIPS, example, read


def query(html: str) -> dict[str, str]:
    return dict(parse_qsl(html.split('href="?')[1].split('"')[0].replace("&amp;", "&")))


@pytest.mark.parametrize("index", [0, 5, 11])
def test_a_kitchen_comes_back(index):
    photo = read(examples.kitchens()[index])
    asked = query(link.link(photo, "segmentation", "pyramid", "viridis_r"))
    found = link.view({**asked, "column": "639", "row": "0"})
    assert found is not None
    assert np.array_equal(np.asarray(found.photo), np.asarray(photo))
    assert found[1:] == ("segmentation", "pyramid", "viridis_r", (639, 0))


@pytest.mark.parametrize("index", range(QTIPS))
def test_a_qtip_comes_back(index):
    asked = query(link.link(example(index).convert("RGB"), "qtips", "plain", "turbo_r"))
    found = link.view(asked)
    assert found is not None
    assert np.array_equal(np.asarray(found.photo), np.asarray(example(index)))
    assert found.task == "qtips" and found.pixel is None


def test_other_photos_have_no_link():
    assert link.link(Image.new("RGB", (64, 48), "red"), "depth", "plain", "turbo_r") == ""
    assert link.link(example(QTIPS).convert("RGB"), "qtips", "plain", "turbo_r") == ""


NAMES = ("example", "task", "trunk", "colours", "column", "row")


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12)))
def test_any_query_is_harmless(wrong):
    assert link.view(wrong) is None or wrong["example"].split("-")[0] in ("kitchen", "qtip")
    found = link.view({**wrong, "example": "qtip-1"})
    assert found is not None
    assert found.trunk in ("plain", "pyramid") and found.task in ("depth", "segmentation", "qtips")


@pytest.mark.parametrize("name", ["kitchen-0", "kitchen-13", "qtip-7", "kitchen-²", "qtip--1", ""])
def test_no_such_example(name):
    assert link.view({"example": name}) is None


@pytest.mark.parametrize(("column", "row"), [("512", "0"), ("0", "512"), ("-1", "0"), ("1e2", "3")])
def test_pixel_outside_is_the_centre(column, row):
    found = link.view({"example": "qtip-1", "column": column, "row": row})
    assert found is not None and found.pixel is None
