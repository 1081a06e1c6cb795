"""Measures of hand-made maps."""

import numpy as np
import pytest

from imexnet.sensitivity.measures import (
    cumulative_mass,
    distances,
    measure,
    radial_profile,
    set_level,
    smallest_areas,
)

WHOLE = (slice(None), slice(None))


def at(row: int, column: int) -> tuple[slice, slice]:
    return slice(row, row + 1), slice(column, column + 1)


def test_measures_of_hand_made_maps():
    s = np.zeros((10, 20))
    s[4, 5], s[4, 8], s[9, 19] = 5, 3, 2
    m = measure(s, at(4, 5), (slice(0, 10), slice(0, 10)))
    assert (m.area50, m.area95, m.area99) == (1 / 200, 3 / 200, 3 / 200)
    assert m.rms_radius == pytest.approx(np.sqrt((3 * 9 + 2 * (25 + 196)) / 10))
    assert m.outside_window == pytest.approx(0.2)
    assert m.wrap_around == pytest.approx(0.2)  # 14 columns to the right, 6 round the edge
    scaled = measure(2.0**-60 * s, at(4, 5), (slice(0, 10), slice(0, 10)))
    assert scaled == m
    uniform = measure(np.ones((10, 10)), at(5, 5), (slice(0, 10), slice(0, 5)))
    assert (uniform.area50, uniform.area95, uniform.outside_window) == (0.5, 0.95, 0.5)
    assert set(measure(np.zeros((4, 4)), at(0, 0), (slice(4), slice(4))).__dict__.values()) == {0}
    without = measure(s, at(4, 5))
    assert (without.area95, without.rms_radius) == (m.area95, m.rms_radius)
    assert np.isnan([without.outside_window, without.wrap_around]).all()


def test_measures_of_a_box_count_from_its_edges():
    s = np.zeros((10, 20))
    s[4, 2], s[4, 5], s[4, 9], s[4, 19] = 1, 1, 1, 1
    box = (slice(3, 6), slice(2, 6))
    m = measure(s, box, box)
    assert m.rms_radius == pytest.approx(np.sqrt((16 + 14**2) / 4))
    assert m.outside_window == 0.5
    assert m.wrap_around == 0.25  # 14 columns to the right, 3 round the edge; column 9 is 4 away
    np.testing.assert_array_equal(distances(7, slice(2, 4)), [2, 1, 0, 0, 1, 2, 3])


def test_smallest_area_takes_the_strongest_pixels_first():
    s = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert smallest_areas(s, (0.3, 0.6, 0.9, 1.0)) == [0.25, 0.5, 0.75, 1.0]
    assert [set_level(s, share) for share in (0.3, 0.6, 0.9, 1.0)] == [4, 3, 2, 1]


def test_radial_profile_averages_rings_and_the_mass_within_them_grows_to_one():
    s = np.add.outer(np.arange(5.0), np.zeros(5))
    profile = radial_profile(s, at(0, 0))
    assert profile[0] == 0
    assert profile[1] == pytest.approx((0 + 1 + 1) / 3)  # (0,1), (1,0) and (1,1) at √2
    flat = radial_profile(np.full((9, 7), 2.5), at(3, 2))
    assert np.nanmin(flat) == np.nanmax(flat) == 2.5
    mass = cumulative_mass(s, at(0, 0))
    assert (mass[0], mass[1], mass[-1]) == (0, 2 / 50, 1)
    assert (np.diff(mass) >= 0).all()
    assert not cumulative_mass(np.zeros((3, 3)), at(1, 1)).any()
