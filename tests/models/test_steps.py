"""One step: the literal update, its order in time, and what it shares with the explicit step."""

import math
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imexnet.models import steps
from imexnet.models.steps import (
    ROUNDING,
    DiffusionReactionStep,
    ExplicitStep,
    IMEXStep,
    Opening,
)
from imexnet.spectral.norms import norm_squared_bound
from imexnet.spectral.operators import BOUNDARIES, OPERATORS
from imexnet.spectral.solve import implicit_solve, solve_eigenvalues
from imexnet.spectral.symbols import LAPLACIAN, zero_mean

Step = TypeVar("Step", bound=nn.Module)


def prepared(step: Step) -> Step:
    """In float64 and eval mode, with batch norm statistics unlike 0 and 1."""
    for module in step.modules():
        if isinstance(module, nn.BatchNorm2d):
            for statistic, low in ((module.running_mean, -0.5), (module.running_var, 0.5)):
                assert statistic is not None
                nn.init.uniform_(statistic, low, low + 1)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return step.double().eval()


def apply_operator(step: IMEXStep, y: torch.Tensor) -> torch.Tensor:
    """L y in space."""
    if step.operator == "identity":
        return step.alpha * y
    channels = y.shape[1]
    if step.operator == "laplacian":
        kernels = [torch.tensor(LAPLACIAN, dtype=y.dtype).expand(channels, 3, 3)]
    else:
        b = step.stencil - step.stencil.mean((1, 2), keepdim=True)
        kernels = [b, b.flip(1, 2)]
    for kernel in kernels:
        margin = kernel.shape[-1] // 2
        padded = F.pad(y, 4 * (margin,), mode="circular")
        y = F.conv2d(padded, kernel.unsqueeze(1), groups=channels)
    return y


def of(operator: str, alpha: float = 1.0, stencil_size: int = 3) -> dict[str, Any]:
    """The options that an operator takes."""
    more = {"identity": {"alpha": alpha}, "learned": {"stencil_size": stencil_size}}
    return {"operator": operator, **more.get(operator, {})}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_one_solve_form_equals_the_literal_update(operator, size):
    torch.manual_seed(0)
    step = prepared(IMEXStep(4, step_size=0.6, **of(operator, alpha=2.0)))
    y = torch.randn(2, 4, *size, dtype=torch.float64)
    h = step.step_size
    right = y + h * apply_operator(step, y) + h * step.rhs(y)
    literal = solve_eigenvalues(right, step.eigenvalues(y), h)
    torch.testing.assert_close(step(y), literal, rtol=0, atol=1e-10)
    left = step(y) + h * apply_operator(step, step(y))
    torch.testing.assert_close(left, right, rtol=0, atol=1e-10)
    assert (step(y) - y).abs().max() > 1e-2


@pytest.mark.parametrize("operator", OPERATORS)
def test_diffusion_reaction_solves_its_equation(operator):
    torch.manual_seed(0)
    step = prepared(DiffusionReactionStep(3, step_size=0.6, operator=operator))
    y = torch.randn(2, 3, 6, 9, dtype=torch.float64)
    left = step(y) + 0.6 * apply_operator(step, step(y))
    torch.testing.assert_close(left, y + 0.6 * step.rhs(y), rtol=0, atol=1e-10)


@pytest.mark.parametrize("inner", [1, 3])
def test_right_hand_side_is_minus_the_transpose(inner):
    """⟨−Kᵀ σ(N(K y)), v⟩ = −⟨σ(N(K y)), K v⟩ for every v."""
    torch.manual_seed(0)
    step = prepared(ExplicitStep(5, inner=inner))
    assert step.conv(torch.zeros(1, 5, 3, 3, dtype=torch.float64)).shape == (1, 5 * inner, 3, 3)
    y, v = torch.randn(2, 2, 5, 7, 6, dtype=torch.float64)
    left = (step.rhs(y) * v).sum()
    right = -(F.relu(step.norm(step.conv(y))) * step.conv(v)).sum()
    assert left.item() == pytest.approx(right.item(), abs=1e-11)


def test_first_order_in_time():
    """Ẏ = (M − L) Y + L Y = M Y, L implicit and M Y explicit, against exp(M) by eigenvalues.

    With f(Y) = M Y linear and periodic, every Fourier mode has the closed form exp(μ). The error
    at time 1 must fall with the first power of h.
    """

    class Linear(IMEXStep):
        def rhs(self, y):
            return -apply_operator(self, y) * 0.3

    torch.manual_seed(0)
    y0 = torch.randn(1, 2, 12, 10, dtype=torch.float64)
    errors, sizes = [], [1 / n for n in (16, 32, 64, 128, 256)]
    for h in sizes:
        torch.manual_seed(1)
        step = Linear(2, step_size=h).double()
        with torch.no_grad():
            mu = -0.3 * step.eigenvalues(y0)
            exact = torch.fft.ifft2(torch.fft.fft2(y0) * mu.exp()).real
            y = y0
            for _ in range(round(1 / h)):
                y = step(y)
        errors.append((y - exact).norm().item())
    slopes = [
        math.log(errors[i] / errors[i + 1]) / math.log(sizes[i] / sizes[i + 1])
        for i in range(len(sizes) - 1)
    ]
    assert 0.9 < slopes[-1] < 1.1
    assert 0.9 < sum(slopes[1:]) / len(slopes[1:]) < 1.1


def test_the_bound_of_frozen_weights_is_kept_until_they_change(monkeypatch):
    found = []
    monkeypatch.setattr(
        steps, "norm_squared_bound", lambda *given: found.append(1) or norm_squared_bound(*given)
    )
    step = ExplicitStep(2, bound="nonexpansive").eval().requires_grad_(False)
    y = torch.randn(1, 2, 4, 4)
    with torch.inference_mode():
        step(y)
    step(y.requires_grad_()).sum().backward()  # what inference kept serves an attack, too
    assert len(found) == 1
    for change in (
        lambda: step.conv.weight.mul_(3),
        lambda: step.norm.get_buffer("running_var").mul_(0.5),
        step.double,
    ):
        change()
        fresh = ExplicitStep(2, bound="nonexpansive").eval().to(step.conv.weight.dtype)
        fresh.load_state_dict(step.state_dict())
        with torch.no_grad():
            assert float(step.excess) == pytest.approx(float(fresh.excess), rel=1e-12)


@pytest.mark.parametrize("kind", [ExplicitStep, IMEXStep, DiffusionReactionStep])
def test_a_bounded_step_is_of_first_order_in_time(kind):
    """Against 512 steps of Ẏ = f(Y), − L Y besides for diffusion-reaction; K within the bound."""
    torch.manual_seed(0)
    options = {} if kind is ExplicitStep else {"operator": "identity", "alpha": 0.7}
    step = prepared(kind(2, 1.0, **options))
    bounded = kind(2, 1.0, bound="nonexpansive", **options).double().eval()
    for name, tensor in step.state_dict().items():  # the same function, but for what is too large
        own = bounded.state_dict()
        own[name if name in own else "norm.parametrizations.weight.original"].copy_(tensor)
    y0 = torch.randn(1, 2, 6, 5, dtype=torch.float64)

    def after(steps: int, layer) -> torch.Tensor:
        layer.step_size, y = 1 / steps, y0
        with torch.no_grad():
            assert float(layer.excess) == 1  # for small h no weight is too large
            for _ in range(steps):
                y = layer(y)
        return y

    exact = after(512, step)
    errors = [(after(n, bounded) - exact).norm().item() for n in (16, 32, 64)]
    slopes = [math.log2(a / b) for a, b in pairwise(errors)]
    assert all(0.85 < slope < 1.25 for slope in slopes)


def test_a_bounded_step_divides_k_by_what_exceeds_the_bound():
    """Y + h f with K and b divided by the root of h‖D^½ K‖² / 2, and |γ| in the place of γ."""
    torch.manual_seed(0)
    step = ExplicitStep(3, 0.8, bound="nonexpansive")
    scales = dict(step.norm.named_parameters())["parametrizations.weight.original"]
    scales.data = torch.tensor([-2.0, 1.5, 0.7])
    step.conv.weight.data.mul_(7)
    step = step.double().eval()
    assert step.norm.weight.tolist() == pytest.approx([2, 1.5, 0.7])
    largest = norm_squared_bound(step.scale.sqrt().view(-1, 1, 1, 1) * step.conv.weight)
    assert 0.8 * largest > 3
    divisor = (0.8 * largest / (2 * (1 - ROUNDING))).sqrt()
    plain = ExplicitStep(3, 0.8).double().eval()
    plain.conv.weight.data = (step.conv.weight / divisor).detach()
    plain.norm.weight.data = step.norm.weight.detach()
    y = torch.randn(1, 3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(step(y), plain(y))
    step.conv.weight.data.mul_(1e-3)  # within the bound nothing is divided
    plain.conv.weight.data = step.conv.weight.detach()
    assert torch.equal(step(y), plain(y))


@pytest.mark.parametrize("kind", [ExplicitStep, IMEXStep, DiffusionReactionStep])
def test_an_unknown_bound_and_a_boundary_without_one_are_named(kind):
    with pytest.raises(ValueError, match="must be None or nonexpansive, got 'tight'"):
        kind(4, bound="tight")
    if kind is not ExplicitStep:
        with pytest.raises(ValueError, match="periodic boundary alone, got 'mirrored'"):
            kind(4, bound="nonexpansive", boundary="mirrored")


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("kind", [ExplicitStep, IMEXStep, DiffusionReactionStep])
def test_a_bounded_step_has_one_step_size(kind, learned):
    options = {"learned_step_size": learned, "step_size_range": (0.5, 2.0)}
    with pytest.raises(ValueError, match=r"one h for all channels, got \(0.5, 2.0\)"):
        kind(4, bound="nonexpansive", **options)
    assert kind(4, **options).bound is None


def test_explicit_step_diverges_where_the_implicit_one_stays():
    """ẏ = −λy with hλ = 3: forward Euler grows by |1 − 3| a step, IMEX with α = λ does not."""

    class Decay(IMEXStep):
        def rhs(self, y):
            return -3 * y

    y = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    implicit = Decay(1, step_size=1.0, operator="identity", alpha=3.0).double()
    assert implicit(y)[0, 0, 0, 0].item() == pytest.approx(1 - 3 / 4)
    assert ExplicitStep.forward(implicit, y)[0, 0, 0, 0].item() == pytest.approx(-2)


def test_same_seed_gives_the_same_kernels_with_and_without_stencils():
    torch.manual_seed(3)
    explicit = nn.Sequential(*[ExplicitStep(4) for _ in range(3)])
    torch.manual_seed(3)
    implicit = nn.Sequential(*[IMEXStep(4) for _ in range(3)])
    expected = explicit.state_dict()
    extra = {name: value for name, value in implicit.state_dict().items() if name not in expected}
    assert sorted(extra) == ["0.stencil", "1.stencil", "2.stencil"]
    assert not torch.equal(extra["0.stencil"], extra["1.stencil"])
    assert sum(value.numel() for value in extra.values()) == 3 * 9 * 4
    for name, value in expected.items():
        assert torch.equal(value, implicit.state_dict()[name])


def test_a_stencil_does_not_start_as_a_copy_of_the_next_kernel():
    torch.manual_seed(3)
    stencil = IMEXStep(4).stencil
    following = torch.rand(stencil.numel())  # what the next layer draws
    assert not torch.isclose(stencil.flatten(), following).any()


@pytest.mark.parametrize("step", [ExplicitStep, IMEXStep, DiffusionReactionStep])
def test_state_and_solve_stay_float32_under_bfloat16_autocast(step):
    layers = nn.Sequential(Opening(3, 4), step(4))
    with torch.autocast("cpu", torch.bfloat16):
        opened = layers[0](torch.rand(1, 3, 8, 8))
        y = layers[1](opened)
    assert opened.dtype == y.dtype == torch.float32
    y.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layers.parameters())


def test_unknown_operator_is_named():
    with pytest.raises(ValueError, match="one of learned, laplacian, identity, got 'heat'"):
        IMEXStep(4, operator="heat")


def test_options_of_another_operator_are_refused():
    """They would do nothing, and whoever gives them believes that they do."""
    learned: list[dict[str, Any]] = [{"reach": (0.5, 16.0)}, {"stencils": 2}, {"stencil_size": 5}]
    for options in learned:
        with pytest.raises(ValueError, match=r"are of the learned operator, got .* the laplacian"):
            IMEXStep(4, operator="laplacian", **options)
    for operator in ("learned", "laplacian"):
        with pytest.raises(ValueError, match=rf"alpha is of the identity, got 2.0 .* {operator}"):
            IMEXStep(4, operator=operator, alpha=2.0)


def test_opening_changes_width_and_resolution():
    assert Opening(3, 8, stride=2)(torch.rand(2, 3, 9, 12)).shape == (2, 8, 5, 6)


@pytest.mark.parametrize("step", [IMEXStep, DiffusionReactionStep])
def test_mirrored_solve_is_the_periodic_one_on_the_even_extension(step):
    """NumPy's symmetric padding is the extension; the first quarter is the answer."""
    torch.manual_seed(0)
    mirrored = prepared(step(3, 0.8, boundary="mirrored"))
    r = torch.randn(2, 3, 6, 9, dtype=torch.float64)
    extended = np.pad(r.numpy(), [(0, 0), (0, 0), (0, 6), (0, 9)], mode="symmetric")
    expected = implicit_solve(torch.from_numpy(extended), zero_mean(mirrored.stencil), 0.8)
    torch.testing.assert_close(mirrored.solve(r), expected[..., :6, :9], rtol=0, atol=1e-12)


def test_a_mirrored_solve_does_not_reach_round_the_edge():
    """With L = −Δ: an impulse at the left edge moves the right edge, unless mirrored."""
    r = torch.zeros(1, 1, 12, 40, dtype=torch.float64)
    r[..., 6, 0] = 1
    for boundary, low, high in (("periodic", 1e-2, 1), ("mirrored", 0, 1e-5)):
        step = IMEXStep(1, operator="laplacian", boundary=boundary)
        right = step.solve(r)[0, 0, 6, -1].item()
        assert low <= abs(right) <= high
        assert step.solve(r).sum().item() == pytest.approx(1)  # constants pass, also mirrored


@pytest.mark.parametrize("step", [ExplicitStep, IMEXStep, DiffusionReactionStep])
def test_learned_step_size_starts_as_given_and_is_trained(step):
    torch.manual_seed(0)
    given = prepared(step(3, 0.7))
    torch.manual_seed(0)
    learned = prepared(step(3, 0.7, learned_step_size=True))
    y = torch.randn(1, 3, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(learned(y), given(y), rtol=0, atol=1e-7)
    learned(y).square().sum().backward()
    assert learned.log_step_size.grad.abs() > 1e-3
    for name, value in given.state_dict().items():
        assert torch.equal(learned.state_dict()[name], value)


def test_unknown_boundary_is_named():
    with pytest.raises(ValueError, match="one of periodic, mirrored, got 'zero'"):
        IMEXStep(4, boundary="zero")


def test_a_larger_stencil_solves_its_own_equation():
    torch.manual_seed(0)
    step = prepared(IMEXStep(2, 0.6, stencil_size=5))
    r = torch.randn(1, 2, 8, 7, dtype=torch.float64)
    assert step.stencil.shape == (2, 5, 5)
    expected = implicit_solve(r, zero_mean(step.stencil), 0.6)
    torch.testing.assert_close(step.solve(r), expected, rtol=0, atol=1e-12)


STEPS = [ExplicitStep, IMEXStep, DiffusionReactionStep]
HALF = [torch.float16, torch.bfloat16]


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"step_size": -1.0}, "finite in float32 and above 0, got -1"),
    ({"step_size": 0.0}, "above 0, got 0"),
    ({"step_size": 0.0, "learned_step_size": True}, "above 0, got 0"),
    ({"step_size": -1.0, "learned_step_size": True}, "above 0, got -1"),
    ({"step_size": math.nan}, "got nan"),
    ({"step_size": math.inf}, "got inf"),
    ({"step_size": torch.tensor(1.0)}, "is a number, got Tensor; learned_step_size"),
    ({"step_size": "1"}, "is a number, got str"),
    ({"step_size_range": (1.0,)}, r"is \(low, high\), got \(1.0,\)"),
    ({"inner": 0}, "inner must be at least 1, got 0"),
]
BAD_IMPLICIT_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"alpha": -1.0}, "alpha must be finite and not negative, got -1"),
    ({"alpha": math.nan}, "got nan"),
    ({"alpha": math.inf}, "got inf"),
    ({"reach": 5.0}, r"is \(low, high\), got 5.0"),
    ({"stencil_size": 4}, "stencil_size must be odd and at least 1, got 4"),
    ({"stencil_size": 0}, "at least 1, got 0"),
    ({"stencil_size": -3}, "at least 1, got -3"),
]


@pytest.mark.parametrize(
    ("step", "options", "words"),
    [(step, *bad) for step in STEPS for bad in BAD_OPTIONS]
    + [(step, *bad) for step in STEPS[1:] for bad in BAD_IMPLICIT_OPTIONS],
)
def test_numbers_that_make_no_step_are_refused(step, options, words):
    with pytest.raises(ValueError, match=words):
        step(4, **options)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("options", [{"step_size_range": (1, 1e5)}, {"learned_step_size": True}])
def test_a_step_size_too_large_for_half_precision_stays_finite(step, options):
    layer = step(2, 1.0 if "step_size_range" in options else 1e5, **options).half().eval()
    nn.init.constant_(layer.conv.weight, 2**-12)
    y = torch.full((1, 2, 4, 4), 2.0**-6, dtype=torch.float16)
    assert layer(y).dtype == torch.float16
    assert layer(y).isfinite().all()
    assert float(torch.as_tensor(layer.h).detach().max()) == pytest.approx(
        1e5, rel=0.01
    )  # log h is rounded


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_step_is_exported_for_any_height_and_width(operator, boundary):
    step = IMEXStep(3, operator=operator, boundary=boundary).eval()
    pictures, height, width = (torch.export.Dim(name, min=2) for name in ("b", "h", "w"))
    shapes = ({0: pictures, 2: height, 3: width},)
    exported = torch.export.export(step, (torch.rand(2, 3, 20, 24),), dynamic_shapes=shapes)
    for size in ((17, 31), (8, 5)):
        y = torch.rand(3, 3, *size)
        torch.testing.assert_close(exported.module()(y), step(y))


@pytest.mark.parametrize("bound", [None, "nonexpansive"])
def test_one_compiled_step_serves_all_sizes(bound):
    torch.compiler.reset()
    step = IMEXStep(3, bound=bound).eval().requires_grad_(False)
    compiled = torch.compile(step, backend="aot_eager", dynamic=True, fullgraph=True)
    for n in range(3, 13):  # more than the recompilations that are allowed
        y = torch.rand(1, 3, n, n + n % 4)
        torch.testing.assert_close(compiled(y), step(y))


def test_building_a_step_leaves_the_random_numbers_of_other_devices(monkeypatch):
    def seeded(seed: int) -> None:
        raise AssertionError("a GPU was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    IMEXStep(4)


def test_a_step_is_printed_with_its_options():
    words = repr(IMEXStep(4, 2.0, operator="laplacian", boundary="mirrored", bound=None))
    assert "step_size=2.0, operator='laplacian', boundary='mirrored'" in words
    words = repr(IMEXStep(4, learned_step_size=True, step_size_range=(1, 4), stencils=2))
    assert "learned_step_size=True, step_size_range=(1, 4)" in words
    assert "stencil=(4, 2, 3, 3), boundary='periodic'" in words


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_a_step_in_half_precision_solves_in_float32(operator, boundary, kind, size):
    torch.manual_seed(0)
    step = IMEXStep(3, 0.7, boundary=boundary, **of(operator, alpha=0.3)).to(kind).eval()
    r = torch.randn(2, 3, *size).to(kind)
    exact = IMEXStep(3, 0.7, boundary=boundary, **of(operator, alpha=0.3)).eval()
    exact.load_state_dict(step.state_dict())  # the rounded weights
    expected = exact.solve(r.float())
    assert step.solve(r).dtype == kind
    assert torch.equal(step.solve(r), expected.to(kind))
    constant = torch.full_like(r, 3)
    if operator != "identity":
        assert torch.equal(step.solve(constant), constant)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("learned", [False, True])
def test_half_precision_modules_train(step, kind, learned):
    layers = nn.Sequential(Opening(3, 4), step(4, 0.5, learned)).to(kind)
    y = layers(torch.rand(2, 3, 8, 6, dtype=kind))
    assert y.dtype == kind
    y.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layers.parameters())


@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_a_solve_is_the_same_under_autocast(kind, size):
    step, r = IMEXStep(3), torch.randn(1, 3, *size)
    expected = step.solve(r)
    with torch.autocast("cpu", kind):
        assert torch.equal(step.solve(r), expected)


@pytest.mark.parametrize("step", STEPS)
def test_no_picture_gives_no_features_and_zero_gradients(step):
    layer = step(4).eval()
    y = torch.zeros(0, 4, 8, 8, requires_grad=True)
    out = layer(y)
    assert out.shape == y.shape
    out.sum().backward()
    assert y.grad is not None
    assert not any(p.grad is None or p.grad.any() for p in layer.parameters())


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (4, 4)])
def test_maps_smaller_than_the_stencil(operator, boundary, size):
    """(I + hL) y = r with L applied in space; a map wraps round, also several times."""
    torch.manual_seed(0)
    step = IMEXStep(2, 0.6, boundary=boundary, **of(operator, stencil_size=5)).double().eval()
    r = torch.randn(1, 2, *size, dtype=torch.float64)
    y = step.solve(r)
    assert y.shape == step(r).shape == r.shape
    grid = solve_eigenvalues(step.grid(r), step.eigenvalues(step.grid(r)), 0.6)
    height, width = grid.shape[-2:]
    tiled = grid.repeat(1, 1, 9 // height + 2, 9 // width + 2)  # the same on a grid that is large
    applied = apply_operator(step, tiled)[..., :height, :width]
    torch.testing.assert_close(grid + 0.6 * applied, step.grid(r), rtol=0, atol=1e-12)
    torch.testing.assert_close(y, grid[..., : size[0], : size[1]])
