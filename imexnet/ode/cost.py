"""What one network of n time steps costs: m channels on an s × s grid, float32.

Counted: the two 3×3 convolutions of a step, O(m²s²), and the two real FFTs of its solve,
O(m s² log s). Left out: normalisation, ReLU, sums, and the symbols' tiny matrix products.
"""

import math
import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

from imexnet.models.steps import ExplicitStep, IMEXStep

BYTES = 4  # of a float32
MOST_MULTIPLY_ADDS = 5e10  # that are timed: seconds on one core


@dataclass(frozen=True)
class Cost:
    """Of n steps, explicit or with the implicit solve.

    Attributes:
        multiply_adds: of the convolutions.
        fft_operations: additions and multiplications, 5 N log₂ N / 2 per real FFT of N numbers.
        parameters: K, the norm's two numbers per channel, and the nine of B.
        inference_bytes: Y, K Y and f(Y), with the solve also one half spectrum.
        training_bytes: kept for the backward pass: the inputs of K, N and Kᵀ; with the solve also
            the spectrum of its right-hand side and four maps from B̂ to its multipliers.
        window: side of the square that one pixel of the grid can depend on, infinite with a solve.
    """

    multiply_adds: int
    fft_operations: int
    parameters: int
    inference_bytes: int
    training_bytes: int
    window: float


def cost(channels: int, side: int, steps: int, implicit: bool) -> Cost:
    """See `Cost`.

    Args:
        channels: m.
        side: s.
        steps: n.
        implicit: whether each step has a solve.

    Raises:
        ValueError: for numbers below 1.
    """
    if min(channels, side, steps) < 1:
        raise ValueError(f"m, s and n are at least 1, got {channels}, {side} and {steps}")
    pixels = side * side
    fmap = BYTES * channels * pixels
    half_spectrum = BYTES * channels * side * (side // 2 + 1)  # of real numbers
    transforms = 2 * channels * 5 * pixels * math.log2(pixels) / 2
    solves = int(implicit)
    return Cost(
        multiply_adds=steps * 2 * 9 * channels**2 * pixels,
        fft_operations=round(solves * steps * transforms),
        parameters=steps * (9 * channels**2 + 2 * channels + solves * 9 * channels),
        inference_bytes=3 * fmap + solves * 2 * half_spectrum,
        training_bytes=steps * (3 + solves * 5) * fmap,
        window=math.inf if implicit else 1 + 4 * steps,
    )


def seconds(
    channels: int, side: int, steps: int, implicit: bool, device: torch.device, repeats: int = 3
) -> float:
    """Measured: the median time of n steps in inference, for one picture, after one to warm up.

    Raises:
        ValueError: for more than `MOST_MULTIPLY_ADDS`.
    """
    if cost(channels, side, steps, implicit).multiply_adds > MOST_MULTIPLY_ADDS:
        raise ValueError("that many multiply-adds would take too long to time here")
    kind = IMEXStep if implicit else ExplicitStep
    network = nn.Sequential(*(kind(channels) for _ in range(steps))).eval().to(device)
    y = torch.rand(1, channels, side, side, device=device)
    taken = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            float(network(y)[0, 0, 0, 0])  # waits for the device
            taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])
