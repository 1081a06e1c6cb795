"""Forward stability: how a perturbation of the picture grows from step to step.

A network is forward stable when it does not amplify perturbations of its input features (Haber et
al., "IMEXnet", ICML 2019, section 1). Both networks see the very same noise.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from imexnet.models import Network
from imexnet.steps import ExplicitStep

NOISES = ("gaussian",)


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


def perturb(x: Tensor, noise: str, severity: float, seed: int = 0) -> Tensor:
    """The picture with noise, clipped to [0, 1]: the same for the same seed on every device.

    Args:
        x: (B, C, H, W) on [0, 1].
        noise: "gaussian".
        severity: σ ≥ 0 on the [0, 1] scale.
        seed: of the noise.

    Raises:
        ValueError: for an unknown noise, or a severity that is negative or not finite.
    """
    if noise not in NOISES:
        raise ValueError(f"the noise must be one of {', '.join(NOISES)}, got {noise!r}")
    if not 0 <= severity < math.inf:
        raise ValueError(f"the severity must be a finite number from 0 on, got {severity}")
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    return (x + severity * sample).clamp(0, 1)


@torch.inference_mode()
def growth(network: Network, task: str, x: Tensor, perturbed: Tensor) -> Growth:
    """How the difference of two pictures grows through the network; zero where there is none.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, H, W).
        perturbed: of the same shape.
    """
    states, answers = zip(*(_states(network, task, p) for p in (x, perturbed)), strict=True)
    changes = [float((b - a).norm()) for a, b in zip(*states, strict=True)]
    first = changes[0] or 1.0
    difference = float((answers[1] - answers[0]).norm() / answers[0].norm())
    return Growth([change / first for change in changes[1:]], difference)


def _states(network: Network, task: str, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """The features before the first time step and after each, and the answer."""
    states: list[Tensor] = []
    y = (x - network.mean) / network.std
    for layer in network.layers:
        if isinstance(layer, ExplicitStep) and not states:
            states.append(y)
        y = layer(y)
        if isinstance(layer, ExplicitStep):
            states.append(y)
    return states, network(x)[task]
