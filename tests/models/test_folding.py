"""Folded networks: the same function as the network that they come from, with its gradients."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from imexnet.data import nyu
from imexnet.evaluation import predict_room
from imexnet.inference import forward
from imexnet.metrics import depth_scores
from imexnet.models import folding, load_pretrained
from imexnet.models.backbone import InvertedResidual, Stem
from imexnet.models.config import Level, ModelConfig, Stage
from imexnet.models.folding import SIZES_KEPT, FoldedIMEXStep, autocast, fold
from imexnet.models.networks import Network, build, parameter_count
from imexnet.models.spec import TRUNKS, ModelSpec
from imexnet.models.steps import ExplicitStep
from imexnet.models.tasks import KINDS
from imexnet.places import KITCHENS

BASE = ModelConfig(
    step="explicit",
    stages=(Stage(4, 2, 0), Stage(6, 1, 2), Stage(8, 2, 1)),
    heads=(("depth", 1), ("segmentation", 13)),
    channels=3,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.3, 0.4),
    size=(24, 32),
    step_size=0.7,
)


SHAPES = {
    "plain": {},
    "decoder": {"decoder": (Level(7, 1), Level(5, 1))},
    "backbone": {
        "encoder": "efficientnet-lite0",
        "stages": (Stage(8, 1, 1),),
        "decoder": (Level(7, 1), Level(6, 1), Level(5, 0)),
    },
}


def lived_in(step: str, trunk: str = "plain", **changes: Any) -> Network:
    """In float64, with normalisation statistics, scales and shifts that matter."""
    torch.manual_seed(5)
    config = replace(BASE, step=step, **SHAPES[trunk], **changes)
    network = build(config).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                assert tensor is not None
                tensor.data.uniform_(0.5, 1.5)
        if isinstance(module, ExplicitStep) and module.bound:
            module.conv.weight.data.mul_(9)  # beyond the bound
    return network


STEPS = [
    ("explicit", {}),
    ("explicit", {"learned_step_size": True}),
    ("imex", {}),
    ("imex", {"operator": "laplacian"}),
    ("imex", {"operator": "identity"}),
    ("imex", {"boundary": "mirrored", "stencil_size": 5, "learned_step_size": True}),
    ("diffusion-reaction", {}),
    ("explicit", {"bound": "nonexpansive"}),
    ("imex", {"bound": "nonexpansive", "learned_step_size": True}),
    ("imex", {"bound": "nonexpansive", "stencils": 2}),
    ("diffusion-reaction", {"bound": "nonexpansive"}),
    ("imex", {"inner": 3}),
    ("dilated", {"bound": "nonexpansive"}),
    ("laplacians", {"bound": "nonexpansive"}),
]


@pytest.mark.parametrize(("step", "changes"), STEPS)
@pytest.mark.parametrize("trunk", SHAPES)
@pytest.mark.parametrize("size", [(24, 32), (17, 21)])
def test_outputs_and_input_gradients_are_those_of_the_network(step, changes, trunk, size):
    network = lived_in(step, trunk, **changes)
    folded = fold(network)
    x = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    for task in ("depth", "segmentation"):
        pair = network(x)[task], folded(x)[task]
        torch.testing.assert_close(pair[1], pair[0], rtol=1e-10, atol=1e-12)
        gradients = [torch.autograd.grad(y.pow(2).sum(), x)[0] for y in pair]
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-10, atol=1e-11)


def test_the_network_itself_is_left_as_it_was():
    network = lived_in("imex")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layers, count = list(network.layers), parameter_count(network)
    fold(network)
    assert list(network.layers) == layers
    assert parameter_count(network) == count
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@pytest.mark.parametrize("trunk", SHAPES)
def test_no_normalisation_and_no_trainable_weight_is_left(trunk):
    folded = fold(lived_in("imex", trunk))
    used = [m for name, m in folded.named_modules() if ".step" not in name]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in used)
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_resolvents_are_kept_by_size_and_never_mixed_up():
    network = lived_in("imex")
    folded = fold(network)
    sizes = [(16 + 4 * i, 24) for i in range(SIZES_KEPT + 2)]
    for size in [*sizes, *reversed(sizes)]:
        x = torch.rand(1, 3, *size, dtype=torch.float64)
        with torch.inference_mode():
            expected, y = network(x)["depth"], folded(x)["depth"]
        torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-12)
    steps = [module for module in folded.modules() if isinstance(module, FoldedIMEXStep)]
    assert len(steps) == 3
    assert all(len(step.resolvents) == SIZES_KEPT for step in steps)


def test_met_first_without_gradients_and_then_with_them():
    folded = fold(lived_in("imex"))
    x = torch.rand(1, 3, 16, 24, dtype=torch.float64)
    with torch.inference_mode():
        folded(x)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(folded(x)["depth"][0, 0, 8, 8], x)
    assert gradient[0, :, -1, -1].abs().sum() > 0  # one solve connects all pixels


@pytest.mark.parametrize("trunk", SHAPES)
@pytest.mark.parametrize("step", ["explicit", "imex", "diffusion-reaction"])
def test_features_stay_float32_beside_convolutions_in_bfloat16(step, trunk):
    network = lived_in(step, trunk).float()
    folded = fold(network)
    seen: list[torch.dtype] = []
    for layer in folded.layers:  # but for an encoder, which is convolutions alone
        if not isinstance(layer, Stem | InvertedResidual):
            layer.register_forward_hook(lambda _, __, y: seen.append(y.dtype))
    x = torch.rand(1, 3, 24, 32)
    with torch.inference_mode(), autocast("cpu", torch.bfloat16):
        rough = folded(x)["depth"]
    assert set(seen) == {torch.float32}
    with torch.inference_mode(), autocast("cpu", torch.float32):
        fine = folded(x)["depth"]
    assert 0 < (rough / fine).log().abs().max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_in_bfloat16_scores_are_those_of_float32(trunk, kind):
    """AbsRel, δ1 and accuracy over the rendered kitchens, within 0.002."""
    folded = fold(load_pretrained(ModelSpec("indoor", trunk, kind).name, "cpu"))
    found = []
    for precision in (torch.float32, torch.bfloat16):
        folded.precision = precision
        scores = []
        for room in nyu.read_rooms(KITCHENS, "test"):
            metres, classes = predict_room(folded, room)
            depth, known = depth_scores(metres, room.depth), room.labels > 0
            right = (classes == room.labels)[known].mean()
            scores.append([depth["abs_rel"], depth["delta1"], right])
        found.append(np.mean(scores, axis=0))
    assert 0 < np.abs(found[1] - found[0]).max() < 0.002


def test_an_evaluation_is_in_float32_whatever_the_hardware(monkeypatch):
    """Only what was folded is quicker than exact."""
    monkeypatch.setattr(folding, "has_bfloat16", lambda: True)
    network = lived_in("imex").float()
    x = torch.rand(1, 3, 24, 32)
    with torch.inference_mode():
        assert torch.equal(forward(network, x)[0]["depth"], network(x)["depth"])
        quick, exact = fold(network), forward(network, x)[0]["depth"]
        assert 0 < (forward(quick, x)[0]["depth"] / exact).log().abs().max() < 0.05


@pytest.mark.parametrize("step", ["explicit", "imex", "diffusion-reaction"])
def test_folded_on_its_device(step):
    with torch.device("meta"):
        network = build(ModelConfig(**{**BASE.__dict__, "step": step})).eval()
        y = fold(network)(torch.empty(1, 3, 24, 32))["depth"]
    assert y.device.type == "meta"
    assert y.shape == (1, 1, 24, 32)
