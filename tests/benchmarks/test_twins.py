"""The pair with a backbone over several seeds: scores are noted, and compared in pairs."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import made_room

from imexnet.models.checkpoints import save
from imexnet.models.config import MODELS
from imexnet.models.networks import build

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def twins(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(importlib.import_module("pictures"), "PICTURES", tmp_path / "pictures.csv")
    return importlib.import_module("twins")


@pytest.fixture
def data(write_rooms):
    return write_rooms([made_room("val", 1), made_room("val", 2), made_room("train", 3)])


def test_the_shipped_networks_have_a_table_of_their_own(twins, data):
    twins.score(data)
    with pytest.raises(ValueError, match="no scores of resnet yet"):
        twins.table()
    assert twins.table(shipped=True).count("±") == 2 * len(twins.PHOTOS) * len(twins.SCORES)


def test_scores_of_two_seeds_stand_in_the_table(twins, tmp_path, data):
    with pytest.raises(ValueError, match=r"no resnet-0\.safetensors or the like"):
        twins.score(data, tmp_path)
    with pytest.raises(ValueError, match="no scores of resnet yet"):
        twins.table()
    for kind in twins.KINDS:
        for seed in (0, 1):
            torch.manual_seed(seed)
            network = build(MODELS[f"indoor-{kind}"])
            save(network, tmp_path / f"{kind}-{seed}.safetensors", {}, {})
    twins.score(data, tmp_path)
    lines = twins.table().splitlines()
    assert len(lines) == 2 + len(twins.PHOTOS) * len(twins.SCORES)
    assert all("±" in line and "[" in line for line in lines[2:])
    clean, noisy = (
        twins.per_picture(twins.command("imexnet"), f"abs_rel, {words}")["0"]
        for words in list(twins.PHOTOS)[:2]
    )
    assert clean.shape == (2,) and not np.array_equal(clean, noisy)


def test_the_wide_part_is_the_middle(twins):
    room = twins.read_rooms(importlib.import_module("uploads").KITCHENS, "test")[0]
    wide = twins.wide(room)
    for part, whole in ((wide.photo, room.photo), (wide.depth, room.depth)):
        assert np.array_equal(part, whole[len(whole) // 4 : len(whole) * 3 // 4])
