"""Corruptions of pictures: noise, blur, JPEG and brightness, by kind and severity."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """A corruption of pictures on [0, 1].

    Attributes:
        apply: (B, C, H, W) float array, severity, generator → array.
        low, high: of the severity, both allowed.
        meaning: of the severity, in words.
    """

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    low: float
    high: float
    meaning: str


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
    check_severity(noise, severity)
    noisy = NOISES[noise].apply(x.detach().cpu().numpy(), severity, np.random.default_rng(seed))
    return torch.from_numpy(noisy).to(x).clamp(0, 1)


def check_severity(noise: str, severity: float) -> None:
    """That there is such a noise, and that it can be so severe.

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


def _gaussian(x: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    return x + sigma * random.standard_normal(x.shape).astype(x.dtype)


def _salt_and_pepper(x: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    chance = random.random((x.shape[0], 1, *x.shape[2:]))  # one per pixel, for all its channels
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
    "gaussian": Noise(_gaussian, 0, math.inf, "σ on the [0, 1] image"),
    "salt-and-pepper": Noise(_salt_and_pepper, 0, 1, "share of pixels"),
    "blur": Noise(_blur, 0, 100, "σ in pixels of the network's input"),
    "jpeg": Noise(_jpeg, 1, 100, "quality, the lower the worse"),
    "brightness": Noise(_brightness, -1, 1, "added to the [0, 1] image"),
}
