"""Training: the recipe's parts by hand, exact resume after a kill, several processes."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import Made, made_room
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from imexnet.cli.main import main as command_line
from imexnet.data import qtips
from imexnet.models.checkpoints import load, read, read_tensors, save, write_tensors
from imexnet.models.config import MODELS, Stage
from imexnet.models.networks import STEPS, build
from imexnet.models.steps import ExplicitStep, IMEXStep
from imexnet.stability.bounds import step_bounds
from imexnet.training import augmentation, loop, optimisation, state, tasks
from imexnet.training.loop import fit
from imexnet.training.losses import log_depth_loss
from imexnet.training.optimisation import one_cycle
from imexnet.training.recipes import RECIPES, averaging_decay, recipe
from imexnet.training.tasks import DrawnTask, IndoorTask

ROOT = Path(__file__).parents[2]
QTIPS = ("train", "qtips", "--model", "imexnet", "--images", "64", "--epochs", "3")
SMALL_QTIPS = replace(MODELS["qtips-imexnet"], stages=(Stage(4, 4, 1),))
SMALL_INDOOR = replace(MODELS["indoor-imexnet"], stages=(Stage(4, 4, 2),))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def optimizer() -> torch.optim.Optimizer:
    """Of two parameters, the second of which learns at 0.15 of the rate."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "rate": r} for r in (1.0, 0.15)]
    return torch.optim.SGD(groups, lr=1.0)


def rates(total: int, peak: float, done: int = 0) -> np.ndarray:
    """The learning rates of both parameters in each step that is left, and after the last."""
    steps = optimizer()
    schedule, found = one_cycle(steps, total, peak, done), []
    for _ in range(done, total):
        found.append(schedule.get_last_lr())
        steps.step()
        schedule.step()
    return np.array([*found, schedule.get_last_lr()])


def by_formula(step: int, total: int, peak: float) -> float:
    """Cosine from peak/25 up over the first 30 %, then down to peak/10⁴."""
    rise = max(1, round(0.3 * total))
    if step < rise:
        low, fraction = peak / 25, 1 - step / rise
    else:
        low, fraction = peak / 1e4, (step - rise) / max(1, total - rise)
    return low + (peak - low) * (1 + math.cos(math.pi * fraction)) / 2


@given(st.integers(1, 300), st.floats(1e-5, 1))
@example(1, 0.1)
@example(2, 0.1)
@example(3, 0.1)
@settings(max_examples=30, deadline=None)
def test_learning_rates_of_each_group_are_those_of_the_formula(total, peak):
    expected = np.array([by_formula(step, total, peak) for step in range(total)])
    np.testing.assert_allclose(rates(total, peak)[:-1, 0], expected, rtol=1e-9)
    np.testing.assert_allclose(rates(total, peak)[:-1, 1], 0.15 * expected, rtol=1e-9)


@pytest.mark.parametrize("total", [20, 77, 640])
def test_a_cycle_rises_to_its_peak_and_falls(total):
    found, top = rates(total, 0.1)[:, 0], round(0.3 * total)
    assert found[[0, top, total]] == pytest.approx([0.1 / 25, 0.1, 0.1 / 1e4])
    changes = np.diff(found)
    assert (changes[:top] > 0).all() and (changes[top:] < 0).all()


@pytest.mark.parametrize("done", [1, 5, 6, 7, 19])
def test_a_resumed_cycle_has_the_very_rates_of_the_whole(done):
    assert np.array_equal(rates(20, 4e-3, done), rates(20, 4e-3)[done:])


def test_log_depth_loss_by_hand():
    """Mean of |e|, and half the mean of its differences down and across."""
    e = torch.tensor([[0.1, -0.2, 0.4], [0.0, 0.3, -0.5]])
    true = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    down, across = (0.1 + 0.5 + 0.9) / 3, (0.3 + 0.6 + 0.3 + 0.8) / 4
    loss = log_depth_loss((true * e.exp())[None, None], true[None, None])
    assert loss.item() == pytest.approx(1.5 / 6 + 0.5 * (down + across), rel=1e-5)
    assert log_depth_loss(true[None, None], true[None, None]).item() == 0


def test_log_depth_loss_ignores_unknown_pixels():
    torch.manual_seed(0)
    true, predicted = torch.rand(2, 2, 1, 5, 6) + 0.5
    true[:, :, 1:3, 2] = 0
    other = torch.where(true > 0, predicted, 77.0).requires_grad_()
    loss = log_depth_loss(other, true)
    assert loss.item() == pytest.approx(log_depth_loss(predicted, true).item(), rel=1e-6)
    loss.backward()
    assert other.grad is not None and (other.grad[true == 0] == 0).all()
    assert (other.grad[true > 0] != 0).any()
    assert log_depth_loss(predicted, torch.zeros_like(true)).item() == 0


@pytest.mark.parametrize("task", RECIPES)
def test_both_kinds_are_trained_alike(task):
    names = [task.replace("-bounded", "") + f"-{kind}" for kind in ("resnet", "imexnet")]
    names = [name + "-bounded" * task.endswith("-bounded") for name in names]
    explicit, implicit = (recipe(name, seed=3) for name in names)
    assert replace(explicit, model=implicit.model) == implicit
    assert (explicit.model, explicit.seed) == (names[0], 3)


def test_relit_by_hand():
    torch.manual_seed(0)
    pictures = torch.rand(200, 1, 6, 5)
    found = augmentation.relit(pictures)
    gain = found.std(dim=(1, 2, 3)) / pictures.std(dim=(1, 2, 3))
    lift = (found - pictures).mean(dim=(1, 2, 3))
    assert 0.8 <= gain.min() < 0.82 and 1.18 < gain.max() <= 1.2
    assert -0.1 <= lift.min() < -0.09 and 0.09 < lift.max() <= 0.1
    straight = gain[0] * (pictures[0] - pictures[0].mean()) + found[0].mean()
    torch.testing.assert_close(found[0], straight)


def test_noise_is_uniform_in_its_strength_and_stays_a_picture():
    torch.manual_seed(0)
    grey = torch.full((400, 1, 40, 40), 0.5)
    sigmas = (augmentation.noisy(grey, 0.12) - grey).std(dim=(1, 2, 3))
    assert sigmas.min() < 0.003 and 0.117 < sigmas.max() < 0.125
    assert sigmas.mean() == pytest.approx(0.06, abs=0.005)
    bright = augmentation.noisy(torch.ones(3, 1, 8, 8), 0.5)
    assert bright.max() == 1 and bright.min() < 1
    assert torch.equal(augmentation.noisy(grey, 0), grey)


def test_every_other_picture_is_blurred():
    torch.manual_seed(0)
    impulse = torch.zeros(300, 1, 21, 21)
    impulse[..., 10, 10] = 1
    found = augmentation.blurred(impulse, 1.5)
    changed = (found != impulse).flatten(1).any(dim=1)
    assert 0.4 < changed.float().mean() < 0.6
    assert found.sum(dim=(1, 2, 3)) == pytest.approx(1, abs=1e-5)
    assert torch.equal(augmentation.blurred(impulse, 0), impulse)


def test_upright_is_an_enlarged_part():
    torch.manual_seed(0)
    columns = torch.arange(160.0).expand(2, 1, 120, 160)
    photos, depth, labels, enlarged = tasks.upright(columns, columns, columns)
    assert photos.shape == depth.shape == labels.shape == (2, 1, 160, 120)
    assert enlarged == 4 / 3
    row = photos[0, 0, 50]
    assert row.diff()[1:-1] == pytest.approx(3 / 4, abs=1e-4)  # 90 columns, enlarged to 120
    assert (depth[0, 0, 50] - row).abs().max() <= 0.5


def test_gradients_of_log_depth_on_several_scales():
    e = torch.tensor([[0.1, -0.2, 0.4], [0.0, 0.3, -0.5], [0.2, 0.2, 0.7]])
    true = torch.rand(3, 3) + 1
    both = log_depth_loss((true * e.exp())[None, None], true[None, None], scales=2)
    one = log_depth_loss((true * e.exp())[None, None], true[None, None])
    down, across = (0.1 + 0.3) / 2, (0.3 + 0.5) / 2  # of rows and columns 0 and 2
    assert (both - one).item() == pytest.approx(0.5 * (down + across), rel=1e-4)


def test_edges_of_depth_count_more_by_their_height():
    """A step of ln 1.1 counts 1 + 40 ln 1.1 times, one of ln 4 no more than one of a quarter."""
    true = torch.tensor([[1.0, 1.1, 4.4, 4.4, 0.0]])
    e = torch.tensor([[0.1, 0.3, -0.4, 0.2, 5.0]])
    predicted = true.clamp(min=1) * e.exp()
    plain, weighted = (
        log_depth_loss(predicted[None, None], true[None, None], edge_weight=w).item()
        for w in (0, 40)
    )
    more = 40 * (math.log(1.1) * 0.2 + 0.25 * 0.7) / 3  # the mean over the known pairs
    assert weighted - plain == pytest.approx(0.5 * more, rel=1e-4)


def test_a_network_begins_with_the_weights_of_its_kind_or_of_its_encoder(tmp_path):
    torch.manual_seed(1)
    config = MODELS["indoor-backbone-imexnet"]
    start, other = build(config), build(replace(config, size=(120, 160)))
    path = tmp_path / "start.safetensors"
    write_tensors(path, {}, {k: t.contiguous() for k, t in start.state_dict().items()})
    state.begin_with(other, path)
    assert all(torch.equal(t, start.state_dict()[name]) for name, t in other.state_dict().items())

    twin = build(replace(config, step="explicit"))
    with pytest.raises(ValueError, match="neither of this network nor its encoder"):
        state.begin_with(twin, path)
    encoder = {
        name: torch.full_like(tensor, 2).contiguous()
        for name, tensor in start.state_dict().items()
        if name.startswith("layers.") and int(name.split(".")[1]) < len(config.blocks)
    }
    write_tensors(path, {}, encoder)
    state.begin_with(twin, path)
    assert (twin.layers[0].conv.weight == 2).all()  # pyright: ignore[reportAttributeAccessIssue]
    first = twin.state_dict()[f"layers.{len(config.blocks)}.conv.weight"]
    assert not (first == 2).any()


def test_an_encoder_learns_at_its_own_rate():
    net = build(MODELS["indoor-backbone-resnet"])
    groups = optimisation.parameter_groups(net, 0.05, encoder_rate=0.15)
    rates = {id(p): group["rate"] for group in groups for p in group["params"]}
    named = {name: rates[id(p)] for name, p in net.named_parameters()}
    blocks = len(net.config.blocks)
    inside = {n for n in named if n.startswith("layers.") and int(n.split(".")[1]) < blocks}
    assert {n for n, rate in named.items() if rate == 0.15} == inside
    assert {named[n] for n in named.keys() - inside} == {1.0}


def test_rooms_have_one_recipe_but_for_the_epochs():
    plain, backbone = recipe("indoor-imexnet"), recipe("indoor-backbone-imexnet")
    assert plain == replace(backbone, model=plain.model, epochs=80)


def test_recipes_refuse_what_makes_no_sense():
    for name, value, asked in (
        ("epochs", 0, "positive"), ("images", -1, "positive"), ("learning_rate", 0.0, "positive"),
        ("seed", -1, "0 or more"), ("edge_weight", -0.5, "0 or more"),
        ("edge_weight", math.nan, "finite"), ("learning_rate", math.inf, "finite"),
    ):  # fmt: skip
        words = name.replace("_", " ")
        with pytest.raises(ValueError, match=f"{words} must be {asked}, got {value}"):
            recipe("qtips-resnet", **{name: value})
    with pytest.raises(ValueError, match="no model 'qtips-vit'; there are qtips-resnet"):
        recipe("qtips-vit")
    assert recipe("rods-imexnet", noise=0.1, background=0.5, blur=0) == replace(
        RECIPES["rods"], noise=0.1, background=0.5, blur=0
    )


def test_only_kernels_decay():
    """Decay would pull a stencil to 0, and with it the IMEXNet back to the ResNet."""
    net = build(MODELS["indoor-imexnet"])
    groups = optimisation.parameter_groups(net, 0.05)
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == sum(len(group["params"]) for group in groups)
    named = {name: decay.pop(id(parameter)) for name, parameter in net.named_parameters()}
    assert not decay
    stencils = [name for name in named if name.endswith("stencil")]
    assert len(stencils) == 4 and not any(named[name] for name in stencils)
    kernels = {name for name, value in named.items() if value == 0.05}
    heads = {"heads.depth.weight", "heads.segmentation.weight"}
    assert kernels == {name for name in named if name.endswith("conv.weight")} | heads
    groups = optimisation.parameter_groups(net, 0.05, stencil_decay=0.3)
    (group,) = [group for group in groups if group["weight_decay"] == 0.3]
    assert [p.shape[1:] for p in group["params"]] == [(3, 3)] * 4


@pytest.mark.parametrize("kind", ["mean", "damped"])
def test_what_makes_a_control_another_step_does_not_decay(kind):
    """A factor of each channel, as little as a stencil: decay would make a ResNet of these, too."""
    step = STEPS[kind](4)
    decayed = {
        id(p)
        for group in optimisation.parameter_groups(step, 0.05)
        for p in group["params"]
        if group["weight_decay"]
    }
    assert [name for name, p in step.named_parameters() if id(p) in decayed] == ["conv.weight"]


def test_parameter_groups_hold_every_parameter_of_any_module():
    net = torch.nn.Sequential(IMEXStep(4), torch.nn.Conv3d(4, 4, 3), torch.nn.Linear(4, 4))
    bare = IMEXStep(4, operator="laplacian")
    for module, decayed in ((net, 3), (net[0], 1), (bare, 1)):
        groups = optimisation.parameter_groups(module, 0.1, stencil_decay=0.2)
        found = [id(p) for group in groups for p in group["params"]]
        assert sorted(found) == sorted(id(p) for p in module.parameters())
        counts = {group["weight_decay"]: len(group["params"]) for group in groups}
        assert counts[0.1] == decayed and counts.get(0.2, 0) == (module is not bare)


def test_a_stencil_of_another_module_does_not_decay():
    own = torch.nn.Conv2d(4, 4, 3)
    own.stencil = torch.nn.Parameter(torch.rand(4, 3, 3))
    decay = {
        id(p): g["weight_decay"]
        for g in optimisation.parameter_groups(own, 0.1)
        for p in g["params"]
    }
    assert [decay[id(p)] for p in (own.weight, own.bias, own.stencil)] == [0.1, 0, 0]


def gradient_room(split: str, seed: int) -> Made:
    """Red grows to the right, green downwards; depth and label are functions of the two.

    Depth in metres is 1 + 2 red + green on [0, 1]; the label tells the quarter of the picture.
    """
    rows, columns = np.mgrid[:240, :320]
    red, green = 30 + columns * 0.6, 40 + rows * 0.6
    photo = np.stack([red, green, np.full_like(red, 90 + seed)], -1).round().astype(np.uint8)
    millimetres = 1000 + (2000 * red + 1000 * green) / 255
    label40 = np.array([1, 2, 4, 5], np.uint8)[(columns >= 160) + 2 * (rows >= 120)]
    return Made(split, photo, millimetres.round().astype(np.uint16), label40)


def test_upright_sizes_of_rooms_are_refused_where_batches_are_cut_upright(write_rooms):
    folder = write_rooms([made_room("train", 0), made_room("val", 1)])
    config = recipe("indoor-resnet")
    with pytest.raises(ValueError, match="at least as wide as high, and no strips, got 120x160"):
        IndoorTask(config, (160, 120), folder)
    with pytest.raises(ValueError, match="and no strips, got 320x10"):
        IndoorTask(config, (10, 320), folder)
    IndoorTask(config, (120, 120), folder).batch(0, torch.arange(1))
    lying = IndoorTask(replace(config, portrait=0.0), (160, 120), folder)
    assert lying.batch(0, torch.arange(1))[0].shape == (1, 3, 160, 120)


@pytest.fixture
def indoor(write_rooms):
    rooms = [gradient_room("train", i) for i in range(16)] + [gradient_room("val", 0)]
    return IndoorTask(recipe("indoor-resnet"), (120, 160), write_rooms(rooms))


def test_photo_depth_and_labels_move_together(indoor):
    """Colour still tells depth (but for the zoom) and label after flips, zooms and turns."""
    indoor.colour = torch.nn.Identity()
    indoor.config = replace(indoor.config, portrait=0.0, noise=0.0, blur=0.0)
    torch.manual_seed(0)
    photos, targets = indoor.batch(0, torch.arange(16))
    assert photos.shape == (16, 3, 120, 160) and photos.dtype == torch.float32
    assert targets["depth"].shape == (16, 1, 120, 160)
    assert targets["segmentation"].shape == (16, 120, 160)
    assert targets["segmentation"].dtype == torch.int64
    zooms, flipped = [], 0
    for i in range(16):
        red, green, _ = photos[i].double()
        assert (photos[i] - indoor.photos[i] / 255).abs().mean() > 0.005  # it did move

        classes = torch.tensor([12, 5, 1, 4])  # of wall, floor, bed, chair
        x, y = red - (30 + 160 * 0.6) / 255, green - (40 + 120 * 0.6) / 255
        expected = classes[(x > 0).long() + 2 * (y > 0).long()]
        clear = (x.abs() > 0.015) & (y.abs() > 0.015)
        assert clear.float().mean() > 0.8
        assert torch.equal(targets["segmentation"][i][clear], expected[clear])

        # A zoom by s stretches the ramps of colour by s: measured far from reflected borders.
        slope = (red[50:70, 80] - red[50:70, 60]).mean(), (red[70, 70:90] - red[50, 70:90]).mean()
        flipped += slope[0].item() < 0
        zoom = 20 * 1.2 / 255 / math.hypot(*slope)
        zooms.append(zoom)
        near = (1 + 2 * red + green) / zoom
        assert (targets["depth"][i, 0] / near - 1).abs().median() < 0.02
    assert min(zooms) < 0.85 and max(zooms) > 1.15 and 3 < flipped < 13
    assert abs(np.log(zooms).mean()) < 0.15


def test_colour_changes_only_the_photo_and_stays_in_range(indoor):
    torch.manual_seed(0)
    photos, _ = indoor.batch(0, torch.arange(16))
    assert photos.min() >= 0 and photos.max() <= 1
    blue = photos[:, 2].amax((1, 2)) - photos[:, 2].amin((1, 2))
    assert (blue > 0.02).sum() > 4  # it was constant in each photo


def test_classes_that_never_occur_do_no_harm(indoor):
    """Only 4 of 13 classes are in these rooms."""
    torch.manual_seed(0)
    net = build(MODELS["indoor-resnet"])
    photos, targets = indoor.batch(0, torch.arange(2))
    loss = indoor.loss(net(photos), targets)
    loss.backward()
    assert loss.isfinite()
    gradient = dict(net.named_parameters())["heads.segmentation.weight"].grad
    assert gradient is not None and gradient.isfinite().all() and gradient.abs().max() > 0


def test_unlabelled_pixels_do_not_count(indoor):
    torch.manual_seed(0)
    indoor.weights = torch.ones(13)
    outputs = {"depth": torch.rand(2, 1, 8, 8) + 1, "segmentation": torch.randn(2, 13, 8, 8)}
    classes = torch.tensor([12, 5, 1, 4])[torch.randint(0, 4, (2, 8, 8))]
    targets = {"depth": torch.ones(2, 1, 8, 8), "segmentation": classes}
    targets["segmentation"][:, :4] = 0
    other = outputs["segmentation"].clone()
    other[:, :, :4] = 50
    first = indoor.loss(outputs, targets)
    assert first.item() == indoor.loss({**outputs, "segmentation": other}, targets).item()
    other[:, :, 4:] = 50 * torch.randn(2, 13, 4, 8)
    assert first.item() != indoor.loss({**outputs, "segmentation": other}, targets).item()


def test_every_epoch_brings_fresh_qtips_of_its_own_stream():
    clean = replace(recipe("qtips-resnet", images=8), noise=0.0, blur=0.0)
    task = DrawnTask(clean, (64, 64))
    batches = [task.batch(epoch, torch.arange(8)) for epoch in (0, 0, 1)]
    pictures, targets = batches[0]
    assert pictures.shape == (8, 1, 64, 64) and targets["qtips"].shape == (8, 64, 64)
    assert pictures.max() == 1 and targets["qtips"].dtype == torch.int64
    assert torch.equal(pictures, batches[1][0])
    assert not any(torch.equal(a, b) for a in pictures for b in batches[2][0])


@pytest.mark.training
def test_qtips_of_a_folder_are_all_seen_in_every_epoch(tmp_path, monkeypatch, capsys):
    pictures, labels = qtips.qtips(7, range(20))
    for part, arrays in (("images", pictures), ("labels", labels)):
        (tmp_path / part).mkdir()
        for i, array in enumerate(arrays):
            Image.fromarray(array).save(tmp_path / part / f"{i:02d}.png")
    clean = replace(recipe("qtips-resnet"), noise=0.0, blur=0.0)
    task = DrawnTask(clean, (64, 64), tmp_path)
    assert task.images == 20
    for epoch in (0, 1):
        x, targets = task.batch(epoch, torch.arange(19, -1, -1))
        np.testing.assert_array_equal(x[:, 0] * 255, pictures[::-1])
        np.testing.assert_array_equal(targets["qtips"], labels[::-1])
    monkeypatch.setattr(DrawnTask, "validate", lambda self, network: {"mean_iou": 0.25})
    out = tmp_path / "net.safetensors"
    words = ["imexnet", "train", "qtips", "--model", "resnet", "--data", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*words, "--epochs", "1", "--out", str(out)])
    command_line()
    assert "--model resnet --data QTIPS --seed 0" in read(out)[0].training["command"]
    monkeypatch.setattr(sys, "argv", [*words, "--images", "4", "--out", str(out)])
    with pytest.raises(SystemExit) as end:
        command_line()
    assert end.value.code == 2
    assert "--images counts fresh pictures" in capsys.readouterr().err


def tensors_equal(a: Path, b: Path) -> bool:
    first, second = read_tensors(a)[1], read_tensors(b)[1]
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.training
def test_a_seed_determines_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(DrawnTask, "validate", lambda self, network: {"mean_iou": 0.25})
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(len(files))  # whatever was drawn before
        files.append(tmp_path / f"{name}.safetensors")
        config = recipe("qtips-imexnet", seed=seed, epochs=1, images=32)
        assert fit(config, files[-1], architecture=SMALL_QTIPS) == {"mean_iou": 0.25}
        card, _ = read(files[-1])
        assert card.metrics == {"mean_iou": 0.25}
        assert card.training["seed"] == seed and "--model imexnet" in card.training["command"]
    assert tensors_equal(files[0], files[1]) and not tensors_equal(files[0], files[2])
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in files)


def test_calibration_takes_norms_and_the_mean_of_depth_from_photos_as_they_are(indoor):
    torch.manual_seed(0)
    network = build(SMALL_INDOOR)
    norm = next(part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d))
    means: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, x: means.append(x[0].mean((0, 2, 3))))
    network.heads["depth"].get_parameter("bias").data.add_(1)
    indoor.depth[:, :, :10] = 0  # unknown
    indoor.calibrate(network)
    network.eval()
    torch.testing.assert_close(norm.running_mean, means[0])  # one batch holds all 16 rooms
    with torch.no_grad():
        predicted = network(indoor.photos / 255)["depth"]
    known = indoor.depth > 0
    assert (predicted / indoor.depth)[known].log().mean().abs() < 1e-5


@pytest.mark.training
def test_an_indoor_network_is_trained_on_train_and_scored_on_val(tmp_path, write_rooms):
    splits = ["train"] * 4 + ["val"] + ["test"] * 2
    folder = write_rooms([made_room(split, seed) for seed, split in enumerate(splits)])
    config = replace(recipe("indoor-imexnet", epochs=1), batch=2)
    metrics = fit(config, tmp_path / "net.safetensors", folder, architecture=SMALL_INDOOR)
    assert metrics is not None and metrics["images"] == 1
    assert all(math.isfinite(value) for value in metrics["depth"].values())
    header = json.dumps(read_tensors(tmp_path / "net.safetensors")[0])
    assert str(tmp_path) not in header  # no folder of this machine
    torch.manual_seed(config.seed)
    fresh = build(SMALL_INDOOR).state_dict()
    trained = load(tmp_path / "net.safetensors", "cpu").state_dict()
    assert all(value.isfinite().all() for value in trained.values())
    assert not any(torch.equal(fresh[name], value) for name, value in trained.items())


@pytest.mark.training
@pytest.mark.parametrize("kind", [pytest.param("resnet", marks=pytest.mark.slow), "imexnet"])
def test_the_backbone_is_trained_and_evaluated_from_the_command_line(
    kind, tmp_path, write_rooms, capsys, monkeypatch
):
    splits = ["train"] * 16 + ["val"]
    folder = write_rooms([made_room(split, seed) for seed, split in enumerate(splits)])
    out = tmp_path / "net.safetensors"
    words = ["--model", kind, "--trunk", "backbone", "--data", str(folder)]

    def imexnet(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["imexnet", *arguments])
        command_line()
        return capsys.readouterr().out

    trained = json.loads(
        imexnet("train", "indoor", *words, "--epochs", "1", "--seed", "4", "--out", str(out),
            "--learning-rate", "0.002", "--size", "160x120", "--edge-weight", "7.5")
    )  # fmt: skip
    card, _ = read(out)
    assert card.config == replace(MODELS[f"indoor-backbone-{kind}"], size=(120, 160))
    assert card.training["edge_weight"] == 7.5
    assert card.training["command"] == (
        f"python -m imexnet train indoor --model {kind} --trunk backbone --data NYU "
        "--learning-rate 0.002 --edge-weight 7.5 --size 160x120 --seed 4 "
        "--epochs 1 --out net.safetensors"
    )
    scores = json.loads(imexnet("evaluate", "indoor", *words, "--weights", str(out), "--json"))
    assert scores["depth"] == pytest.approx(trained["depth"], rel=1e-5)
    assert scores["parameters"] == {"resnet": 1_566_894, "imexnet": 1_571_502}[kind]
    for command in ("train", "evaluate"):
        with pytest.raises(SystemExit) as end:
            imexnet(command, "indoor", "--model", kind, "--trunk", "unet", "--data", "x",
                    *(["--out", "y"] if command == "train" else []))  # fmt: skip
        assert end.value.code == 2
        assert "--trunk must be one of plain, backbone, got 'unet'" in capsys.readouterr().err


@pytest.mark.training
@pytest.mark.parametrize("step", ["explicit", "imex"])
def test_a_bounded_network_is_trained_resumed_and_amplifies_nothing(step, tmp_path, monkeypatch):
    """Two epochs at a high rate: the bound holds, and a resumed training ends at the same bits."""
    architecture = replace(
        MODELS["qtips-resnet-bounded"], step=step, stages=(Stage(4, 4, 2), Stage(4, 1, 2))
    )
    name = "qtips-resnet-bounded" if step == "explicit" else "qtips-imexnet-bounded"
    config = replace(recipe(name, epochs=2, images=32), learning_rate=0.3, average=0.1)
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    monkeypatch.setattr(DrawnTask, "validate", lambda *_: {})
    fit(config, whole, architecture=architecture)
    with monkeypatch.context() as patch:
        save_state = loop._save_state
        patch.setattr(loop, "_save_state", lambda *given: (save_state(*given), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            fit(config, parted, architecture=architecture)
    fit(config, parted, architecture=architecture, resume=True)
    network, other = load(whole, "cpu"), load(parted, "cpu")
    assert all(torch.equal(a, other.state_dict()[n]) for n, a in network.state_dict().items())
    assert (
        read(whole)[0]
        .training["command"]
        .startswith(f"python -m imexnet train qtips --model {name.split('-')[1]} --bounded")
    )
    x = torch.rand(1, 1, 64, 64)
    assert all(bound.nonexpansive for bound in step_bounds(network, x))
    steps = [layer for layer in network.layers if isinstance(layer, ExplicitStep)]
    assert max(float(layer.excess) for layer in steps) > 1  # the training went against it
    if step == "imex":
        first, second = steps[:2]
        assert isinstance(first, IMEXStep) and isinstance(second, IMEXStep)
        assert torch.equal(first.stencil, second.stencil)
    before, change = torch.rand(2, 1, 4, 16, 16)
    for size in (1e-3, 1.0, 30.0):
        y, z = before, before + size * change
        for layer in steps[:2]:  # one stage
            y, z = layer(y), layer(z)
            assert (z - y).norm() <= (1 + 1e-6) * (size * change).norm()


@pytest.mark.training
def test_another_architecture(tmp_path, write_rooms):
    folder = write_rooms([made_room(s, i) for i, s in enumerate(["train", "train", "val"])])
    wanted = replace(SMALL_INDOOR, stencil_size=5, boundary="mirrored")
    config = replace(recipe("indoor-imexnet", epochs=1), batch=2)
    fit(config, tmp_path / "net.safetensors", folder, architecture=wanted)
    card, tensors = read(tmp_path / "net.safetensors")
    assert card.config == wanted
    assert {t.shape[1:] for name, t in tensors.items() if "stencil" in name} == {(5, 5)}
    other = replace(config, epochs=2)
    out = tmp_path / "other.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IndoorTask, "validate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit(other, out, folder, architecture=wanted)
    with pytest.raises(ValueError, match="belongs to another recipe: its architecture"):
        fit(other, out, folder, resume=True)


@pytest.mark.training
def test_an_unfinished_run_from_before_newer_options_is_resumed(tmp_path, monkeypatch):
    """Its header lacks them; a size, a tuple here, is a list there."""
    small = SMALL_QTIPS
    config = replace(recipe("qtips-imexnet", epochs=2, images=32), size=(64, 64))
    out, unfinished = tmp_path / "net.safetensors", tmp_path / "net.training.safetensors"
    monkeypatch.setattr(DrawnTask, "validate", lambda *_: {})
    fit(config, tmp_path / "whole.safetensors", architecture=small)
    with monkeypatch.context() as patch:
        save_state = loop._save_state
        patch.setattr(loop, "_save_state", lambda *given: (save_state(*given), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            fit(config, out, architecture=small)
    header, tensors = read_tensors(unfinished)
    for name in ("bound", "stencils", "step_size_range", "dilations", "lengths", "largest"):
        del header["architecture"][name]
    write_tensors(unfinished, header, tensors)
    for other in (replace(small, bound="nonexpansive"), replace(small, stencils=2)):
        with pytest.raises(ValueError, match="belongs to another recipe: its architecture"):
            fit(config, out, architecture=other, resume=True)
    later = header | {"config": header["config"] | {"option of a later version": 1}}
    write_tensors(unfinished, later, tensors)
    with pytest.raises(ValueError, match=r"net.training.safetensors is no state of a training of"):
        fit(config, out, architecture=small, resume=True)
    write_tensors(unfinished, header, tensors)
    fit(config, out, architecture=small, resume=True)
    assert tensors_equal(out, tmp_path / "whole.safetensors")


@pytest.mark.training
def test_a_resumed_run_keeps_its_command_and_needs_no_weights_to_begin_with(tmp_path, monkeypatch):
    config = replace(recipe("qtips-imexnet", epochs=2, images=32), batch=16)
    out, begin = tmp_path / "net.safetensors", tmp_path / "begin.safetensors"
    save(build(SMALL_QTIPS), begin, {}, {})
    monkeypatch.setattr(DrawnTask, "validate", lambda *_: {})
    with monkeypatch.context() as patch:
        save_state = loop._save_state
        patch.setattr(loop, "_save_state", lambda *given: (save_state(*given), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            fit(config, out, architecture=SMALL_QTIPS, start_from=begin)
    begin.unlink()
    fit(config, out, architecture=SMALL_QTIPS, resume=True)
    assert "--start-from begin.safetensors" in read(out)[0].training["command"]


@pytest.mark.training
def test_rendered_rooms_are_seen_besides_the_photos(tmp_path, write_rooms):
    """An epoch passes once over both; the scores are those of the photos of val."""
    nyu = write_rooms([made_room(split, i) for i, split in enumerate(["train"] * 4 + ["val"])])
    made = write_rooms([made_room("train", i) for i in range(10, 13)], "made")
    config = replace(recipe("indoor-resnet", epochs=1), batch=7)
    alone = IndoorTask(config, (120, 160), nyu)
    both = IndoorTask(config, (120, 160), nyu, made)
    only = IndoorTask(config, (120, 160), nyu, nyu)
    assert (alone.images, both.images, only.images) == (4, 7, 8)
    assert len(both.validation) == 1
    assert torch.equal(both.weights, alone.weights)
    for name in ("photos", "depth", "labels"):
        values, photos = getattr(both, name), getattr(alone, name)
        assert torch.equal(values[:4], photos) and len(values) == 7
        assert not any(torch.equal(values[i], photo) for i in (4, 5, 6) for photo in photos)
    seen = []
    batch = IndoorTask.batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            IndoorTask, "batch", lambda s, e, i: seen.extend(i.tolist()) or batch(s, e, i)
        )
        small = replace(SMALL_INDOOR, step="explicit")
        out = tmp_path / "net.safetensors"
        metrics = fit(config, out, nyu, rendered=made, architecture=small)
    assert sorted(seen) == list(range(7)) and metrics is not None and metrics["images"] == 1
    command = read(tmp_path / "net.safetensors")[0].training["command"]
    assert "--data NYU --rendered KITCHENS" in command and str(tmp_path) not in command


@pytest.mark.training
def test_what_is_missing_is_said_before_anything_is_written(tmp_path):
    out = tmp_path / "net.safetensors"
    with pytest.raises(ValueError, match="need --data, the folder that prepare-nyu writes"):
        fit(recipe("indoor-resnet"), out)
    with pytest.raises(ValueError, match=r"has no index\.csv"):
        fit(recipe("indoor-resnet"), out, tmp_path)
    with pytest.raises(ValueError, match="12 images are less than one batch of 16"):
        fit(recipe("qtips-resnet", images=12), out)
    assert not any(tmp_path.iterdir())


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    """A command of ours to its end."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=240, **options
    )


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed in the middle of its second epoch: the file that it should write."""
    out = tmp_path_factory.mktemp("killed") / "net.safetensors"
    log = out.with_name("log")
    command = [sys.executable, "-m", "imexnet", *QTIPS, "--out", str(out)]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=stderr)
    limit = time.monotonic() + 200
    while not re.search(r"epoch 2/3: +(25|50|75)%", log.read_text()):
        assert process.poll() is None and time.monotonic() < limit, log.read_text()
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9
    state = out.with_name("net.training.safetensors")
    assert read_tensors(state)[0]["epoch"] == 1 and not out.exists()
    return out


@pytest.mark.training
def test_an_unfinished_run_is_not_overwritten(killed, capsys):
    state = killed.with_name("net.training.safetensors")
    before = state.read_bytes()
    with pytest.raises(SystemExit) as end:
        command_line([*QTIPS, "--out", str(killed)])
    printed, told = capsys.readouterr()
    assert (end.value.code, printed, told.count("\n")) == (2, "", 1)
    assert "net.training.safetensors is an unfinished run: use --resume" in told
    other = recipe("qtips-imexnet", seed=1, epochs=3, images=64)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        fit(other, killed, resume=True)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        fit(replace(other, seed=0, model="qtips-resnet"), killed, resume=True)
    with pytest.MonkeyPatch.context() as patch:  # the same recipe on a data set of another size
        patch.setattr(loop, "make_task", lambda *_: SimpleNamespace(images=32))
        with pytest.raises(ValueError, match="another recipe: its images: 64"):
            fit(replace(other, seed=0), killed, resume=True)
    assert state.read_bytes() == before and not killed.exists()


@pytest.mark.training
def test_a_resumed_run_ends_at_the_same_bits(killed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tasks, "VALIDATED", 8)
    whole, out = tmp_path / killed.name, tmp_path / "resumed" / killed.name
    shutil.copytree(killed.parent, out.parent)
    command_line([*QTIPS, "--out", str(out), "--resume"])
    resumed, told = capsys.readouterr()
    assert "epoch 1/3" not in told and "epoch 2/3" in told
    command_line([*QTIPS, "--out", str(whole)])
    assert tensors_equal(out, whole)
    assert json.loads(resumed) == json.loads(capsys.readouterr().out)
    assert read(out)[0] == read(whole)[0]
    assert not out.with_name("net.training.safetensors").exists()


@pytest.mark.slow
def test_two_processes_share_each_batch(tmp_path):
    """`accelerate launch` trains as two processes of torchrun do, and only the first reports."""
    launchers = {
        "accelerate": (
            "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 "
            "--mixed_precision no --dynamo_backend no"
        ),
        "torchrun": (
            "torch.distributed.run --standalone --nproc_per_node 2 "
            f"--redirects 3 --log-dir {tmp_path / 'logs'}"
        ),
    }
    trained = {}
    for name, launcher in launchers.items():
        out = tmp_path / name / "net.safetensors"
        answer = run(
            *f"{launcher} -m imexnet train qtips --model imexnet --images 32".split(),
            *("--epochs", "1", "--out", str(out)),
        )
        assert answer.returncode == 0, answer.stderr
        if name == "accelerate":
            assert json.loads(answer.stdout)["images"] == 256
        assert os.listdir(out.parent) == [out.name]
        trained[name] = load(out, "cpu").state_dict()
    printed = [path.read_text() for path in sorted((tmp_path / "logs").rglob("stdout.log"))]
    assert len(printed) == 2
    assert json.loads(printed[0])["images"] == 256
    assert printed[1] == ""
    torch.manual_seed(0)
    fresh = build(MODELS["qtips-imexnet"]).state_dict()
    for key, value in trained["accelerate"].items():
        assert torch.equal(value, trained["torchrun"][key])
        assert value.isfinite().all()
        assert not torch.equal(value, fresh[key])


def test_averaged_weights_span_at_most_a_third_of_the_training():
    config = recipe("qtips-imexnet", epochs=60)
    assert averaging_decay(config, 1024) == 0.995
    assert averaging_decay(replace(config, epochs=3), 704) == pytest.approx(1 - 3 / 132)
    assert averaging_decay(replace(config, epochs=1), 16) == 0.0  # the last weights alone
