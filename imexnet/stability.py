"""Forward stability: how a perturbation of the picture grows from step to step.

A network is forward stable when it does not amplify perturbations of its input features (Haber et
al., "IMEXnet", ICML 2019, section 1). Both networks see the very same noise.
"""

import copy
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from imexnet.models import Network
from imexnet.spectral import check_step_size
from imexnet.steps import ExplicitStep
from imexnet.trunk import Trunk


@dataclass(frozen=True)
class Noise:
    """A corruption of pictures on [0, 1].

    Attributes:
        apply: (B, C, H, W) float array, severity, generator → array.
        low, high: of the severity, both allowed.
        mild: a severity that can be seen and not more.
        meaning: of the severity, in words.
    """

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    low: float
    high: float
    mild: float
    meaning: str


@dataclass(frozen=True)
class Growth:
    """What became of a perturbation δx of the picture.

    Attributes:
        growth: ‖δY_j‖ / ‖δY_0‖ after each time step j = 1 … n, Y_0 the features before the first;
            openings between the steps count to the step after them.
        output_change: ‖δŷ‖ / ‖ŷ‖ of the answer, in metres or logits.
    """

    growth: list[float]
    output_change: float


@dataclass(frozen=True)
class Lipschitz:
    """The largest singular value of a Jacobian, from below.

    Attributes:
        constant: ‖J v‖ / ‖v‖ of the last v.
        iterations: of the power iteration.
        converged: whether the last one changed it by less than the tolerance.
    """

    constant: float
    iterations: int
    converged: bool


def perturb(x: Tensor, noise: str, severity: float, seed: int = 0) -> Tensor:
    """The picture with noise, clipped to [0, 1]: the same for the same seed on every device.

    Args:
        x: (B, C, H, W) on [0, 1].
        noise: a key of `NOISES`.
        severity: what it means and its range stand in `NOISES`.
        seed: of the noise.

    Raises:
        ValueError: for an unknown noise, or a severity outside its range.
    """
    if noise not in NOISES:
        raise ValueError(f"the noise must be one of {', '.join(NOISES)}, got {noise!r}")
    kind = NOISES[noise]
    if not kind.low <= severity <= kind.high or not math.isfinite(severity):
        limit = f"to {kind.high:g}" if math.isfinite(kind.high) else "on"
        raise ValueError(
            f"the severity must be a finite number from {kind.low:g} {limit} "
            f"({kind.meaning}), got {severity}"
        )
    noisy = kind.apply(x.detach().cpu().numpy(), severity, np.random.default_rng(seed))
    return torch.from_numpy(noisy).to(x).clamp(0, 1)


def walk(network: Network, x: Tensor) -> Iterator[tuple[ExplicitStep, Tensor, Tensor]]:
    """Each time step with the features before and after it, (B, C, H, W).

    Before a step are not always the features after the last one: openings may stand between.
    """
    y = network.normalised(x)
    for layer, after in network.layers.walk(y):
        if isinstance(layer, ExplicitStep):
            yield layer, y, after
        y = after


def states(network: Network, x: Tensor) -> list[Tensor]:
    """The features before the first time step and after each: n + 1 tensors (B, C, H, W)."""
    found: list[Tensor] = []
    for _, before, after in walk(network, x):
        found += [after] if found else [before, after]
    return found


def time_steps(network: Network) -> list[ExplicitStep]:
    """The network's time steps, explicit or not, from the input on."""
    return [layer for layer in network.layers if isinstance(layer, ExplicitStep)]


@torch.inference_mode()
def growth(network: Network, task: str, x: Tensor, perturbed: Tensor) -> Growth:
    """How the difference of two pictures grows through the network; zero where there is none.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, H, W).
        perturbed: of the same shape.
    """
    pairs = zip(states(network, x), states(network, perturbed), strict=True)
    changes = [float((b - a).norm()) for a, b in pairs]
    first = changes[0] or 1.0
    clean, moved = network(x)[task], network(perturbed)[task]
    return Growth(
        [change / first for change in changes[1:]], float((moved - clean).norm() / clean.norm())
    )


def local_lipschitz(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Lipschitz:
    """‖J‖₂ of a function's Jacobian J at x, by power iteration v ← JᵀJ v / ‖JᵀJ v‖.

    Jᵀu is one backward pass; it is linear in u, so that J v is one backward pass through it. The
    graph of the function is built once.

    Args:
        function: differentiable twice.
        x: where.
        iterations: at most.
        tolerance: relative change of ‖J v‖ at which to stop.
        seed: of the first v.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        y = function(x)
        u = torch.zeros_like(y, requires_grad=True)
        (adjoint,) = torch.autograd.grad(y, x, u, create_graph=True)  # Jᵀu
        generator = torch.Generator().manual_seed(seed)
        v = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        last, count, converged = 0.0, 0, False
        while count < iterations and not converged:
            v = v / v.norm().clamp_min(torch.finfo(v.dtype).tiny)
            (jv,) = torch.autograd.grad(adjoint, u, v, retain_graph=True)
            (v,) = torch.autograd.grad(y, x, jv.detach(), retain_graph=True)
            constant, count = float(jv.detach().norm()), count + 1
            converged = abs(constant - last) <= tolerance * constant
            last = constant
        return Lipschitz(last, count, converged)


def stretched(network: Network, step_size: float, repeats: int) -> Network:
    """A copy whose time steps have another h, each taken `repeats` times in a row.

    Args:
        network: left as it is.
        step_size: h > 0.
        repeats: 1 … of every time step, with its weights.

    Raises:
        ValueError: for a step size or a count that is none.
    """
    check_step_size(step_size, positive=True)
    if repeats < 1:
        raise ValueError(f"steps are repeated at least once, got {repeats}")
    twin = copy.deepcopy(network)
    layers: list[nn.Module] = []
    for layer in twin.layers:
        if isinstance(layer, ExplicitStep):
            layer.step_size, layer.log_step_size = step_size, None
        layers += [layer] * (repeats if isinstance(layer, ExplicitStep) else 1)
    twin.layers = Trunk(*layers).train(network.training)
    stages, decoder = (
        tuple(replace(part, steps=part.steps * repeats) for part in parts)
        for parts in (network.config.stages, network.config.decoder)
    )
    twin.config = replace(
        network.config,
        stages=stages,
        decoder=decoder,
        step_size=step_size,
        learned_step_size=False,
    )
    return twin


@torch.inference_mode()
def norms(network: Network, x: Tensor) -> list[float]:
    """‖Y_j‖ / ‖Y_0‖ after each time step j = 1 … n, in float64; inf or nan once it overflows."""
    sizes = [float(y.double().norm()) for y in states(network, x)]
    return [size / sizes[0] for size in sizes[1:]]


def describe(sizes: list[float]) -> str:
    """In words what `norms` says: how far the features grew, or at which step they ceased."""
    for number, size in enumerate(sizes, start=1):
        if not math.isfinite(size):
            word = "not a number" if math.isnan(size) else "infinite"
            return f"blows up: {word} from step {number} of {len(sizes)} on"
    return f"finite: ‖Y‖ ends at {sizes[-1]:.3g} times its start after {len(sizes)} steps"


def _gaussian(x: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    return x + sigma * random.standard_normal(x.shape).astype(x.dtype)


def _salt_and_pepper(x: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    chance = random.random((x.shape[0], 1, *x.shape[2:]))  # a pixel, all its channels
    return np.where(chance < share / 2, 0, np.where(chance < share, 1, x)).astype(x.dtype)


def _blur(x: np.ndarray, sigma: float, _random: np.random.Generator) -> np.ndarray:
    return gaussian_filter(x, (0, 0, sigma, sigma), mode="nearest")


def _jpeg(x: np.ndarray, quality: float, _random: np.random.Generator) -> np.ndarray:
    eight_bits = (x * 255).round().clip(0, 255).astype(np.uint8)
    return np.stack([_through_jpeg(picture, round(quality)) for picture in eight_bits]).astype(
        x.dtype
    )


def _through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """(C, H, W) uint8 → on [0, 1]."""
    buffer = io.BytesIO()
    grey = picture.shape[0] == 1
    pixels = picture[0] if grey else picture.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        read = np.asarray(image) / 255
    return read[None] if grey else read.transpose(2, 0, 1)


def _brightness(x: np.ndarray, added: float, _random: np.random.Generator) -> np.ndarray:
    return x + np.asarray(added, x.dtype)


NOISES = {
    "gaussian": Noise(_gaussian, 0, math.inf, 0.05, "σ on the [0, 1] image"),
    "salt-and-pepper": Noise(_salt_and_pepper, 0, 1, 0.02, "share of pixels"),
    "blur": Noise(_blur, 0, 100, 1, "σ in pixels of the network's input"),
    "jpeg": Noise(_jpeg, 1, 100, 30, "quality, the lower the worse"),
    "brightness": Noise(_brightness, -1, 1, 0.1, "added to the [0, 1] image"),
}
