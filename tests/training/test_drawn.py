"""Rods and paths from the command line: drawn, trained on, scored against length, predicted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from imexnet.cli.main import main as command_line
from imexnet.data.drawn import Drawn, write_folder
from imexnet.data.sequences import DRAW
from imexnet.evaluation import evaluate_drawn, score_drawn
from imexnet.inference import input_size
from imexnet.models.checkpoints import load, load_pretrained, read
from imexnet.models.config import MODELS, Stage
from imexnet.models.networks import Network, build
from imexnet.models.tasks import TASKS
from imexnet.training import tasks
from imexnet.training.recipes import recipe
from imexnet.training.tasks import DrawnTask

FAMILIES = ["rods", "paths"]


class Knows(Network):
    """Answers the truth of the picture that it is shown, but for the objects in `wrong`."""

    def __init__(self, family: str, drawn: list[Drawn], wrong: set[tuple[int, int]]) -> None:
        super().__init__(MODELS[f"{family}-resnet"])
        self.drawn, self.wrong, self.family = drawn, wrong, family

    def forward(self, picture):
        grey = (picture[0, 0] * 255).round().byte().numpy()
        (number,) = [i for i, d in enumerate(self.drawn) if np.array_equal(d.picture, grey)]
        label = torch.from_numpy(self.drawn[number].label).long()
        for picture_number, k in self.wrong:
            if picture_number == number:
                inside = torch.from_numpy(self.drawn[number].objects == k)
                label[inside] = label[inside] % 2 + 1  # another class
        classes = len(TASKS[self.family].classes)
        return {
            self.family: torch.nn.functional.one_hot(label, classes).movedim(-1, 0)[None].float()
        }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [64, 96])
def test_objects_are_scored_one_by_one_against_their_length(family, size):
    drawn = [DRAW[family](2, index, size) for index in range(6)]
    network = Knows(family, drawn, {(0, 1), (3, 2)}).eval()
    confusion, objects = score_drawn(network, family, drawn)
    assert confusion.sum() == 6 * size**2
    wrong = [one for one in objects if not one.right]
    assert [(one.picture, one.length) for one in wrong] == [
        (0, drawn[0].lengths[0]),
        (3, drawn[3].lengths[1]),
    ]
    assert all(one.accuracy == (0 if one in wrong else 1) for one in objects)
    scores = evaluate_drawn(network, family, drawn)
    count = sum(len(d.lengths) for d in drawn)
    assert scores["objects"] == count and scores["objects_right"] == (count - 2) / count
    covered = sum((d.objects > 0).sum() for d in drawn)
    lost = (drawn[0].objects == 1).sum() + (drawn[3].objects == 2).sum()
    assert scores["object_accuracy"] == pytest.approx(1 - lost / covered)
    bins = scores["by_length"]
    assert sum(one["objects"] for one in bins) == count
    assert bins[0]["from"] == min(n for d in drawn for n in d.lengths)
    assert bins[-1]["to"] == max(n for d in drawn for n in d.lengths)
    missed = sum(one["objects"] * (1 - one["right"]) for one in bins if one["objects"])
    assert missed == pytest.approx(2)


def test_noise_is_the_same_for_all_networks_and_a_bad_one_is_refused():
    drawn = [DRAW["rods"](0, 0, 64)]
    seen = []
    network = build(MODELS["rods-resnet"]).eval()
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    for seed in (3, 3, 4):
        score_drawn(network, "rods", drawn, 0.1, seed)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    clean = torch.from_numpy(drawn[0].picture[None, None] / 255).float()
    inner = (clean > 0.2) & (clean < 0.6)  # far from the ends of the scale
    assert (seen[0] - clean)[inner].std().item() == pytest.approx(0.1, rel=0.05)
    assert seen[0].min() >= 0 and seen[0].max() <= 1
    for noise in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="the noise must be finite and not negative"):
            score_drawn(network, "rods", drawn, noise)


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_see_such_pictures_at_their_own_size(family):
    config = MODELS[f"{family}-imexnet"]
    assert input_size((96, 96), config) == (96, 96)
    assert input_size((256, 256), config) == (256, 256)
    assert input_size((257, 257), config) == (64, 64)
    assert input_size((128, 128), MODELS["qtips-imexnet"]) == (64, 64)


def test_weights_that_do_not_come_with_the_package_are_named(tmp_path, capsys):
    words = "no weights of paths-imexnet-bounded come with the package; train them with `python -m "
    with pytest.raises(ValueError, match=words):
        load_pretrained("paths-imexnet-bounded")
    picture = tmp_path / "picture.png"
    Image.fromarray(DRAW["paths"](0, 0, 64).picture).save(picture)
    for command in (
        ["evaluate", "paths", "--model", "imexnet", "--json"],
        ["predict", str(picture), "--task", "paths", "--model", "imexnet", "--out", str(tmp_path)],
    ):
        with pytest.raises(SystemExit) as ended:
            command_line([*command, "--bounded"])
        told = capsys.readouterr()
        assert (ended.value.code, told.out) == (2, "")
        assert words in told.err and told.err.count("\n") == 1


@pytest.mark.training
@pytest.mark.parametrize("family", FAMILIES)
def test_from_drawing_to_prediction(family, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tasks, "VALIDATED", 3)
    small = replace(MODELS[f"{family}-imexnet"], stages=(Stage(4, 1, 1),))
    monkeypatch.setitem(MODELS, f"{family}-imexnet", small)
    folder, weights = tmp_path / "pictures", tmp_path / "small.safetensors"
    command_line(["draw", family, "--count", "5", "--out", str(folder), "--seed", "3"])
    assert "5 pictures written" in capsys.readouterr().out
    kept = np.asarray(Image.open(folder / "labels" / "00002.png"))
    assert np.array_equal(kept, DRAW[family](3, 2, 64).label)

    train = ["train", family, "--model", "imexnet", "--epochs", "1", "--images", "16"]
    command_line([*train, "--size", "72x72", "--out", str(weights)])
    printed = json.loads(capsys.readouterr().out)
    assert printed["images"] == 3 and len(printed["by_length"]) == 6
    card, _ = read(weights)
    assert card.config.size == (72, 72) and card.config.reach == (0.5, 16.0)
    assert card.training["command"] == (
        f"python -m imexnet train {family} --model imexnet --images 16 --size 72x72 --seed 0 "
        "--epochs 1 --out small.safetensors"
    )

    evaluate = ["evaluate", family, "--model", "imexnet", "--weights", str(weights), "--json"]
    with pytest.raises(SystemExit):
        command_line([*evaluate, "--bounded"])
    assert "small.safetensors holds no bounded network" in capsys.readouterr().err
    command_line([*evaluate, "--images", "2", "--size", "80", "--noise", "0.05"])
    fresh = json.loads(capsys.readouterr().out)
    expected = [DRAW[family](0, index, 80) for index in range(2)]
    assert fresh["objects"] == sum(len(d.lengths) for d in expected)
    again = evaluate_drawn(load(weights, "cpu"), family, expected, 0.05)
    assert fresh["iou"] == again["iou"] and fresh["by_length"] == again["by_length"]
    command_line([*evaluate, "--data", str(folder)])
    given = json.loads(capsys.readouterr().out)
    assert given["images"] == 5 and not given.keys() & {"objects", "objects_right", "by_length"}

    weights.unlink()
    command_line([*train, "--out", str(weights)])
    capsys.readouterr()
    picture = folder / "images" / "00001.png"
    predict = ["predict", str(picture), "--task", family, "--out", str(tmp_path / "out")]
    command_line([*predict, "--model", "imexnet", "--weights", str(weights)])
    values = np.load(tmp_path / "out" / f"00001-imexnet-{family}.npy")
    assert values.shape == (64, 64) and values.max() < len(TASKS[family].classes)
    with pytest.raises(SystemExit):
        command_line([*predict, "--weights", str(weights)])
    assert "--weights is of one network" in capsys.readouterr().err


@pytest.mark.training
@pytest.mark.parametrize("family", FAMILIES)
def test_a_bounded_network_is_trained_and_evaluated(family, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tasks, "VALIDATED", 2)
    name = f"{family}-imexnet-bounded"
    monkeypatch.setitem(MODELS, name, replace(MODELS[name], stages=(Stage(4, 1, 1),)))
    weights, drawn = tmp_path / "bounded.safetensors", ["--images", "16"]
    words = [family, "--model", "imexnet", "--bounded"]
    command_line(["train", *words, *drawn, "--epochs", "1", "--out", str(weights)])
    card, _ = read(weights)
    assert card.config == MODELS[name] and card.config.bound == "nonexpansive"
    assert " --bounded " in card.training["command"]
    capsys.readouterr()
    command_line(["evaluate", *words, *drawn, "--weights", str(weights), "--json"])
    assert json.loads(capsys.readouterr().out)["images"] == 16


@pytest.mark.parametrize("family", FAMILIES)
def test_every_picture_of_a_training_is_new_and_none_is_evaluated(family):
    config = recipe(f"{family}-imexnet", images=4)
    task = DrawnTask(config, (64, 64))
    first, targets = task.batch(0, torch.arange(4))
    second, _ = task.batch(1, torch.arange(4))
    assert first.shape == (4, 1, 64, 64) and targets[family].shape == (4, 64, 64)
    labels = [DRAW[family](tasks.TRAINING_STREAM, index, 64).label for index in range(1, 5)]
    assert np.array_equal(targets[family], labels)
    evaluated = [DRAW[family](0, index, 64).label for index in range(8)]
    assert not any(np.array_equal(a, b) for a in labels for b in evaluated)
    assert not torch.equal(first, second)
    logits = torch.zeros(4, len(TASKS[family].classes), 64, 64)
    assert task.loss({family: logits}, targets).item() == pytest.approx(np.log(logits.shape[1]))


def test_a_folder_of_pictures_of_another_size_is_told_before_training(tmp_path):
    write_folder(tmp_path, (DRAW["rods"](0, index, 96) for index in range(2)))
    with pytest.raises(ValueError, match="have 96x96 pixels, not 64x64"):
        DrawnTask(recipe("rods-imexnet"), (64, 64), tmp_path)
    assert DrawnTask(recipe("rods-imexnet"), (96, 96), tmp_path).images == 2


@pytest.mark.parametrize(
    ("size", "words"),
    [((64, 96), "pictures of rods are square, got 96x64"), ((32, 32), "64 … 256 pixels a side")],
)
def test_a_size_that_rods_do_not_come_in_is_told_before_training(size, words):
    with pytest.raises(ValueError, match=words):
        DrawnTask(recipe("rods-imexnet"), size)
