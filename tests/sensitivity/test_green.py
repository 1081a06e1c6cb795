"""Green's functions against dense solves, an exact one, and their decay."""

import numpy as np
import pytest
import torch

from imexnet.models.steps import IMEXStep
from imexnet.sensitivity.green import farthest, green
from imexnet.spectral.solve import green_function
from imexnet.spectral.symbols import zero_mean


def layer(**options) -> IMEXStep:
    torch.manual_seed(3)
    return IMEXStep(4, **options)


@pytest.mark.parametrize("size", [(16, 24), (15, 9)])
@pytest.mark.parametrize("h", [0.0, 1.0, 30.0])
def test_response_is_the_solve_of_an_impulse(size, h):
    step = layer()
    found = green(step, 2, h, size)
    expected = green_function(zero_mean(step.stencil.detach().double()), h, size)[2].numpy()
    np.testing.assert_allclose(found.response, expected, atol=1e-14)
    assert found.response.sum() == pytest.approx(1)  # constants pass unchanged
    assert found.multiplier.max() == pytest.approx(1)
    assert found.multiplier[size[0] // 2, size[1] // 2] == pytest.approx(1)
    assert found.profile[0] == np.abs(found.response).max()


@pytest.mark.parametrize("h", [0.5, 4.0, 50.0])
def test_decay_length_of_a_one_dimensional_difference_is_exact(h):
    step = layer()
    with torch.no_grad():
        step.stencil.zero_()
        step.stencil[:, 1, 0], step.stencil[:, 1, 1] = -1, 1  # −∂²/∂x² = BᵀB along a row
    root = 1 + 1 / (2 * h) - np.sqrt((1 + 1 / (2 * h)) ** 2 - 1)  # G = c root^|x|
    found = green(step, 0, h, (256, 256))
    assert found.decay_length == pytest.approx(-1 / np.log(root), rel=0.01)
    assert np.count_nonzero(np.abs(found.response) > 1e-12) <= 256


def test_decay_length_of_the_laplacian_grows_as_the_root_of_h():
    step = layer(operator="laplacian")
    lengths = [green(step, 0, h, (256, 256)).decay_length for h in (4.0, 16.0, 64.0)]
    assert lengths[1] / lengths[0] == pytest.approx(2, rel=0.15)
    assert lengths[2] / lengths[1] == pytest.approx(2, rel=0.15)


def test_farthest_is_the_channel_with_the_longest_decay_of_all_layers():
    layers = [layer(), IMEXStep(3), layer(operator="laplacian")]
    size = (24, 20)
    lengths = {
        (number, channel): green(step, channel, 2.0, size).decay_length
        for number, step in enumerate(layers, start=1)
        for channel in range(step.conv.weight.shape[0])
    }
    found = farthest(layers, 2.0, size)
    assert lengths[found] == max(lengths.values()) > min(lengths.values())


def test_without_coupling_nothing_spreads():
    for found in (
        green(layer(), 0, 0.0, (12, 12)),
        green(layer(operator="identity"), 3, 2, (8, 8)),
    ):
        assert found.decay_length == 0
        assert found.masses == {5: pytest.approx(1), 13: pytest.approx(1)}


def test_masses_of_random_stencils_as_in_the_documentation():
    """docs/method.md: with h = 1, 0.84 of the mass lies within 5 × 5, the mean over 50 stencils."""
    step = IMEXStep(50)
    torch.manual_seed(0)
    with torch.no_grad():
        step.stencil.copy_(torch.rand(50, 3, 3))
    masses = [green(step, channel, 1.0, (64, 64)).masses for channel in range(50)]
    assert f"{np.mean([mass[5] for mass in masses]):.2f}" == "0.84"
    assert all(mass[5] < mass[13] < 1 for mass in masses)


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="channels are 0 … 3, got 4"):
        green(layer(), 4, 1.0, (8, 8))
    for h in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="h must be finite"):
            green(layer(), 0, h, (8, 8))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_layer_in_half_precision_has_the_response_of_its_rounded_stencil(kind):
    step = layer().to(kind)
    found = green(step, 1, 2.0, (15, 9))
    expected = green_function(zero_mean(step.stencil.detach().double()), 2.0, (15, 9))
    np.testing.assert_allclose(found.response, expected[1].numpy(), atol=1e-14)


@pytest.mark.parametrize("size", [(2, 2), (1, 6), (4, 3)])
def test_a_grid_smaller_than_the_stencil(size):
    step = layer(stencil_size=5)
    found = green(step, 0, 2.0, size)
    stencil = zero_mean(step.stencil.detach().double())
    np.testing.assert_allclose(
        found.response, green_function(stencil, 2.0, size)[0].numpy(), atol=1e-14
    )
