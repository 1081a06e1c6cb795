"""Control steps: what they share with the explicit step, what they see, and their folded forms."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import nn

from imexnet.models.config import Level, ModelConfig, Place, Stage
from imexnet.models.controls import (
    CONTROLS,
    AttentionStep,
    DampedStep,
    DilatedStep,
    GlobalFilterStep,
    LaplaciansStep,
    LargeKernelStep,
    MeanStep,
    SqueezeExcitationStep,
)
from imexnet.models.folding import fold
from imexnet.models.networks import IMEXNet, ResNet, build, parameter_count, time_steps
from imexnet.models.steps import ExplicitStep, IMEXStep
from imexnet.sensitivity.window import explicit_window, window_width
from imexnet.spectral.solve import apply_filter
from imexnet.stability.bounds import lipschitz_bound, step_bounds

CONFIG = ModelConfig(
    step="explicit",
    stages=(Stage(channels=16, stride=1, steps=6),),
    heads=(("qtips", 4),),
    channels=1,
    mean=(0.3,),
    std=(0.1,),
    size=(64, 64),
)
ZERO_AT = {
    "dilated": (),
    "mean": ("weight",),
    "squeeze-excitation": ("excite.weight",),
    "large-kernel": ("depthwise.weight",),
    "global-filter": ("multiplier",),
    "attention": ("project.weight",),
    "damped": ("weight",),
    "laplacians": (),
}
"""Kind → the numbers that it adds to f; without them it is the explicit step."""
WHOLE = ["mean", "squeeze-excitation", "global-filter", "attention", "laplacians"]
LOCAL = ["dilated", "large-kernel", "damped"]


def made(step: str, **changes: Any):
    """In float64 and eval mode; nothing is at rest, and nothing is as it was initialised."""
    torch.manual_seed(4)
    network = build(replace(CONFIG, step=step, **changes)).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                assert tensor is not None
                tensor.data.uniform_(0.5, 1.5)
    return network


def sensitivity(network, size: tuple[int, int], pixel: tuple[int, int]) -> torch.Tensor:
    """Σ |∂ŷ_p / ∂x|, (H, W)."""
    torch.manual_seed(1)
    x = torch.rand(1, network.config.channels, *size, dtype=torch.float64, requires_grad=True)
    (output,) = network(x).values()
    output[0, :, pixel[0], pixel[1]].square().sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


def test_every_control_is_listed_here():
    assert set(ZERO_AT) == set(CONTROLS) == {*WHOLE, *LOCAL}


@pytest.mark.parametrize("kind", CONTROLS)
def test_kernels_are_those_of_the_resnet_of_that_seed(kind):
    explicit, control = made("explicit"), made(kind)
    extra = dict(control.named_parameters())
    for name, value in explicit.named_parameters():
        assert torch.equal(value, extra.pop(name))
    assert {name.split(".", 2)[-1] for name in extra} >= set(ZERO_AT[kind])


@pytest.mark.parametrize("kind", CONTROLS)
def test_without_what_it_adds_it_is_the_explicit_step_bit_for_bit(kind):
    changes: dict[str, Any] = {"dilations": (1,), "lengths": (0.0,)}
    explicit, control = made("explicit"), made(kind, **changes)
    x = torch.rand(2, 1, 40, 33)
    for step in time_steps(control):
        for name, parameter in step.named_parameters():
            if name in ZERO_AT[kind]:
                parameter.data.zero_()
    pair = [network.float()(x)["qtips"] for network in (explicit, control)]
    if kind == "laplacians":  # two transforms, rounded
        torch.testing.assert_close(*pair, rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(*pair)


@pytest.mark.parametrize("kind", CONTROLS)
def test_what_it_adds_matters(kind):
    x = torch.rand(2, 1, 40, 33, dtype=torch.float64)
    difference = made(kind)(x)["qtips"] - made("explicit")(x)["qtips"]
    assert difference.abs().max() > 1e-4


@pytest.mark.parametrize("kind", LOCAL)
def test_the_window_of_local_controls_is_exactly_what_they_see(kind):
    network = made(kind, stages=(Stage(4, 1, 2),))
    width = window_width(network.config)
    assert (
        width
        == {
            "dilated": 3 + 4 * (1 + 2),
            "large-kernel": 3 + 2 * (4 + 30),
            "damped": 3 + 4 * 2,
        }[kind]
    )
    size, pixel = (width + 8, width + 13), (width // 2 + 5, width // 2 + 3)
    seen = sensitivity(network, size, pixel).nonzero()
    window = explicit_window(network.config, pixel, size)
    for axis in (0, 1):
        assert window[axis].stop - window[axis].start == width
        assert (int(seen[:, axis].min()), int(seen[:, axis].max()) + 1) == (
            window[axis].start,
            window[axis].stop,
        )


@pytest.mark.parametrize("kind", WHOLE)
def test_one_step_of_the_others_sees_every_pixel(kind):
    """Far outside the window of its explicit part, which is that of the ResNet."""
    network = made(kind, stages=(Stage(8, 1, 1),))
    assert window_width(network.config) == 7
    seen = sensitivity(network, (48, 40), (8, 8))
    outside = torch.ones(48, 40, dtype=torch.bool)
    outside[explicit_window(network.config, (8, 8), (48, 40))] = False
    assert (seen[outside] > 0).double().mean() > 0.9  # but for ReLUs at rest
    assert seen[-4:, -4:].max() > 0


def test_dilations_follow_the_steps_of_the_whole_network():
    changes = {"step": "dilated", "stages": (Stage(4, 2, 2), Stage(6, 2, 2)), "size": (64, 48)}
    config = replace(CONFIG, **changes, decoder=(Level(5, 1), Level(4, 1)))
    found = [step.conv.dilation[0] for step in time_steps(build(config))]
    assert found == [1, 2, 4, 8, 1, 2]
    assert [place.stride for place in config.places] == [2, 2, 4, 4, 2, 1]
    own = build(replace(config, dilations=(1, 2, 4, 8, 4, 1)))
    assert [step.conv.dilation[0] for step in time_steps(own)] == [1, 2, 4, 8, 4, 1]
    assert window_width(replace(CONFIG, step="dilated", dilations=(1, 2, 4, 8, 4, 1))) == 83


def test_the_window_of_dilated_steps_with_a_decoder():
    config = replace(
        CONFIG, step="dilated", stages=(Stage(4, 2, 1), Stage(5, 2, 2)), decoder=(Level(4, 1),)
    )
    torch.manual_seed(0)
    network = build(config).double().eval()
    size, pixel = (230, 214), (101, 120)
    window = explicit_window(config, pixel, size)
    seen = sensitivity(network, size, pixel).nonzero()
    for axis in (0, 1):
        first, last = int(seen[:, axis].min()), int(seen[:, axis].max())
        assert window[axis].start <= first <= window[axis].start + config.coarsest
        assert window[axis].stop - config.coarsest <= last + 1 <= window[axis].stop
        assert window[axis].stop - window[axis].start > 8 * (2 * (2 + 4)) + 2 * 2 * (1 + 8)


PARAMETERS = {
    "explicit": 0, "dilated": 0, "laplacians": 0, "mean": 1, "damped": 1,
    "squeeze-excitation": 8, "imex": 9, "attention": 20, "large-kernel": 961, "global-filter": 4224,
}  # fmt: skip
"""Numbers per channel and step beside K and N, at 16 channels on 64 × 64."""


@pytest.mark.parametrize("kind", PARAMETERS)
def test_parameters_beside_those_of_the_explicit_step(kind):
    """Within 10 % of the IMEXNet, but for a free kernel or filter."""
    explicit, counted = (
        parameter_count(build(replace(CONFIG, step=k))) for k in ("explicit", kind)
    )
    assert counted - explicit == 6 * 16 * PARAMETERS[kind]
    close = abs(counted / parameter_count(build(replace(CONFIG, step="imex"))) - 1) < 0.1
    assert close == (kind not in ("large-kernel", "global-filter"))


CHANGES: list[dict[str, Any]] = [
    {"stages": (Stage(16, 1, 2),)},
    {"stages": (Stage(6, 2, 2), Stage(8, 2, 2)), "decoder": (Level(7, 1), Level(5, 1))},
    {"stages": (Stage(16, 1, 2),), "step_size": 0.3, "learned_step_size": True},
    {"stages": (Stage(16, 1, 2),), "step_size_range": (0.25, 4.0)},
]


@pytest.mark.parametrize("kind", CONTROLS)
@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("size", [(16, 24), (17, 30)])
def test_folded_it_is_the_same_function(kind, changes, size):
    network = made(kind, size=(16, 24), **changes)
    folded = fold(network)
    x = torch.rand(2, 1, *size, dtype=torch.float64, requires_grad=True)
    pair = network(x)["qtips"], folded(x)["qtips"]
    torch.testing.assert_close(pair[1], pair[0], rtol=1e-10, atol=1e-12)
    gradients = [torch.autograd.grad(y.pow(2).sum(), x)[0] for y in pair]
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", CONTROLS)
def test_it_trains_under_autocast_in_half_precision_and_with_no_picture(kind):
    torch.manual_seed(0)
    config = replace(CONFIG, step=kind, stages=(Stage(8, 1, 2),), size=(12, 10))
    for inputs in (torch.rand(2, 1, 12, 10), torch.rand(2, 1, 9, 14), torch.rand(0, 1, 12, 10)):
        network = build(config)
        network.train(len(inputs) > 0)  # no statistics of no picture
        with torch.autocast("cpu", torch.bfloat16):
            steps = [after for _, after in network.layers.walk(network.normalised(inputs))]
        assert {y.dtype for y in steps} == {torch.float32}
        network(inputs)["qtips"].sum().backward()
        trained = [p for name, p in network.named_parameters() if "heads" not in name]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    half = build(config).to(torch.bfloat16)
    half(torch.rand(1, 1, 12, 10)).pop("qtips").sum().backward()


@pytest.mark.parametrize("kind", CONTROLS)
def test_on_another_device_it_stays_there(kind):
    with torch.device("meta"):
        network = build(replace(CONFIG, step=kind)).eval()
        y = fold(network)(torch.empty(1, 1, 40, 50))["qtips"]
    assert y.device.type == "meta" and y.shape == (1, 4, 40, 50)


@pytest.mark.parametrize("kind", CONTROLS)
def test_the_configuration_goes_through_json(kind):
    config = replace(CONFIG, step=kind, dilations=(1, 3), lengths=(2.0,), stencils=2, largest=256)
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in config.to_dict().items()}
    assert ModelConfig.from_dict(values) == config
    assert hash(config) == hash(ModelConfig.from_dict(values))


@pytest.mark.parametrize("kind", CONTROLS)
def test_only_one_with_a_solve_is_an_imexnet(kind):
    assert isinstance(made(kind), IMEXNet if kind == "laplacians" else ResNet)
    assert issubclass(CONTROLS[kind], IMEXStep) == (kind == "laplacians")


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_control_keeps_the_bound_or_refuses_it(kind):
    x = torch.rand(1, 1, 12, 10)
    if kind in ("dilated", "laplacians"):
        network = (
            made(kind, bound="nonexpansive", stages=(Stage(6, 1, 3),)).float().requires_grad_(False)
        )
        for step in time_steps(network):
            step.conv.weight.data.mul_(20)
        assert all(float(step.excess) > 2 for step in time_steps(network))
        assert all(bound.nonexpansive for bound in step_bounds(network, x))
        assert lipschitz_bound(network) < math.inf
        return
    with pytest.raises(ValueError, match=f"no bound is derived for a {CONTROLS[kind].__name__}"):
        made(kind, bound="nonexpansive")
    free = made(kind, stages=(Stage(6, 1, 1),)).float()
    (bound,) = step_bounds(free, x)
    assert (bound.bound, bound.expansion, bound.nonexpansive) == (math.inf, math.inf, False)
    assert lipschitz_bound(free) == math.inf


F64 = torch.randn(2, 6, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def in_double(step):
    return step.double().eval().requires_grad_(False)


def test_the_mean_of_f_by_numpy():
    step = in_double(MeanStep(6))
    step.weight.copy_(torch.arange(6).view(-1, 1, 1))
    f = F64.numpy()
    expected = f + np.arange(6)[:, None, None] * f.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(step.spread(F64), expected, rtol=0, atol=1e-12)


def test_squeeze_and_excitation_by_numpy():
    torch.manual_seed(0)
    step = in_double(SqueezeExcitationStep(6))
    squeeze, excite = (layer.weight.numpy()[:, :, 0, 0] for layer in (step.squeeze, step.excite))
    f = F64.numpy()
    gate = 1 / (1 + np.exp(-np.maximum(f.mean((2, 3)) @ squeeze.T, 0) @ excite.T))
    np.testing.assert_allclose(step.spread(F64), 2 * gate[..., None, None] * f, atol=1e-12)


def test_a_large_kernel_by_scipy():
    torch.manual_seed(0)
    step = in_double(LargeKernelStep(6))
    f, kernels = F64.numpy(), step.depthwise.weight.numpy()[:, 0]
    assert kernels.shape == (6, 31, 31)
    found = step.spread(F64).numpy()
    for picture, answer in zip(f, found, strict=True):
        for y, kernel, s in zip(picture, kernels, answer, strict=True):
            np.testing.assert_allclose(s, y + correlate(y, kernel, mode="constant"), atol=1e-12)


def test_a_damped_step_is_the_imex_step_of_that_alpha():
    torch.manual_seed(0)
    step = in_double(DampedStep(6, 0.7))
    step.weight.fill_(1.5)
    imex = IMEXStep(6, 0.7, operator="identity", alpha=1.5**2)
    torch.testing.assert_close(step.spread(F64), imex.solve(F64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("grid", [(9, 11), (8, 6), (13, 11), (20, 25), (5, 4)])
def test_a_global_filter_is_one_circular_convolution_at_every_size(grid):
    """By hand: the kernel of the grid of training, its taps t at t mod n of any other grid."""
    torch.manual_seed(0)
    step = in_double(GlobalFilterStep(2, grid=(9, 8)))
    step.multiplier.normal_()
    kernel = np.fft.irfft2(torch.view_as_complex(step.multiplier).numpy(), s=(9, 8))
    f = torch.randn(1, 2, *grid, dtype=torch.float64)
    expected = f.numpy().copy()
    for c in range(2):
        for a in range(-4, 5):
            for b in range(-4, 4):
                shifted = np.roll(f[0, c].numpy(), (a, b), (0, 1))
                expected[0, c] += kernel[c, a % 9, b % 8] * shifted
    np.testing.assert_allclose(step.spread(f), expected, atol=1e-11)


def test_the_filter_has_the_grid_of_its_stage():
    config = replace(
        CONFIG, step="global-filter", stages=(Stage(4, 2, 1), Stage(4, 2, 1)), size=(30, 41)
    )
    assert [s.multiplier.shape for s in time_steps(build(config))] == [
        (4, 15, 11, 2),
        (4, 8, 6, 2),
    ]


def test_attention_by_numpy():
    """Token by token; cells of 4 × 4, those at the right and lower edge smaller."""
    torch.manual_seed(0)
    step = in_double(AttentionStep(6, pooling=4))
    f = torch.randn(1, 6, 8, 10, dtype=torch.float64)
    cells = [f[0, :, i : i + 4, j : j + 4].mean((1, 2)).numpy() for i in (0, 4) for j in (0, 4, 8)]
    places = [(i, j) for i in range(2) for j in range(3)]
    tokens = np.array([(c - c.mean()) / np.sqrt(c.var() + 1e-5) for c in cells])
    waves = np.array(
        [
            [wave(2 * np.pi / w * at) for w in (8, 64) for at in place for wave in (np.sin, np.cos)]
            for place in places
        ]
    )
    placed = np.concatenate([tokens, waves], 1)
    q, k, v, p = (
        layer.weight.numpy()[:, :, 0, 0]
        for layer in (step.query, step.key, step.value, step.project)
    )
    scores = (placed @ q.T) @ (placed @ k.T).T / np.sqrt(4)
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    mixed = (weights @ (tokens @ v.T) @ p.T).T.reshape(1, 6, 2, 3)
    enlarged = nn.functional.interpolate(torch.from_numpy(mixed), (8, 10), mode="bilinear")
    torch.testing.assert_close(step.spread(f), f + enlarged, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("stride", "pooling"), [(1, 8), (2, 4), (4, 2), (8, 1), (16, 1)])
def test_attention_is_at_an_eighth_of_the_input(stride, pooling):
    config = replace(CONFIG, step="attention", stages=(Stage(16, stride, 1),))
    (step,) = time_steps(build(config))
    assert isinstance(step, AttentionStep) and step.pooling == pooling
    assert AttentionStep.options(config, Place(0, stride))["pooling"] == pooling


@pytest.mark.parametrize("boundary", ["periodic", "mirrored"])
def test_laplacians_of_three_lengths(boundary):
    """Channel c has L = −ℓ²Δ; the impulse's second moment 2hℓ² is the same in all directions."""
    step = in_double(LaplaciansStep(7, 0.8, boundary=boundary))
    laplacian = IMEXStep(7, operator="laplacian", boundary=boundary)
    y = torch.zeros(1, 7, 96, 90, dtype=torch.float64)
    grid = step.grid(y)
    for c, length in enumerate((1, 4, 16, 1, 4, 16, 1)):
        expected = length**2 * laplacian.eigenvalues(grid)[0]
        torch.testing.assert_close(step.eigenvalues(grid)[c], expected)
    impulse = torch.zeros(1, 7, 256, 256, dtype=torch.float64)
    impulse[..., 128, 128] = 1
    green = apply_filter(impulse, 1 / (1 + 0.8 * step.eigenvalues(impulse)))[0]
    at = torch.arange(256, dtype=torch.float64) - 128
    for c, length in enumerate((1, 4)):
        down, across = (at.square() * green[c].sum(axis) for axis in (1, 0))
        assert down.sum().item() == pytest.approx(2 * 0.8 * length**2, rel=1e-6)
        assert across.sum().item() == pytest.approx(2 * 0.8 * length**2, rel=1e-6)


@pytest.mark.parametrize("lengths", [(), (-1.0,), (math.inf,), (math.nan, 1.0)])
def test_lengths_that_are_none_are_refused(lengths):
    with pytest.raises(ValueError, match="lengths must be finite and not negative"):
        LaplaciansStep(4, lengths=lengths)


@pytest.mark.parametrize("kind", CONTROLS)
def test_a_step_size_that_is_none_is_refused(kind):
    with pytest.raises(ValueError, match="above 0, got -1"):
        CONTROLS[kind](4, -1.0)


def test_a_dilated_rhs_is_minus_the_transpose():
    """⟨−Kᵀ σ(N(K y)), v⟩ = −⟨σ(N(K y)), K v⟩ for every v, also for kernels with gaps."""
    torch.manual_seed(0)
    step = in_double(DilatedStep(5, dilation=3))
    y, v = torch.randn(2, 2, 5, 17, 16, dtype=torch.float64)
    left = (step.rhs(y) * v).sum()
    right = -(torch.relu(step.norm(step.conv(y))) * step.conv(v)).sum()
    assert left.item() == pytest.approx(right.item(), abs=1e-11)
    assert isinstance(step, ExplicitStep) and step.conv.weight.shape == (5, 5, 3, 3)
