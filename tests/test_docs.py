"""Every command and every piece of Python in the documentation does what it says."""

import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Made, made_room
from PIL import Image
from typer.testing import CliRunner

from imexnet.cli.main import app
from imexnet.cli.main import main as command_line
from imexnet.models.checkpoints import WEIGHTS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), WEIGHTS / "README.md"])
OF_A_SERVER = "gradio_client"  # Python that asks a running page: test_api_examples.py
PROGRAMS = re.compile(
    r"(\.venv/bin/)?(python3?|imexnet|make|pip|accelerate|torchrun|for|curl|git|hf) "
)
ELSEWHERE = {
    r"make [\w-]+": "the Makefile, which runs these tests",
    r"(\.venv/bin/)?pip install .*": "the Makefile does it",
    r"pip wheel .*": "test_wheel.py",
    r"python3 -m venv \.venv": "the Makefile does it",
    r"(\.venv/bin/)?python app\.py|imexnet serve": "test_page.py and test_wheel.py start it",
    r"accelerate launch .*": "test_training.py",
    r"(for i in|torchrun) .*": "test_examples.py",
    r"python -m imexnet prepare-nyu .*": "test_nyu_mat.py, from a made file",
    r"(python -m )?imexnet benchmark.*": "test_benchmark.py, a short form",
    r"imexnet (evaluate|train|render|prepare-nyu) .*": "test_cli.py; letters stand for numbers",
    r"accelerate launch": "a name",
    r"python assets/record_click\.py .*": "it needs a running page",
    r"python benchmarks/load\.py.*": "test_server.py, a short form",
    r"python -m imexnet render .*": "test_kitchens.py, fewer of them",
    r"python -m imexnet train .*": "test_training.py, on pictures of its own",
    r"python benchmarks/variants\.py .*": "test_runs.py",
    r"python benchmarks/rooms\.py COMPARED train": "test_kitchens.py",
    r"python benchmarks/uploads\.py": "test_uploads.py",
    r"python benchmarks/locality\.py": "test_qtips.py; it takes minutes",
}
FEWER = {
    r"--images \d+": "--images 2",
    r"--pixels \d+": "--pixels 1",
    r"--severities \S+": "--severities 0,1",
}


def commands(text: str) -> Iterator[str]:
    """What a shell is given in indented blocks and in `…`, comments taken off."""
    text = re.sub(r"```python\n.*?```", "", text, flags=re.S)
    text = re.sub(r"\\\n\s*", "", text)
    text = re.sub(r"```sh\n.*?```", "", text, flags=re.S)  # scripts: test_api_examples.py
    found = re.findall(r"^(?: {4,}|\$ )(\S.*)$", text, re.M)
    found += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
    for line in found:
        command = re.sub(r"\s+(#|\() .*$|\s+#.*$|\s{2,}\(.*$|^([A-Z_]+=\S+ )+", "", line).strip()
        if PROGRAMS.match(command) and "…" not in command:
            yield command


def documented() -> list[str]:
    """All of them, each once."""
    return sorted({c for page in PAGES for c in commands(page.read_text(encoding="utf-8"))})


def elsewhere(command: str) -> bool:
    return any(re.fullmatch(pattern, command) for pattern in ELSEWHERE)


@pytest.fixture
def run(
    tmp_path: Path,
    write_rooms: Callable[[list[Made]], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> Callable[[str], str]:
    """Runs a command of the documentation in this process; what it prints."""
    photo = tmp_path / "photo.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    splits = ["train", "train", "val", "val", "test", "test"]
    rooms = write_rooms([made_room(split, seed) for seed, split in enumerate(splits)])
    stands_for = {"NYU": rooms, "IMAGE": photo, "DIR": tmp_path / "out", "OUT": tmp_path / "out"}
    stands_for["FILE"] = WEIGHTS / "indoor-imexnet.safetensors"  # --weights FILE

    def run(command: str) -> str:
        for many, few in FEWER.items():
            command = re.sub(many, few, command)
        words = [str(stands_for.get(word, word)) for word in shlex.split(command)]
        if "robustness" in words and "--images" not in words:
            words += ["--images", "2"]
        if "pgd" in words and "--severities" not in words and "robustness" in words:
            words += ["--severities", "0,1"]
        monkeypatch.chdir(ROOT)
        if words[0] == "imexnet" or words[1:3] == ["-m", "imexnet"]:
            monkeypatch.setattr(sys, "argv", words[words.index("imexnet") :])
            command_line()
        elif words[1] == "-c":
            exec(words[2], {})
        else:
            monkeypatch.setattr(sys, "argv", words[1:])
            monkeypatch.syspath_prepend(str(ROOT / Path(words[1]).parent))
            runpy.run_path(words[1], run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("command", [c for c in documented() if not elsewhere(c)])
def test_command_runs(command, run):
    assert run(command)


@pytest.mark.parametrize("command", [c for c in documented() if " -m imexnet " in c])
def test_command_and_all_its_options_exist(command):
    words = shlex.split(command)
    words = words[words.index("imexnet") + 1 :]
    names = words[: 2 if words[0] in ("train", "evaluate") else 1]
    shown = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if option not in shown.stdout] == []


def test_every_reason_is_still_needed():
    unused = [p for p in ELSEWHERE if not any(re.fullmatch(p, c) for c in documented())]
    assert unused == []


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text("utf-8")], ids=str)
def test_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
        if OF_A_SERVER not in block:
            exec(block, names)


def test_links_and_pictures_of_the_pages_exist():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)|src=\"([^\"]+)\"", page.read_text("utf-8")):
            path = target[0] or target[1]
            if not re.match(r"\w+:", path):
                assert (page.parent / path).exists(), f"{page.name}: {path}"
