"""The model problem ẏ = λy: what one step of a scheme makes of it, y⁺ = R(z) y with z = hλ.

A scheme is stable where |R(z)| ≤ 1. The IMEX scheme adds and subtracts L = αI: its linear part is
solved implicitly, λ itself stays explicit (Haber et al., "IMEXnet", ICML 2019, section 3). The
θ-scheme is that of Reshniak & Webster (2021). Everything here is a function of numbers and arrays.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]

SCHEMES = {
    "forward-euler": "forward Euler",
    "midpoint": "midpoint",
    "rk4": "RK4",
    "imex": "IMEX",
    "theta": "θ-scheme",
    "backward-euler": "backward Euler",
}
"""Name → what to call it, from the most explicit to the most implicit."""


@dataclass(frozen=True)
class Settings:
    """What two of the schemes can be given.

    Attributes:
        theta: θ of the θ-scheme: 0 forward Euler, ½ trapezoidal rule, 1 backward Euler.
        damping: hα ≥ 0 of the IMEX scheme with L = αI; 0 is forward Euler.

    Raises:
        ValueError: for a number outside its range.
    """

    theta: float = 0.5
    damping: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.theta <= 1 and 0 <= self.damping < math.inf):
            raise ValueError(
                f"θ lies in [0, 1] and hα is finite and not negative, "
                f"got {self.theta} and {self.damping}"
            )


def amplification(scheme: str, z: complex | Complex, settings: Settings = Settings()) -> Complex:
    """R(z): forward Euler 1 + z, backward Euler 1 / (1 − z), midpoint 1 + z + z²/2, RK4 the
    exponential series up to z⁴/24, IMEX 1 + z / (1 + hα), θ (1 + (1 − θ) z) / (1 − θz).

    Raises:
        ValueError: for an unknown scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"the scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    z = np.asarray(z, complex)
    with np.errstate(divide="ignore", invalid="ignore"):  # a pole is infinite, and is shown so
        if scheme == "forward-euler":
            return 1 + z
        if scheme == "midpoint":
            return 1 + z + z**2 / 2
        if scheme == "rk4":
            return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
        if scheme == "imex":
            return 1 + z / (1 + settings.damping)
        theta = 1.0 if scheme == "backward-euler" else settings.theta
        return (1 + (1 - theta) * z) / (1 - theta * z)


def trajectory(scheme: str, z: complex, steps: int, settings: Settings = Settings()) -> Complex:
    """y_n = R(z)ⁿ for n = 0 … steps, from y₀ = 1: complex (steps + 1,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        factor = amplification(scheme, z, settings)
        return np.concatenate([[1], np.cumprod(np.full(steps, factor))])


def exact(z: complex, steps: np.ndarray) -> Complex:
    """e^(zn), the solution at time nh; n need not be whole."""
    return np.exp(z * steps)


def grid(reals: tuple[float, float], imaginaries: tuple[float, float], count: int) -> Complex:
    """(count, count) points z of a rectangle, rows from the lowest imaginary part up."""
    x, y = np.linspace(*reals, count), np.linspace(*imaginaries, count)
    return x[None, :] + 1j * y[:, None]
