"""The load test: what it asks and sends, when it says that memory grows; and a minute of it."""

import importlib
import io
import json
import subprocess
import sys
import urllib.request
from types import SimpleNamespace

import pytest
from conftest import ROOT
from PIL import Image

from imexnet.models.checkpoints import WEIGHTS

ALL_TABS = {
    "predict", "field_of_view", "files", "raw_values", "room", "compare", "remember",  # Compare
    "steps", "whole", "green",  # Receptive field
    "perturb", "run", "draw",  # Stability
    "recipe", "propagation", "play", "plane", "tie", "steppers", "cost",  # Inside the solve
}  # fmt: skip


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("load")


@pytest.mark.skipif(not (WEIGHTS / "indoor-imexnet.safetensors").exists(), reason="no weights")
def test_everything_that_the_tabs_do_is_asked_once(load, url):
    with urllib.request.urlopen(f"{url}/config") as answer:
        events = load.events(json.load(answer))
    names = [name.rstrip("0123456789").rstrip("_") for name, _ in events]
    assert set(names) >= ALL_TABS
    assert len(names) == len(set(names)) < 40
    taken = {c["type"] for _, inputs in events for c in inputs}
    assert {*load.PHOTO_KINDS, "file"} <= taken and "state" not in taken


def test_photos_are_of_all_sizes_shapes_and_formats(load, monkeypatch):
    assert load.MEGAPIXELS[0] <= 0.1 and load.MEGAPIXELS[-1] >= 40
    monkeypatch.setattr(load, "MEGAPIXELS", load.MEGAPIXELS / 100)
    photos = [Image.open(io.BytesIO(content)) for content, _ in load.photos()]
    assert {photo.format for photo in photos} == {"JPEG", "PNG", "WEBP", "HEIF"}
    assert len({photo.size for photo in photos}) == len(photos)
    aspects = [photo.width / photo.height for photo in photos]
    assert min(aspects) < 0.4 and max(aspects) > 1.7


@pytest.mark.parametrize(
    ("held", "grows"),
    [
        (lambda share: 700, False),
        (lambda share: 600 + 200 * min(share, 0.5), False),  # caches fill at first
        (lambda share: 700 + 300 * (40 * share % 1), False),  # up and down
        (lambda share: 600 + 300 * share, True),
    ],
)
def test_growth_in_the_second_half_ends_with_a_status(load, monkeypatch, capsys, held, grows):
    now, sampled = iter(range(1000)), iter(range(1000))
    clock = SimpleNamespace(perf_counter=lambda: next(now), sleep=lambda seconds: None)
    monkeypatch.setattr(load, "time", clock)
    server = SimpleNamespace(
        memory=lambda which="VmHWM": 999 if which == "VmHWM" else held(next(sampled) / 999)
    )
    memory = load.watch(server, 999)
    assert len(memory["least of each quarter"]) == 4 and memory["peak"] == 999
    monkeypatch.setattr(load, "run", lambda *given: ({"memory, MB": memory}, []))
    monkeypatch.setattr(sys, "argv", ["load.py"])
    assert bool(load.main()) is grows
    assert json.loads(capsys.readouterr().out)["memory, MB"] == memory


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_minute_of_visitors_who_do_everything():
    command = [sys.executable, "benchmarks/load.py", "--visitors", "6", "--minutes", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    figures = json.loads(run.stdout)
    assert run.stderr.strip() == "", run.stderr
    assert figures["right"] > 0 and figures["wrong"] == figures["failed"] == 0
