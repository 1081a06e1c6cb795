"""The networks: one architecture, explicit (ResNet) or with the implicit solve (IMEXNet)."""

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imexnet.models.backbone import encoder_layer
from imexnet.models.config import ModelConfig, Place
from imexnet.models.controls import CONTROLS
from imexnet.models.schemes import SCHEMES
from imexnet.models.steps import (
    DiffusionReactionStep,
    ExplicitStep,
    IMEXStep,
    Opening,
    one_stage,
)
from imexnet.models.tasks import TASKS, task_named
from imexnet.models.trunk import Trunk, Upsampling
from imexnet.spectral.operators import BOUNDARIES
from imexnet.spectral.symbols import computing_type

AnyModule = TypeVar("AnyModule", bound=nn.Module)
TRAINED = "trained"  # the boundary that the weights were trained with
STEPS = {
    "explicit": ExplicitStep,
    "imex": IMEXStep,
    "diffusion-reaction": DiffusionReactionStep,
    **CONTROLS,
    **SCHEMES,
}
"""Kinds of time step by name."""


class Network(nn.Module):
    """Encoder, openings, time steps and upsamplings, then a 1×1 convolution per task.

    Takes pictures (B, channels, H, W) on the scale [0, 1], of any size; normalisation is part of
    the network. Returns {task: (B, outputs, H, W)} at the input's size, bilinearly enlarged:
    "depth" in metres, other tasks in logits; in float32 unless the weights are float64.

    Attributes:
        precision: of the convolutions when `inference.forward` asks on a processor.
    """

    mean: Tensor
    std: Tensor
    precision = torch.float32

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)
        layers: list[nn.Module] = []
        channels, finer, places = config.channels, [], iter(config.places)
        for block in config.blocks:
            if block.stride > 1:
                finer.append(channels)
            layers.append(encoder_layer(channels, block))
            channels = block.channels
        for stage in config.stages:
            if stage.stride > 1:
                finer.append(channels)
            layers.append(Opening(channels, stage.channels, stage.stride))
            channels = stage.channels
            layers += _steps(config, channels, islice(places, stage.steps))
        for level in config.decoder:
            layers.append(Upsampling(channels, finer.pop(), level.channels))
            channels = level.channels
            layers += _steps(config, channels, islice(places, level.steps))
        self.layers = Trunk(*layers)
        self.heads = nn.ModuleDict(
            {task_named(task).name: _head(channels, n) for task, n in config.heads}
        )

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        y = self.layers(self.normalised(picture))  # (B, C, H / stride, W / stride)
        return self.answers(y, (picture.shape[-2], picture.shape[-1]))

    def normalised(self, picture: Tensor) -> Tensor:
        """What the first layer takes, in the type of the weights."""
        return ((picture - self.mean) / self.std).to(self.mean.dtype)

    def answers(self, y: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        """The heads on the last features Y, enlarged to (H, W)."""
        return {task: self._output(task, head(y), size) for task, head in self.heads.items()}

    def _output(self, task: str, y: Tensor, size: tuple[int, int]) -> Tensor:
        y = y.to(computing_type(y))
        if (y.shape[-2], y.shape[-1]) != size:
            y = F.interpolate(y, size, mode="bilinear", align_corners=False)
        return y if TASKS[task].classes else y.clamp(*LOG_DEPTH_RANGE).exp()


def _steps(config: ModelConfig, channels: int, places: Iterable[Place]) -> list[ExplicitStep]:
    """The time steps of one stage or level, at their places."""
    steps = [STEPS[config.step].from_config(config, channels, place) for place in places]
    imex = [
        s for s in steps if isinstance(s, IMEXStep) and not isinstance(s, DiffusionReactionStep)
    ]
    if config.bound:
        one_stage(imex)
    return steps


def _head(channels: int, outputs: int) -> nn.Conv2d:
    """Started small: the first predictions are 1 m, and equal classes, everywhere."""
    head = nn.Conv2d(channels, outputs, 1)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(cast(Tensor, head.bias))
    return head


LOG_DEPTH_RANGE = (math.log(0.01), math.log(100.0))
"""Far outside any room; keeps exp finite while an untrained network still wanders."""


class ResNet(Network):
    """Explicit steps only: Y⁺ = Y + h f(Y), or a control or another scheme without an L."""


class IMEXNet(Network):
    """Implicit steps: Y⁺ = Y + h (I + hL)⁻¹ f(Y)."""


def build(config: ModelConfig) -> Network:
    """The network of a configuration, with fresh weights from the global generator.

    Raises:
        ValueError: for a kind of time step that is not there.
    """
    if config.step not in STEPS:
        raise ValueError(f"the step must be one of {', '.join(STEPS)}, got {config.step!r}")
    return (IMEXNet if issubclass(STEPS[config.step], IMEXStep) else ResNet)(config)


def with_boundary(network: AnyModule, boundary: str) -> AnyModule:
    """The network as it was trained, or a copy with another boundary and the same weights.

    Args:
        network: any module with implicit steps; left as it is.
        boundary: of its implicit solves: "trained", "periodic" or "mirrored".

    Raises:
        ValueError: for another boundary, and for any but the trained one of a bounded network.
    """
    if boundary == TRAINED:
        return network
    if boundary not in BOUNDARIES:
        raise ValueError(f"the boundary is {TRAINED}, {' or '.join(BOUNDARIES)}, got {boundary!r}")
    twin = copy.deepcopy(network)
    for module in twin.modules():
        if isinstance(module, ExplicitStep) and module.bound and boundary != "periodic":
            raise ValueError("a bounded network has the boundary that it was trained with alone")
        if isinstance(module, IMEXStep):
            module.boundary = boundary
    if isinstance(twin, Network):
        twin.config = replace(twin.config, boundary=boundary)
    return twin


def parameter_count(network: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(parameter.numel() for parameter in network.parameters())


def walk(network: Network, x: Tensor) -> Iterator[tuple[ExplicitStep, Tensor, Tensor]]:
    """Each time step with the features before and after it, (B, C, H, W).

    Before a step are not always the features after the last one: openings may stand between.

    Raises:
        ValueError: for a folded network, as `time_steps` does.
    """
    time_steps(network)  # raises if the network is folded
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
    """The network's time steps, explicit or not, from the input on.

    Raises:
        ValueError: for a folded network, which has none.
    """
    found = [layer for layer in network.layers if isinstance(layer, ExplicitStep)]
    if not found:
        raise ValueError("the network has no time steps; if it was folded, ask the unfolded one")
    return found
