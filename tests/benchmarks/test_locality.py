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
