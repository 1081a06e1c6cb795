"""Jacobians against finite differences and closed forms; a layer as a differential equation."""

from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imexnet.models.checkpoints import WEIGHTS, load_pretrained
from imexnet.models.networks import states, time_steps
from imexnet.models.steps import DiffusionReactionStep, ExplicitStep, IMEXStep
from imexnet.models.tasks import KINDS
from imexnet.ode import layer_ode
from imexnet.ui.components.inputs import MOST_STEPS, example
from imexnet.ui.solve.layers import find


def layer(kind: type[ExplicitStep] = IMEXStep, channels: int = 3) -> ExplicitStep:
    torch.manual_seed(0)
    step = kind(channels, 0.5)
    cast(Tensor, step.norm.running_mean).uniform_(-0.5, 0.5)
    cast(Tensor, step.norm.running_var).uniform_(0.5, 2)
    torch.nn.init.uniform_(step.norm.weight, 0.5, 1.5)
    torch.nn.init.uniform_(step.norm.bias, -0.5, 0.5)
    return layer_ode.in_double(step)


def features(channels: int = 3, height: int = 5, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, channels, height, width, dtype=torch.float64, generator=generator)


def test_jacobian_equals_finite_differences():
    step, y = layer(), features()
    dense = layer_ode.jacobian(step.rhs, y)
    unit = torch.eye(y.numel(), dtype=torch.float64).view(-1, *y.shape[1:]) * 1e-7
    difference = (step.rhs(y + unit) - step.rhs(y - unit)) / 2e-7  # row i: ∂f / ∂y_i
    np.testing.assert_allclose(dense, difference.flatten(1).T.numpy(), atol=1e-6)


def test_tied_jacobian_is_symmetric_and_not_positive():
    """∂f/∂Y = −Kᵀ D K with D = σ'(…) γ / √var ≥ 0."""
    step, y = layer(), features()
    dense = layer_ode.jacobian(step.rhs, y)
    np.testing.assert_allclose(dense, dense.T, atol=1e-12)
    values = layer_ode.eigenvalues(dense)
    assert not values.imag.any()
    assert values.real.max() <= 1e-12
    assert values.real.min() < -0.1
    np.testing.assert_allclose(values.sum(), np.trace(dense))


def test_untied_jacobian_is_that_of_a_random_second_convolution_of_the_same_norm():
    step, y = layer(), features()
    rhs = layer_ode.untied(step, seed=5)
    dense = layer_ode.jacobian(rhs, y)
    assert np.abs(dense - dense.T).max() > 0.01
    values = layer_ode.eigenvalues(dense)
    assert values.real.max() > 0.01
    assert np.abs(values.imag).max() > 0.01
    np.testing.assert_allclose(values.sum(), np.trace(dense))
    inside = F.relu(step.norm(step.conv(y)))
    impulse = torch.zeros_like(inside)
    impulse[..., 2, 2] = inside[..., 2, 2]
    assert not torch.equal(layer_ode.untied(step, seed=6)(y), rhs(y))
    torch.testing.assert_close(layer_ode.untied(step, seed=5)(y), rhs(y))


def test_crop_is_central_and_small_enough():
    y = torch.arange(2 * 9 * 12.0).view(1, 2, 9, 12)
    small = layer_ode.crop(y, unknowns=2 * 16)
    assert small.shape == (1, 2, 4, 4)
    assert small.dtype == torch.float64
    torch.testing.assert_close(small, y[..., 2:6, 4:8].double())
    assert layer_ode.crop(y, unknowns=10**6).shape == (1, 2, 9, 12)
    assert layer_ode.crop(y, unknowns=1).shape == (1, 2, 3, 3)


def test_propagation_is_the_steps_themselves():
    step, y = layer(), features()
    found = layer_ode.propagate(step, y, 0.5, 3, implicit=True)
    assert len(found) == 4
    expected = y
    with torch.no_grad():
        for _ in range(3):
            expected = step(expected)
    torch.testing.assert_close(found[-1], expected)
    explicit = layer_ode.propagate(step, y, 0.5, 1, implicit=False)[-1]
    torch.testing.assert_close(explicit, y + 0.5 * step.rhs(y))


def test_no_layer_is_propagated_with_a_negative_step():
    with pytest.raises(ValueError, match="not negative, got -1"):
        layer_ode.propagate(layer(), features(), -1.0, 3, implicit=True)


def test_explicit_layers_are_given_the_laplacian():
    step, y = layer(ExplicitStep), torch.ones(1, 3, 6, 6, dtype=torch.float64)
    found = layer_ode.linear_part(step, y)
    assert found.shape == (1, 6, 6)
    assert found[0, 0, 0].abs() < 1e-12
    assert found[0, 3, 3].item() == pytest.approx(16 / 3)  # (20 + 16 − 4) / 6 at the highest


def test_layer_problem_takes_the_layers_own_step():
    """The IMEX step of `integrators` is the diffusion-reaction step of the layer."""
    step = layer(DiffusionReactionStep)
    y = features()
    problem = layer_ode.layer_problem(step, y)
    one = problem.solve(y.numpy() + 0.5 * problem.f(y.numpy()), 0.5)
    with torch.no_grad():
        np.testing.assert_allclose(one, step(y).numpy(), atol=1e-12)
    assert problem.evaluations == 1


@pytest.mark.skipif(not (WEIGHTS / "qtips-imexnet.safetensors").exists(), reason="no weights")
@pytest.mark.parametrize("name", ["qtips-resnet", "qtips-imexnet"])
def test_trained_layers_have_real_eigenvalues(name):
    network = load_pretrained(name, "cpu")
    x = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = layer_ode.crop(states(network, x)[2], 16 * 16)
    dense = layer_ode.jacobian(layer_ode.in_double(time_steps(network)[2]).rhs, y)
    np.testing.assert_allclose(dense, dense.T, atol=1e-9)


@pytest.mark.skipif(not (WEIGHTS / "indoor-imexnet.safetensors").exists(), reason="no weights")
@pytest.mark.filterwarnings("ignore")  # of Gradio's packages
@pytest.mark.parametrize(("task", "family"), [("depth", "indoor"), ("qtips", "qtips")])
@pytest.mark.parametrize("kind", KINDS)
def test_the_chosen_layer_gets_the_features_before_it(task, family, kind):
    """Between two steps of the networks for rooms the number of channels changes."""
    network = load_pretrained(f"{family}-{kind}", "cpu")
    networks = {f"{family}-{k}": network for k in KINDS}
    with torch.no_grad():
        for number, step in enumerate(time_steps(network)[:MOST_STEPS], 1):
            layer = find(networks, example("qtips", 0), task, kind, number)
            assert layer.step is step
            assert step.rhs(layer.features).shape == layer.features.shape
