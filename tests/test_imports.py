"""Who may import whom, read from the sources: downward only (DESIGN, section 7).

A module that is not listed here is a leaf: it imports nothing of ours, and those from
`checkpoints` on may import it.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEIGHTS = {
    "spectral": -1,
    "steps": 0,
    "trunk": 1,
    "backbone": 1,
    "models": 2,
    "inference": 3,
    "integrators": 2,
    "recipe": 2,
    "patterns": 3,
    "dynamics": 3,
    "cost": 3,
    "places": 0,
    "program": 1,
    "files": 2,
    "tables": 2,
    "data": 3,
    "LEAF": 3,  # render, metrics, …
    "checkpoints": 4,
    "figures": 5,
    "imexnet": 5,  # the package itself: `from imexnet import implicit_solve`
    "photos": 4,
    "predict": 6,
    "evaluation": 7,
    "sensitivity": 7,
    "stability": 7,
    "attacks": 7,
    "greens": 4,
    "receptive_field": 8,
    "questions": 8,
    "heat_maps": 9,
    "fov_figures": 10,
    "robustness": 8,
    "training": 8,
    "benchmark_page": 3,
    "benchmark": 8,
    "ui": 11,
    "__main__": 12,
    "app": 13,
}
NEVER = {  # downward, and still wrong
    ("training", "sensitivity"),
    ("training", "stability"),
    ("ui", "training"),  # the page must start without the training extra,
    ("app", "training"),
    ("__main__", "ui"),  # and the command line without gradio
}
EXCEPT = {("imexnet.__main__", "imexnet.ui.start")}  # `serve`, within the command alone
ONLY_IN = {"gradio": {"ui"}, "typer": {"__main__"}}
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|anaconda\.|huggingface\.co|\bhf\.co|download\.pytorch\.org|"
    r"npmjs\.|yarnpkg\.|kaggle\.com|index-url|find-links|trusted-host"
)
FRAMES = re.compile('"frame-ancestors [^"]*"')  # who may show the page inside theirs


def unit(module: str) -> str:
    """imexnet.data.nyu → data, imexnet → imexnet, app → app."""
    parts = module.split(".")
    return parts[1] if parts[0] == "imexnet" and len(parts) > 1 else parts[0]


def imported(source: str, module: str, is_package: bool = False) -> Iterator[str]:
    """Absolute names of all that a source imports, wherever in it the statement stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, *filter(None, [base])])
            for alias in node.names:
                inside = f"{base}.{alias.name}"
                yield inside if base == "imexnet" and is_module(alias.name) else base


def is_module(name: str) -> bool:
    package = ROOT / "imexnet"
    return name in HEIGHTS or (package / name).is_dir() or (package / f"{name}.py").exists()


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """One sentence for each import that this module must not have."""
    found, own = [], unit(module)
    height = HEIGHTS.get(own, HEIGHTS["LEAF"])
    for name in imported(source, module, is_package):
        top, other = name.split(".")[0], unit(name)
        if own not in ONLY_IN.get(top, {own}):
            found.append(f"{module} imports {top}")
        if top not in ("imexnet", "app") or other == own:
            continue
        below = HEIGHTS.get(other, HEIGHTS["LEAF"]) < height
        if (module, name) in EXCEPT:
            continue
        if own not in HEIGHTS or not below or (own, other) in NEVER:
            found.append(f"{module} imports {name}")
    return found


def sources() -> dict[str, Path]:
    """Module name → file, of the package and the page."""
    paths = [*sorted((ROOT / "imexnet").rglob("*.py")), *ROOT.glob("app.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return {n.removesuffix(".__init__"): path for n, path in zip(names, paths, strict=True)}


def test_imports_run_downward():
    modules = sources()
    assert {"imexnet", "imexnet.spectral", "imexnet.data.nyu", "imexnet.ui"} <= modules.keys()
    found = []
    for module, path in modules.items():
        found += violations(path.read_text("utf-8"), module, path.name == "__init__.py")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("imexnet.spectral", "from imexnet.steps import LAPLACIAN", False),
        ("imexnet.spectral", "import imexnet.metrics", False),
        ("imexnet.models", "def build():\n    from imexnet import checkpoints", False),
        ("imexnet.models", "from imexnet import load_pretrained", False),
        ("imexnet.models", "if True:\n    from .data import qtips", False),
        ("imexnet.predict", "from imexnet import evaluation, models", False),
        ("imexnet.sensitivity", "from imexnet import stability", False),
        ("imexnet.evaluation", "from .training import fit", False),
        ("imexnet.training", "from imexnet.sensitivity import field_of_view", False),
        ("imexnet.metrics", "from imexnet.spectral import symbol", False),
        ("imexnet.data.nyu", "from ..metrics import iou", False),
        ("imexnet.data", "from ..predict import predict", True),
        ("imexnet.render", "from imexnet.data.nyu import CLASSES", False),
        ("imexnet.something_new", "from imexnet import spectral", False),
        ("imexnet", "from .ui import compare", True),
        ("imexnet.ui.compare", "from imexnet.training import fit", False),
        ("imexnet.ui.compare", "import app", False),
        ("imexnet.__main__", "from imexnet.ui import compare", False),
        ("imexnet.predict", "import gradio as gr", False),
        ("imexnet.__main__", "from gradio.themes import Soft", False),
        ("imexnet.ui.compare", "import typer", False),
        ("app", "import typer.main", False),
        ("app", "import gradio as gr", False),
    ],
)
def test_the_checker_sees(module, source, is_package):
    assert len(violations(source, module, is_package)) == 1


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("imexnet.steps", "import torch\nfrom imexnet.spectral import symbol", False),
        ("imexnet.checkpoints", "from .models import build\nfrom imexnet import files", False),
        ("imexnet.training", "from imexnet import evaluation, metrics, data, checkpoints", False),
        ("imexnet.data.kitchens", "from .nyu import CLASSES\nfrom . import qtips", False),
        ("imexnet", "from .checkpoints import load_pretrained", True),
        ("imexnet.ui.lab", "import gradio\nfrom .style import CSS\nfrom .. import render", False),
        ("imexnet.__main__", "import typer\nfrom imexnet import training, stability", False),
        ("imexnet.__main__", "def serve():\n    from imexnet.ui.start import serve", False),
        ("app", "from imexnet.__main__ import main\nfrom imexnet.ui.start import build", False),
    ],
)
def test_the_checker_allows(module, source, is_package):
    assert violations(source, module, is_package) == []


def test_the_command_line_loads_neither_torch_nor_gradio_for_its_help():
    loaded = "import sys, imexnet.__main__; print(*{'torch', 'gradio'} & {*sys.modules})"
    run = [sys.executable, "-c", loaded]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == ""


def test_no_registry_is_named():
    """Where packages and weights come from is the user's affair, and nothing is downloaded."""
    assert REGISTRIES.search('URL = "https://huggingface.co/a/b"')
    assert REGISTRIES.search("pip install --index-url http://mirror")
    build_files = ("Makefile", "requirements.txt", "pyproject.toml", ".ci/run")
    paths = [*sources().values(), *(ROOT / "benchmarks").rglob("*.py")]
    paths += [ROOT / name for name in build_files if (ROOT / name).exists()]
    found = {
        str(p.relative_to(ROOT)): REGISTRIES.search(FRAMES.sub("", p.read_text("utf-8")))
        for p in paths
    }
    assert not {name: match[0] for name, match in found.items() if match}
