"""Bounds of steps: against dense Jacobians, against attacks, and what bounded networks keep."""

import copy
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imexnet.models.config import MODELS, ModelConfig, Stage
from imexnet.models.controls import DilatedStep, LaplaciansStep
from imexnet.models.folding import fold
from imexnet.models.networks import Network, build, states, time_steps
from imexnet.models.steps import (
    LARGEST,
    DiffusionReactionStep,
    ExplicitStep,
    IMEXStep,
    one_stage,
    scale_of,
)
from imexnet.spectral.solve import apply_filter, resolvent
from imexnet.stability import bounds
from imexnet.stability.bounds import (
    certified_interval,
    certified_radius,
    lanczos_bound,
    lipschitz_bound,
    pixel_bounds,
    step_bound,
    step_bounds,
)
from imexnet.stability.growth import perturbation_growth, stretched

STEPS = [ExplicitStep, IMEXStep, DiffusionReactionStep]
SIZE = (6, 7)


def lived_in(step: Any, seed: int = 0, weight: float = 1.0) -> Any:
    """In float64 and eval mode, with scales and statistics that matter, K enlarged by `weight`."""
    torch.manual_seed(seed)
    for module in step.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
            with torch.no_grad():  # of both signs where they are bounded
                for name, parameter in module.named_parameters():
                    if "weight" in name:
                        low = -2.0 if "original" in name else 0.5
                        parameter.uniform_(low, 2)
    for module in step.modules():
        if isinstance(module, ExplicitStep):
            module.conv.weight.data.mul_(weight)
    return step.double().eval().requires_grad_(False)


def random_step(kind: Any, weight: float = 4.0, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return lived_in(kind(3, 0.8, **options), seed, weight)


def matrix(apply, channels: int = 3) -> Tensor:
    """Of a linear map of features (1, C, H, W)."""
    n = channels * SIZE[0] * SIZE[1]
    basis = torch.eye(n, dtype=torch.float64).view(n, channels, *SIZE)
    return apply(basis).flatten(1).T


def root(step: IMEXStep, power: float = 0.5) -> Tensor:
    """(I + hL)^−power as a matrix."""
    y = torch.zeros(1, 3, *SIZE, dtype=torch.float64)
    multiplier = resolvent(step.eigenvalues(y), step.h) ** power
    return matrix(lambda basis: apply_filter(basis, multiplier))


def pieces(step: ExplicitStep) -> tuple[Tensor, Tensor]:
    """K and the diagonal of D, dense."""
    k = matrix(lambda basis: step.conv(basis))
    d = scale_of(step.norm).repeat_interleave(SIZE[0] * SIZE[1])
    return k, d


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", STEPS)
def test_the_bound_is_that_of_the_dense_matrix(kind, seed):
    step = random_step(kind, seed=seed)
    k, d = pieces(step)
    s = root(step) if kind is IMEXStep else torch.eye(len(k), dtype=torch.float64)
    exact = 0.8 * float(torch.linalg.matrix_norm(d.sqrt()[:, None] * k @ s, 2)) ** 2
    found = step_bound(step, SIZE)
    assert exact <= found.bound <= (1.03 if kind is IMEXStep else 1.35) * exact  # a small grid
    assert found.smallest_scale == pytest.approx(float(d.min()))
    assert (found.expansion, found.nonexpansive) == (max(1, found.bound - 1), found.bound <= 2)


@pytest.mark.parametrize("signs", ["positive", "mixed"])
@pytest.mark.parametrize("kind", STEPS)
def test_no_activation_pattern_expands_more_than_the_bound_says(kind, signs):
    """Singular values of the assembled Jacobian: no, all, random and the worst units active."""
    step = random_step(kind)
    if signs == "mixed":
        step.norm.weight[0] *= -1
    k, d = pieces(step)
    identity = torch.eye(len(k), dtype=torch.float64)
    half = root(step) if kind is not ExplicitStep else identity
    found = step_bound(step, SIZE)
    generator = torch.Generator().manual_seed(0)
    patterns = [torch.zeros(len(k)), torch.ones(len(k)), (d < 0).double(), (d > 0).double()]
    patterns += [torch.randint(0, 2, (len(k),), generator=generator) for _ in range(6)]
    largest = 0.0
    for active in patterns:
        update = 0.8 * k.T @ ((active.double() * d)[:, None] * k)
        jacobian = {
            ExplicitStep: identity - update,
            IMEXStep: identity - half @ update @ half,  # in Z = S⁻¹Y
            DiffusionReactionStep: half @ half @ (identity - update),
        }[kind]
        norm = float(torch.linalg.matrix_norm(jacobian, 2))
        assert norm <= found.expansion * (1 + 1e-12)
        largest = max(largest, norm)
    if signs == "mixed":
        assert largest > 1 and not found.nonexpansive
    else:  # all active is the worst
        assert largest > (0.4 if kind is DiffusionReactionStep else 0.7) * found.expansion


OPTIONS: list[tuple[Any, dict[str, Any]]] = [
    *((kind, {"step_size_range": (0.3, 4.0)}) for kind in STEPS),
    *((kind, {"stencils": 2}) for kind in STEPS[1:]),
    *((kind, {"inner": 2}) for kind in STEPS),
    (DilatedStep, {"dilation": 2}),
    (LaplaciansStep, {"lengths": (0.5, 3.0)}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_the_bound_of_other_steps_is_that_of_the_dense_matrix(kind, options):
    """Also of the Jacobians, in the norm of h^(−½)Y, of IMEX steps h^(−½)S⁻¹Y."""
    step = random_step(kind, **options)
    k, d = pieces(step)
    h = torch.as_tensor(step.h, dtype=torch.float64).expand(3, 1, 1).flatten()
    own = h.sqrt().repeat_interleave(SIZE[0] * SIZE[1]).diag()
    if isinstance(step, IMEXStep) and kind is not DiffusionReactionStep:
        own = own @ root(step)
    exact = float(torch.linalg.matrix_norm(d.sqrt()[:, None] * k @ own, 2)) ** 2
    found = step_bound(step, SIZE)
    assert exact <= found.bound <= (1.03 if own.count_nonzero() > len(own) else 1.6) * exact
    inverse, norms = torch.linalg.inv(own), []
    for seed in range(3):
        torch.manual_seed(seed)
        y = torch.randn(1, 3, *SIZE, dtype=torch.float64)
        jacobian = torch.func.jacrev(step)(y).reshape(own.shape)
        norms.append(float(torch.linalg.matrix_norm(inverse @ jacobian @ own, 2)))
    assert 1 < max(norms) <= found.expansion


def growth_found(step: Any, norm, seed: int = 0) -> float:
    """The largest ‖Y₁⁺ − Y₂⁺‖ / ‖Y₁ − Y₂‖ that gradient ascent over pairs of inputs finds."""
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randn(2, 1, 3, *SIZE, dtype=torch.float64, generator=generator)
    pair[1] = pair[0] + 0.1 * pair[1]
    pair.requires_grad_()
    optimizer, best = torch.optim.Adam([pair], lr=0.1), 0.0
    for _ in range(60):
        ratio = norm(step(pair[0]) - step(pair[1])) / norm(pair[0] - pair[1])
        best = max(best, ratio.item())
        optimizer.zero_grad()
        (-ratio).backward()
        optimizer.step()
    return best


def own_norm(step: Any, y: Tensor) -> Tensor:
    """‖Y‖, or ‖S⁻¹Y‖ of an IMEX step."""
    if isinstance(step, IMEXStep) and not isinstance(step, DiffusionReactionStep):
        y = apply_filter(y, resolvent(step.eigenvalues(y), step.h).rsqrt())
    return y.norm()


@pytest.mark.parametrize("bound", [None, "nonexpansive"])
@pytest.mark.parametrize("kind", STEPS)
def test_no_pair_of_inputs_found_by_gradient_ascent_beats_the_bound(kind, bound):
    step = random_step(kind, bound=bound)
    found, attacked = step_bound(step, SIZE), growth_found(step, lambda y: own_norm(step, y))
    assert attacked <= found.expansion * (1 + 1e-9)
    if bound:
        assert found.nonexpansive and found.expansion == 1
        assert attacked > 0.5  # it is no constant
    elif kind is not DiffusionReactionStep:
        assert attacked > 1.5  # and the ascent finds what there is


def test_a_periodic_formula_would_not_bound_a_padded_step():
    """K a difference, S the mean: D^½ K̂ Ŝ is nearly 0 at all frequencies, but not at the edges."""
    step = random_step(IMEXStep, operator="laplacian")
    step.step_size = 1e6
    step.conv.weight -= step.conv.weight.mean((2, 3), keepdim=True)
    k, d = pieces(step)
    exact = 1e6 * float(torch.linalg.matrix_norm(d.sqrt()[:, None] * k @ root(step), 2)) ** 2
    assert exact <= step_bound(step, SIZE).bound <= 1.03 * exact


@pytest.mark.parametrize("kind", [IMEXStep, DiffusionReactionStep])
def test_a_mirrored_solve_has_a_bound_where_it_is_self_adjoint(kind):
    learned = random_step(kind, boundary="mirrored")
    assert step_bound(learned, SIZE).bound == math.inf
    assert not step_bound(learned, SIZE).nonexpansive
    step = random_step(kind, boundary="mirrored", operator="laplacian")
    k, d = pieces(step)
    inverse = matrix(step.solve)
    torch.testing.assert_close(inverse, inverse.T)
    half = torch.linalg.cholesky(inverse) if kind is IMEXStep else torch.eye(len(k)).double()
    exact = 0.8 * float(torch.linalg.matrix_norm(d.sqrt()[:, None] * k @ half, 2)) ** 2
    assert exact <= step_bound(step, SIZE).bound <= 1.35 * exact


@pytest.mark.parametrize("gap", [0.0, 1e-3, 0.5])
def test_lanczos_finds_the_largest_eigenvalue_from_above(gap):
    values = torch.cat((torch.linspace(0, 1 - gap, 400), torch.ones(1))).double()
    start = torch.randn(401, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert 1 <= lanczos_bound(lambda v: values * v, start) <= 1 / (1 - bounds.SLACK) + 1e-12
    assert lanczos_bound(lambda v: 0 * v, start) == 0
    assert lanczos_bound(lambda v: 3 * v, start) == pytest.approx(3 / (1 - bounds.SLACK))


SMALL = replace(
    MODELS["qtips-resnet-bounded"], stages=(Stage(4, 1, 3),), step_size=0.9, size=(12, 12)
)
VARIANTS: dict[str, ModelConfig] = {
    "explicit": SMALL,
    "imex": replace(SMALL, step="imex"),
    "imex, two stages": replace(SMALL, step="imex", stages=(Stage(4, 1, 2), Stage(5, 1, 2))),
    "imex, Laplacian": replace(SMALL, step="imex", operator="laplacian"),
    "imex, learned h": replace(SMALL, step="imex", learned_step_size=True),
    "imex, two stencils": replace(SMALL, step="imex", stencils=2),
    "imex, wide": replace(SMALL, step="imex", inner=3),
    "diffusion-reaction": replace(SMALL, step="diffusion-reaction"),
    "dilated": replace(SMALL, step="dilated"),
    "laplacians": replace(SMALL, step="laplacians"),
}


def small(variant: str, weight: float = 5.0) -> Network:
    torch.manual_seed(1)
    return lived_in(build(VARIANTS[variant]), 1, weight)


def stage_growth(network: Network, x: Tensor, other: Tensor) -> Tensor:
    """‖δY_j‖ of each step over ‖δX‖ before its stage, Euclidean; the largest."""
    before, found = [], []
    start = 0
    steps = [stage.steps for stage in network.config.stages]
    pairs = zip(states_by_stage(network, x), states_by_stage(network, other), strict=True)
    for a, b in pairs:
        changes = [(p - q).norm() for p, q in zip(a, b, strict=True)]
        before.append(changes[0])
        found += [change / changes[0] for change in changes[1:]]
        start += 1
    assert start == len(steps)
    return torch.stack(found).max()


def states_by_stage(network: Network, x: Tensor) -> list[list[Tensor]]:
    stages: list[list[Tensor]] = []
    y = network.normalised(x)
    for layer, after in network.layers.walk(y):
        if isinstance(layer, ExplicitStep):
            stages[-1].append(after)
        else:
            stages.append([after])
    return stages


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bounded_network_amplifies_no_perturbation_that_an_ascent_finds(variant):
    network = small(variant)
    steps = step_bounds(network, torch.rand(1, 1, 9, 10, dtype=torch.float64))
    assert all(step.nonexpansive for step in steps)
    assert all(float(step.excess) > 2 for step in time_steps(network))  # of weights far too large
    pair = torch.rand(2, 1, 1, 9, 10, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([pair], lr=0.05)
    for _ in range(12):
        worst = stage_growth(network, pair[0], pair[1])
        assert worst.item() <= 1 + 1e-9
        optimizer.zero_grad()
        (-worst).backward()
        optimizer.step()
    free = copy.deepcopy(network)
    for step in time_steps(free):
        step.bound = None
    assert stage_growth(free, pair[0], pair[1]) > 1  # without the bound they do amplify


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name.startswith(("imex", "lap"))])
def test_in_the_norm_of_its_stage_a_bounded_imex_step_amplifies_nothing(variant):
    network = small(variant)
    x, other = torch.rand(2, 1, 1, 9, 10, dtype=torch.float64)
    steps, numbers = time_steps(network), iter(range(99))
    for a, b in zip(states_by_stage(network, x), states_by_stage(network, other), strict=True):
        sizes = [float((a[0] - b[0]).norm())]
        for p, q in zip(a[1:], b[1:], strict=True):
            sizes.append(float(own_norm(steps[next(numbers)], p - q)))
        assert all(after <= before * (1 + 1e-9) for before, after in pairwise(sizes))


def test_steps_of_a_stage_share_one_operator_and_enter_once():
    network = small("imex, two stages")
    steps = time_steps(network)
    assert [isinstance(step, IMEXStep) and step.enters for step in steps] == [True, False] * 2
    assert steps[0].stencil is steps[1].stencil and steps[2].stencil is steps[3].stencil
    learned = time_steps(small("imex, learned h"))
    assert learned[0].log_step_size is learned[2].log_step_size
    several = time_steps(small("imex, two stencils"))
    assert several[0].stencil is several[2].stencil and several[0].stencil.shape == (4, 2, 3, 3)
    alone = IMEXStep(4)
    one_stage([alone])
    y = torch.rand(1, 4, 6, 5)
    twice = alone.half_solve(alone.half_solve(y))
    torch.testing.assert_close(twice, alone.solve(y))
    one_stage([])
    pair = [IMEXStep(4, step_size=4.0, bound="nonexpansive"), IMEXStep(4, bound="nonexpansive")]
    one_stage(pair)
    assert [step.h for step in pair] == [4.0, 4.0]
    with pytest.raises(ValueError, match="the same channels, operator and boundary"):
        one_stage([IMEXStep(4), IMEXStep(4, operator="laplacian")])


def test_a_stage_of_repeated_steps_is_entered_once():
    network = small("imex, two stages")
    twin = stretched(network, 2.0, 3)
    assert [step.enters for step in time_steps(twin)] == ([True] + [False] * 5) * 2
    written_out = build(twin.config).double().eval()
    written_out.load_state_dict(twin.state_dict())
    x = torch.rand(1, 1, 9, 10, dtype=torch.float64)
    torch.testing.assert_close(twin(x)["qtips"], written_out(x)["qtips"])


def test_the_lipschitz_bound_holds_for_the_whole_network():
    """Against the largest singular value of dense Jacobians, and against certificates' attacks."""
    for variant in ("explicit", "imex", "diffusion-reaction"):
        for bound in ("nonexpansive", None):
            network = small(variant)
            for step in time_steps(network):
                step.bound = bound
                if bound is None and isinstance(step, IMEXStep):
                    step.enters = False
            largest = lipschitz_bound(network)
            for seed in range(3):
                torch.manual_seed(seed)
                x = torch.rand(1, 1, 6, 7, dtype=torch.float64)
                jacobian = torch.func.jacrev(lambda v, n=network: n(v)["qtips"])(x)
                norm = float(torch.linalg.matrix_norm(jacobian.reshape(-1, x.numel()), 2))
                assert 0 < norm <= largest
    for kind in ("explicit", "imex", "diffusion-reaction"):
        torch.manual_seed(0)
        config = replace(SMALL, step=kind, bound=None, step_size_range=(0.25, 4.0))
        network = lived_in(build(config), 0, 3.0)
        x = torch.rand(1, 1, 6, 7, dtype=torch.float64)
        jacobian = torch.func.jacrev(lambda v, n=network: n(v)["qtips"])(x)
        norm = float(torch.linalg.matrix_norm(jacobian.reshape(-1, x.numel()), 2))
        assert 0 < norm <= lipschitz_bound(network) < math.inf
    with pytest.raises(ValueError, match="only a network without a backbone"):
        lipschitz_bound(build(MODELS["indoor-backbone-resnet"]), "depth")
    with pytest.raises(ValueError, match="choose one of the tasks depth, segmentation"):
        lipschitz_bound(build(MODELS["indoor-resnet-bounded"]))
    with pytest.raises(ValueError, match="choose one of the tasks qtips"):
        certified_interval(build(MODELS["qtips-resnet-bounded"]), torch.rand(1, 1, 6, 7), 1e-3)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("step", ["explicit", "imex"])
def test_bounds_hold_for_enlarged_answers_and_depths_stay_in_their_interval(step, last):
    """For each pixel, against dense Jacobians and an ascent on one pixel's depth.

    Without a step in the last stage, its opening stands before the heads.
    """
    shown = MODELS["indoor-resnet-bounded"]
    stages = Stage(4, 2, 0), Stage(5, 2, 2), Stage(5, 1, last)
    torch.manual_seed(0)
    network = lived_in(build(replace(shown, step=step, stages=stages)), 0, 4.0)
    for head in network.heads.values():
        assert isinstance(head, nn.Conv2d)
        head.weight.normal_()
    x = torch.rand(1, 3, 9, 10, dtype=torch.float64)
    for task in ("depth", "segmentation"):
        jacobian = torch.func.jacrev(lambda v, t=task: network(v)[t])(x).reshape(-1, 90, x.numel())
        if task == "depth":
            jacobian = jacobian / network(x)[task].reshape(1, 90, 1)  # of log-depth
        norms = torch.linalg.matrix_norm(jacobian.movedim(1, 0), 2)
        assert 0 < float(norms.max()) <= lipschitz_bound(network, task)
        combinations = torch.randn(20, len(jacobian), dtype=torch.float64)
        gradients = torch.einsum("nc,cpx->npx", combinations, jacobian).norm(dim=2)
        head = network.heads[task].weight.flatten(1)
        bounds = pixel_bounds(network, combinations @ head)
        assert ((gradients > 0) & (gradients <= bounds[:, None])).all()
    radius = certified_radius(network, x, "segmentation")
    assert radius.shape == (1, 9, 10) and (radius >= 0).all()

    norm = 0.2 / float(pixel_bounds(network, network.heads["depth"].weight.flatten(1)))
    low, high = certified_interval(network, x, norm)
    assert low.shape == high.shape == (1, 9, 10)
    torch.testing.assert_close(high / low, torch.full_like(low, math.exp(0.4)))
    for sign in (-1, 1):
        delta = 1e-6 * norm * torch.randn_like(x)
        for _ in range(15):
            delta.requires_grad_()
            (gradient,) = torch.autograd.grad(network(x + delta)["depth"][0, 0, 4, 5], delta)
            delta = delta.detach() + 0.5 * sign * norm * gradient / gradient.norm()
            delta = delta * min(1.0, norm / float(delta.norm()))
        found = network(x + delta)["depth"][:, 0]
        assert (low <= found).all() and (found <= high).all()
        assert sign * float(found[0, 4, 5] - (low * high).sqrt()[0, 4, 5]) > 0  # it did move


def test_what_has_no_bound_is_refused():
    """Most of all a folded network, whose steps nothing would count."""
    network, x = fold(small("imex")), torch.rand(1, 1, 6, 7, dtype=torch.float64)
    for ask in (
        lambda: lipschitz_bound(network),
        lambda: certified_radius(network, x),
        lambda: step_bounds(network, x),
        lambda: perturbation_growth(network, "qtips", x, x + 0.1),
        lambda: stretched(network, 1.0, 2),
    ):
        with pytest.raises(ValueError, match="no time steps; if it was folded"):
            ask()
    with pytest.raises(ValueError, match="depth has an interval"):
        certified_radius(build(MODELS["indoor-resnet-bounded"]), torch.rand(1, 3, 9, 10), "depth")


@pytest.mark.parametrize("variant", ["explicit", "imex", "diffusion-reaction"])
def test_no_attack_beats_a_certificate(variant):
    """Ascent on a pixel's margin within its radius; beyond some multiple of it, it succeeds."""
    network = small(variant)
    head = network.heads["qtips"]
    assert isinstance(head, nn.Conv2d)
    head.weight.normal_()
    x = torch.rand(1, 1, 6, 7, dtype=torch.float64)
    radius = certified_radius(network, x)[0]
    assert radius.shape == (6, 7) and (radius > 0).all()
    row, column = divmod(int(radius.argmax()), 7)
    answered = int(network(x)["qtips"][0, :, row, column].argmax())

    def flipped(size: float) -> bool:
        delta = torch.randn_like(x) * 1e-3
        for _ in range(15):
            delta.requires_grad_()
            logits = network(x + delta)["qtips"][0, :, row, column]
            others = logits[torch.arange(4) != answered]
            if others.max() > logits[answered]:
                return True
            (gradient,) = torch.autograd.grad(others.max() - logits[answered], delta)
            delta = delta.detach() + 0.5 * size * gradient / gradient.norm().clamp_min(1e-12)
            delta = delta * min(1.0, size / float(delta.norm()))
        return False

    assert not flipped(float(radius[row, column]))
    assert flipped(300 * float(radius[row, column]))


def test_states_of_a_bounded_network_are_those_of_its_forward_pass():
    network = small("imex")
    x = torch.rand(1, 1, 9, 10, dtype=torch.float64)
    expected = network.answers(states(network, x)[-1], (9, 10))["qtips"]
    torch.testing.assert_close(network(x)["qtips"], expected)
    assert LARGEST == 2
