"""Corruptions, growth and Lipschitz estimates, against networks and matrices that are known."""

import math
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imexnet.models.config import MODELS
from imexnet.models.networks import build, time_steps
from imexnet.models.steps import ExplicitStep
from imexnet.stability.corruptions import NOISES, perturb
from imexnet.stability.growth import describe, norms, perturbation_growth, stretched
from imexnet.stability.lipschitz import local_lipschitz


@pytest.fixture
def linear_decay(monkeypatch):
    """f(Y) = −Y / 2: explicit steps halve every perturbation."""
    monkeypatch.setattr(ExplicitStep, "rhs", lambda self, y: -0.5 * y)


def network(name: str):
    torch.manual_seed(0)
    return build(MODELS[name]).double().eval().requires_grad_(False)


def picture(seed: int = 0, channels: int = 1, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, side, side, dtype=torch.float64, generator=generator)


@pytest.mark.usefixtures("linear_decay")
def test_growth_of_linear_explicit_steps_is_a_power():
    x = picture()
    answered = perturbation_growth(network("qtips-resnet"), "qtips", x, perturb(x, "gaussian", 0.1))
    assert answered.growth == pytest.approx([0.5**j for j in range(1, 7)])
    assert answered.output_change > 0


@pytest.mark.usefixtures("linear_decay")
def test_growth_of_linear_implicit_steps_lies_between_that_and_one():
    x = picture()
    answered = perturbation_growth(
        network("qtips-imexnet"), "qtips", x, perturb(x, "gaussian", 0.1)
    )
    factors = [b / a for a, b in zip([1.0, *answered.growth], answered.growth, strict=False)]
    assert all(0.5 < factor < 1 for factor in factors)


@pytest.mark.usefixtures("linear_decay")
def test_growth_in_a_decoder_is_taken_in_the_order_of_its_steps():
    """Halved by every step: two in a row at 1/16 of the picture, two at 1/8, one at 1/4."""
    x, name = picture(channels=3), "indoor-backbone-resnet"
    growths = perturbation_growth(network(name), "depth", x, perturb(x, "gaussian", 0.1)).growth
    assert len(growths) == 5 and growths[:2] == pytest.approx([0.5, 0.25])
    assert growths[3] / growths[2] == pytest.approx(0.5)
    assert growths[4] > 0


def test_no_noise_is_no_change():
    x = picture()
    answered = perturbation_growth(network("qtips-resnet"), "qtips", x, perturb(x, "gaussian", 0.0))
    assert set(answered.growth) == {0}
    assert answered.output_change == 0


def test_noise_has_the_severity_stays_in_range_and_repeats():
    x = torch.full((1, 3, 200, 200), 0.5)
    noisy = perturb(x, "gaussian", 0.05, seed=3)
    assert (noisy - x).std().item() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(noisy, perturb(x, "gaussian", 0.05, seed=3))
    assert not torch.equal(noisy, perturb(x, "gaussian", 0.05, seed=4))
    strong = perturb(x, "gaussian", 5.0)
    assert (strong.min(), strong.max()) == (0, 1)


def test_salt_and_pepper_hit_their_share_of_pixels_in_all_channels():
    x = torch.full((2, 3, 200, 200), 0.5)
    noisy = perturb(x, "salt-and-pepper", 0.1)
    hit = noisy != x
    assert (hit == hit[:, :1]).all()
    assert hit.float().mean().item() == pytest.approx(0.1, abs=0.004)
    assert (noisy == 1).sum().item() == pytest.approx((noisy == 0).sum().item(), rel=0.1)
    assert set(noisy.unique().tolist()) == {0, 0.5, 1}


def test_blur_spreads_an_impulse_as_a_gaussian_and_keeps_constants():
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1
    blurred = perturb(x, "blur", 2.0)[0, 0].numpy()
    offsets = np.arange(-20, 21)
    assert blurred.sum() == pytest.approx(1)
    assert (blurred.sum(0) * offsets**2).sum() == pytest.approx(4, rel=0.01)  # σ² = 4
    flat = torch.full((1, 1, 9, 9), 0.3, dtype=torch.float64)
    torch.testing.assert_close(perturb(flat, "blur", 3.0), flat)


def test_jpeg_is_worse_at_lower_quality_and_exact_on_flat_grey():
    x = picture(channels=3)
    errors = [float((perturb(x, "jpeg", q) - x).norm()) for q in (95, 50, 5)]
    assert 0 < errors[0] < errors[1] < errors[2]
    flat = torch.full((1, 1, 16, 16), 128 / 255)
    torch.testing.assert_close(perturb(flat, "jpeg", 90), flat, rtol=0, atol=1e-6)


def test_brightness_is_added_and_clipped():
    x = torch.tensor([[[[0.0, 0.5, 0.9]]]])
    torch.testing.assert_close(perturb(x, "brightness", 0.2), torch.tensor([[[[0.2, 0.7, 1.0]]]]))
    torch.testing.assert_close(perturb(x, "brightness", -0.2), torch.tensor([[[[0, 0.3, 0.7]]]]))


@given(noise=st.sampled_from(sorted(NOISES)), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_noise_keeps_shape_type_and_range_and_repeats(noise, share, seed):
    kind = NOISES[noise]
    severity = kind.low + share * (min(kind.high, 10) - kind.low)
    x = picture(seed % 97, channels=3, side=12).float()
    before = x.clone()
    noisy = perturb(x, noise, severity, seed)
    assert (noisy.shape, noisy.dtype) == (x.shape, x.dtype)
    assert 0 <= noisy.min() <= noisy.max() <= 1
    assert torch.equal(x, before)
    assert torch.equal(noisy, perturb(x, noise, severity, seed))


MILD = {"gaussian": 0.05, "salt-and-pepper": 0.02, "blur": 1, "jpeg": 30, "brightness": 0.1}


@pytest.mark.parametrize("noise", NOISES)
def test_mild_severities_change_something(noise):
    x = picture(channels=3).float()
    change = float((perturb(x, noise, MILD[noise]) - x).norm() / x.norm())
    assert 0.001 < change < 0.7


@pytest.mark.parametrize(
    ("noise", "severity", "words"),
    [
        ("snow", 0.1, "one of gaussian, .*brightness, got 'snow'"),
        ("gaussian", -1.0, "from 0 on .*σ on the .* got -1"),
        ("gaussian", math.inf, "finite number from 0 on .* got inf"),
        ("gaussian", math.nan, "from 0 on .* got nan"),
        ("salt-and-pepper", 1.1, "from 0 to 1 .share of pixels"),
        ("jpeg", 0, "from 1 to 100 .quality"),
        ("brightness", -1.5, "from -1 to 1"),
        ("blur", 1e6, "from 0 to 100"),
    ],
)
def test_bad_noise_is_named(noise, severity, words):
    with pytest.raises(ValueError, match=words):
        perturb(picture(), noise, severity)


def test_lipschitz_of_a_matrix_is_its_largest_singular_value():
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(30, 20, dtype=torch.float64, generator=generator)
    x = torch.rand(20, dtype=torch.float64, generator=generator)
    found = local_lipschitz(lambda v: matrix @ v, x, iterations=500, tolerance=1e-10)
    assert found.constant == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=1e-6)
    assert found.converged
    assert 1 < found.iterations < 500
    short = local_lipschitz(lambda v: matrix @ v, x, iterations=2, tolerance=1e-10)
    assert (short.iterations, short.converged) == (2, False)
    assert 0 < short.constant <= found.constant


@pytest.mark.parametrize("name", ["qtips-resnet", "qtips-imexnet"])
def test_lipschitz_of_a_network_equals_a_dense_svd(name):
    model = network(name)
    with torch.no_grad():  # fresh heads are nearly zero
        cast(nn.Conv2d, model.heads["qtips"]).weight.normal_()
    x = picture(side=8)
    found = local_lipschitz(lambda v: model(v)["qtips"], x, iterations=2000, tolerance=1e-9)
    dense = torch.autograd.functional.jacobian(lambda v: model(v)["qtips"], x)
    assert isinstance(dense, torch.Tensor)
    largest = float(torch.linalg.matrix_norm(dense.reshape(-1, x.numel()), 2))
    assert found.constant == pytest.approx(largest, rel=1e-4)


def test_lipschitz_of_a_constant_is_zero():
    found = local_lipschitz(lambda v: 0 * v, picture(side=4))
    assert found.constant == 0
    assert found.converged


@pytest.mark.usefixtures("linear_decay")
def test_stretched_explicit_steps_amplify_by_their_closed_form():
    model, x = network("qtips-resnet"), picture()
    for h, repeats in ((1.0, 1), (0.1, 3), (6.0, 2)):
        sizes = norms(stretched(model, h, repeats), x)
        assert sizes == pytest.approx([abs(1 - h / 2) ** j for j in range(1, 6 * repeats + 1)])


def test_stretched_by_nothing_is_the_network_and_leaves_it_alone():
    for name in ("qtips-resnet", "qtips-imexnet", "indoor-imexnet", "indoor-backbone-imexnet"):
        model = network(name)
        x = picture(channels=model.config.channels)
        task = model.config.heads[0][0]
        before = {key: value.clone() for key, value in model.state_dict().items()}
        expected = model(x)[task]
        torch.testing.assert_close(stretched(model, 1.0, 1)(x)[task], expected)
        twin = stretched(model, 2.0, 3)
        assert len(time_steps(twin)) == 3 * len(time_steps(model))
        parts = twin.config.stages + twin.config.decoder
        assert sum(part.steps for part in parts) == len(time_steps(twin))
        assert not torch.allclose(twin(x)[task], expected)
        torch.testing.assert_close(model(x)[task], expected)
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
        assert {step.step_size for step in time_steps(model)} == {1.0}


def test_overflow_is_told_in_words(monkeypatch):
    monkeypatch.setattr(ExplicitStep, "rhs", lambda self, y: -y * 1e30)
    x = picture().float()
    sizes = norms(stretched(network("qtips-resnet").float(), 1.0, 1), x)
    assert describe(sizes) == "blows up: infinite from step 2 of 6 on"
    assert describe([2.0, math.nan]) == "blows up: not a number from step 2 of 2 on"
    assert describe([2.0, 0.25]) == "finite: ‖Y‖ ends at 0.25 times its start after 2 steps"


@pytest.mark.parametrize(
    ("h", "repeats", "words"),
    [(0.0, 1, "above 0, got 0"), (math.nan, 1, "got nan"), (1.0, 0, "at least once, got 0")],
)
def test_bad_stretching_is_named(h, repeats, words):
    with pytest.raises(ValueError, match=words):
        stretched(network("qtips-resnet"), h, repeats)
