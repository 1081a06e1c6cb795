"""Named settings of the diffusion-reaction animation come to rest in an uneven pattern."""

import numpy as np
import pytest

from imexnet.data import qtips
from imexnet.ode import reaction_diffusion
from imexnet.ode.integrators import Problem


def from_qtip() -> np.ndarray:
    return reaction_diffusion.from_picture(qtips.qtip(0, 0)[0] / 255)


@pytest.mark.parametrize("name", sorted(reaction_diffusion.SETTINGS))
@pytest.mark.parametrize("start", ["noise", "picture"])
def test_named_settings_come_to_rest_in_a_pattern(name, start):
    setting = reaction_diffusion.SETTINGS[name]
    y = reaction_diffusion.from_noise((48, 64)) if start == "noise" else from_qtip()
    run = list(
        reaction_diffusion.evolve(
            reaction_diffusion.problem(setting, y.shape), y, setting.step_size, setting.steps
        )
    )
    assert len(run) == setting.steps
    final, change = run[-1]
    assert np.isfinite(final).all()
    assert np.abs(final).max() < 3
    assert final.std() > 0.3
    assert change < 2e-3
    assert change < run[0][1] / 100
    halfway = run[len(run) // 2][0]
    assert np.corrcoef(halfway.ravel(), final.ravel())[0, 1] > 0.5


def test_swift_hohenberg_damps_all_waves_but_its_own():
    size, wavelength = (64, 64), 8.0
    setting = reaction_diffusion.Setting(
        "", lambda y: 0 * y, reaction_diffusion.swift_hohenberg(wavelength), True, 1, 1
    )
    eigenvalues = reaction_diffusion.problem(setting, size).eigenvalues
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
