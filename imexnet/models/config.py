"""Configurations: everything that defines a network, and those of the shipped ones."""

import math
from dataclasses import asdict, dataclass, replace

from imexnet.models.backbone import ENCODERS, MEAN, STD, Block


@dataclass(frozen=True)
class Stage:
    """An opening to `channels` with its stride, then `steps` time steps at that width."""

    channels: int
    stride: int
    steps: int


@dataclass(frozen=True)
class Level:
    """An upsampling to the next finer grid and `channels`, then `steps` time steps there."""

    channels: int
    steps: int


@dataclass(frozen=True)
class Place:
    """Where a time step stands in a network.

    Attributes:
        number: of the step, from 0.
        stride: pixels of the input per pixel of the step's grid, along either axis.
    """

    number: int
    stride: int


@dataclass(frozen=True)
class ModelConfig:
    """All that defines a network and the pictures that it takes.

    Attributes:
        step: kind of time step, a key of `STEPS`.
        stages: from the input on.
        heads: (task, outputs per pixel); "depth" has one output, the logarithm of metres.
        channels: of the input, 1 grey or 3 RGB.
        mean, std: per input channel, of pictures on the scale [0, 1].
        size: (H, W) of training pictures; others are resized to this diagonal.
        step_size: h.
        learned_step_size: whether every step learns its own h, from `step_size` on.
        operator, boundary, stencil_size: of the implicit steps, see `IMEXStep`.
        decoder: from the coarsest grid back up; each level undoes one stride.
        encoder: a key of `ENCODERS`, which comes before the stages; none by default.
        reach: (low, high) by which the stencils of a step are scaled at their random start,
            log-spaced over its channels: those of a large scale reach far.
        stencils: K of L = Σ_k B_kᵀB_k, stencils per channel.
        step_size_range: (low, high) by which h is scaled, log-spaced over the channels of a step.
        dilations: of the kernels of "dilated" steps, one after the other and over again.
        lengths: ℓ in cells of the "laplacians" step, L = −ℓ²Δ, channel by channel and over again.
        largest: pictures whose longer side is at most this are shown at their own size; all others,
            and by default every picture, with the diagonal of the training pictures.
        inner: channels of K Y for each of Y in f(Y) = −Kᵀ σ(N(K Y)).
        bound: of the time steps: none, or "nonexpansive", see `ExplicitStep`; all IMEX steps of a
            stage or level then have one L, see `steps.one_stage`.
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
    stencils: int = 1
    step_size_range: tuple[float, float] = (1.0, 1.0)
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    lengths: tuple[float, ...] = (1.0, 4.0, 16.0)
    largest: int = 0
    inner: int = 1
    bound: str | None = None

    def to_dict(self) -> dict:
        """Plain types for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """The inverse of `to_dict`, also after a way through JSON, which knows no tuples."""
        plain = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(
            **{
                **plain,
                "stages": tuple(Stage(**stage) for stage in values["stages"]),
                "heads": tuple((task, outputs) for task, outputs in values["heads"]),
                "decoder": tuple(Level(**level) for level in values.get("decoder", ())),
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
    def places(self) -> tuple[Place, ...]:
        """Of all time steps, from the input on.

        Raises:
            ValueError: for a decoder that undoes more strides than there are.
        """
        if len(self.decoder) > len(self._strides):
            raise ValueError(f"{len(self.decoder)} upsamplings undo {len(self._strides)} strides")
        strides, stride = self._strides, math.prod(block.stride for block in self.blocks)
        found: list[Place] = []
        for stage in self.stages:
            stride *= stage.stride
            found += [Place(len(found) + i, stride) for i in range(stage.steps)]
        for level in self.decoder:
            stride //= strides.pop()
            found += [Place(len(found) + i, stride) for i in range(level.steps)]
        return tuple(found)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Of the encoder, if there is one."""
        return ENCODERS[self.encoder] if self.encoder else ()

    @property
    def _strides(self) -> list[int]:
        """Those above 1, from the input on."""
        return [part.stride for part in (*self.blocks, *self.stages) if part.stride > 1]


_QTIPS = ModelConfig(
    step="explicit",
    stages=(Stage(channels=16, stride=1, steps=6),),
    heads=(("qtips", 4),),
    channels=1,
    mean=(0.266,),
    std=(0.082,),
    size=(64, 64),
)
_RODS = replace(_QTIPS, heads=(("rods", 4),), mean=(0.28,), std=(0.12,), largest=256)
_PATHS = replace(_RODS, heads=(("paths", 3),), std=(0.09,))
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
_BACKBONE = replace(
    _INDOOR,
    encoder="efficientnet-lite0",
    stages=(Stage(channels=128, stride=1, steps=2),),
    decoder=(Level(channels=96, steps=2), Level(channels=64, steps=1), Level(channels=32, steps=0)),
    mean=(MEAN,) * 3,
    std=(STD,) * 3,
    size=(240, 320),
)

MODELS = {
    "qtips-resnet": _QTIPS,
    "qtips-imexnet": replace(_QTIPS, step="imex"),
    # 31 steps: the first depth whose window of 3 + 4 · 31 = 127 pixels spans the whole picture.
    "qtips-resnet-deep": replace(_QTIPS, stages=(Stage(channels=16, stride=1, steps=31),)),
    "rods-resnet": _RODS,
    "rods-imexnet": replace(_RODS, step="imex", reach=(0.5, 16.0)),
    "paths-resnet": _PATHS,
    "paths-imexnet": replace(_PATHS, step="imex", reach=(0.5, 16.0)),
    "indoor-resnet": _INDOOR,
    "indoor-imexnet": replace(_INDOOR, step="imex", reach=(0.5, 16.0)),
    "indoor-backbone-resnet": _BACKBONE,
    "indoor-backbone-imexnet": replace(_BACKBONE, step="imex", reach=(0.5, 16.0)),
}


def _bounded(config: ModelConfig) -> ModelConfig:
    """The twin whose steps amplify nothing.

    What its steps spread is small, so that an opening of its own, whose norm enlarges it, stands
    before the heads. The steps of a stage share one L, which must reach far in all directions.
    """
    last = () if config.decoder else (replace(config.stages[-1], stride=1, steps=0),)
    spreading = {"stencils": 2, "reach": (0.5, 32.0)} if config.step == "imex" else {}
    return replace(config, bound="nonexpansive", stages=(*config.stages, *last), **spreading)


MODELS |= {f"{name}-bounded": _bounded(config) for name, config in MODELS.items()}
