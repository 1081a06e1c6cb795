"""Photos unlike those of the training set: their truth goes where the photo goes."""

import importlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imexnet.data.nyu import Room
from imexnet.models.config import MODELS
from imexnet.models.networks import build

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def uploads(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("uploads")


def coded_room() -> Room:
    """Red and label tell the row, green the column, depth the two of them."""
    rows, columns = np.mgrid[:120, :160]
    photo = np.stack([rows, columns, np.full_like(rows, 80)], -1).astype(np.uint8)
    return Room(photo, (rows + columns / 1000).astype(np.float32), rows.astype(np.uint8), "kitchen")


@pytest.mark.parametrize("kind", ["portrait", "tele", "fisheye", "upside_down"])
def test_truth_goes_where_the_photo_goes(uploads, kind):
    room = getattr(uploads, kind)(coded_room())
    assert room.photo.shape[:2] == room.depth.shape == room.labels.shape
    depth = room.photo[..., 0] + room.photo[..., 1] / 1000.0
    assert np.abs(room.depth - depth).max() <= 1.01  # the photo is interpolated
    assert np.abs(room.labels - room.photo[..., 0].astype(int)).max() <= 1
    assert not np.array_equal(room.depth, coded_room().depth)


def test_portrait_and_tele_keep_the_middle(uploads):
    room = coded_room()
    assert uploads.portrait(room).depth.shape == (120, 90)
    assert uploads.tele(room).depth.shape == (60, 80)
    for change in (uploads.portrait, uploads.tele):
        centre = change(room).photo.reshape(-1, 3).mean(0)
        np.testing.assert_allclose(centre, room.photo.reshape(-1, 3).mean(0), atol=0.51)


def test_fisheye_keeps_the_centre_and_the_corners_and_enlarges_the_middle(uploads):
    bent = uploads.fisheye(coded_room()).depth
    assert bent[60, 80] == pytest.approx(60.08, abs=1.01)
    assert bent[0, 0] == pytest.approx(0, abs=1.01)
    assert bent[30, 80] > 38  # a row nearer to the middle than 30


def test_dark_and_grey_change_the_photo_alone(uploads):
    room = coded_room()
    for change in (uploads.dark, uploads.grey):
        changed = change(room)
        assert changed.depth is room.depth and changed.labels is room.labels
        assert not np.array_equal(changed.photo, room.photo)
    white = Room(np.full((4, 4, 3), 255, np.uint8), room.depth, room.labels, "kitchen")
    assert (uploads.dark(white).photo == int(255 * 0.1 ** (1 / 2.2))).all()
    assert (np.ptp(uploads.grey(room).photo, axis=-1) == 0).all()


def test_a_focal_length_that_is_given_scales_depth(uploads):
    """1 / √2 of what is there, told the lens, is right; and without, 1 / √2 of it."""
    room = coded_room()
    network = build(MODELS["indoor-resnet"]).eval()
    network.heads["depth"].weight.data.zero_()  # pyright: ignore
    network.heads["depth"].bias.data.fill_(math.log(2))  # pyright: ignore
    there = [replace(room, depth=np.full_like(room.depth, 2 * math.sqrt(2)))]
    assert uploads.scores(network, there, 2) == "0.000 / 1.000"
    assert uploads.scores(network, there) == "0.293 / 0.000"


def test_table_has_a_line_a_kind_and_a_column_a_network(uploads):
    rooms = uploads.read_rooms(uploads.KITCHENS, "test")
    lines = uploads.table(rooms[:1]).splitlines()
    assert len(lines) == 2 + len(uploads.UPLOADS) + len(uploads.LENSES)
    assert lines[5].startswith("| tele, 2×, focal length given |")
    assert all(line.count("|") == 6 for line in lines)
    assert uploads.picture(rooms[0]).size == (6 * 160, len(uploads.UPLOADS) * 120)
