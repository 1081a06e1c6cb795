"""Bounds on what a time step can amplify, from its weights alone; docs/stability.md derives them.

With N's scale D folded in, f(Y) = −Kᵀ σ(D K Y + b). Where no scale is negative, an explicit step
cannot amplify if h‖D^½ K‖² ≤ 2, a diffusion-reaction or an RK4 step neither, a θ-step if
(1 − θ) h‖D^½ K‖² ≤ 2, and an IMEX step if h‖D^½ K S‖² ≤ 2 with S = (I + hL)^(−½), in the norm of
S⁻¹Y. A step size per channel is a diagonal h, which commutes with L: the bounds are those of K h^½,
in the norms of h^(−½)Y and h^(−½)S⁻¹Y.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import eigvalsh_tridiagonal
from torch import Tensor, nn

from imexnet.models.networks import Network, time_steps, walk
from imexnet.models.schemes import RK4Step, ThetaStep
from imexnet.models.steps import (
    LARGEST,
    DiffusionReactionStep,
    ExplicitStep,
    IMEXStep,
    Opening,
    scale_of,
)
from imexnet.spectral.norms import norm_squared_bound

KRYLOV = 72
"""Iterations of Lanczos for the norm of an IMEX step."""

SLACK = 0.02
"""By which that norm is enlarged, so that it is an upper bound: see `lanczos_bound`."""

TINY = 1e-30
"""Instead of 0 in a divisor, whose dividend then is 0, too."""


@dataclass(frozen=True)
class StepBound:
    """What the weights of a time step say, in eval mode.

    Attributes:
        bound: ‖D^½ K h^½‖², of an IMEX step ‖D^½ K h^½ S‖², of a θ-step (1 − θ) ‖D^½ K h^½‖², from
            above.
        smallest_scale: of N; where it is negative a step can amplify whatever its bound is.
        order: of an explicit scheme in time.
    """

    bound: float
    smallest_scale: float
    order: int = 1

    @property
    def nonexpansive(self) -> bool:
        """Whether the step is guaranteed not to amplify, in its own norm."""
        return self.bound <= LARGEST and self.smallest_scale >= 0

    @property
    def expansion(self) -> float:
        """An upper bound of ‖Y₁⁺ − Y₂⁺‖ / ‖Y₁ − Y₂‖ in that norm.

        The Jacobian of the update of an explicit step lies between −bound and 0, or bound where a
        scale is negative.
        """
        if self.nonexpansive:
            return 1.0
        one_stage = self.order == 1 and self.smallest_scale >= 0
        return self.bound - 1 if one_stage else self.in_any_norm

    @property
    def in_any_norm(self) -> float:
        """An upper bound of the same where β, the bound, is the Lipschitz constant of h f.

        1 + β + … + β^p / p! for order p: no coefficient of the scheme is negative.
        """
        return sum(self.bound**k / math.factorial(k) for k in range(self.order + 1))


@torch.no_grad()
def step_bound(step: ExplicitStep, size: tuple[int, int]) -> StepBound:
    """The bound of one time step on a grid (H, W).

    That of all but an IMEX step holds on every grid. There is none, inf, of a step that is not
    `boundable`, and of a mirrored solve by a stencil that is no mirror image of itself: such a
    solve is not self-adjoint.
    """
    kernel = step.scaled_kernel * step.h**0.5
    largest = min(float(norm_squared_bound(kernel, n)) for n in {32, step.frequencies})
    if not step.boundable:
        largest = math.inf
    elif isinstance(step, IMEXStep):
        if step.boundary == "mirrored" and step.operator == "learned":
            largest = math.inf
        elif not isinstance(step, DiffusionReactionStep):
            largest = min(largest, _with_solve(step, kernel, size))
    return _found(step, largest / float(step.excess))


def step_bounds(network: Network, x: Tensor) -> list[StepBound]:
    """The bounds of all time steps, on the grids that a picture x (1, C, H, W) gives them."""
    with torch.inference_mode():
        steps = [(step, (y.shape[-2], y.shape[-1])) for step, y, _ in walk(network, x)]
    return [step_bound(*step) for step in steps]


@torch.no_grad()
def lipschitz_bound(network: Network, task: str | None = None) -> float:
    """L with ‖ŷ₁ − ŷ₂‖ ≤ L ‖x₁ − x₂‖ for any two pictures x on [0, 1] of any size.

    ŷ are a pixel's logits, or its log-depth; those of all pixels together where the network keeps
    the picture's resolution. Enlarged answers are means of those of the cells around a pixel.

    The product over all layers: 1 / std, ‖D K‖ of an opening σ(D K Y + b) whatever its stride,
    `expansion` of a step, ‖W‖ of the head. Bounded steps count 1, a stage of bounded IMEX steps
    too; a single IMEX step, or one with a step size per channel, counts 1 + max h ‖D^½ K‖², one
    that is not `boundable` inf.

    Args:
        network: without a backbone.
        task: one of the network's, by default its only one.

    Raises:
        ValueError: for another network or task, for none of several, and for a folded network.
    """
    weights = _head(network, _task(network, task))
    return float(torch.linalg.matrix_norm(weights, 2)) * _features(network, network.layers)


@torch.no_grad()
def pixel_bounds(network: Network, combinations: Tensor) -> Tensor:
    """L with |a·(Y₁(p) − Y₂(p))| ≤ L ‖x₁ − x₂‖ for a combination a of the last features at any p.

    Of an opening σ(D K Y + b) before the head a pixel sees one patch. There K is a matrix, its rows
    one for each channel; the difference is aᵀ S D K δY with 0 ≤ S ≤ I diagonal, which is at most
    ‖a / d‖ ‖d D K‖ ‖δY‖ for any diagonal d > 0. Taken is d² = |a| / ‖rows of D K‖. All other
    layers count as in `lipschitz_bound`.

    Args:
        network: as for `lipschitz_bound`.
        combinations: one per row, (n, C).

    Returns:
        (n,), in float64.

    Raises:
        ValueError: for another network.
    """
    rows, layers = combinations.double(), list(network.layers)
    last = layers[-1]
    if not isinstance(last, Opening):
        return rows.norm(dim=1) * _features(network, layers)
    patch = _scaled(last).flatten(1).double()
    balance = (rows.abs() / patch.norm(dim=1).clamp_min(TINY)).sqrt().clamp_min(TINY)
    seen = torch.linalg.matrix_norm(balance[:, :, None] * patch, 2)
    return (rows / balance).norm(dim=1) * seen * _features(network, layers[:-1])


@torch.no_grad()
def certified_radius(network: Network, x: Tensor, task: str | None = None) -> Tensor:
    """r per pixel: no perturbation with ‖δx‖ < r, of all pixels together, changes its class.

    The smallest (z_i − z_j) / L_ij, i the winner among the pixel's logits z, j any other class and
    L_ij the `pixel_bounds` of the difference of their rows in the head.

    Args:
        network: as for `lipschitz_bound`, in eval mode.
        x: (B, C, H, W) on [0, 1].
        task: of classes, as for `lipschitz_bound`.

    Returns:
        (B, H, W), in the units of x.

    Raises:
        ValueError: as `lipschitz_bound` does, and for a task without classes.
    """
    task = _task(network, task)
    weights = _head(network, task)
    if len(weights) == 1:
        raise ValueError("depth has an interval, not a radius: see certified_interval")
    classes = len(weights)
    differences = (weights[:, None] - weights[None]).flatten(0, 1)
    constants = pixel_bounds(network, differences).view(classes, classes)
    logits = network(x)[task].movedim(1, -1)  # (B, H, W, classes)
    winner = logits.argmax(-1)
    margins = logits.amax(-1, keepdim=True) - logits
    radii = margins / constants.to(margins)[winner]
    return radii.scatter(-1, winner[..., None], math.inf).amin(-1)


@torch.no_grad()
def certified_interval(network: Network, x: Tensor, norm: float) -> tuple[Tensor, Tensor]:
    """The depths between which each pixel's stays under every perturbation with ‖δx‖ ≤ norm.

    ŷ e^(−L norm) and ŷ e^(L norm), L the `pixel_bounds` of log-depth.

    Args:
        network: as for `lipschitz_bound`, in eval mode.
        x: (B, C, H, W) on [0, 1].
        norm: in the units of x.

    Returns:
        The nearest and the farthest, (B, H, W) in metres.

    Raises:
        ValueError: as `lipschitz_bound` does.
    """
    factor = (
        norm * pixel_bounds(network, _head(network, _task(network, "depth")))
    ).exp()  # inf where too large
    depth = network(x)["depth"].squeeze(1)
    return depth / factor, depth * factor


def lanczos_bound(apply: Callable[[Tensor], Tensor], start: Tensor) -> float:
    """The largest eigenvalue of a symmetric A ⪰ 0 from above, unless the start is unlucky.

    k iterations of Lanczos from a random start find θ ≤ λ_max, and λ_max > θ / (1 − ε) happens with
    a probability below 1.648 √n e^(−√ε (2k − 1)) (Kuczyński & Woźniakowski, "Estimating the largest
    eigenvalue by the power and Lanczos algorithms with a random start", 1992, theorem 4.1): for
    k = 72 and ε = 0.02, 10⁻⁶ at n = 115,200 unknowns. Returned is θ / (1 − ε).

    Args:
        apply: v → A v.
        start: normally distributed.
    """
    v, before = start / start.norm(), torch.zeros_like(start)
    diagonal, beside = [], [0.0]
    for _ in range(KRYLOV):
        w = apply(v) - beside[-1] * before
        diagonal.append(float((w * v).sum()))
        w = w - diagonal[-1] * v
        beside.append(float(w.norm()))
        if beside[-1] <= 1e-12 * max(diagonal):
            break
        before, v = v, w / beside[-1]
    last = len(diagonal) - 1
    values = eigvalsh_tridiagonal(np.array(diagonal), np.array(beside[1:-1]))
    return float(values[last]) / (1 - SLACK)


def _with_solve(step: IMEXStep, kernel: Tensor, size: tuple[int, int]) -> float:
    """‖D^½ K S‖² on a grid, K padded with zeros."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1, kernel.shape[0], *size, generator=generator, dtype=kernel.dtype)
    transpose = kernel.transpose(0, 1).flip(2, 3)

    def apply(u: Tensor) -> Tensor:  # D^½ K S² Kᵀ D^½
        return F.conv2d(step.solve(F.conv2d(u, transpose, padding=1)), kernel, padding=1)

    return lanczos_bound(apply, start.to(kernel.device))


def _euclidean(step: ExplicitStep) -> float:
    """An upper bound of ‖Y₁⁺ − Y₂⁺‖ / ‖Y₁ − Y₂‖, or of its share in that of a bounded stage."""
    if not step.boundable:
        return math.inf
    h = torch.as_tensor(step.h)
    largest = float(h.max()) * float(norm_squared_bound(step.scaled_kernel))
    found = _found(step, largest / float(step.excess))
    if isinstance(step, ThetaStep):  # its own norm is that of h^(−½)Y
        return math.sqrt(float(h.max() / h.min())) * found.expansion
    plain = not isinstance(step, IMEXStep) or isinstance(step, DiffusionReactionStep)
    own_norm = step.step_scales is not None or not plain  # is not the Euclidean one
    return found.in_any_norm if own_norm and not step.bound else found.expansion


def _found(step: ExplicitStep, largest: float) -> StepBound:
    """What a norm ‖D^½ K …‖² says of the step."""
    order = 4 if isinstance(step, RK4Step) else 1
    return StepBound(step.explicit_share * largest, float(step.scale.min()), order)


def _task(network: Network, task: str | None) -> str:
    """The task, by default the network's only one."""
    if task is None and len(network.heads) == 1:
        task = next(iter(network.heads))
    if task is None or task not in network.heads:
        raise ValueError(f"choose one of the tasks {', '.join(network.heads)}")
    return task


def _head(network: Network, task: str) -> Tensor:
    """The weights of a task's head, (classes, C), or (1, C)."""
    return cast(nn.Conv2d, network.heads[task]).weight.flatten(1).double()


def _features(network: Network, layers: Iterable[nn.Module]) -> float:
    """An upper bound of ‖Y₁ − Y₂‖ / ‖x₁ − x₂‖ after these layers, the network's first."""
    config = network.config
    if config.encoder or config.decoder or config.boundary != "periodic":
        raise ValueError("only a network without a backbone, with periodic solves, has a bound")
    time_steps(network)  # raises if the network is folded
    largest = 1 / float(network.std.min())
    for layer in layers:
        if isinstance(layer, Opening):
            largest *= math.sqrt(float(norm_squared_bound(_scaled(layer))))
        elif isinstance(layer, ExplicitStep):
            largest *= _euclidean(layer)
    return largest


def _scaled(opening: Opening) -> Tensor:
    """|D| K of an opening."""
    return scale_of(opening.norm).abs().view(-1, 1, 1, 1) * opening.conv.weight
