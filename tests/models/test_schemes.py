"""Runge-Kutta and θ-steps: their order, their equation, their gradients, and what they amplify."""

import copy
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imexnet.models import newton, schemes
from imexnet.models.checkpoints import load, save
from imexnet.models.config import ModelConfig, Stage
from imexnet.models.folding import fold
from imexnet.models.networks import ResNet, build, parameter_count, time_steps
from imexnet.models.newton import Layer, solve
from imexnet.models.schemes import (
    SCHEMES,
    BackwardEulerStep,
    MidpointStep,
    RK4Step,
    ThetaStep,
    TrapezoidalStep,
)
from imexnet.models.steps import ExplicitStep, scale_of
from imexnet.sensitivity.field_of_view import influence, input_sensitivity
from imexnet.sensitivity.window import explicit_window, window_width
from imexnet.stability.bounds import lipschitz_bound, step_bound, step_bounds
from imexnet.stability.growth import perturbation_growth, stretched
from imexnet.stability.lipschitz import local_lipschitz

CONFIG = ModelConfig(
    step="explicit",
    stages=(Stage(channels=4, stride=1, steps=2),),
    heads=(("qtips", 4),),
    channels=1,
    mean=(0.3,),
    std=(0.1,),
    size=(10, 12),
)
IMPLICIT = [TrapezoidalStep, BackwardEulerStep]
ORDERS = {
    ExplicitStep: 1,
    MidpointStep: 2,
    RK4Step: 4,
    BackwardEulerStep: 1,
    TrapezoidalStep: 2,
}


def lived_in(module: Any, weight: float = 1.0) -> Any:
    """In float64 and eval mode; equal statistics and scales for all kinds, of no fresh network."""
    torch.manual_seed(3)
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for name in ("weight", "bias", "running_mean", "running_var"):
                low = 0.5 if name in ("weight", "running_var") else -0.5
                given = torch.empty_like(part.bias).uniform_(low, 1.5)
                values = part.state_dict()
                original = f"parametrizations.{name}.original"
                values[original if original in values else name].copy_(given)
        if isinstance(part, ExplicitStep):
            part.conv.weight.data.mul_(weight)
    return module.double().eval()


def made(kind: Any, h: float = 0.8, weight: float = 1.0, channels: int = 3, **options: Any) -> Any:
    torch.manual_seed(0)
    return lived_in(kind(channels, h, **options), weight)


def network(step: str, weight: float = 1.0, **changes: Any) -> Any:
    torch.manual_seed(0)
    return lived_in(build(replace(CONFIG, step=step, **changes)), weight)


def features(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*(shape or (2, 3, 6, 7)), dtype=torch.float64, generator=generator)


def f(step: ExplicitStep, y: Tensor) -> Tensor:
    """−Kᵀ σ(D K Y + b) by the step's own modules in eval mode."""
    return ExplicitStep.rhs(step, y)


@pytest.mark.parametrize("kind", ORDERS)
def test_order_in_time_against_a_fine_reference(kind):
    """Where no unit switches: half of them stay active, half at rest, so that f is smooth."""
    y, errors = features(1, 3, 6, 7), []

    def at_end(kind: Any, n: int) -> Tensor:
        step, z = made(kind, 0.5 / n), y
        step.norm.bias.data.copy_(torch.tensor([40.0, 40.0, -40.0]))
        for _ in range(n):
            z = step(z)
        return z

    reference = at_end(RK4Step, 64)
    for n in (4, 8, 16):
        errors.append(float((at_end(kind, n) - reference).norm()))
    slopes = [math.log2(a / b) for a, b in pairwise(errors)]
    assert slopes == pytest.approx([ORDERS[kind]] * 2, abs=0.15 * ORDERS[kind])


@pytest.mark.parametrize("options", [{}, {"step_size_range": (0.25, 4.0)}, {"dilation": 2}])
@pytest.mark.parametrize("kind", SCHEMES.values())
def test_a_step_satisfies_its_equation(kind, options):
    step, y = made(kind, weight=6, **options), features()
    h, z = step.h, step(y)
    assert (z - y).norm() > 0.1 * y.norm()
    if kind is MidpointStep:
        expected = y + h * f(step, y + h / 2 * f(step, y))
    elif kind is RK4Step:
        k1 = f(step, y)
        k2 = f(step, y + h / 2 * k1)
        k3 = f(step, y + h / 2 * k2)
        expected = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(step, y + h * k3))
    else:
        expected = y + h * ((1 - step.theta) * f(step, y) + step.theta * f(step, z))
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-8)


STIFF = [(h, kind) for h in (1e-3, 1.0, 1e2) for kind in (torch.float32, torch.float64)]


@pytest.mark.parametrize(("size", "dtype"), [*STIFF, (1e4, torch.float64)])
@pytest.mark.parametrize("kind", IMPLICIT)
def test_the_residual_is_small_also_of_a_stiff_step(kind, size, dtype):
    """Relative to h f(Y), and to rounding; or else it is an error."""
    step, y = made(kind, size, weight=3).to(dtype), features(3, 3, 9, 8).to(dtype)
    y[1] *= 1e-3
    y[2] = 0
    z = step(y).double()
    step, y = step.double(), y.double()
    update = size * f(step, y)
    residual = z - y - (1 - step.theta) * update - step.theta * size * f(step, z)
    tolerance, rounding = torch.finfo(dtype).eps ** (2 / 3), 30 * torch.finfo(dtype).eps
    for one in range(3):
        terms = [
            size * step.conv.weight.norm() * step.norm(step.conv(at[[one]])).relu().norm()
            for at in (y, z)
        ]
        allowed = tolerance * update[one].norm() + rounding * (sum(terms) + z[one].norm())
        assert residual[one].norm() <= allowed


def test_an_answer_that_is_not_reached_is_an_error_in_eval_mode_alone(monkeypatch):
    step, y = made(BackwardEulerStep, 100.0, weight=3), features()
    expected = step(y)
    monkeypatch.setattr(newton, "NEWTON", 1)
    with pytest.raises(
        ArithmeticError, match="no solution after 1 Newton iterations: the residual"
    ):
        step(y)
    with pytest.raises(ArithmeticError, match="no solution"):
        fold(network("backward-euler", 9, step_size=100.0))(torch.rand(1, 1, 10, 12).double())
    assert step.train()(y).shape == expected.shape
    monkeypatch.undo()
    huge = made(BackwardEulerStep)(
        torch.tensor([1.0, math.inf, math.nan]).double().view(3, 1, 1, 1) * y[:1]
    )
    assert [bool(one.isfinite().all()) for one in huge] == [True, False, False]


@pytest.mark.parametrize("kind", IMPLICIT)
def test_each_picture_of_a_batch_has_its_own_numbers(kind):
    step, y = made(kind, 5.0, weight=3), features(4, 3, 6, 7)
    y[1] *= 100
    y[3] = 0
    with torch.inference_mode():
        for one, alone in enumerate(y.split(1)):
            torch.testing.assert_close(step(y)[one], step(alone)[0], rtol=0, atol=1e-12)


def unrolled(step: Any, y: Tensor) -> Tensor:
    """Y⁺ by a damped fixed-point iteration that autograd records, in the mode of the step."""
    layer, units = step.prepared(y)
    u = y / units
    r = u - (1 - step.theta) / step.theta * layer(u)
    for _ in range(300):
        u = u - 0.4 * (u + layer(u) - r)
    return units * u


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("kind", IMPLICIT)
def test_gradients_are_those_of_the_unrolled_iteration(kind, mode, monkeypatch):
    """To Y, K, the norm's scale and shift, and h; in training through the batch's statistics."""
    monkeypatch.setattr(schemes, "TRAINING_TOLERANCE", 1e-11)
    step = made(kind, 0.7, weight=2, learned_step_size=True).train(mode == "train")
    step.requires_grad_()
    y, seed = features(2, 3, 5, 6).requires_grad_(), features(2, 3, 5, 6, seed=1)
    leaves = [y, *step.parameters()]
    assert len(leaves) == 5
    outputs = step(y), unrolled(step, y)
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-8)
    pair = [torch.autograd.grad((z * seed).sum(), leaves) for z in outputs]
    for found, expected in zip(*pair, strict=True):
        assert expected.norm() > 1e-3
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", SCHEMES.values())
def test_gradients_are_finite_differences(kind):
    step, y = made(kind, 0.7, weight=2, channels=2), features(1, 2, 3, 4).requires_grad_()
    step.requires_grad_()
    weight, names = step.conv.weight, [name for name, _ in step.named_parameters()]
    leaves = [y, *step.parameters()]
    assert weight in set(leaves)

    def of(y: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(step, dict(zip(names, parameters, strict=True)), (y,))

    assert torch.autograd.gradcheck(
        of, leaves, eps=1e-5, atol=1e-5, check_forward_ad=True, fast_mode=True
    )


@pytest.mark.parametrize("kind", IMPLICIT)
def test_in_training_gradients_are_right_to_the_tolerance(kind):
    loose, y = made(kind, 0.7, weight=3).train().requires_grad_(), features()
    tight = copy.deepcopy(loose).float()
    loose, y = loose.float(), y.float()
    (loose(y) * y.roll(1, 3)).sum().backward()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schemes, "TRAINING_TOLERANCE", 1e-6)
        (tight(y) * y.roll(1, 3)).sum().backward()
    for a, b in zip(loose.parameters(), tight.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        assert (a.grad - b.grad).norm() <= 1e-2 * b.grad.norm()


@pytest.mark.parametrize("kind", SCHEMES.values())
def test_statistics_of_the_batch_are_taken_once_where_the_step_begins(kind):
    step, explicit = (made(k, 0.7, weight=3).train() for k in (kind, ExplicitStep))
    y = features()
    for one in (step, explicit):
        one(y)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(step.norm, name), getattr(explicit.norm, name))
    mean, variance = step.conv(y).mean((0, 2, 3)), step.conv(y).var((0, 2, 3), correction=0)
    frozen = copy.deepcopy(step).eval()  # the same step, with these statistics as running ones
    frozen.norm.running_mean.copy_(mean)
    frozen.norm.running_var.copy_(variance)
    torch.testing.assert_close(step(y), frozen(y), rtol=0, atol=2e-3 * float(y.norm()))
    first = ExplicitStep.rhs(step, y)  # by the norm itself, in training mode
    torch.testing.assert_close(-schemes.layer_at(step, y)(y), first, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", IMPLICIT)
def test_other_ways_to_differentiate(kind):
    """`jacrev` and `jvp`, the power iteration, and both directions of the field of view."""
    step, y = made(kind, 0.7, weight=3, channels=2), features(1, 2, 4, 5)
    n = y.numel()
    jacobian = torch.func.jacrev(step)(y).reshape(n, n)
    for _ in range(3):
        v = torch.randn_like(y)
        change = torch.func.jvp(step, (y,), (v,))[1].flatten()
        torch.testing.assert_close(change, jacobian @ v.flatten(), rtol=0, atol=1e-8)
    largest = float(torch.linalg.matrix_norm(jacobian, 2))
    assert local_lipschitz(step, y, tolerance=1e-6).constant == pytest.approx(largest, rel=1e-3)
    net, x = network(SCHEMES_BY_CLASS[kind], 3), features(1, 1, 10, 12)
    backward = input_sensitivity(net, x, lambda out: out["qtips"][0, 2, 4, 5])
    forward = influence(net, "qtips", x, (3, 7), class_number=2).sensitivity
    assert backward[3, 7] == pytest.approx(float(forward[4, 5]), rel=1e-5) and forward[4, 5] > 0
    with pytest.raises(RuntimeError, match="vmap"):
        torch.func.vmap(lambda one: step(one[None]))(features(2, 2, 4, 5))


SCHEMES_BY_CLASS = {kind: name for name, kind in SCHEMES.items()}


def growth_found(step: Any, y: Tensor, rounds: int = 12) -> float:
    """The largest ‖Y₁⁺ − Y₂⁺‖ / ‖Y₁ − Y₂‖ that gradient ascent over pairs of inputs finds."""
    pair = torch.stack((y, y + 0.1 * y.roll(1, 3))).requires_grad_()
    optimizer, best = torch.optim.Adam([pair], lr=0.1), 0.0
    for _ in range(rounds):
        a, b = step(pair.flatten(0, 1)).unflatten(0, pair.shape[:2])
        ratio = (a - b).norm() / (pair[0] - pair[1]).norm()
        best = max(best, ratio.item())
        optimizer.zero_grad()
        (-ratio).backward()
        optimizer.step()
    return best


@pytest.mark.parametrize("h", [0.1, 10.0, 100.0])
def test_backward_euler_amplifies_nothing_whatever_h_is(h):
    step, y = made(BackwardEulerStep, h, weight=3), features(1, 3, 4, 5)
    norms = []
    for seed in range(2):
        at = features(1, 3, 4, 5, seed=seed)
        dense = torch.func.jacrev(step)(at).reshape(60, 60)
        norms.append(float(torch.linalg.matrix_norm(dense, 2)))
    assert max(norms) <= 1 + 1e-6 and growth_found(step, y, 5) <= 1 + 1e-6
    bound = step_bound(step, (4, 5))
    assert (bound.bound, bound.expansion, bound.nonexpansive) == (0, 1, True)


@pytest.mark.parametrize("kind", [TrapezoidalStep, RK4Step])
def test_up_to_its_bound_a_step_amplifies_nothing_and_beyond_it_no_more_than_the_bound_says(kind):
    beyond = made(kind, 0.8, weight=5)
    assert step_bound(beyond, (4, 5)).bound > 2
    step = made(kind, 0.8 * 1.99 / step_bound(beyond, (4, 5)).bound, weight=5)
    assert step_bound(step, (4, 5)).nonexpansive and step.h > 0.05
    assert 0.5 < growth_found(step, features(1, 3, 4, 5)) <= 1 + 1e-6
    k = step.conv(torch.eye(60, dtype=torch.float64).view(60, 3, 4, 5)).flatten(1).T
    d = scale_of(step.norm).repeat_interleave(20)
    exact = float(torch.linalg.matrix_norm(d.sqrt()[:, None] * k, 2)) ** 2
    share = 0.5 if kind is TrapezoidalStep else 1.0
    for one in (step, beyond):
        found = step_bound(one, (4, 5))
        assert share * one.h * exact <= found.bound <= 1.7 * share * one.h * exact
    found = growth_found(beyond, features(1, 3, 4, 5))
    assert 1 < found <= step_bound(beyond, (4, 5)).expansion


def test_the_trapezoidal_rule_amplifies_nothing_in_its_own_distance():
    """‖δ(Y⁺ − h/2 f(Y⁺))‖ ≤ ‖δ(Y − h/2 f(Y))‖ for every h, as −f is monotone."""
    step, pair = made(TrapezoidalStep, 30.0, weight=3), features(2, 3, 4, 5)

    def apart(y: Tensor) -> float:
        a, b = y - step.h / 2 * f(step, y)
        return float((a - b).norm())

    assert apart(step(pair)) <= apart(pair) * (1 + 1e-9)


def test_the_midpoint_rule_can_amplify_however_small_its_bound_is():
    """Units V, W, U on one cell, their shifts such that W is active at Y alone, V halfway alone.

    U, small and far above 0, moves Y there. The Jacobian is I − hVVᵀ + h²/2 (V·W) VWᵀ, but for U.
    """
    h, epsilon = 0.5, 1e-3
    step = made(MidpointStep, h)
    moves = epsilon / 5**0.5 * torch.tensor([-1.0, 2.0, 0.0])
    step.conv.weight.zero_()
    step.conv.weight[:, :, 1, 1] = torch.stack(
        (torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.6, 0.8, 0.0]), moves)
    )
    shift = torch.tensor([-0.5, 0.01, 2 * 5**0.5 / (h * epsilon)])
    step.norm.weight.copy_((step.norm.running_var + step.norm.eps).sqrt())
    step.norm.bias.copy_(step.norm.running_mean + shift)
    bound = step_bound(step, (1, 1))
    assert (bound.bound, bound.nonexpansive) == (math.inf, False)
    k = step.conv.weight[:, :, 1, 1]
    assert h * float(torch.linalg.matrix_norm(k, 2)) ** 2 < 1
    pair = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1e-4, 0.0]], dtype=torch.float64)
    a, b = step(pair.view(2, 3, 1, 1)).flatten(1)
    expected = math.hypot(1, h**2 / 2 * 0.6 * 0.8)
    assert float((a - b).norm()) / 1e-4 == pytest.approx(expected, abs=1e-5) and expected > 1.001
    with pytest.raises(ValueError, match="no bound is derived for a MidpointStep"):
        MidpointStep(3, bound="nonexpansive")


@pytest.mark.parametrize("kind", [k for k in SCHEMES if k != "midpoint"])
def test_a_bounded_scheme_keeps_its_bound(kind):
    net = network(kind, 9, bound="nonexpansive")
    x = torch.rand(1, 1, 5, 6, dtype=torch.float64)
    assert all(bound.nonexpansive for bound in step_bounds(net, x))
    assert all((float(s.excess) > 2) == (kind != "backward-euler") for s in time_steps(net))
    growth = perturbation_growth(net, "qtips", x, x + 0.01 * torch.randn_like(x)).growth
    assert max(growth) <= 1 + 1e-9
    assert lipschitz_bound(net) < math.inf


@pytest.mark.parametrize("changes", [{}, {"step_size_range": (0.25, 4.0)}])
@pytest.mark.parametrize("kind", SCHEMES)
def test_the_lipschitz_bound_holds_for_the_whole_network(kind, changes):
    net = network(kind, 4, **changes)
    x = torch.rand(1, 1, 4, 5, dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda v: net(v)["qtips"])(x).reshape(-1, x.numel())
    assert 0 < float(torch.linalg.matrix_norm(jacobian, 2)) <= lipschitz_bound(net)
    assert (lipschitz_bound(net) < math.inf) == (kind != "midpoint")


@pytest.mark.parametrize("kind", SCHEMES)
def test_parameters_are_those_of_the_resnet_bit_for_bit(kind, tmp_path):
    torch.manual_seed(7)
    explicit = build(CONFIG)
    torch.manual_seed(7)
    net = build(replace(CONFIG, step=kind))
    assert isinstance(net, ResNet) and parameter_count(net) == parameter_count(explicit)
    mine = {
        name.replace("parametrizations.weight.original", "weight"): p
        for name, p in net.named_parameters()
    }
    for name, parameter in explicit.named_parameters():
        assert torch.equal(parameter, mine[name])
    assert ModelConfig.from_dict(net.config.to_dict()) == net.config
    save(net.eval(), tmp_path / "net.safetensors", {}, {})
    x = torch.rand(1, 1, 10, 12)
    again = load(tmp_path / "net.safetensors", "cpu")
    torch.testing.assert_close(again(x)["qtips"], net(x)["qtips"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", SCHEMES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"step_size": 0.3, "learned_step_size": True, "stages": (Stage(3, 2, 1), Stage(4, 2, 1))},
        {"step_size_range": (0.25, 4.0)},
        {"bound": "nonexpansive"},
    ],
)
def test_folded_it_is_the_same_function(kind, changes):
    if kind == "midpoint" and "bound" in changes:
        return
    net = network(kind, 4, **changes)
    x = torch.rand(2, 1, 9, 12, dtype=torch.float64, requires_grad=True)
    pair = [one(x)["qtips"] for one in (net, fold(net))]
    torch.testing.assert_close(*pair, rtol=1e-7, atol=1e-8)
    gradients = [torch.autograd.grad(y.pow(2).sum(), x)[0] for y in pair]
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("kind", "width"), [("midpoint", 3 + 2 * 8), ("rk4", 3 + 2 * 16)])
def test_the_window_of_an_explicit_scheme_is_exactly_what_it_sees(kind, width):
    net = network(kind)
    assert window_width(net.config) == width
    size, pixel = (width + 6, width + 5), (width // 2 + 2, width // 2 + 3)
    seen = input_sensitivity(net, features(1, 1, *size), lambda y: y["qtips"][0, 1][pixel])
    window = explicit_window(net.config, pixel, size)
    inside = seen[window].clone()
    seen[window] = 0
    assert seen.abs().max() == 0 and inside.shape == (width, width)
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.max() > 0


@pytest.mark.parametrize("kind", ["trapezoidal", "backward-euler"])
def test_an_implicit_step_sees_the_whole_picture(kind):
    net = network(kind, 6, stages=(Stage(4, 1, 1),))
    seen = input_sensitivity(net, features(1, 1, 24, 20), lambda y: y["qtips"][0, 1, 2, 3])
    assert explicit_window(net.config, (2, 3), (24, 20)) == (slice(0, 24), slice(0, 20))
    assert seen[-4:, -4:].max() > 0  # far outside the 7 × 7 of f
    assert seen[:7, :7].sum() > 0.9 * seen.sum()  # and next to nothing there
    assert window_width(net.config) == 10_000


@pytest.mark.parametrize("kind", SCHEMES)
def test_it_trains_under_autocast_in_half_precision_and_with_no_picture(kind):
    config = replace(CONFIG, step=kind)
    for inputs in (torch.rand(2, 1, 9, 14), torch.rand(0, 1, 10, 12)):
        torch.manual_seed(0)
        net = build(config).train(len(inputs) > 0)
        with torch.autocast("cpu", torch.bfloat16):
            steps = [after for _, after in net.layers.walk(net.normalised(inputs))]
        assert {y.dtype for y in steps} == {torch.float32}
        net(inputs)["qtips"].sum().backward()
        trained = [p for name, p in net.named_parameters() if "heads" not in name]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    half = build(config).to(torch.bfloat16)
    half(torch.rand(1, 1, 10, 12)).pop("qtips").sum().backward()
    with torch.device("meta"):
        far = fold(build(config).eval())(torch.empty(1, 1, 40, 50))["qtips"]
    assert far.device.type == "meta" and far.shape == (1, 4, 40, 50)


@pytest.mark.parametrize("kind", SCHEMES)
def test_steps_repeated_with_another_h(kind):
    net = network(kind)
    twin = stretched(net, 0.25, 2)
    assert [step.h for step in time_steps(twin)] == [0.25] * 4
    x = torch.rand(1, 1, 10, 12, dtype=torch.float64)
    y = net.layers[0](net.normalised(x))
    for step in time_steps(net):
        step = copy.deepcopy(step)
        step.step_size = 0.25
        y = step(step(y))
    torch.testing.assert_close(twin(x)["qtips"], net.answers(y, (10, 12))["qtips"])


def test_conjugate_gradients_and_newton_without_a_network():
    """D = 0 leaves a constant; and a solve from anywhere ends at the same Z."""
    torch.manual_seed(0)
    kernel = torch.randn(2, 2, 3, 3, dtype=torch.float64)
    layer = Layer(kernel, torch.tensor([0.0, 2.0]).double(), torch.tensor([1.0, 0.3]).double())
    r = features(2, 2, 5, 6)
    z = solve(layer, r, r, 1e-10, strict=True)
    torch.testing.assert_close(z + layer(z), r, rtol=0, atol=1e-7)
    torch.testing.assert_close(solve(layer, r, 5 * r.flip(1), 1e-10, strict=True), z)
    diagonal = torch.rand(2, 2, 5, 6, dtype=torch.float64) * torch.tensor([1e3, 0]).view(2, 1, 1, 1)
    exact = r / (1 + diagonal)
    limit = torch.tensor([1e-8, 1e-8], dtype=torch.float64).view(2, 1, 1, 1)
    found = newton.conjugate_gradients(lambda v: v + diagonal * v, r, limit)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-6)
    assert issubclass(BackwardEulerStep, ThetaStep)
