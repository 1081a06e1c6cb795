"""Hide and see: fillings, masks, and the stroke over a marker that only an IMEXNet notices."""

import numpy as np
import pytest
import torch

from imexnet.data import qtips
from imexnet.data.drawn import BACKGROUND
from imexnet.models.checkpoints import WEIGHTS, load_pretrained
from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.sensitivity.field_of_view import ClassReading, Metres
from imexnet.sensitivity.hiding import FILLINGS, box, hidden, hide_and_see
from imexnet.sensitivity.window import explicit_window

SHIPPED = pytest.mark.skipif(
    not (WEIGHTS / "qtips-imexnet.safetensors").exists(), reason="weights are not there"
)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(60, 80), (61, 79, 3)])
@pytest.mark.parametrize("filling", FILLINGS)
def test_only_what_is_masked_is_filled_and_always_alike(filling, shape):
    picture = noise(*shape)
    before = picture.copy()
    mask = box((shape[0], shape[1]), (10, 5), (30, 25))
    found = hidden(picture, mask, filling)
    np.testing.assert_array_equal(found[~mask], picture[~mask])
    assert (found[mask] != picture[mask]).mean() > 0.9
    np.testing.assert_array_equal(hidden(picture, mask, filling), found)
    np.testing.assert_array_equal(picture, before)
    wider = hidden(picture, box((shape[0], shape[1]), (0, 0), (40, 40)), filling)
    np.testing.assert_array_equal(wider[mask], found[mask])  # a brush may go on


def test_fillings_are_what_they_are_called():
    picture, mask = noise(64, 64, 3), np.ones((64, 64), bool)
    assert (hidden(picture, mask, "grey") == 128).all()
    blurred = hidden(picture, mask, "blur").astype(float)
    assert blurred.std() < 0.1 * picture.std()
    assert blurred.mean() == pytest.approx(picture.mean(), abs=3)
    assert 60 < hidden(picture, mask, "noise").std() < 90


def test_a_drawing_is_hidden_by_its_background():
    rods, _ = qtips.qtips(0, range(1))
    mask = np.ones((64, 64), bool)
    networks = {"imexnet": build(MODELS["qtips-imexnet"]).eval()}
    assert (hide_and_see(networks, "qtips", rods[0], mask, (32, 32))[0] == BACKGROUND).all()


def test_boxes_hold_both_corners():
    mask = box((6, 8), (4, 6), (2, 3))
    assert mask.sum() == 12 and mask[2:5, 3:7].all()
    with pytest.raises(ValueError, match="column 8, row 2 lies outside"):
        box((6, 8), (2, 8), (3, 3))


def test_a_hidden_part_changes_metres_and_nothing_beyond_the_window():
    torch.manual_seed(0)
    networks = {kind: build(MODELS[f"indoor-{kind}"]).eval() for kind in ("resnet", "imexnet")}
    for network in networks.values():
        network.heads["depth"].weight.data.normal_(std=0.1)  # pyright: ignore
    picture = noise(120, 160, 3)
    mask = box((120, 160), (0, 0), (119, 20))
    shown, found = hide_and_see(networks, "depth", picture, mask, (60, 100), "noise")
    np.testing.assert_array_equal(shown, hidden(picture, mask, "noise"))
    resnet, imexnet = found["resnet"], found["imexnet"]
    assert resnet.change.shape == (120, 160) and not resnet.flipped.any()
    assert resnet.before == resnet.after and imexnet.before != imexnet.after
    reach = [
        column
        for column in range(160)
        if explicit_window(MODELS["indoor-resnet"], (60, column), (120, 160))[1].start <= 20
    ]
    assert not resnet.change[:, max(reach) + 1 :].any()
    assert resnet.change[:, : max(reach) + 1].any()
    for answered in found.values():
        assert isinstance(answered.before, Metres) and isinstance(answered.after, Metres)
        at = answered.change[60, 100]
        assert at == pytest.approx(answered.after.value - answered.before.value, abs=1e-5)
        largest = answered.to_dict()["largest_change"]
        assert abs(largest) == np.abs(answered.change).max()


def test_nothing_hidden_changes_nothing():
    networks = {"resnet": build(MODELS["qtips-resnet"]).eval()}
    picture = noise(64, 64)
    mask = np.zeros((64, 64), bool)
    shown, found = hide_and_see(networks, "qtips", picture, mask, (3, 4))
    np.testing.assert_array_equal(shown, picture)
    assert not found["resnet"].change.any() and not found["resnet"].flipped.any()
    assert found["resnet"].before == found["resnet"].after


@SHIPPED
@pytest.mark.parametrize("index", [0, 1, 4, 5])
def test_a_stroke_over_the_white_end_flips_the_imexnet_and_not_the_resnet(index):
    """The window of the ResNet ends before the stroke: its answer is the same to the last bit."""
    networks = {kind: load_pretrained(f"qtips-{kind}", "cpu") for kind in ("resnet", "imexnet")}
    picture, label = qtips.qtip(26, index)
    rows, columns = np.nonzero(picture == qtips.WHITE)
    if label[32, 32] == 1:  # white at either end: the one that is higher up
        upper = rows < 32
        rows, columns = rows[upper], columns[upper]
    top, bottom, left, right = rows.min() - 1, rows.max() + 1, columns.min() - 1, columns.max() + 1
    top, bottom, left, right = (int(np.clip(i, 0, 63)) for i in (top, bottom, left, right))
    mask = box((64, 64), (top, left), (bottom, right))
    window = explicit_window(MODELS["qtips-resnet"], (32, 32), (64, 64))
    assert not mask[window].any()
    _, found = hide_and_see(networks, "qtips", picture, mask, (32, 32), "grey")
    resnet, imexnet = found["resnet"], found["imexnet"]
    assert resnet.before == resnet.after and resnet.change[32, 32] == 0
    assert isinstance(imexnet.before, ClassReading) and isinstance(imexnet.after, ClassReading)
    assert imexnet.before.number == label[32, 32]
    assert imexnet.after.number != imexnet.before.number
    assert imexnet.flipped[32, 32] and not resnet.flipped[32, 32]
    assert imexnet.change[32, 32] < 0
    told = imexnet.to_dict()
    assert told["before"] == imexnet.before.name and told["flipped"] > 0


def test_what_cannot_be_hidden_is_said_in_a_sentence():
    picture, mask = noise(6, 8), np.zeros((6, 8), bool)
    with pytest.raises(ValueError, match="the filling must be one of grey, blur, noise, got 'ink'"):
        hidden(picture, mask, "ink")
    for wrong in (mask.T, mask.astype(np.uint8), mask[None]):
        with pytest.raises(ValueError, match=r"true or false for each of \(6, 8\) pixels"):
            hidden(picture, wrong)
    networks = {"resnet": build(MODELS["qtips-resnet"]).eval()}
    with pytest.raises(ValueError, match="column 8, row 2 lies outside"):
        hide_and_see(networks, "qtips", picture, mask, (2, 8))
