"""Parameter groups and the learning rate."""

import math
from typing import Any

from torch import nn

from imexnet.models.backbone import ConvNorm
from imexnet.models.steps import IMEXStep


def one_cycle(step: int, total: int, peak: float) -> float:
    """Learning rate: cosine from peak/25 up over the first 30 %, then down to peak/10⁴."""
    rise = max(1, round(0.3 * total))
    if step < rise:
        low, fraction = peak / 25, 1 - step / rise
    else:
        low, fraction = peak / 1e4, (step - rise) / max(1, total - rise)
    return low + (peak - low) * (1 + math.cos(math.pi * fraction)) / 2


def parameter_groups(
    module: nn.Module,
    weight_decay: float,
    stencil_decay: float = 0.0,
    encoder_rate: float = 1.0,
) -> list[dict[str, Any]]:
    """All parameters, as torch's optimizers take them, each kind with its decay and its "rate".

    Args:
        module: any that may hold `IMEXStep`.
        weight_decay: of convolution kernels and matrices; norms and biases have none.
        stencil_decay: of the steps' stencils.
        encoder_rate: the "rate" of an encoder's parameters, a factor of the learning rate; that of
            all others is 1.
    """
    stencils = {id(p) for p in _stencils(module)}
    encoder = {
        id(p) for part in module.modules() if isinstance(part, ConvNorm) for p in part.parameters()
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in module.parameters():
        decay = stencil_decay if id(p) in stencils else weight_decay if p.dim() > 1 else 0.0
        rate = encoder_rate if id(p) in encoder else 1.0
        groups.setdefault((decay, rate), []).append(p)
    return [
        {"params": parameters, "weight_decay": decay, "rate": rate}
        for (decay, rate), parameters in groups.items()
    ]


def _stencils(module: nn.Module) -> list[nn.Parameter]:
    steps = (m for m in module.modules() if isinstance(m, IMEXStep) and m.operator == "learned")
    return [step.stencil for step in steps]
