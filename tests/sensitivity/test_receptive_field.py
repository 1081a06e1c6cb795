"""Averages of fields of view, and the growth of the window from step to step."""

import numpy as np
import pytest
import torch
from PIL import Image
from test_sensitivity import picture, randomised

from imexnet.sensitivity.field_of_view import field_of_view
from imexnet.sensitivity.receptive_field import Average, effective, pictures, reach_per_step


def averages(name: str, pixels: int) -> list[Average]:
    network = randomised(name)
    task = network.config.heads[0][0]
    shown = [picture((24, 32), network.config.channels), 0 * picture((24, 32), 3)[:, :1]]
    shown[1] = shown[0].flip(-1)
    return list(effective(network, task, shown, pixels, seed=5))


def test_an_average_of_one_is_the_field_of_view():
    network = randomised("qtips-imexnet")
    x = picture((24, 32), 1)
    (average,) = effective(network, "qtips", [x], 1, seed=5)
    random = np.random.default_rng(5)
    row, column = int(random.integers(24)), int(random.integers(32))
    view = field_of_view(network, "qtips", x, (row, column))
    assert average.count == 1
    assert average.map.shape == (47, 63)
    moved = average.map[23 - row : 47 - row, 31 - column : 63 - column]
    np.testing.assert_allclose(moved, view.sensitivity / view.sensitivity.sum(), rtol=1e-6)
    assert average.map.sum() == pytest.approx(1)
    assert average.mean == view.measures
    assert set(vars(average.std).values()) == {0}


def test_averages_grow_and_stop_wherever_one_wants():
    first, second = averages("qtips-resnet", 6)
    assert (first.count, second.count) == (6, 12)
    assert (first.map != second.map).any()
    inside = np.zeros((47, 63), bool)
    inside[23 - 13 : 23 + 14, 31 - 13 : 31 + 14] = True
    assert not second.map[~inside].any()  # the window of 27 pixels, wherever the pixel lies
    assert second.map[23, 31] > 0
    assert second.mean.outside_window == 0
    assert second.middle.shape == (24, 32)
    assert second.middle[12, 16] == second.map[23, 31]
    said = second.to_dict()
    assert said["count"] == 12
    assert said["area95"] == {"mean": second.mean.area95, "std": second.std.area95}


def test_the_same_pixels_for_every_network():
    wide = averages("qtips-imexnet", 4)[-1]
    again = averages("qtips-imexnet", 4)[-1]
    np.testing.assert_array_equal(wide.map, again.map)
    assert wide.mean.outside_window > 0


def test_pictures_are_as_the_network_takes_them(tmp_path):
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (320, 240), (number, 50, 90)).save(paths[-1])
    shown = list(pictures(randomised("indoor-resnet").float(), "depth", paths, 2))
    assert [tuple(x.shape) for x in shown] == [(1, 3, 120, 160)] * 2
    rods = list(pictures(randomised("qtips-resnet"), "qtips", [], 3))
    assert [tuple(x.shape) for x in rods] == [(1, 1, 64, 64)] * 3
    assert {round(255 * float(v)) for v in rods[0].unique()} <= {1, 64, 128, 255}


@pytest.mark.parametrize("name", ["qtips-resnet", "indoor-resnet"])
def test_an_explicit_window_grows_by_two_cells_either_side_a_step(name):
    network = randomised(name)
    x = picture((120, 160), network.config.channels)
    reaches = reach_per_step(network, x, (60, 81))
    stride = network.config.stride
    opening = 3 if stride == 1 else 7  # two openings with stride 2: 1 → 3 → 7
    steps = sum(stage.steps for stage in network.config.stages)
    assert len(reaches) == steps + 1
    sides = [opening + 4 * stride * step for step in range(steps + 1)]
    if stride > 1:  # the third stage's opening adds one cell to either side
        sides = [side + 2 * stride * (step > 2) for step, side in enumerate(sides)]
    assert [reach.rows for reach in reaches] == sides
    assert [reach.columns for reach in reaches] == sides


def test_an_implicit_window_is_everything_after_the_first_step():
    network = randomised("qtips-imexnet")
    reaches = reach_per_step(network, picture((64, 64), 1), (20, 30))
    assert (reaches[0].rows, reaches[0].columns) == (3, 3)
    assert {(r.rows, r.columns) for r in reaches[1:]} == {(64, 64)}
    assert (reaches[1].sensitivity > 0).all()
    with pytest.raises(ValueError, match="row 64"):
        reach_per_step(network, picture((64, 64), 1), (64, 3))


def test_growth_at_the_end_is_the_gradient_of_the_last_features():
    network = randomised("qtips-imexnet")
    x = picture((16, 16), 1)
    x.requires_grad_()
    y = network.layers((x - network.mean) / network.std)
    (expected,) = torch.autograd.grad(y[0, :, 4, 5].square().sum() / 2, x)
    last = reach_per_step(network, x, (4, 5))[-1].sensitivity
    np.testing.assert_allclose(last, expected[0].abs().sum(0).numpy(), rtol=1e-9)
