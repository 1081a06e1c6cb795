"""Diffusion-reaction: ẏ = f(y) − Ly run for many steps, (I + hL) y⁺ = y + h f(y).

The state y is (C, H, W), of one or two components, and L acts on each component alone.

One component, patterns. With B = I + Δ / k² the operator L = BᵀB is that of Swift & Hohenberg
(1977): it damps all waves but those of length 2π / k, and f(y) = ry + gy² − y³ lets these grow to a
bound. With L = −dΔ and f(y) = y − y³ it is the equation of Allen & Cahn (1979), which parts a
picture into two phases. Both descend an energy, so that their patterns come to rest.

Two components, waves, with L = −DΔ per component. FitzHugh (1961) and Nagumo et al. (1962): an
excitable medium, whose pulses travel and whose broken fronts curl into spirals. Gray & Scott
(1984): spots that move or divide, at the parameters of Pearson's map (1993).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import maximum_filter

from imexnet.ode.integrators import Problem
from imexnet.spectral.solve import apply_filter, resolvent
from imexnet.spectral.symbols import LAPLACIAN, gram_eigenvalues, symbol

Field = np.ndarray  # (H, W)
State = np.ndarray  # (C, H, W)

STARTS = ("photo", "noise", "designed")
EXCITED, REFRACTORY = 1.0, 0.15  # u of a pulse, and w behind it, which no pulse can enter


@dataclass(frozen=True)
class Setting:
    """A reaction, an operator, and how to start.

    Attributes:
        name: for people.
        reaction: f, (C, H, W) → same.
        stencils: (C, 3, 3).
        gram: whether L = BᵀB of the stencils, else L is the stencils.
        step_size: h.
        steps: after which little moves, or enough has moved.
        start: a picture or noise about its mean → a state.
        designed: size (H, W) → a state that shows what the setting can do.
        shown: the component to look at.
        span: its (low, high); without it the values of the end on either side of 0.
        waves: whether the pattern moves on instead of coming to rest.
    """

    name: str
    reaction: Callable[[State], State]
    stencils: np.ndarray
    gram: bool
    step_size: float
    steps: int
    start: Callable[[Field], State]
    designed: Callable[[tuple[int, int]], State]
    shown: int = 0
    span: tuple[float, float] | None = None
    waves: bool = False


def swift_hohenberg(wavelength: float) -> np.ndarray:
    """B = I + Δ / k², k = 2π / wavelength in pixels, with the nine-point Δ: stencils (1, 3, 3)."""
    stencils = diffusion(-((wavelength / (2 * math.pi)) ** 2))
    stencils[0, 1, 1] += 1
    return stencils


def diffusion(*coefficients: float) -> np.ndarray:
    """−DΔ of each component, with the nine-point Δ: stencils (C, 3, 3)."""
    return np.multiply.outer(coefficients, LAPLACIAN)


def fitzhugh_nagumo(a: float, epsilon: float, beta: float) -> Callable[[State], State]:
    """f(u, w) = (u (1 − u) (u − a) − w, ε (βu − w)): u excites, w recovers.

    With ε = 0 and w = 0 it is Nagumo's equation, whose front travels at √(D / 2) (1 − 2a).
    """

    def reaction(y: State) -> State:
        u, w = y
        return np.stack((u * (1 - u) * (u - a) - w, epsilon * (beta * u - w)))

    return reaction


def gray_scott(feed: float, kill: float) -> Callable[[State], State]:
    """f(u, v) = (F (1 − u) − uv², uv² − (F + k) v): v feeds on u."""

    def reaction(y: State) -> State:
        u, v = y
        eaten = u * v * v
        return np.stack((feed * (1 - u) - eaten, eaten - (feed + kill) * v))

    return reaction


def _growing(r: float, g: float) -> Callable[[State], State]:
    return lambda y: y * (r + y * (g - y))


def _single(field: Field) -> State:
    return field[None]


def _disc(size: tuple[int, int]) -> State:
    """½ in a disc in the middle, −½ elsewhere."""
    rows, columns = (np.arange(n) - n // 2 for n in size)
    inside = np.hypot(rows[:, None], columns) < min(size) / 4
    return _single(inside - 0.5)


def _ignited(field: Field) -> State:
    """Excited where a smoothed field is high, refractory where it is a quarter of a side away.

    Fronts break where the edges of the two cross.
    """
    smooth = _smoothed(field, 8)
    behind = np.roll(smooth, (field.shape[0] // 4, field.shape[1] // 4), axis=(0, 1))
    return np.stack((EXCITED * (smooth > 0), REFRACTORY * (behind > 0)))


def _pulse(size: tuple[int, int]) -> State:
    """A front across the whole height, refractory on its left: it runs to the right."""
    y = np.zeros((2, *size))
    front = size[1] // 4
    y[0, :, front : front + 8] = EXCITED
    y[1, :, :front] = REFRACTORY
    return y


def _cut(size: tuple[int, int]) -> State:
    """The upper half of that front: either end curls into a spiral."""
    y = _pulse(size)
    y[:, size[0] // 2 :] = 0
    return y


def _fed(field: Field) -> State:
    """Spots round the highest points of a smoothed field.

    Larger ones would die inside, and those with the symmetry of a square never divide.
    """
    smooth = _smoothed(field, 3)
    peaks = (smooth == maximum_filter(smooth, 17, mode="wrap")) & (smooth > 0)
    return _spots(maximum_filter(peaks, (9, 7), mode="wrap"))


def _seeds(size: tuple[int, int]) -> State:
    """Three square spots."""
    spots = np.zeros(size, bool)
    for down, across in ((0.3, 0.25), (0.65, 0.45), (0.35, 0.75)):
        row, column = int(down * size[0]), int(across * size[1])
        spots[row : row + 8, column : column + 6] = True
    return _spots(spots)


def _spots(where: Field) -> State:
    return np.stack((1 - 0.5 * where, 0.25 * where))


def _smoothed(field: Field, length: float) -> Field:
    """Two solves (I − ℓ²Δ) y = field."""
    spectrum = symbol(torch.from_numpy(diffusion(1.0)), (field.shape[0], field.shape[1])).real
    multiplier = resolvent(spectrum, length**2).square()
    return apply_filter(torch.from_numpy(field - field.mean()), multiplier[0]).numpy()


_PULSE = Setting(
    "Travelling pulse",
    fitzhugh_nagumo(0.05, 0.02, 0.3),
    diffusion(0.5, 0.0),
    gram=False,
    step_size=0.5,
    steps=1200,
    start=_ignited,
    designed=_pulse,
    span=(-0.3, 1.0),
    waves=True,
)
_MOVING = Setting(
    "Moving spots",
    gray_scott(0.014, 0.054),
    diffusion(0.2, 0.1),
    gram=False,
    step_size=2.0,
    steps=1200,
    start=_fed,
    designed=_seeds,
    shown=1,
    span=(0.0, 0.4),
    waves=True,
)
SETTINGS = {
    "stripes": Setting(
        "Stripes", _growing(0.5, 0), swift_hohenberg(8), True, 0.5, 3000, _single, _disc
    ),
    "spots": Setting(
        "Spots", _growing(0.2, 1.2), swift_hohenberg(9), True, 0.4, 3000, _single, _disc
    ),
    "phases": Setting(
        "Two phases", _growing(1, 0), diffusion(0.15), False, 0.5, 600, _single, _disc
    ),
    "pulse": _PULSE,
    "spirals": replace(_PULSE, name="Spirals", designed=_cut),
    "moving": _MOVING,
    "dividing": replace(
        _MOVING, name="Dividing spots", reaction=gray_scott(0.0367, 0.0649), step_size=4.0
    ),
}
"""Name → setting; the tests hold the first three to coming to rest, and the others to waves."""


def problem(setting: Setting, size: tuple[int, int]) -> Problem:
    """ẏ = f(y) − Ly on a periodic grid (H, W)."""
    stencils = torch.from_numpy(setting.stencils)
    spectrum = gram_eigenvalues(stencils, size) if setting.gram else symbol(stencils, size).real
    return Problem(setting.reaction, spectrum.numpy())


def begin(setting: Setting, start: str, grey: Field, seed: int = 0) -> State:
    """The state at time 0, (C, H, W).

    Args:
        setting: one of `SETTINGS`.
        start: one of `STARTS`.
        grey: a picture on [0, 1], whose size counts for every start.
        seed: of the noise.

    Raises:
        ValueError: for another start.
    """
    size = (grey.shape[0], grey.shape[1])
    if start == "photo":
        return setting.start(from_picture(grey))
    if start == "noise":
        return setting.start(from_noise(size, seed))
    if start == "designed":
        return setting.designed(size)
    raise ValueError(f"the start must be one of {', '.join(STARTS)}, got {start!r}")


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
