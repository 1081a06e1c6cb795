"""Forward stability: how a perturbation of the picture grows from step to step.

A network is forward stable when it does not amplify perturbations of its input features (Haber et
al., "IMEXnet", ICML 2019, section 1). Both networks see the very same noise.
"""

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from imexnet.models.networks import Network, states, time_steps
from imexnet.models.steps import ExplicitStep, IMEXStep
from imexnet.models.trunk import Trunk
from imexnet.spectral.solve import check_step_size


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


@torch.inference_mode()
def perturbation_growth(network: Network, task: str, x: Tensor, perturbed: Tensor) -> Growth:
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


def stretched(network: Network, step_size: float, repeats: int) -> Network:
    """A copy whose time steps have another h, each taken `repeats` times in a row.

    Args:
        network: left as it is.
        step_size: h > 0.
        repeats: 1 … of every time step, with its weights.

    Raises:
        ValueError: for a step size or a count that is none, and for a folded network.
    """
    check_step_size(step_size, positive=True)
    if repeats < 1:
        raise ValueError(f"steps are repeated at least once, got {repeats}")
    time_steps(network)  # raises if the network is folded
    twin = copy.deepcopy(network)
    layers: list[nn.Module] = []
    for layer in twin.layers:
        layers.append(layer)
        if isinstance(layer, ExplicitStep):
            layer.step_size, layer.log_step_size = step_size, None
            again = layer
            if isinstance(layer, IMEXStep) and layer.enters:  # a stage is entered once
                again = copy.copy(layer)
                again.enters = False
            layers += [again] * (repeats - 1)
    twin.layers = Trunk(*layers).train(network.training)
    stages, decoder = (
        tuple(replace(part, steps=part.steps * repeats) for part in parts)
        for parts in (network.config.stages, network.config.decoder)
    )
    twin.config = replace(
        network.config,
        stages=stages,
        decoder=decoder,
        dilations=tuple(d for d in network.config.dilations for _ in range(repeats)),
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
