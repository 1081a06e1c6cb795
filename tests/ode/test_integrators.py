"""Time steppers against exact solutions and matrices, and their orders by slope."""

import numpy as np
import pytest

from imexnet.ode.integrators import SOLVERS, STEPPERS, Problem, integrate, reference, theta_step

SIZE = (7, 8)


def eigenvalues(scale: float = 1.0) -> np.ndarray:
    """Of the five-point −Δ on the periodic grid."""
    rows = 2 - 2 * np.cos(2 * np.pi * np.arange(SIZE[0]) / SIZE[0])
    columns = 2 - 2 * np.cos(2 * np.pi * np.arange(SIZE[1]) / SIZE[1])
    return scale * (rows[:, None] + columns)


def start() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, *SIZE))


def smooth() -> Problem:
    return Problem(lambda y: np.sin(2 * y), eigenvalues(0.5))


@pytest.mark.parametrize(
    ("stepper", "slope"),
    [("explicit", 1), ("imex", 1), ("backward-euler", 1), ("trapezoidal", 2)],
)
def test_orders_by_slope(stepper, slope):
    y, end = start(), 0.5
    exact = reference(smooth(), y, end)
    counts = [16, 32, 64, 128]
    errors = [
        float(np.abs(integrate(smooth(), stepper, y, end, n).y - exact).max()) for n in counts
    ]
    order = np.polyfit(np.log([end / n for n in counts]), np.log(errors), 1)[0]
    assert order == pytest.approx(slope, abs=0.15)


def test_reference_of_a_linear_problem_is_the_exponential():
    problem = Problem(lambda y: -0.3 * y, eigenvalues())
    y = start()
    multiplier = np.exp(-1.5 * (eigenvalues() + 0.3))
    exact = np.fft.ifft2(np.fft.fft2(y) * multiplier).real
    np.testing.assert_allclose(reference(problem, y, 1.5), exact, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("theta", [0.5, 1.0])
def test_theta_step_solves_its_equation(solver, theta):
    problem, y, h = smooth(), start(), 0.3
    new = theta_step(problem, y, h, theta, solver)
    middle = (1 - theta) * problem.slope(y) + theta * problem.slope(new)
    np.testing.assert_allclose(new, y + h * middle, atol=1e-7)


@pytest.mark.parametrize("stepper", sorted(STEPPERS))
def test_one_step_of_a_linear_problem_is_its_dense_solve(stepper):
    decay, h = 0.7, 0.4
    problem = Problem(lambda y: -decay * y, eigenvalues())
    unit = np.eye(SIZE[0] * SIZE[1]).reshape(-1, *SIZE)
    laplacian = problem.linear(unit).reshape(len(unit), -1)
    identity = np.eye(len(unit))
    full = laplacian + decay * identity
    y = start()[0]
    left, right = {
        "explicit": (identity, identity - h * full),
        "imex": (identity + h * laplacian, (1 - h * decay) * identity),
        "backward-euler": (identity + h * full, identity),
        "trapezoidal": (identity + h / 2 * full, identity - h / 2 * full),
    }[stepper]
    expected = np.linalg.solve(left, right @ y.ravel())
    got = integrate(problem, stepper, y, h, 1).y
    np.testing.assert_allclose(got.ravel(), expected, atol=1e-7)


def test_stiff_problem_explodes_explicitly_and_stays_implicitly():
    problem = Problem(lambda y: np.sin(y), eigenvalues(50))
    y, end, steps = start(), 20.0, 100  # hλ up to 80
    assert np.abs(integrate(problem, "explicit", y, end, steps).y).max() > 1e100
    assert np.isnan(integrate(problem, "explicit", y, 10 * end, 10 * steps).y).all()
    for stepper in ("imex", "backward-euler", "trapezoidal"):
        assert np.abs(integrate(problem, stepper, y, end, steps).y).max() < 10


def test_evaluations_are_counted():
    problem = smooth()
    assert integrate(problem, "explicit", start(), 1, 5).evaluations == 5
    assert integrate(problem, "imex", start(), 1, 5).evaluations == 5
    implicit = integrate(problem, "backward-euler", start(), 1, 5).evaluations
    assert implicit > 15
    assert problem.evaluations == 10 + implicit


def test_a_solver_that_fails_gives_nan_and_no_traceback():
    problem = Problem(lambda y: 1e6 * np.sin(1e3 * y), np.zeros((1, 1)))
    for solver in SOLVERS:
        run = integrate(problem, "backward-euler", start(), 1.0, 1, solver)
        assert np.isnan(run.y).all()


def test_bad_choices_are_named():
    with pytest.raises(ValueError, match=r"one of explicit, imex, .*, got 'bdf2'"):
        integrate(smooth(), "bdf2", start(), 1, 1)
    with pytest.raises(ValueError, match=r"one of newton-krylov, .*, got 'bisection'"):
        integrate(smooth(), "backward-euler", start(), 1, 1, "bisection")


@pytest.mark.parametrize(
    ("end", "steps"), [(0, 3), (-1, 3), (np.nan, 3), (np.inf, 3), (1, 0), (1, -2)]
)
def test_times_that_are_none_are_refused(end, steps):
    with pytest.raises(ValueError, match="finite and above 0, in 1 or more steps"):
        integrate(smooth(), "imex", start(), end, steps)
