"""The calculator against counted operations, counted parameters and counted saved tensors."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from imexnet.models.config import ModelConfig, Stage
from imexnet.models.networks import build, parameter_count
from imexnet.models.steps import ExplicitStep, IMEXStep
from imexnet.ode.cost import cost
from imexnet.sensitivity.window import window_width

CASES = [(4, 16, 1), (6, 32, 3)]


def steps(channels: int, count: int, implicit: bool) -> torch.nn.Sequential:
    kind = IMEXStep if implicit else ExplicitStep
    return torch.nn.Sequential(*(kind(channels) for _ in range(count)))


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(("channels", "side", "count"), CASES)
def test_parameters_and_convolutions_as_counted(channels, side, count, implicit):
    network = steps(channels, count, implicit).eval()
    found = cost(channels, side, count, implicit)
    assert found.parameters == parameter_count(network)
    explicit = steps(channels, count, False).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        explicit(torch.rand(1, channels, side, side))
    assert found.multiply_adds == counter.get_total_flops() // 2


def test_fft_operations():
    assert cost(1, 16, 1, False).fft_operations == 0
    assert cost(3, 16, 2, True).fft_operations == 2 * 3 * 2 * (5 * 256 * 8 // 2)


def width_seen(network: torch.nn.Module, channels: int, width: int) -> int:
    """Columns of the input on which the output in the middle one depends."""
    x = torch.rand(1, channels, 3, width, dtype=torch.float64, requires_grad=True)
    out = network.double().eval()(x)
    out = out["qtips"] if isinstance(out, dict) else out
    out[0, :, 1, width // 2].sum().backward()
    assert x.grad is not None
    return len(x.grad.abs().amax((0, 1, 2)).nonzero())


@pytest.mark.parametrize("count", [1, 6, 31])
def test_window_is_that_of_the_steps_and_of_the_network_after_its_opening(count):
    torch.manual_seed(0)
    channels, width = 16, 151
    window = cost(channels, width, count, False).window
    assert width_seen(steps(channels, count, False), channels, width) == window
    config = ModelConfig(
        "explicit", (Stage(channels, 1, count),), (("qtips", 4),), 1, (0.0,), (1.0,), (64, 64)
    )
    assert width_seen(build(config), 1, width) == window + 2 == window_width(config)


def test_one_solve_sees_everything():
    torch.manual_seed(0)
    assert cost(16, 151, 1, True).window == math.inf
    assert width_seen(steps(16, 1, True), 16, 151) == 151


@pytest.mark.parametrize("implicit", [False, True])
def test_training_memory_is_that_of_the_saved_feature_maps(implicit):
    channels, side, count = 8, 32, 3
    network = steps(channels, count, implicit).train()
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.nbytes() >= 4 * channels * side * side // 2:  # no weights, no statistics
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    y = torch.rand(1, channels, side, side, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = network(y)
    assert out.requires_grad
    assert sum(saved.values()) == pytest.approx(
        cost(channels, side, count, implicit).training_bytes, rel=0.05
    )


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="at least 1, got 0, 4 and 1"):
        cost(0, 4, 1, True)
