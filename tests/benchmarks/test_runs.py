"""The record of trainings: rows from checkpoints, each once, and their spread over seeds."""

import csv
import importlib
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import made_room

from imexnet.models.checkpoints import read, save
from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.program import run

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HEADER = (
    "date,commit,command,seed,epochs,abs_rel,rmse,delta1,mean_iou,pixel_accuracy,"
    "kitchens_abs_rel,minutes"
)


@pytest.fixture
def record_run(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("record_run")


@pytest.fixture
def compare_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("compare_runs")


def command(kind: str, seed: int) -> str:
    return (
        f"python -m imexnet train indoor --model {kind} --data NYU --seed {seed} --epochs 5 "
        f"--out {kind}-{seed}.safetensors"
    )


def trained(folder: Path, kind: str, seed: int, abs_rel: float, kitchens: bool = True) -> Path:
    """A checkpoint whose header says how it was trained and how it scored."""
    scores = {
        "depth": {"abs_rel": abs_rel, "rmse": 1.25, "delta1": 0.5},
        "segmentation": {"mean_iou": 0.2, "pixel_accuracy": 0.45678},
    }
    apart = {"depth": {"abs_rel": 2 * abs_rel}} if kitchens else None
    path = folder / f"{kind}-{seed}.safetensors"
    training = {"command": command(kind, seed), "seed": seed, "epochs": 5}
    torch.manual_seed(seed)
    network = build(MODELS[f"indoor-{kind}"])
    save(network, path, training, {**scores, "kitchens": apart})
    return path


def test_the_record_has_the_columns_of_the_script(record_run):
    assert ",".join(record_run.COLUMNS) == HEADER
    assert (BENCHMARKS / "runs.csv").read_text().splitlines()[0] == HEADER


def test_a_row_says_what_the_header_says(record_run, tmp_path):
    runs = tmp_path / "runs.csv"
    record_run.append(record_run.row(trained(tmp_path, "resnet", 3, 0.31), 12.6), runs)
    record_run.append(record_run.row(trained(tmp_path, "imexnet", 3, 0.3, False), 9), runs)
    assert runs.read_text().splitlines()[0] == HEADER
    first, second = csv.DictReader(runs.read_text().splitlines())
    assert first["command"] == command("resnet", 3)
    assert first["minutes"] == "13" and first["commit"] and first["date"].count("-") == 2
    names = HEADER.split(",")[3:-1]
    expected = ["3", "5", "0.3100", "1.2500", "0.5000", "0.2000", "0.4568", "0.6200"]
    assert [first[name] for name in names] == expected
    assert second["command"] == command("imexnet", 3) and second["kitchens_abs_rel"] == "nan"


def test_a_run_is_recorded_once(record_run, tmp_path):
    runs, path = tmp_path / "runs.csv", trained(tmp_path, "resnet", 0, 0.31)
    record_run.append(record_run.row(path, 10), runs)
    before = runs.read_bytes()
    with pytest.raises(ValueError, match=r"runs\.csv has this run already: python -m imexnet"):
        record_run.append(record_run.row(path, 11), runs)
    assert runs.read_bytes() == before
    record_run.append(record_run.row(trained(tmp_path, "resnet", 0, 0.32), 10), runs)
    assert len(runs.read_text().splitlines()) == 3
    assert {file.name for file in tmp_path.iterdir()} == {"runs.csv", path.name}


def test_a_record_that_a_spreadsheet_saved_is_read_and_goes_on(
    record_run, compare_runs, tmp_path, capsys
):
    runs, path = tmp_path / "runs.csv", trained(tmp_path, "resnet", 0, 0.31)
    record_run.append(record_run.row(path, 10), runs)
    head, row = runs.read_text().splitlines()
    german = row.replace(",", ";").replace(".", ",").replace("0,3100", "0,31")
    german = german.replace("safetensors", "net").replace(",net", ".safetensors")
    runs.write_text(f"{head.replace(',', ';')};Notes\n{german};best\n", "utf-8-sig")
    compare_runs.main(runs)
    assert "abs_rel           0.3100" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"runs\.csv has this run already"):
        record_run.append(record_run.row(path, 10), runs)
    record_run.append(record_run.row(trained(tmp_path, "resnet", 1, 0.32), 10), runs)
    rows = list(csv.DictReader(runs.read_text().splitlines()))
    assert [row["notes"] for row in rows] == ["best", ""]


def test_bad_input_gives_one_line_and_changes_nothing(record_run, tmp_path, capsys):
    before = (BENCHMARKS / "runs.csv").read_bytes()
    net = tmp_path / "qtips.safetensors"
    save(build(MODELS["qtips-resnet"]), net, {}, {"mean_iou": 0.5})
    for words, reason in (
        ((net, "1"), "qtips.safetensors holds no scores on rooms"),
        ((tmp_path / "none", "1"), "there is no file none"),
        ((net,), "usage: "),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(lambda given=words: record_run.main([*map(str, given)]), "record_run")
        out, told = capsys.readouterr()
        assert out == ""
        assert reason in told and told.count("\n") == 1
    assert (BENCHMARKS / "runs.csv").read_bytes() == before


def test_a_run_outside_a_checkout_is_recorded_all_the_same(record_run, monkeypatch, tmp_path):
    monkeypatch.setattr(record_run, "RUNS", tmp_path / "runs.csv")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert record_run.row(trained(tmp_path, "resnet", 0, 0.3), 1)["commit"] == "unknown"
    monkeypatch.setenv("PATH", "")  # no git
    assert record_run.row(trained(tmp_path, "imexnet", 0, 0.3), 1)["commit"] == "unknown"


def test_a_record_that_is_not_there_is_named(compare_runs, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(lambda: compare_runs.main(tmp_path / "none.csv"), "compare_runs")
    assert "none.csv is not there" in capsys.readouterr().err


def test_scores_that_a_run_lacks_are_left_out_of_its_spread(
    record_run, compare_runs, tmp_path, capsys
):
    """Drawn pictures have no depth."""
    runs = tmp_path / "runs.csv"
    for seed, iou in ((0, 0.7), (1, 0.8)):
        facts = {"command": f"train rods --seed {seed}", "seed": seed, "epochs": 6}
        record_run.append(record_run.row_of(facts, {"mean_iou": iou}, 9), runs)
    compare_runs.main(runs)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert lines == [["mean_iou", "0.7500", "±", "0.0707"]]


def test_spread_over_seeds_of_one_command(record_run, compare_runs, tmp_path, capsys):
    runs = tmp_path / "runs.csv"
    for kind, seed, abs_rel in (
        ("resnet", 0, 0.9),  # run again below: the later row counts
        ("resnet", 1, 0.32),
        ("imexnet", 0, 0.25),
        ("resnet", 0, 0.30),
        ("resnet", 2, 0.34),
    ):
        record_run.append(record_run.row(trained(tmp_path, kind, seed, abs_rel), 1), runs)
    compare_runs.main(runs)
    lines = capsys.readouterr().out.splitlines()
    base = "python -m imexnet train indoor --model {} --data NYU --epochs 5"
    assert lines[0] == base.format("resnet") and lines[1] == "  seeds 0, 1, 2"
    assert lines[2].split() == ["abs_rel", "0.3200", "±", "0.0200"]
    assert lines[7].split() == ["kitchens_abs_rel", "0.6400", "±", "0.0400"]
    assert lines[8] == base.format("imexnet") and lines[9] == "  seeds 0"
    assert lines[10].split() == ["abs_rel", "0.2500"]


@pytest.fixture
def variants(record_run, monkeypatch, tmp_path):
    module = importlib.import_module("variants")
    monkeypatch.setattr(module, "groups", lambda: module_groups(tmp_path / "runs.csv"))
    module_groups = importlib.import_module("compare_runs").groups
    pictures = importlib.import_module("pictures")
    monkeypatch.setattr(pictures, "PICTURES", tmp_path / "pictures.csv")
    for name in ("append", "is_recorded"):
        there = partial(getattr(record_run, name), runs=tmp_path / "runs.csv")
        monkeypatch.setattr(module, name, there)
    return module


def test_every_variant_is_a_network_and_only_the_twins_of_the_shipped_are_alike(variants):
    configs = {name: variant.config for name, variant in variants.VARIANTS.items()}
    assert configs["reach"] == MODELS["indoor-imexnet"]
    assert configs["explicit"] == MODELS["indoor-resnet"]
    recipes = [(config, str(variants.VARIANTS[n].recipe)) for n, config in configs.items()]
    assert len(set(recipes)) == len(configs)
    assert set(variants.by_steps()) <= set(configs)
    for name, (kind, n) in variants.by_steps().items():
        assert configs[name].step == kind
        assert sum(stage.steps for stage in configs[name].stages) == n
    windows = [variants.sizes(f"explicit{n}")[2] for n in ("-2", "", "-8", "-16")]
    assert windows == [83 - 2 * 16, 83, 83 + 4 * 16, 83 + 12 * 16]  # 4 pixels of the input a cell


@pytest.mark.training
def test_a_variant_is_trained_and_stands_in_the_tables(
    variants, write_rooms, tmp_path, monkeypatch, capsys
):
    splits = ["train"] * 16 + ["val"]
    folder = write_rooms([made_room(split, seed) for seed, split in enumerate(splits)])
    monkeypatch.setattr(variants, "EPOCHS", 1)
    words = ["train", "imex-2", "--data", str(folder), "--seed", "1", "--out", str(tmp_path)]
    variants.main(words)
    (row,) = csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())
    assert row["command"] == "python benchmarks/variants.py train imex-2 --data NYU --seed 1"
    assert read(tmp_path / "imex-2-1.safetensors")[0].training["command"] == row["command"]
    variants.main(words)
    assert capsys.readouterr().err.endswith(
        f"variants: runs.csv has this run already: {row['command']}\n"
    )
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 2
    (tmp_path / "runs.csv").unlink()
    variants.main(words)  # trained already, but not noted
    (again,) = csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())
    assert {**again, "minutes": ""} == {**row, "minutes": ""}
    variants.main(["steps"])
    head, _, line = capsys.readouterr().out.splitlines()
    assert head == (
        "| variant | parameters | MMAC | window | seeds | AbsRel | RMSE, m | δ1 | mIoU | accuracy |"
    )
    assert line.startswith("| 2 imex steps | ")
    assert f"| 1 | {float(row['abs_rel']):.3f} |" in line
    variants.main(["table"])
    assert len(capsys.readouterr().out.splitlines()) == 2  # no row of the ablation yet
    variants.main(["figure", str(tmp_path / "steps.png")])
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")
