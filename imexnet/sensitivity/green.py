"""G = (I + hL)⁻¹ δ of a trained layer: how one implicit solve spreads a unit impulse.

On a periodic grid G is the inverse transform of 1 / (1 + hλ). It reaches every pixel and decays
exponentially: |G| ≈ exp(−r / ℓ), ℓ the decay length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from imexnet.models.steps import IMEXStep
from imexnet.ode.layer_ode import in_double
from imexnet.spectral.solve import apply_filter, check_step_size, impulse, resolvent

NOISE = 1e-12  # of the peak: rounding in float64, where no decay can be measured
SQUARES = (5, 13)


@dataclass(frozen=True)
class Green:
    """One channel's response to an impulse.

    Attributes:
        response: G, (H, W) float64, the impulse at (H // 2, W // 2).
        multiplier: 1 / (1 + hλ), (H, W), frequency 0 at the same place.
        profile: largest |G| at rounded distance 0, 1, 2, …
        decay_length: ℓ in pixels of the layer's grid; 0 if nothing spreads.
        masses: side of a centred square → its share of Σ|G|, for `SQUARES`.
    """

    response: np.ndarray
    multiplier: np.ndarray
    profile: np.ndarray
    decay_length: float
    masses: dict[int, float]


def green(layer: IMEXStep, channel: int, step_size: float, size: tuple[int, int]) -> Green:
    """G of one channel of a layer, on a periodic grid of any size.

    Args:
        layer: gives L.
        channel: from 0; only one for an L that is the same in all.
        step_size: h ≥ 0.
        size: (H, W).

    Raises:
        ValueError: for a channel that is not there, or a step size that is negative or infinite.
    """
    channels = layer.conv.in_channels
    if not 0 <= channel < channels:
        raise ValueError(f"channels are 0 … {channels - 1}, got {channel}")
    return _green(_multipliers(layer, step_size, size)[channel])


def farthest(
    layers: Sequence[IMEXStep], step_size: float, size: tuple[int, int]
) -> tuple[int, int]:
    """Number of the layer, from 1, and channel whose G has the longest decay length.

    Args:
        layers: with one L per channel or one for all.
        step_size: h ≥ 0.
        size: (H, W).

    Raises:
        ValueError: for a step size that is negative or infinite.
    """
    lengths = {
        (number, channel): _green(multiplier).decay_length
        for number, layer in enumerate(layers, start=1)
        for channel, multiplier in enumerate(_multipliers(layer, step_size, size))
    }
    return max(lengths, key=lambda at: lengths[at])


def _multipliers(layer: IMEXStep, step_size: float, size: tuple[int, int]) -> Tensor:
    """1 / (1 + hλ) of each channel, (C, H, W), in float64."""
    check_step_size(step_size)
    channels = layer.conv.in_channels
    with torch.inference_mode():
        grid = torch.zeros(1, channels, *size, dtype=torch.float64)
        eigenvalues = cast(IMEXStep, in_double(layer)).eigenvalues(grid)
        return resolvent(eigenvalues, step_size).expand(channels, *size)


def _green(multiplier: Tensor) -> Green:
    with torch.inference_mode():
        height, width = multiplier.shape
        response = apply_filter(impulse((height, width), multiplier), multiplier).numpy()
    profile = _profile(response)
    return Green(
        response,
        np.fft.fftshift(multiplier.numpy()),
        profile,
        _decay_length(profile),
        {side: _mass(response, side) for side in SQUARES},
    )


def _profile(response: np.ndarray) -> np.ndarray:
    """Largest |G| at rounded distance 0, 1, 2, … up to half the shorter side."""
    centre = [n // 2 for n in response.shape]
    rows, columns = (np.arange(n) - c for n, c in zip(response.shape, centre, strict=True))
    ring = np.rint(np.hypot(rows[:, None], columns)).astype(int)
    found = np.zeros(max(1, min(response.shape) // 2))
    inside = ring < len(found)
    np.maximum.at(found, ring[inside], np.abs(response)[inside])
    return found


def _decay_length(profile: np.ndarray) -> float:
    """−1 / slope of log |G| against the distance, by least squares over what is above rounding.

    The first two pixels, where the stencil itself shows, and the last quarter, where the waves
    round the edges meet, are left out where enough remains.
    """
    last = max(4, 3 * len(profile) // 4)
    r = np.arange(len(profile))[:last]
    kept = profile[:last] > NOISE * profile[0]
    if kept[2:].sum() >= 3:
        kept[:2] = False
    if kept.sum() < 2:
        return 0.0
    slope = np.polyfit(r[kept], np.log(profile[:last][kept]), 1)[0]
    return float(-1 / slope) if slope < 0 else np.inf


def _mass(response: np.ndarray, side: int) -> float:
    rows, columns = (
        slice(max(0, n // 2 - side // 2), n // 2 + side // 2 + 1) for n in response.shape
    )
    weight = np.abs(response)
    return float(weight[rows, columns].sum() / weight.sum())
