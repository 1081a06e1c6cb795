"""The shipped networks keep what docs/results.md says of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from imexnet.data import nyu, qtips
from imexnet.evaluation import evaluate_drawn, evaluate_indoor
from imexnet.models.checkpoints import WEIGHTS, load, load_pretrained, read
from imexnet.sensitivity.field_of_view import field_of_view

NYU = Path(__file__).parents[3] / "shared" / "nyuv2"
KINDS = ("resnet", "imexnet")


@pytest.mark.parametrize("ending", ["", "-seed1", "-bounded", "-bounded-seed1"])
def test_imexnet_solves_qtips_and_the_equal_resnet_does_not(ending):
    drawn = [qtips.draw(4321, index) for index in range(100)]
    scores = {}
    for kind in KINDS:
        network = load(WEIGHTS / f"qtips-{kind}{ending}.safetensors", "cpu")
        scores[kind] = evaluate_drawn(network, "qtips", drawn)
    assert scores["imexnet"]["mean_iou"] >= 0.98
    assert scores["resnet"]["mean_iou"] < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "-seed1"])
def test_imexnet_on_1000_fresh_qtips(ending):
    network = load(WEIGHTS / f"qtips-imexnet{ending}.safetensors", "cpu")
    drawn = (qtips.draw(0, index) for index in range(1000))
    assert evaluate_drawn(network, "qtips", drawn)["mean_iou"] >= 0.98


@pytest.mark.nyu
@pytest.mark.slow
@pytest.mark.skipif(not NYU.is_dir(), reason="NYU Depth V2 is not there")
def test_indoor_imexnet_is_ahead_of_the_equal_resnet_and_of_the_mean_depth():
    rooms = nyu.read_rooms(NYU, "val")
    resnet, imexnet = (evaluate_indoor(load_pretrained(f"indoor-{k}"), rooms) for k in KINDS)
    assert imexnet["depth"]["abs_rel"] < min(0.31, resnet["depth"]["abs_rel"])
    assert imexnet["depth"]["delta1"] > max(0.48, resnet["depth"]["delta1"])
    accuracies = [scores["segmentation"]["pixel_accuracy"] for scores in (resnet, imexnet)]
    assert accuracies[1] > accuracies[0] > 0.5


@pytest.mark.parametrize(("family", "task"), [("qtips", "qtips"), ("indoor", "depth")])
def test_trained_resnet_sees_its_window_and_trained_imexnet_beyond(family, task):
    networks = {kind: load_pretrained(f"{family}-{kind}", "cpu") for kind in KINDS}
    config = networks["resnet"].config
    x = torch.rand(1, config.channels, *config.size, generator=torch.Generator().manual_seed(0))
    pixel = config.size[0] // 2, config.size[1] // 3
    views = {kind: field_of_view(network, task, x, pixel) for kind, network in networks.items()}
    outside = np.ones(config.size, bool)
    outside[views["resnet"].window] = False
    assert not views["resnet"].sensitivity[outside].any()
    assert (views["imexnet"].sensitivity[outside] > 0).all()
    assert views["imexnet"].measures.outside_window > 0.1


@pytest.mark.parametrize("family", ["qtips", "indoor", "indoor-backbone"])
def test_twins_were_trained_by_one_recipe(family):
    cards = [read(WEIGHTS / f"{family}-{kind}.safetensors")[0] for kind in KINDS]
    recipes = [{**card.training, "model": "", "command": ""} for card in cards]
    assert recipes[0] == recipes[1]
    # The reach is that of the stencils, which the ResNet does not have.
    configs = [{**card.config.to_dict(), "step": "", "reach": ""} for card in cards]
    assert configs[0] == configs[1]
