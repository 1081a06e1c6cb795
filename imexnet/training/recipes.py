"""Recipes: AdamW, one cycle of the learning rate, averaged weights."""

import math
from dataclasses import dataclass, replace

from imexnet.models.spec import BOUNDED, ModelSpec


@dataclass(frozen=True)
class TrainConfig:
    """A recipe: AdamW, one cycle of the learning rate, averaged weights.

    Attributes:
        model: a key of `MODELS`.
        epochs: passes over the data set.
        seed: of weights, order and augmentation.
        batch: images per step, over all processes.
        learning_rate: peak of the cycle.
        weight_decay: of the convolution kernels.
        stencil_decay: of the stencils; it would pull B to 0, the IMEXNet back to the ResNet.
        encoder_rate: learning rate of the encoder per that of all else.
        average: decay of the exponential moving average of the weights, see `averaging_decay`.
        segmentation: weight of the cross-entropy beside the loss of log-depth, of rooms.
        balance: e of the weights (median frequency / frequency)ᵉ of a class, of rooms: 0 asks for
            the most right pixels, 1 for every class alike.
        smoothing: share of a label that goes to all classes alike, of rooms.
        images: drawn pictures per epoch; each is seen once.
        background: weight of the background, 88 … 94 % of the pixels, in the loss of drawn ones.
        noise: largest σ of the Gaussian noise on a picture, uniform from 0 on.
        blur: largest σ in pixels of the Gaussian blur of every other picture, uniform from 0.1 on.
        scales: number of grids, each half as fine as the one before, on which the gradients of
            log-depth are compared, of rooms.
        edge_weight: how much more those gradients count at edges of depth, see `log_depth_loss`.
        portrait: share of the batches that are cut to upright pictures, of rooms.
        size: (H, W) of the pictures, that of the network's configuration by default.
    """

    model: str
    epochs: int
    seed: int = 0
    batch: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    stencil_decay: float = 0.0
    encoder_rate: float = 0.15
    average: float = 0.995
    segmentation: float = 0.3
    balance: float = 0.5
    smoothing: float = 0.0
    images: int = 1024
    background: float = 0.1
    noise: float = 0.0
    blur: float = 0.0
    scales: int = 1
    edge_weight: float = 0.0
    portrait: float = 0.0
    size: tuple[int, int] | None = None


def averaging_decay(config: TrainConfig, images: int) -> float:
    """Decay of the averaged weights: they span at most a third of the training.

    In a short one, `average` would keep too much of the weights that it began with.
    """
    steps = config.epochs * (images // config.batch)
    return min(config.average, max(0.0, 1 - 3 / max(1, steps)))


_ROOMS = TrainConfig(
    "indoor-backbone-imexnet",
    epochs=48,
    learning_rate=3e-3,
    weight_decay=5e-2,
    segmentation=0.5,
    balance=0.25,
    smoothing=0.1,
    noise=0.1,
    blur=1.0,
    scales=3,
    portrait=0.25,
)
RECIPES = {
    "qtips": TrainConfig("qtips-imexnet", epochs=60, background=1.0, noise=0.15, blur=1.0),
    # With the noise and the weights of the others, the IMEXNet had learned no class in 10 epochs.
    f"qtips{BOUNDED}": TrainConfig("qtips-imexnet-bounded", epochs=24, noise=0.05),
    "rods": TrainConfig("rods-imexnet", epochs=32, noise=0.05),
    "paths": TrainConfig("paths-imexnet", epochs=32, noise=0.05),
    "indoor": replace(_ROOMS, model="indoor-imexnet", epochs=80),
    "indoor-backbone": _ROOMS,
}
"""By `ModelSpec.base`: both kinds of a network are trained alike, bounded ones like the others
unless they have a recipe of their own."""

_COUNTS = ("epochs", "batch", "images")


def recipe(model: str, **changes: float | None) -> TrainConfig:
    """The recipe of a network; changes that are None count as not given.

    Raises:
        ValueError: for an unknown model or a number out of range.
    """
    spec = ModelSpec.from_name(model)
    own = f"{spec.base}{BOUNDED}"
    base = own if spec.bounded and own in RECIPES else spec.base
    given = {name: value for name, value in changes.items() if value is not None}
    for name, value in given.items():
        if not math.isfinite(value):
            raise ValueError(f"{name.replace('_', ' ')} must be finite, got {value}")
        least = 1 if name in _COUNTS else 1e-8 if name == "learning_rate" else 0
        if value < least:
            asked = "positive" if least else "0 or more"
            raise ValueError(f"{name.replace('_', ' ')} must be {asked}, got {value}")
    return replace(RECIPES[base], model=model, **given)
