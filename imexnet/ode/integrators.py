"""Time steppers for the stiff ẏ = f(y) − Ly, side by side: explicit, IMEX, and fully implicit.

L ⪰ 0 is linear and known by its eigenvalues; f is anything. The IMEX step needs one evaluation
of f and one FFT solve; a fully implicit step solves a nonlinear system, here with scipy's
Newton-Krylov, Anderson or a fixed point, and needs many evaluations. All in numpy, float64; Ly
and (I + hL)⁻¹ are those of `spectral`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import NoConvergence, anderson, newton_krylov
from torch import Tensor

from imexnet.spectral.solve import apply_filter, check_step_size, resolvent

Function = Callable[[np.ndarray], np.ndarray]

STEPPERS = {
    "explicit": "forward Euler",
    "imex": "IMEX Euler",
    "backward-euler": "backward Euler",
    "trapezoidal": "θ = ½, trapezoidal rule",
}
SOLVERS = ("newton-krylov", "anderson", "fixed-point")
THETAS = {"backward-euler": 1.0, "trapezoidal": 0.5}
TOLERANCE = 1e-9  # of the largest entry of a residual, relative to that of y
MOST_ITERATIONS = 200


@dataclass
class Problem:
    """ẏ = f(y) − Ly, and how often f was asked.

    Attributes:
        reaction: f, (…, H, W) → same.
        eigenvalues: λ ≥ 0 of L, broadcastable to (…, H, W), as `spectral.symbol`.
        evaluations: of f so far.
    """

    reaction: Function
    eigenvalues: np.ndarray
    evaluations: int = field(default=0, init=False)

    def f(self, y: np.ndarray) -> np.ndarray:
        """f(y), counted."""
        self.evaluations += 1
        return self.reaction(y)

    def linear(self, y: np.ndarray) -> np.ndarray:
        """Ly."""
        return apply_filter(torch.from_numpy(y), self._spectrum).numpy()

    def solve(self, r: np.ndarray, step_size: float) -> np.ndarray:
        """(I + hL)⁻¹ r.

        Raises:
            ValueError: for an h that is infinite, not a number or negative.
        """
        check_step_size(step_size)
        multiplier = resolvent(self._spectrum, step_size)
        return apply_filter(torch.from_numpy(r), multiplier).numpy()

    def slope(self, y: np.ndarray) -> np.ndarray:
        """f(y) − Ly."""
        return self.f(y) - self.linear(y)

    @property
    def _spectrum(self) -> Tensor:
        return torch.from_numpy(self.eigenvalues)


@dataclass(frozen=True)
class Run:
    """Where a stepper ended.

    Attributes:
        y: at the end; not finite where the scheme blew up or its solver did not converge.
        evaluations: of f, all steps together.
    """

    y: np.ndarray
    evaluations: int


def integrate(
    problem: Problem,
    stepper: str,
    y: np.ndarray,
    end: float,
    steps: int,
    solver: str = "newton-krylov",
) -> Run:
    """`steps` equal steps from time 0 to `end`.

    Args:
        problem: ẏ = f(y) − Ly.
        stepper: a key of `STEPPERS`.
        y: at time 0, (…, H, W) float64.
        end: time > 0.
        steps: how many.
        solver: of the implicit steps, one of `SOLVERS`.

    Raises:
        ValueError: for an unknown stepper or solver, an end or a number of steps that is none.
    """
    if stepper not in STEPPERS:
        raise ValueError(f"the stepper must be one of {', '.join(STEPPERS)}, got {stepper!r}")
    if solver not in SOLVERS:
        raise ValueError(f"the solver must be one of {', '.join(SOLVERS)}, got {solver!r}")
    if not 0 < end < math.inf or steps < 1:
        raise ValueError(f"the end is finite and above 0, in 1 or more steps, got {end}, {steps}")
    before, h = problem.evaluations, end / steps
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            if stepper == "explicit":
                y = y + h * problem.slope(y)
            elif stepper == "imex":
                y = problem.solve(y + h * problem.f(y), h)
            else:
                y = theta_step(problem, y, h, THETAS[stepper], solver)
            if not np.isfinite(y).all():
                y = np.full_like(y, np.nan)
                break
    return Run(y, problem.evaluations - before)


def theta_step(
    problem: Problem, y: np.ndarray, h: float, theta: float, solver: str = "newton-krylov"
) -> np.ndarray:
    """Solves y⁺ = y + h (1 − θ) F(y) + hθ F(y⁺) with F = f − L: order 2 for θ = ½, else 1.

    The unknown is preconditioned by (I + hθL)⁻¹, one FFT solve, so that the solver is left with
    the part of f alone: u = (I + hθL)⁻¹ (y + h (1 − θ) F(y) + hθ f(u)). NaN where the solver does
    not converge.
    """
    known = y + h * (1 - theta) * problem.slope(y) if theta < 1 else y

    def update(u: np.ndarray) -> np.ndarray:
        return problem.solve(known + h * theta * problem.f(u), h * theta)

    tolerance = TOLERANCE * max(1.0, float(np.abs(y).max()))
    if solver == "fixed-point":
        return _fixed_point(update, y, tolerance)
    options = {"f_tol": tolerance, "maxiter": MOST_ITERATIONS}
    try:
        if solver == "anderson":
            return anderson(lambda u: u - update(u), y, **options)
        return newton_krylov(lambda u: u - update(u), y, method="lgmres", **options)
    except (NoConvergence, ValueError, np.linalg.LinAlgError):  # ValueError: Jacobian not finite
        return np.full_like(y, np.nan)


def reference(problem: Problem, y: np.ndarray, end: float) -> np.ndarray:
    """y at time `end` to about ten digits, by scipy's eighth-order Runge-Kutta method."""

    def slope(_time: float, flat: np.ndarray) -> np.ndarray:
        return problem.slope(flat.reshape(y.shape)).ravel()

    solution = solve_ivp(
        slope, (0, end), y.ravel(), method="DOP853", rtol=1e-10, atol=1e-12, t_eval=[end]
    )
    return solution.y[:, -1].reshape(y.shape)


def _fixed_point(update: Function, u: np.ndarray, tolerance: float) -> np.ndarray:
    """u = update(u) by iteration, a contraction where hθ times f's Lipschitz constant is < 1."""
    for _ in range(MOST_ITERATIONS):
        new = update(u)
        if not np.isfinite(new).all():
            break
        if np.abs(new - u).max() <= tolerance:
            return new
        u = new
    return np.full_like(u, np.nan)
