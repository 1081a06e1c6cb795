"""The best that a strictly local network can do on Q-tips."""

import importlib
import re

import numpy as np
import pytest
from conftest import ROOT


@pytest.fixture
def locality(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("locality")


@pytest.mark.parametrize("width", [1, 3, 7])
def test_a_marker_is_seen_within_half_the_window(locality, width):
    marker = np.zeros((9, 12), bool)
    marker[[1, 6], [2, 11]] = True
    rows, columns = np.indices(marker.shape)
    near = [np.maximum(abs(rows - y), abs(columns - x)) <= width // 2 for y, x in ((1, 2), (6, 11))]
    np.testing.assert_array_equal(locality.seen(marker, width), near[0] | near[1])


def test_a_wider_window_is_never_worse_and_the_widest_knows_all(locality, capsys):
    locality.main(images=12)
    printed = re.findall(r"window +(\d+): mIoU (\d\.\d+)", capsys.readouterr().out)
    assert [int(width) for width, _ in printed] == [27, 43, 63, 83, 127]
    scores = [float(score) for _, score in printed]
    assert scores == sorted(scores)
    assert scores[0] < 0.8 and scores[-1] == 1


@pytest.mark.parametrize(
    ("task", "known", "expected"),
    [
        ("rods", (None, None, 1, 1), 1 / 3),
        ("rods", (1, None, 0, 0), 2 / 3),
        ("rods", (1, 0, None, None), 1),
        ("paths", (None, None, None, None), 1 / 2),
        ("paths", (0, None, None, None), 2 / 3),  # one bare end: unmarked is twice as likely
        ("paths", (0, 0, None, None), 1),
        ("paths", (None, None, 0, 1), 1),  # of two curves one is marked: the other is not
    ],
)
def test_chances_by_bayes(locality, task, known, expected):
    assert locality.chance(task, 2, 0, known) == pytest.approx(expected)
    assert sum(odds for odds, _, _ in locality.states(task, 2)) == pytest.approx(1)
    assert sum(odds for odds, _, _ in locality.states(task, 3)) == pytest.approx(1)


@pytest.mark.parametrize("task", ["rods", "paths"])
def test_the_ceiling_of_a_task_rises_from_a_guess_to_certainty(locality, task, capsys):
    locality.main([task], images=8)
    printed = re.findall(r"window +(\d+): right (\d\.\d+)", capsys.readouterr().out)
    scores = [float(score) for _, score in printed]
    assert scores == sorted(scores) and scores[-1] == 1
    assert {"rods": 0.6, "paths": 0.6}[task] < scores[0] < 0.95
    with pytest.raises(ValueError, match="usage: "):
        locality.main(["rods", "big"])


@pytest.mark.parametrize("task", ["rods", "paths"])
def test_no_answer_within_a_window_beats_the_ceiling(locality, task):
    """One by one: a pixel is as sure as the marks in its window make it, counted by hand."""
    drawn = locality.DRAW[task](3, 1, 64)
    right, pixels = locality.ceiling(task, drawn, 27)
    total = 0.0
    for y, x in np.argwhere(drawn.objects > 0):
        window = slice(max(0, y - 13), y + 14), slice(max(0, x - 13), x + 14)
        held = set(np.unique(drawn.ends[window])) - {0}
        bright = set(np.unique(drawn.ends[drawn.picture == locality.WHITE]))
        count = 2 * len(drawn.lengths)
        known = tuple(int(e in bright) if e in held else None for e in range(1, count + 1))
        total += locality.chance(task, len(drawn.lengths), int(drawn.objects[y, x]) - 1, known)
    assert pixels == (drawn.objects > 0).sum() and right == pytest.approx(total)
