"""Growth of perturbations, against networks whose growth is known."""

import math

import pytest
import torch

from imexnet.models import MODELS, build
from imexnet.stability import growth, perturb
from imexnet.steps import ExplicitStep


@pytest.fixture(autouse=True)
def linear_decay(monkeypatch):
    """f(Y) = −Y / 2: explicit steps halve every perturbation."""
    monkeypatch.setattr(ExplicitStep, "rhs", lambda self, y: -0.5 * y)


def network(name: str):
    torch.manual_seed(0)
    return build(MODELS[name]).double().eval()


def picture(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 1, 64, 64, dtype=torch.float64, generator=generator)


def test_growth_of_linear_explicit_steps_is_a_power():
    x = picture()
    answered = growth(network("qtips-resnet"), "qtips", x, perturb(x, "gaussian", 0.1))
    assert answered.growth == pytest.approx([0.5**j for j in range(1, 7)])
    assert answered.output_change > 0


def test_growth_of_linear_implicit_steps_lies_between_that_and_one():
    x = picture()
    answered = growth(network("qtips-imexnet"), "qtips", x, perturb(x, "gaussian", 0.1))
    factors = [b / a for a, b in zip([1.0, *answered.growth], answered.growth, strict=False)]
    assert all(0.5 < factor < 1 for factor in factors)


def test_no_noise_is_no_change():
    x = picture()
    answered = growth(network("qtips-resnet"), "qtips", x, perturb(x, "gaussian", 0.0))
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


@pytest.mark.parametrize(
    ("noise", "severity"),
    [("snow", 0.1), ("gaussian", -1.0), ("gaussian", math.inf), ("gaussian", math.nan)],
)
def test_bad_noise_is_named(noise, severity):
    with pytest.raises(
        ValueError, match=r"one of gaussian, got 'snow'|from 0 on, got (-1|inf|nan)"
    ):
        perturb(picture(), noise, severity)
