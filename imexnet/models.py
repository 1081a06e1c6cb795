"""The networks: one architecture, explicit (ResNet) or with the implicit solve (IMEXNet)."""

import copy
import math
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imexnet.backbone import ENCODERS, MEAN, STD, Block, encoder_layer, padding_before
from imexnet.spectral import computing_type
from imexnet.steps import DiffusionReactionStep, ExplicitStep, IMEXStep, Opening
from imexnet.trunk import Enlargement, Trunk

STEPS = {
    "explicit": ExplicitStep,
    "imex": IMEXStep,
    "diffusion-reaction": DiffusionReactionStep,
}

FIRST_CLASS = {"segmentation": 1, "qtips": 0}
"""Task → number of the class that its first logit stands for."""


@dataclass(frozen=True)
class Stage:
    """An opening to `channels` with its stride, then `steps` time steps at that width."""

    channels: int
    stride: int
    steps: int


@dataclass(frozen=True)
class Level:
    """An enlargement to the next finer grid and `channels`, then `steps` time steps there."""

    channels: int
    steps: int


@dataclass(frozen=True)
class ModelConfig:
    """All that defines a network and the pictures that it takes.

    Attributes:
        step: kind of time step, a key of `STEPS`.
        stages: from the input on.
        heads: (task, outputs per pixel); "depth" has one output, the logarithm of metres.
        channels: of the input, 1 grey or 3 RGB.
        mean, std: per input channel, of pictures on the scale [0, 1].
        size: (H, W) of training pictures; others are resized to as many pixels.
        step_size: h.
        learned_step_size: whether every step learns its own h, from `step_size` on.
        operator, boundary, stencil_size: of the implicit steps, see `IMEXStep`.
        decoder: from the coarsest grid back up; each level undoes one stride.
        encoder: a key of `ENCODERS`, which comes before the stages; none by default.
        reach: (low, high) by which the stencils of a step are scaled at their random start,
            log-spaced over its channels: those of a large scale reach far.
    """

    step: str
    stages: tuple[Stage, ...]
    heads: tuple[tuple[str, int], ...]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int]
    step_size: float = 1.0
    learned_step_size: bool = False
    operator: str = "learned"
    boundary: str = "periodic"
    stencil_size: int = 3
    decoder: tuple[Level, ...] = ()
    encoder: str | None = None
    reach: tuple[float, float] = (1.0, 1.0)

    def to_dict(self) -> dict:
        """Plain types for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """The inverse of `to_dict`, also after a way through JSON, which knows no tuples."""
        return cls(
            **{
                **values,
                "stages": tuple(Stage(**stage) for stage in values["stages"]),
                "heads": tuple((task, outputs) for task, outputs in values["heads"]),
                "mean": tuple(values["mean"]),
                "std": tuple(values["std"]),
                "size": tuple(values["size"]),
                "decoder": tuple(Level(**level) for level in values.get("decoder", ())),
                "reach": tuple(values.get("reach", (1.0, 1.0))),
            }
        )

    @property
    def stride(self) -> int:
        """Pixels of the input per pixel of the last grid, along either axis."""
        return math.prod(self._strides[: len(self._strides) - len(self.decoder)])

    @property
    def coarsest(self) -> int:
        """Pixels of the input per pixel of the coarsest grid, along either axis."""
        return math.prod(self._strides)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Of the encoder, if there is one."""
        return ENCODERS[self.encoder] if self.encoder else ()

    @property
    def _strides(self) -> list[int]:
        """Those above 1, from the input on."""
        return [part.stride for part in (*self.blocks, *self.stages) if part.stride > 1]


class Network(nn.Module):
    """Encoder, openings, time steps and enlargements, then a 1×1 convolution per task.

    Takes pictures (B, channels, H, W) on the scale [0, 1], of any size; normalisation is part of
    the network. Returns {task: (B, outputs, H, W)} at the input's size, bilinearly enlarged:
    "depth" in metres, other tasks in logits; in float32 unless the weights are float64.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        step = STEPS[config.step]
        options: dict[str, Any] = {"learned_step_size": config.learned_step_size}
        if step is not ExplicitStep:
            options |= {
                "operator": config.operator,
                "boundary": config.boundary,
                "stencil_size": config.stencil_size,
                "reach": config.reach,
            }
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)
        layers: list[nn.Module] = []
        channels, finer = config.channels, []
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
            layers += [step(channels, config.step_size, **options) for _ in range(stage.steps)]
        if len(config.decoder) > len(finer):
            raise ValueError(f"{len(config.decoder)} enlargements undo {len(finer)} strides")
        for level in config.decoder:
            layers.append(Enlargement(channels, finer.pop(), level.channels))
            channels = level.channels
            layers += [step(channels, config.step_size, **options) for _ in range(level.steps)]
        self.layers = Trunk(*layers)
        self.heads = nn.ModuleDict({task: _head(channels, n) for task, n in config.heads})

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
        return y.clamp(*LOG_DEPTH_RANGE).exp() if task == "depth" else y


def _head(channels: int, outputs: int) -> nn.Conv2d:
    """Started small: the first predictions are 1 m, and equal classes, everywhere."""
    head = nn.Conv2d(channels, outputs, 1)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(cast(Tensor, head.bias))
    return head


LOG_DEPTH_RANGE = (math.log(0.01), math.log(100.0))
"""Far outside any room; keeps exp finite while an untrained network still wanders."""


class ResNet(Network):
    """Explicit steps only: Y⁺ = Y + h f(Y)."""


class IMEXNet(Network):
    """Implicit steps: Y⁺ = Y + h (I + hL)⁻¹ f(Y)."""


def explicit_window(
    config: ModelConfig, pixel: tuple[int, int], size: tuple[int, int]
) -> tuple[slice, slice]:
    """Input pixels that the explicit part of a network can use for one output pixel.

    Interval arithmetic from the output back to the input, clipped at the borders: enlargement
    reads two neighbours, a time step widens by 2 to either side, an opening by 1, a block of the
    encoder by half its kernel. Where features are read twice, coarser and as they are, the window
    is the hull of both.

    Args:
        config: of the network; its implicit solves are left out.
        pixel: (row, column) of the output.
        size: (H, W) of input and output.

    Returns:
        Rows and columns of the input.
    """
    rows, columns = (_window(config, p, n) for p, n in zip(pixel, size, strict=True))
    return rows, columns


def window_width(config: ModelConfig) -> int:
    """Side in input pixels of the explicit window of a pixel far from every border."""
    size = 10_000 * config.coarsest
    window = _window(config, size // 2, size)
    return window.stop - window.start


@dataclass(frozen=True)
class _Reads:
    """Along one axis, output i of a layer reads inputs stride · i + first … stride · i + last.

    An enlargement reads the finer features besides: it undoes the last stride.
    """

    first: int
    last: int
    stride: int = 1
    enlarges: bool = False


def _reads(config: ModelConfig) -> list[_Reads]:
    """What each layer reads, from the input on."""
    opening, step = partial(_Reads, -1, 1), _Reads(-2, 2)
    layers = []
    for block in config.blocks:
        before = padding_before(block.kernel, block.stride)
        layers.append(_Reads(-before, block.kernel - 1 - before, block.stride))
    for stage in config.stages:
        layers += [opening(stage.stride), *[step] * stage.steps]
    for level in config.decoder:
        layers += [opening(enlarges=True), *[step] * level.steps]
    return layers


def _window(config: ModelConfig, position: int, size: int) -> slice:
    layers, sizes, finer = _reads(config), [size], []  # of the grids along this axis
    for layer in layers:
        if layer.stride > 1:
            finer.append(sizes[-1])
        sizes.append(finer.pop() if layer.enlarges else -(-sizes[-1] // layer.stride))
    first, last = _before_enlargement(position, position, size, sizes[-1])
    joined: list[tuple[int, int]] = []  # windows on the finer features, finest first
    for layer, before, after in zip(
        reversed(layers), reversed(sizes[:-1]), reversed(sizes[1:]), strict=True
    ):
        n = after if layer.enlarges else before
        first = max(0, first * layer.stride + layer.first)
        last = min(n - 1, last * layer.stride + layer.last)
        if layer.enlarges:
            joined.append((first, last))
            first, last = _before_enlargement(first, last, after, before)
        elif joined and layer.stride > 1:
            other = joined.pop()
            first, last = min(first, other[0]), max(last, other[1])
    return slice(first, last + 1)


def _before_enlargement(first: int, last: int, fine: int, coarse: int) -> tuple[int, int]:
    """The cells of the coarse grid that bilinear enlargement to `fine` reads for first … last."""
    if fine == coarse:
        return first, last
    low, high = (max(0.0, (p + 0.5) * coarse / fine - 0.5) for p in (first, last))
    return int(low), min(math.ceil(high), coarse - 1)


def build(config: ModelConfig) -> Network:
    """The network of a configuration, with fresh weights from the global generator."""
    return (ResNet if config.step == "explicit" else IMEXNet)(config)


def with_boundary(network: Network, boundary: str) -> Network:
    """A copy whose implicit solves are "periodic" or "mirrored", with the same weights."""
    twin = copy.deepcopy(network)
    twin.config = replace(network.config, boundary=boundary)
    for module in twin.modules():
        if isinstance(module, IMEXStep):
            module.boundary = boundary
    return twin


def parameter_count(network: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(parameter.numel() for parameter in network.parameters())


_QTIPS = ModelConfig(
    step="explicit",
    stages=(Stage(channels=16, stride=1, steps=6),),
    heads=(("qtips", 4),),
    channels=1,
    mean=(0.266,),
    std=(0.082,),
    size=(64, 64),
)
_INDOOR = ModelConfig(
    step="explicit",
    stages=(
        Stage(channels=32, stride=2, steps=0),
        Stage(channels=64, stride=2, steps=2),
        Stage(channels=96, stride=1, steps=2),
    ),
    heads=(("depth", 1), ("segmentation", 13)),
    channels=3,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    size=(120, 160),
)
_PYRAMID = replace(
    _INDOOR,
    stages=(
        Stage(channels=32, stride=2, steps=0),
        Stage(channels=48, stride=2, steps=1),
        Stage(channels=96, stride=2, steps=3),
        Stage(channels=128, stride=2, steps=2),
    ),
    decoder=(Level(channels=96, steps=1), Level(channels=64, steps=1)),
)
_BACKBONE = replace(
    _INDOOR,
    encoder="efficientnet-lite0",
    stages=(Stage(channels=128, stride=1, steps=2),),
    decoder=(Level(channels=96, steps=2), Level(channels=64, steps=1), Level(channels=32, steps=0)),
    mean=(MEAN,) * 3,
    std=(STD,) * 3,
)

MODELS = {
    "qtips-resnet": _QTIPS,
    "qtips-imexnet": replace(_QTIPS, step="imex"),
    # 31 steps: the first depth whose window of 3 + 4 · 31 = 127 pixels spans the whole picture.
    "qtips-resnet-deep": replace(_QTIPS, stages=(Stage(channels=16, stride=1, steps=31),)),
    "indoor-resnet": _INDOOR,
    "indoor-imexnet": replace(_INDOOR, step="imex"),
    "indoor-pyramid-resnet": _PYRAMID,
    "indoor-pyramid-imexnet": replace(_PYRAMID, step="imex"),
    "indoor-backbone-resnet": _BACKBONE,
    "indoor-backbone-imexnet": replace(_BACKBONE, step="imex", reach=(0.5, 16.0)),
}
