"""Parameter groups and the learning rate."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from imexnet.models.backbone import ConvNorm


def one_cycle(
    optimizer: torch.optim.Optimizer, steps: int, peak: float, done: int = 0
) -> OneCycleLR:
    """Learning rate: cosine from peak/25 up over the first 30 %, then down to peak/10⁴.

    Args:
        optimizer: with the groups of `parameter_groups`; a group's peak is its "rate" times `peak`.
        steps: of the whole training.
        peak: highest learning rate.
        done: steps taken before, of a training that is resumed.
    """

    def cycle(last: int) -> OneCycleLR:
        return OneCycleLR(
            optimizer,
            [peak * group["rate"] for group in optimizer.param_groups],
            total_steps=steps + 1,  # the lowest rate comes after the last step
            pct_start=(max(1, round(0.3 * steps)) + 1) / (steps + 1),
            div_factor=25,
            final_div_factor=1e4 / 25,
            cycle_momentum=False,
            last_epoch=last,
        )

    fresh = cycle(-1)  # also notes in the groups between which rates they move
    return cycle(done - 1) if done else fresh


def parameter_groups(
    module: nn.Module,
    weight_decay: float,
    stencil_decay: float = 0.0,
    encoder_rate: float = 1.0,
) -> list[dict[str, Any]]:
    """All parameters, as torch's optimizers take them, each kind with its decay and its "rate".

    Args:
        module: any.
        weight_decay: of convolution kernels and matrices; norms, biases and other numbers of which
            a channel has one have none.
        stencil_decay: of parameters called "stencil", as those of `IMEXStep` are.
        encoder_rate: the "rate" of an encoder's parameters, a factor of the learning rate; that of
            all others is 1.
    """
    named = module.named_parameters()
    stencils = {id(p) for name, p in named if name.rpartition(".")[2] == "stencil"}
    encoder = {
        id(p) for part in module.modules() if isinstance(part, ConvNorm) for p in part.parameters()
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in module.parameters():
        many = p.dim() > 1 and p[0].numel() > 1
        decay = stencil_decay if id(p) in stencils else weight_decay if many else 0.0
        rate = encoder_rate if id(p) in encoder else 1.0
        groups.setdefault((decay, rate), []).append(p)
    return [
        {"params": parameters, "weight_decay": decay, "rate": rate}
        for (decay, rate), parameters in groups.items()
    ]
