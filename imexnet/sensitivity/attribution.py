"""Other questions to the same pixel than the gradient: integrated gradients, occlusion and more.

Each takes a target q and a picture x to an attribution A(x), (C, H, W), or (1, H, W) where it asks
for a pixel's channels together. A says how much of q came from there: signed, and in q's unit but
for the gradient, which is per unit of the input.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from imexnet.models.tasks import task_named
from imexnet.sensitivity.measures import Region

STEPS, FEWEST = 64, 16  # of an integral
FULL_STEPS = 64 * 64, 120 * 160  # pixels of grey and colour pictures that get all the steps
PIXELS = 2**16  # of the pictures that go through a network together, unless one has more
BLUR = 1 / 16  # standard deviation of a blur, of the shorter side
PATCH = 1 / 8  # side of a patch, of the shorter side


@dataclass(frozen=True)
class Target:
    """The quantity q that is explained.

    Attributes:
        of: pictures (B, C, H, W) → q of each, (B,). It must treat each picture by itself.
        window: all that q can depend on without implicit solves, if it is known: no patch
            straddles its edge.
    """

    of: Callable[[Tensor], Tensor]
    window: Region | None = None


Attribution = Callable[[Target, Tensor], Tensor]
"""(q, x of (1, C, H, W)) → A(x), (C, H, W) or (1, H, W)."""

Filling = Callable[[Tensor], Tensor]
"""A picture (1, C, H, W) → one with nothing of interest in it."""


def flat(x: Tensor) -> Tensor:
    """The picture's median colour everywhere; a Q-tip's is that of its background."""
    return x.flatten(2).median(dim=2).values[..., None, None].expand_as(x)


def mean(x: Tensor) -> Tensor:
    """The picture's mean colour everywhere."""
    return x.mean(dim=(2, 3), keepdim=True).expand_as(x)


def blurred(x: Tensor) -> Tensor:
    """The picture after a Gaussian of `BLUR`, its edges continued outward."""
    sigma = BLUR * min(x.shape[-2:])
    smooth = gaussian_filter(x.detach().cpu().numpy(), (0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(smooth).to(x)


def input_gradient(q: Target, x: Tensor) -> Tensor:
    """A = ∂q / ∂x."""
    return _gradients(q, x.detach())[0]


def gradient_times_difference(q: Target, x: Tensor, baseline: Filling = blurred) -> Tensor:
    """A = (x − x′) ∂q / ∂x: what there is to see, times how much it matters at x."""
    return ((x - baseline(x)) * _gradients(q, x.detach()))[0].detach()


def integrated_gradients(
    q: Target, x: Tensor, baseline: Filling = blurred, steps: int | None = None
) -> Tensor:
    """A = (x − x′) ∫₀¹ ∂q / ∂x (x′ + α (x − x′)) dα, with ΣA = q(x) − q(x′), completeness.

    Sundararajan et al. 2017, arXiv 1703.01365. The integral is a Gauss–Legendre rule in √α: a
    network answers a nearly flat picture as it would no photo, so q changes fastest near x′.
    For a q that is linear along the path, one step is exact.

    Args:
        q: the target.
        x: (1, C, H, W).
        baseline: makes x′.
        steps: gradients that are taken, at least 1. By default 64; for drawings of more than
            64 × 64 pixels and photos of more than 160 × 120 in proportion fewer, down to 16.

    Returns:
        (C, H, W).

    Raises:
        ValueError: for no steps.
    """
    if steps is None:
        share = FULL_STEPS[x.shape[1] > 1] / (x.shape[-2] * x.shape[-1])
        steps = max(FEWEST, math.ceil(STEPS * min(1.0, share)))
    if steps < 1:
        raise ValueError(f"an integral needs at least one step, got {steps}")
    x = x.detach()
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    root = (1 + nodes) / 2  # √α on [0, 1]
    alphas, weights = root**2, weights * root  # dα = 2 √α d√α
    start = baseline(x)
    total = torch.zeros_like(x[0])
    for chosen in _batches(steps, x):
        alpha, weight = (
            torch.from_numpy(values[chosen]).to(x).view(-1, 1, 1, 1) for values in (alphas, weights)
        )
        total += (weight * _gradients(q, start + alpha * (x - start))).sum(dim=0)
    return total * (x - start)[0]


@torch.no_grad()
def occlusion(
    q: Target,
    x: Tensor,
    filling: Filling = mean,
    side: int | None = None,
    stride: int | None = None,
) -> Tensor:
    """A(p) = mean of q(x) − q(x with a patch filled) over the patches that cover p.

    Zeiler & Fergus 2014, arXiv 1311.2901; averaged as captum does. The map is as coarse as the
    stride. Patches that would straddle the edge of the target's window end there, and others
    begin: what a patch changes is then due to one side of that edge.

    Args:
        q: the target.
        x: (1, C, H, W).
        filling: makes what a patch shows instead.
        side: of the square patch in pixels, by default `PATCH` of the shorter side.
        stride: from patch to patch, by default half the side.

    Returns:
        (1, H, W).

    Raises:
        ValueError: for a side below 1, or a stride that would leave gaps.
    """
    height, width = x.shape[-2:]
    side = max(1, round(PATCH * min(height, width))) if side is None else side
    stride = max(1, side // 2) if stride is None else stride
    if side < 1 or not 1 <= stride <= side:
        raise ValueError(
            f"a patch has a side ≥ 1 and a stride from 1 to that side, got {side}, {stride}"
        )
    x = x.detach()
    filled = filling(x)[0]
    rows, columns = (
        _spans(n, side, stride, None if q.window is None else q.window[axis])
        for axis, n in enumerate((height, width))
    )
    patches = [(slice(None), *place) for place in ((r, c) for r in rows for c in columns)]
    total, count = x.new_zeros(2, 1, height, width)
    for chosen in _batches(len(patches), x, beside=1):
        here = patches[chosen]
        # The picture itself goes along, as batches of another size may be rounded otherwise.
        pictures = x.repeat(len(here) + 1, 1, 1, 1)
        for picture, patch in zip(pictures[1:], here, strict=True):
            picture[patch] = filled[patch]
        values = q.of(pictures)
        for patch, change in zip(here, values[0] - values[1:], strict=True):
            total[patch] += change
            count[patch] += 1
    return total / count


@dataclass(frozen=True)
class Method:
    """A question to a pixel.

    Attributes:
        attribute: what answers it.
        title: of its map.
        symbol: of the attribution to one channel.
    """

    attribute: Attribution
    title: str
    symbol: str = "A_c"


GRADIENT = "gradient"
METHODS = {
    GRADIENT: Method(input_gradient, "Input sensitivity", "∂q/∂x_c"),
    "gradient-times-difference": Method(
        gradient_times_difference, "Gradient × (picture − blurred picture)"
    ),
    "integrated-blur": Method(integrated_gradients, "Integrated gradients from a blurred picture"),
    "integrated-flat": Method(
        partial(integrated_gradients, baseline=flat), "Integrated gradients from a flat picture"
    ),
    "occlusion-mean": Method(occlusion, "Occlusion by the mean colour"),
    "occlusion-blur": Method(partial(occlusion, filling=blurred), "Occlusion by a blur"),
}
"""By their names on the command line and in the API."""


def usual_method(task: str) -> str:
    """The method that shows most: of drawn rods, the gradient all but misses the markers."""
    return "integrated-flat" if task_named(task).drawn else GRADIENT


def _gradients(q: Target, pictures: Tensor) -> Tensor:
    """∂q / ∂x of each picture, (B, C, H, W)."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = pictures.clone().detach().requires_grad_()
        values = q.of(leaf)
        if not values.requires_grad:
            raise ValueError("the answer does not depend on the picture")
        return torch.autograd.grad(values.sum(), leaf)[0]


def _batches(count: int, x: Tensor, beside: int = 0) -> Iterator[slice]:
    """Parts of so many pictures of the size of x that, with those beside, have `PIXELS` at most."""
    together = max(1, PIXELS // (x.shape[-2] * x.shape[-1]) - beside)
    for first in range(0, count, together):
        yield slice(first, min(first + together, count))


def _spans(length: int, side: int, stride: int, window: slice | None) -> list[slice]:
    """Patches along one axis, which cover it; none straddles an edge of the window."""
    edges = sorted({0, length, *((window.start, window.stop) if window else ())})
    spans = []
    for low, high in pairwise(edges):
        last = max(low, high - side)
        starts = [*range(low, last, stride), last]
        spans += [slice(start, min(start + side, high)) for start in starts]
    return spans
