"""The benchmark measures what it says, on equal results; no time itself is asserted."""

import json
import math
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from imexnet.benchmark import sections as benchmark
from imexnet.benchmark.sections import Timing, ratio, side_by_side
from imexnet.cli.main import app, main
from imexnet.models.config import MODELS
from imexnet.models.spec import TRUNKS

NOW = Timing(seconds=0)


def test_candidates_take_turns_and_the_first_round_is_not_counted():
    calls = []
    candidates = {name: lambda n=name: calls.append(n) for name in "abc"}
    times = side_by_side(candidates, NOW, rounds=4)
    assert "".join(calls) == "abc" * 5
    assert {name: len(t) for name, t in times.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(value >= 0 for t in times.values() for value in t)


def test_a_ratio_is_that_within_the_rounds():
    """A machine that becomes ten times slower in the middle changes nothing."""
    times = {"ours": [1.0, 1.1, 10.0, 11.0, 10.0], "theirs": [2.0, 2.2, 20.0, 22.0, 30.0]}
    assert ratio(times, "theirs", "ours") == pytest.approx(2)


@pytest.fixture
def small(monkeypatch):
    """Every section on small grids, the networks on pictures of 32 × 32."""
    monkeypatch.setattr(benchmark, "SOLVE_SHAPE", (2, 3, 16, 12))
    monkeypatch.setattr(benchmark, "GROWTH_SIDES", (16, 32))
    monkeypatch.setattr(benchmark, "STEP_SHAPES", ((1, 3, 12, 16),))
    monkeypatch.setattr(benchmark, "TRAINING_SHAPES", ((2, 4, 8, 8),))
    monkeypatch.setattr(benchmark, "GLOBAL_SHAPE", (1, 8, 16, 12))
    monkeypatch.setattr(benchmark, "BATCH", 2)
    shrunk = {name: replace(config, size=(32, 32)) for name, config in MODELS.items()}
    monkeypatch.setattr(benchmark, "MODELS", shrunk)
    monkeypatch.setattr(benchmark, "ROOMS", benchmark.ROOMS[:1])


@pytest.mark.parametrize("section", sorted(benchmark.SECTIONS.keys() - {"page"}))
def test_sections_give_finite_positive_numbers(section, small):
    result = benchmark.run([section], NOW)
    assert list(result) == ["machine", section]
    assert result["machine"]["threads"] == torch.get_num_threads()

    def numbers(value):
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, float):
            yield value

    found = list(numbers(result[section]))
    assert len(found) >= 3
    assert all(math.isfinite(value) for value in found)
    assert section == "growth" or all(value > 0 for value in found)  # an exponent has a sign


def test_what_each_section_compares(small):
    """Every step in each form, every way to connect pixels, both networks of each family."""
    found = benchmark.run(["steps", "made global", "training"], NOW)
    assert set(found["steps"]) == {
        "forward, 1 × 3 × 12 × 16, float32", "training, 1 × 3 × 12 × 16, float32",
        "forward, 1 × 3 × 12 × 16, bfloat16", "training, 1 × 3 × 12 × 16, bfloat16",
        "forward, 2 × 4 × 8 × 8, bfloat16", "training, 2 × 4 × 8 × 8, bfloat16",
    }  # fmt: skip
    parameters = {
        name: value["parameters"]
        for name, value in found["made global"].items()
        if not name.startswith("SpectralConv")
    }
    assert parameters == {
        "implicit solve": 9 * 8,
        "implicit solve, prepared": 9 * 8,
        "self-attention over pixels, 4 heads": 4 * 8 * 8 + 4 * 8,
        "31 × 31 depthwise convolution": 8 * 31 * 31 + 8,
        "learned global filter, one complex number per frequency": 2 * 8 * 16 * 7,
    }
    assert found["made global"]["implicit solve"]["time / solve"] == 1
    assert set(found["training"]) == {
        "qtips-resnet, images/s", "qtips-imexnet, images/s", "qtips: imexnet / resnet, time",
        "indoor-resnet, images/s", "indoor-imexnet, images/s", "indoor: imexnet / resnet, time",
    }  # fmt: skip


def test_images_a_second_count_the_whole_batch(small, monkeypatch):
    """A step of 100 ms on a batch of 2."""
    monkeypatch.setattr(benchmark, "side_by_side", lambda runs, _: {k: [100.0] for k in runs})
    found = benchmark.run(["training"], NOW)["training"]
    assert found["qtips-imexnet, images/s"] == pytest.approx(20)
    assert found["indoor: imexnet / resnet, time"] == 1


def test_unequal_results_are_never_timed(small, monkeypatch):
    monkeypatch.setattr(benchmark, "implicit_solve", lambda rhs, stencil, h: rhs)
    monkeypatch.setattr(benchmark, "side_by_side", pytest.fail)
    with pytest.raises(AssertionError, match="not close"):
        benchmark.solve(NOW)


def test_the_command_prints_one_json_object(small):
    done = CliRunner().invoke(app, ["benchmark", "--only", "growth", "--seconds", "0", "--json"])
    assert done.exit_code == 0
    assert set(json.loads(done.stdout)["growth"]) == {"milliseconds", "exponent"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "everything"], "no section 'everything'; there are solve, growth"),
        (["--device", "abacus"], "must be cpu or cuda, got 'abacus'"),
    ],
)
def test_bad_input_ends_in_one_line(arguments, words, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["imexnet", "benchmark", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert words in error


@pytest.mark.slow
def test_the_page_section_runs_the_real_page():
    result = benchmark.run(["page"], NOW)["page"]
    for trunk in TRUNKS:
        assert result["640 × 480"][trunk]["predict"]["later, ms"] > 0
    before, peak = result["peak memory before and after 12 megapixels, MB"]
    assert 0 < before <= peak < 1500
