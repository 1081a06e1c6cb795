"""Arms on every ground, their records per picture, and differences in pairs."""

import csv
import importlib
from functools import partial

import numpy as np
import pytest
import torch
from conftest import ROOT

from imexnet.models.networks import STEPS, build, parameter_count
from imexnet.program import run


@pytest.fixture
def variants(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    record, compare = map(importlib.import_module, ("record_run", "compare_runs"))
    pictures, module = map(importlib.import_module, ("pictures", "variants"))
    monkeypatch.setattr(pictures, "PICTURES", tmp_path / "pictures.csv")
    monkeypatch.setattr(module, "groups", lambda: compare.groups(tmp_path / "runs.csv"))
    for name in ("append", "is_recorded"):
        there = partial(getattr(record, name), runs=tmp_path / "runs.csv")
        monkeypatch.setattr(module, name, there)
    return module


def test_every_kind_of_step_and_every_option_of_reach_is_an_arm(variants):
    for ground in variants.GROUNDS:
        configs = {name: variants.VARIANTS[name].on(ground) for name in variants.TABLE}
        assert {config.step for config in configs.values()} == set(STEPS)
        assert len(set(configs.values())) >= len(configs) - 1  # one differs in its recipe alone
        for name, changes in (
            ("reach", {"reach": (0.5, 16.0)}),
            ("stencils-2", {"stencils": 2}),
            ("stencil-5", {"stencil_size": 5}),
            ("h-range", {"step_size_range": (1 / 16, 64.0)}),
        ):
            assert all(getattr(configs[name], key) == value for key, value in changes.items())
        assert configs["imex"].reach == (1, 1) and configs["imex"].stencils == 1
        steps = [len(configs[name].places) for name in ("imex", "explicit-8")]
        assert steps[1] == 2 * steps[0]


@pytest.mark.parametrize("ground", ["rooms", "rods", "paths", "qtips"])
def test_arms_have_the_parameters_of_the_imexnet_but_for_free_kernels(variants, ground):
    base = parameter_count(build(variants.VARIANTS["imex"].on(ground)))
    for name in variants.TABLE:
        share = parameter_count(build(variants.VARIANTS[name].on(ground))) / base
        if name in ("large-kernel", "global-filter", "explicit-8"):
            assert share > 1.3
        else:
            assert 0.93 < share < 1.27  # two 5×5 stencils on 16 channels are the most


def record(variants, name, seed, ground, right, rate=None, miou=0.5):
    """A run in both files, as `train` leaves it."""
    setting = variants.Setting(ground, None, rate)
    training = {"command": variants.command(name, seed, setting), "seed": seed, "epochs": 16}
    found = {"mean_iou": miou, "pixel_accuracy": 0.9}
    variants.append(variants.row_of(training, found, 1))
    words = variants.command(name, None, setting)
    variants.note(words, seed, dict.fromkeys(("right", "right_noisy", "right_larger"), right))


def test_paired_differences_and_their_interval(variants):
    random = np.random.default_rng(0)
    base = random.uniform(0.2, 0.8, (3, 200))
    gain = random.normal(0.1, 0.05, 200)  # what a picture gains, whatever the seed
    for seed in range(3):
        record(variants, "explicit", seed, "rods", base[seed])
        record(variants, "imex", seed, "rods", base[seed] + gain)
    record(variants, "explicit", 3, "rods", base[0] - 5)  # no seed of the other: not counted
    setting = variants.Setting("rods")
    words = [variants.command(name, None, setting) for name in ("imex", "explicit")]
    mean, low, high = variants.paired(*words, "right")
    assert mean == pytest.approx(gain.mean(), abs=1e-4)
    error = gain.std() / np.sqrt(200)  # of a mean of independent pictures
    assert (low, high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=5e-4)
    assert variants.paired(*words[::-1], "right")[0] == pytest.approx(-mean)
    assert variants.paired(words[0], "python other", "right") is None


def test_the_table_takes_the_rate_that_did_best_and_says_what_lies_behind_it(variants, capsys):
    pictures = np.linspace(0, 1, 50)
    for seed in (0, 1, 2):
        record(variants, "explicit", seed, "rods", pictures, miou=0.4)
        record(variants, "imex", seed, "rods", pictures, rate=0.002, miou=0.8 + seed / 100)
    record(variants, "imex", 0, "rods", pictures, miou=0.9)  # better, but of one seed
    record(variants, "imex", 0, "paths", pictures, miou=0.9)
    variants.main(["table", "--on", "rods"])
    head, _, explicit, imex = capsys.readouterr().out.splitlines()
    titles = [cell.strip() for cell in head.strip("|").split("|")]
    cells = dict(zip(titles, (cell.strip() for cell in imex.strip("|").split("|")), strict=True))
    assert cells["rate"] == "0.002" and cells["seeds"] == "3"
    assert cells["mIoU"] == "0.810 ± 0.010" and cells["parameters"] == "15,124"
    assert cells["right"] == "0.500 ± 0.000"
    assert cells["right − explicit"] == "+0.000 [+0.000, +0.000]"
    assert "| recipe | 3 | 0.400 ± 0.000 |" in explicit
    variants.main(["table", "--on", "paths", "--time"])
    head, _, imex = capsys.readouterr().out.splitlines()
    assert "| ms |" in head and "| recipe |" in imex and "| — |" in imex


def test_a_run_noted_again_replaces_itself(variants, tmp_path):
    for value in (0.25, 0.75):
        variants.note("python a", 0, {"right": [value, value]})
    variants.note("python a", 1, {"right": [0.5, float("nan")]})
    rows = list(csv.DictReader((tmp_path / "pictures.csv").read_text().splitlines()))
    assert [(row["seed"], row["values"]) for row in rows] == [
        ("0", "0.7500 0.7500"),
        ("1", "0.5000 nan"),
    ]
    assert variants.per_picture("python a", "right").keys() == {"0", "1"}


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ((), " --data NYU"),
        (("rooms", 24, 0.002), " --data NYU --epochs 24 --rate 0.002"),
        (("rods", 16), " --on rods"),
        (("paths", 32, 1e-3), " --on paths --epochs 32 --rate 0.001"),
        (("rods", 6, None, 128, 24), " --on rods --size 128 --epochs 6 --after 24"),
    ],
)
def test_a_setting_names_what_is_not_usual(variants, setting, options):
    expected = f"python benchmarks/variants.py train mean{options} --seed 2"
    assert variants.command("mean", 2, variants.Setting(*setting)) == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "rooms need --data, the folder that prepare-nyu writes"),
        ("--on rods --rate -1", "--rate must be positive and finite, got -1"),
        ("--data . --size 128", "--size and --after are for rods and paths"),
    ],
)
def test_bad_words_give_one_line(variants, capsys, words, told):
    with pytest.raises(SystemExit, match="2"):
        run(lambda: variants.main(["train", "imex", *words.split()]), "variants")
    assert capsys.readouterr().err == f"variants: {told}\n"


@pytest.mark.training
@pytest.mark.parametrize("arm", ["dilated", "stencils-2-reach"])
def test_an_arm_on_rods_from_training_to_the_table(variants, tmp_path, monkeypatch, capsys, arm):
    tasks = importlib.import_module("imexnet.training.tasks")
    recipes = importlib.import_module("imexnet.training.recipes")
    monkeypatch.setattr(tasks, "VALIDATED", 3)
    monkeypatch.setattr(variants, "LARGER_PICTURES", 2)
    few = recipes.replace(recipes.RECIPES["rods"], images=16)
    monkeypatch.setitem(recipes.RECIPES, "rods", few)
    words = ["train", arm, "--on", "rods", "--epochs", "1", "--rate", "0.002", "--seed", "0"]
    words += ["--out", str(tmp_path)]
    variants.main(words)
    capsys.readouterr()
    variants.main([*words, "--seed", "0", "1"])
    told = capsys.readouterr().err
    assert told.count("variants: runs.csv has this run already: ") == 1
    rows = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert rows[0]["command"].endswith(f"train {arm} --on rods --epochs 1 --rate 0.002 --seed 0")
    assert rows[0]["abs_rel"] == "nan" and 0 < float(rows[0]["mean_iou"]) < 1
    assert (tmp_path / f"{arm}-rods-1-0.002-1.safetensors").is_file()
    notes = list(csv.DictReader((tmp_path / "pictures.csv").read_text().splitlines()))
    assert [len(note["values"].split()) for note in notes] == [3, 3, 2] * 2
    variants.main(["table", "--on", "rods", "--epochs", "1", "--against", arm])
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.training
def test_a_training_on_larger_pictures_goes_on_from_the_one_before(variants, tmp_path, monkeypatch):
    tasks = importlib.import_module("imexnet.training.tasks")
    recipes = importlib.import_module("imexnet.training.recipes")
    monkeypatch.setattr(tasks, "VALIDATED", 2)
    monkeypatch.setattr(variants, "LARGER_PICTURES", 2)
    few = recipes.replace(recipes.RECIPES["rods"], images=16, learning_rate=1e-8)
    monkeypatch.setitem(recipes.RECIPES, "rods", few)
    words = ["train", "explicit", "--on", "rods", "--epochs", "1", "--out", str(tmp_path)]
    variants.main([*words, "--size", "96", "--after", "1"])
    before, after = (tmp_path / f"explicit-rods-{part}0.safetensors" for part in ("1-", "96-1-1-"))
    old, new = (variants.load(file) for file in (before, after))
    assert old.config.size == (64, 64) and new.config.size == (96, 96)
    torch.testing.assert_close(old.layers[1].conv.weight, new.layers[1].conv.weight)  # hardly moved
    rows = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    assert [row["command"].partition("explicit ")[2] for row in rows] == [
        "--on rods --epochs 1 --seed 0",
        "--on rods --size 96 --epochs 1 --after 1 --seed 0",
    ]


def test_qtips_are_scored_clean_noisy_and_attacked(variants, monkeypatch):
    tasks = importlib.import_module("imexnet.training.tasks")
    monkeypatch.setattr(tasks, "VALIDATED", 3)
    monkeypatch.setattr(variants, "ATTACKED", 2)
    network = build(variants.VARIANTS["midpoint"].on("qtips")).eval()
    drawn = [variants.qtips.qtip(tasks.VALIDATION_STREAM, index)[1].max() for index in range(3)]
    head = network.heads["qtips"]
    assert isinstance(head, torch.nn.Conv2d) and head.bias is not None
    head.bias.data[drawn[0]] = 9  # all is the class of the first
    found = variants.of_qtips(network)
    assert set(found) == set(variants.GROUNDS["qtips"].per_picture)
    assert {name: len(values) for name, values in found.items()} == {
        "right": 3, "right_0.05": 3, "right_0.1": 3, "right_pgd": 2,
    }  # fmt: skip
    expected = [float(kind == drawn[0]) for kind in drawn]
    assert found["right"] == found["right_0.05"] == found["right_0.1"] == expected
    assert found["right_pgd"] == expected[:2] and 0 < sum(expected) < 3
