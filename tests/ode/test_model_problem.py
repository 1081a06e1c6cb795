"""Amplification factors against their definitions, and regions on their boundary points."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imexnet.ode.model_problem import SCHEMES, Settings, amplification, exact, grid, trajectory

POINTS = st.complex_numbers(max_magnitude=20, allow_nan=False, allow_infinity=False)


def step(scheme: str, z: complex, settings: Settings) -> complex:
    """One step of size 1 from y = 1 for f(y) = zy, by the scheme's own definition."""

    def f(y: complex) -> complex:
        return z * y

    if scheme == "midpoint":
        return 1 + f(1 + f(1) / 2)
    if scheme == "rk4":
        k1 = f(1)
        k2 = f(1 + k1 / 2)
        k3 = f(1 + k2 / 2)
        return 1 + (k1 + 2 * k2 + 2 * k3 + f(1 + k3)) / 6
    if scheme == "imex":  # (1 + hα) y⁺ = y + hα y + h f(y)
        return (1 + settings.damping + f(1)) / (1 + settings.damping)
    theta = {"forward-euler": 0, "backward-euler": 1, "theta": settings.theta}[scheme]
    # y⁺ − θ f(y⁺) = y + (1 − θ) f(y), linear in y⁺
    return (1 + (1 - theta) * f(1)) / (1 - f(theta))


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@given(z=POINTS, theta=st.floats(0, 1), damping=st.floats(0, 30))
def test_amplification_is_one_step_of_the_scheme(scheme, z, theta, damping):
    settings = Settings(theta, damping)
    if abs(1 - z) < 1e-3 or abs(1 - theta * z) < 1e-3:
        return  # a pole
    expected = step(scheme, z, settings)
    assert amplification(scheme, z, settings) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("scheme", "settings", "edge"),
    [
        ("forward-euler", Settings(), -2),
        ("midpoint", Settings(), -2),
        ("rk4", Settings(), -2.785293563405282),  # root of z³/24 + z²/6 + z/2 + 1
        ("imex", Settings(damping=4), -10),  # −2 (1 + hα)
        ("theta", Settings(theta=0.25), -4),  # −2 / (1 − 2θ)
        ("rk4", Settings(), 2j * math.sqrt(2)),
        ("backward-euler", Settings(), 2),  # unstable within |z − 1| < 1
        ("backward-euler", Settings(), 1 + 1j),
        ("theta", Settings(theta=0.5), 7j),  # the imaginary axis
        ("imex", Settings(damping=4), 5 * (-1 + 1j)),
    ],
)
def test_regions_end_at_their_boundary_points(scheme, settings, edge):
    def size(z: complex) -> float:
        return float(np.abs(amplification(scheme, z, settings)))

    assert size(edge) == pytest.approx(1, abs=1e-12)
    inward = -0.001 if scheme == "theta" and edge == 7j else edge * -0.001
    if scheme == "backward-euler":
        inward = (edge - 1) * 0.001  # its region is the outside of a disc
    if edge == 2j * math.sqrt(2):
        inward = -0.001j
    assert size(edge + inward) < 1 < size(edge - inward)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_schemes_have_their_order(scheme):
    order = {"forward-euler": 1, "midpoint": 2, "rk4": 4, "imex": 1, "theta": 2}.get(scheme, 1)
    errors = []
    for h in (0.02, 0.01):
        settings = Settings(theta=0.5, damping=3 * h)  # α = 3
        errors.append(abs(amplification(scheme, (-1 + 1j) * h, settings) - np.exp((-1 + 1j) * h)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order + 1, abs=0.1)


def test_trajectories_are_powers_and_the_exact_solution_is_exponential():
    z = -0.3 + 0.8j
    y = trajectory("forward-euler", z, 12)
    np.testing.assert_allclose(y, (1 + z) ** np.arange(13))
    np.testing.assert_allclose(exact(z, np.array([0.0, 1.5])), [1, np.exp(1.5 * z)])
    fine = trajectory("rk4", z / 100, 1200)
    np.testing.assert_allclose(fine[::100], exact(z, np.arange(13)), rtol=1e-6)


def test_diverging_trajectories_and_poles_are_infinite_without_a_warning():
    assert not np.isfinite(trajectory("forward-euler", -1e4, 200)[-1])
    assert not np.isfinite(amplification("backward-euler", 1.0))


def test_grid_runs_from_the_lowest_imaginary_part_up():
    z = grid((-4, 2), (-3, 3), 7)
    assert (z[0, 0], z[-1, -1], z[0, -1]) == (-4 - 3j, 2 + 3j, 2 - 3j)


def test_unknown_schemes_are_named():
    with pytest.raises(ValueError, match=r"one of forward-euler, .*, got 'ab2'"):
        amplification("ab2", 1)


@pytest.mark.parametrize(
    ("theta", "damping"), [(0.5, -1), (0.5, math.nan), (0.5, math.inf), (-0.1, 1), (1.5, 1)]
)
def test_settings_outside_their_range_are_refused(theta, damping):
    with pytest.raises(ValueError, match="finite and not negative, got"):
        Settings(theta, damping)
