"""Diffusion-reaction: ẏ = f(y) − Ly run for many steps, (I + hL) y⁺ = y + h f(y).

With B = I + Δ / k² the operator L = BᵀB is that of Swift & Hohenberg (1977): it damps all waves but
those of length 2π / k, and f(y) = ry + gy² − y³ lets these grow to a bound. With L = −dΔ and
f(y) = y − y³ it is the equation of Allen & Cahn (1979), which parts a picture into two phases.
Both descend an energy, so that their patterns come to rest.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from imexnet.ode.integrators import Problem
from imexnet.spectral.symbols import LAPLACIAN, gram_eigenvalues, symbol


@dataclass(frozen=True)
class Setting:
    """A reaction with a pattern that is stable, and how to reach it.

    Attributes:
        name: for people.
        reaction: f.
        stencil: 3×3.
        gram: whether L = BᵀB of the stencil, else L is the stencil.
        step_size: h.
        steps: after which little moves.
    """

    name: str
    reaction: Callable[[np.ndarray], np.ndarray]
    stencil: np.ndarray
    gram: bool
    step_size: float
    steps: int


def swift_hohenberg(wavelength: float) -> np.ndarray:
    """B = I + Δ / k², k = 2π / wavelength in pixels, with the nine-point Δ: a 3×3 stencil."""
    stencil = -np.array(LAPLACIAN) * (wavelength / (2 * math.pi)) ** 2
    stencil[1, 1] += 1
    return stencil


def _growing(r: float, g: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda y: y * (r + y * (g - y))


SETTINGS = {
    "stripes": Setting("Stripes", _growing(0.5, 0), swift_hohenberg(8), True, 0.5, 3000),
    "spots": Setting("Spots", _growing(0.2, 1.2), swift_hohenberg(9), True, 0.4, 3000),
    "phases": Setting("Two phases", _growing(1, 0), 0.15 * np.array(LAPLACIAN), False, 0.5, 600),
}
"""Name → setting; the tests hold each to a finite, uneven pattern that has come to rest."""


def problem(setting: Setting, size: tuple[int, int]) -> Problem:
    """ẏ = f(y) − Ly on a periodic grid (H, W)."""
    stencil = torch.from_numpy(setting.stencil).unsqueeze(0)
    spectrum = gram_eigenvalues(stencil, size) if setting.gram else symbol(stencil, size).real
    return Problem(setting.reaction, spectrum[0].numpy())


def evolve(
    problem: Problem, y: np.ndarray, step_size: float, steps: int
) -> Iterator[tuple[np.ndarray, float]]:
    """y and ‖y⁺ − y‖ / (h ‖y⁺‖) after each step; ends early where y is not finite.

    Args:
        problem: ẏ = f(y) − Ly.
        y: at the start, (…, H, W).
        step_size: h.
        steps: at most.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            new = problem.solve(y + step_size * problem.f(y), step_size)
            if not np.isfinite(new).all():
                return
            yield new, _size(new - y) / (step_size * max(_size(new), 1e-300))
            y = new


def from_picture(grey: np.ndarray) -> np.ndarray:
    """A start of size one: a grey picture (H, W) on [0, 1] about its mean."""
    return 2 * (grey - grey.mean())


def from_noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A start of small random numbers."""
    return 0.1 * np.random.default_rng(seed).standard_normal(size)


def _size(y: np.ndarray) -> float:
    return float(np.sqrt(np.square(y).mean()))  # not through BLAS, whose threads cost far more
