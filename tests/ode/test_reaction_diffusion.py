"""Named settings of the diffusion-reaction animation: patterns come to rest, waves travel on."""

import math

import numpy as np
import pytest

from imexnet.data import qtips
from imexnet.ode import reaction_diffusion
from imexnet.ode.integrators import Problem
from imexnet.ode.reaction_diffusion import SETTINGS, Setting

GREY = {"noise": np.zeros((48, 64)), "photo": qtips.qtip(0, 0)[0] / 255}
WAVES = sorted(name for name, setting in SETTINGS.items() if setting.waves)


def states(name: str, start: str, grey: np.ndarray, steps: int | None = None):
    """y and its change after every step of a named setting."""
    setting = SETTINGS[name]
    y = reaction_diffusion.begin(setting, start, grey)
    problem = reaction_diffusion.problem(setting, grey.shape)
    return reaction_diffusion.evolve(problem, y, setting.step_size, steps or setting.steps)


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - set(WAVES)))
@pytest.mark.parametrize("start", ["noise", "photo"])
def test_named_settings_come_to_rest_in_a_pattern(name, start):
    run = list(states(name, start, GREY[start]))
    assert len(run) == SETTINGS[name].steps
    final, change = run[-1]
    assert np.isfinite(final).all()
    assert np.abs(final).max() < 3
    assert final.std() > 0.3
    assert change < 2e-3
    assert change < run[0][1] / 100
    halfway = run[len(run) // 2][0]
    assert np.corrcoef(halfway.ravel(), final.ravel())[0, 1] > 0.5


def speed(setting: Setting, width: int, until: float) -> float:
    """Pixels per unit of time of the right-hand edge u = ½, after it has formed."""
    y = setting.designed((4, width))
    problem = reaction_diffusion.problem(setting, (4, width))
    places, times = [], []
    run = reaction_diffusion.evolve(problem, y, setting.step_size, round(until / setting.step_size))
    for n, (state, _) in enumerate(run, 1):
        u = state[0, 0]
        if n * setting.step_size > until / 2:
            right = int(np.flatnonzero(u > 0.5)[-1])
            places.append(right + (u[right] - 0.5) / (u[right] - u[right + 1]))
            times.append(n * setting.step_size)
    return float(np.polyfit(times, places, 1)[0])


def fhn(scale: float, step_size: float, epsilon: float) -> Setting:
    """The shipped pulse, or with ε = 0 Nagumo's front, with `scale` times as many pixels."""
    return Setting(
        "",
        reaction_diffusion.fitzhugh_nagumo(0.05, epsilon, 0.3),
        reaction_diffusion.diffusion(0.5 * scale**2, 0.0),
        False,
        step_size,
        1,
        SETTINGS["pulse"].start,
        lambda size: _launch(size, scale, epsilon > 0),
    )


def _launch(size: tuple[int, int], scale: float, pulse: bool) -> np.ndarray:
    y = np.zeros((2, *size))
    front = int(40 * scale)
    y[0, :, front : front + int(8 * scale)] = 1
    if pulse:
        y[1, :, :front] = 0.15  # the left-hand edge goes out
    return y


def test_nagumos_front_has_its_exact_speed():
    """√(D / 2) (1 − 2a); the error of the step size and of the grid is below 1 %."""
    found = speed(fhn(4, 0.02, epsilon=0), 480, 80) / 4
    assert found == pytest.approx(math.sqrt(0.5 / 2) * (1 - 2 * 0.05), rel=0.01)


def test_the_pulse_of_the_page_has_the_speed_of_a_fine_reference():
    shipped = speed(fhn(1, SETTINGS["pulse"].step_size, epsilon=0.02), 120, 80)
    fine = speed(fhn(4, 0.02, epsilon=0.02), 480, 80) / 4
    assert shipped == pytest.approx(fine, rel=0.06)


def test_a_spiral_turns_with_a_period_and_does_not_come_to_rest():
    setting = SETTINGS["spirals"]
    run = [y[0, 40, 60] for y, _ in states("spirals", "designed", np.zeros((96, 128)), 2000)]
    u = np.array(run)[600:]
    up = np.flatnonzero((u[:-1] < 0.5) & (u[1:] >= 0.5)) * setting.step_size
    periods = np.diff(up)
    assert len(periods) >= 4
    assert periods.std() < 0.05 * periods.mean()


@pytest.mark.parametrize("name", ["moving", "dividing"])
@pytest.mark.parametrize("start", reaction_diffusion.STARTS)
def test_spots_move_or_multiply_within_bounds(name, start):
    size = (96, 128)
    grey = np.zeros(size)
    grey[20:30, 20:100] = grey[50:80, 60:70] = 1
    begun = reaction_diffusion.begin(SETTINGS[name], start, grey)[1]
    run = [y for y, _ in states(name, start, grey)]
    assert all(y.min() > -1e-6 and y.max() < 1.01 for y in run)
    v, before = run[-1][1], run[-200][1]
    assert v.max() > 0.2 and v.sum() > 1.5 * begun.sum()
    if name == "moving":
        assert np.corrcoef(v.ravel(), before.ravel())[0, 1] < 0.5


@pytest.mark.parametrize("start", reaction_diffusion.STARTS)
def test_the_shown_component_stays_within_its_colours(start):
    grey = np.random.default_rng(1).random((48, 64))
    for name in WAVES:
        low, high = SETTINGS[name].span or (0, 0)
        run = [y[SETTINGS[name].shown] for y, _ in states(name, start, grey, 300)]
        assert all(low - 0.1 < y.min() and y.max() < high + 0.2 for y in run)


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="the start must be one of photo, noise, designed"):
        reaction_diffusion.begin(SETTINGS["pulse"], "end", GREY["photo"])


def test_swift_hohenberg_damps_all_waves_but_its_own():
    setting = SETTINGS["stripes"]  # of wavelength 8
    (eigenvalues,) = reaction_diffusion.problem(setting, (64, 64)).eigenvalues
    assert eigenvalues[0, 0] == pytest.approx(1)
    assert eigenvalues[0, 8] == pytest.approx(0, abs=0.01)  # 64 / 8 waves across
    assert eigenvalues[0, 8] < 0.02 * min(eigenvalues[0, 4], eigenvalues[0, 16])


def test_evolution_is_the_imex_step_and_stops_where_it_overflows():
    problem = Problem(lambda y: -y, np.ones((1, 1)))
    run = list(reaction_diffusion.evolve(problem, np.ones((4, 4)), 0.5, 3))
    np.testing.assert_allclose([y[0, 0] for y, _ in run], [(0.5 / 1.5) ** n for n in (1, 2, 3)])
    assert run[0][1] == pytest.approx((1 - 1 / 3) / (0.5 / 3))
    wild = Problem(lambda y: y**3, np.ones((1, 1)))
    assert len(list(reaction_diffusion.evolve(wild, np.full((4, 4), 9.0), 1.0, 100))) < 20
