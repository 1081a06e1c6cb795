"""The examples of docs/api.md, run as they stand there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from imexnet.benchmark.page import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


def example(language: str, url: str) -> str:
    """The page's one block in that language, for a server at another address."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert "http://127.0.0.1:7860" in block
    return block.replace("http://127.0.0.1:7860", url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    return tmp_path


def test_the_client(url, folder):
    program = example("python", url) + "\nprint('RMS radius' in view[2])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    shape, asked = done.stdout.splitlines()[-2:]
    assert re.fullmatch(r"\(480, 640\) \d\.\d+ \d\.\d+", shape)
    assert asked == "True"


def test_curl(url, folder):
    subprocess.run(["bash", "-euo", "pipefail", "-c", example("sh", url)], cwd=folder, check=True)
    metres = np.load(folder / "imexnet-depth.npy")
    assert metres.shape == (480, 640) and metres.dtype == np.float32
    assert 0 < metres.min() < metres.max() < 20


def test_the_table_has_every_endpoint_and_what_it_takes(url):
    rows = dict(re.findall(r"^\| `(/\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    info = Visitor(url).get("/gradio_api/info").decode()

    for name, endpoint in json.loads(info)["named_endpoints"].items():
        names = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
        assert rows.pop(name).split(", ") == names
    assert not rows
