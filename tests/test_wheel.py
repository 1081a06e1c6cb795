"""What `pip install` of the wheel gives: the command line and the page, outside the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, free_port

from imexnet.benchmark.page import Visitor

pytestmark = pytest.mark.slow
SOURCES = (
    "imexnet",
    "weights",
    "assets",
    "pyproject.toml",
    "setup.py",
    "requirements.txt",
    "README.md",
)


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess:
    """A command that finds nothing of the repository."""
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=clean(), capture_output=True, text=True, check=True
    )


def clean(**more: str) -> dict[str, str]:
    return {name: v for name, v in os.environ.items() if name != "PYTHONPATH"} | more


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of a new environment are, which has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in SOURCES:
        where = ROOT / name
        copy = shutil.copytree if where.is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(where, source / name)
    pip = (sys.executable, "-m", "pip")
    words = ("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
    run(*pip, *words, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    shutil.rmtree(source)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    run(*pip, "--python", folder / "env", "install", "-q", "--no-deps", wheel, cwd=folder)
    (packages,) = (folder / "env").glob("**/site-packages")
    # A folder named here is only searched: its own .pth files, the checkout's among them, are not.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "env" / ("Scripts" if os.name == "nt" else "bin")


@contextmanager
def page(program: Path, folder: Path) -> Iterator[Visitor]:
    """The installed page, answering."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [program, "serve"],
            cwd=folder,
            env=clean(GRADIO_SERVER_PORT=str(port)),
            stdout=output,
            stderr=output,
        )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/healthz").close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.2)
        yield Visitor(url)
    finally:
        server.terminate()
        server.wait(20)


def test_the_library_is_the_installed_one_and_has_what_it_needs(installed, tmp_path):
    words = (
        "import imexnet, imexnet.places as p; print(imexnet.__file__, "
        "len(list(p.KITCHENS.rglob('*.*'))), *sorted(f.stem for f in p.WEIGHTS.glob('*.s*')), "
        "p.install_command('train'), sep='|')"
    )
    said = run(installed / "python", "-c", words, cwd=tmp_path).stdout.split("|")
    place, pictures, *weights, hint = said
    assert Path(place).is_relative_to(installed.parent)
    assert pictures == "37"  # 12 kitchens of three files, and index.csv
    shipped = {path.stem for path in (ROOT / "weights").glob("*.safetensors")}
    assert set(weights) == {name for name in shipped if not name.endswith("-seed1")}
    assert hint.strip() == "pip install 'imexnet[train]'"


def test_it_predicts(installed, tmp_path):
    shutil.copy(ROOT / "assets" / "kitchens" / "rgb" / "0001.jpg", tmp_path / "kitchen.jpg")
    words = ("predict", "kitchen.jpg", "--task", "depth", "--model", "imexnet", "--out", "out")
    run(installed / "imexnet", *words, cwd=tmp_path)
    metres = np.load(tmp_path / "out" / "kitchen-imexnet-depth.npy")
    assert 0.5 < np.median(metres) < 8


def test_it_serves_the_page(installed, tmp_path):
    with page(installed / "imexnet", tmp_path) as visitor:
        assert visitor.get("/healthz") == b'{"status":"ok"}'
        assert b"0012.jpg" in visitor.get("/config")  # the examples
        photo = visitor.upload((ROOT / "assets" / "kitchens" / "rgb" / "0001.jpg").read_bytes())
        assert "rendered picture" in str(visitor.ask("predict", photo, "depth"))
