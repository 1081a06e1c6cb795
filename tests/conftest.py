"""What several test files share: one thread, a tiny folder in the layout of NYU, the page."""

import asyncio
import csv
import gc
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import browser as browsers
import numpy as np
import pytest
import torch
from offline import OUTGOING
from PIL import Image

torch.set_num_threads(1)
# A shell ignores Ctrl-C for what it runs in the background, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
CHROMIUM = browsers.find()
NO_BROWSER = "there is no browser"
IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore"),  # of the client's and the browser driver's packages
    pytest.mark.skipif(
        not (ROOT / "weights" / "indoor-imexnet.safetensors").exists(), reason="no weights"
    ),
]
"""Marks of tests that visit the page."""

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


class Made(NamedTuple):
    """One made-up room: (H, W, 3) uint8, (H, W) uint16 millimetres, (H, W) uint8 NYU40 classes."""

    split: str
    photo: np.ndarray
    millimetres: np.ndarray
    label40: np.ndarray
    scene_type: str = "kitchen"


def made_room(split: str, seed: int, scene_type: str = "kitchen") -> Made:
    """Random flat blocks of 40×40 in 240×320; every NYU40 class and the unlabelled 0 may occur."""
    random = np.random.default_rng(seed)

    def blocks(low: int, high: int, *last: int) -> np.ndarray:
        return random.integers(low, high, (6, 8, *last)).repeat(40, axis=0).repeat(40, axis=1)

    photo = blocks(0, 256, 3).astype(np.uint8)
    millimetres, label40 = blocks(700, 9990).astype(np.uint16), blocks(0, 41).astype(np.uint8)
    return Made(split, photo, millimetres, label40, scene_type)


@pytest.fixture
def write_rooms(tmp_path: Path) -> Callable[[Sequence[Made]], Path]:
    """Writes rooms 0001, 0002, … as `prepare-nyu` would; the folder."""

    def write(rooms: Sequence[Made], name: str = "nyu") -> Path:
        folder = tmp_path / name
        for part in ("rgb", "depth", "label40"):
            (folder / part).mkdir(parents=True)
        with (folder / "index.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "official_split", "split", "scene_type", "run_id"))
            for number, room in enumerate(rooms, start=1):
                stem = f"{number:04d}"
                photo = Image.fromarray(room.photo)
                photo.save(folder / "rgb" / f"{stem}.jpg", quality=95, subsampling=0)
                Image.fromarray(room.millimetres).save(folder / "depth" / f"{stem}.png")
                Image.fromarray(room.label40).save(folder / "label40" / f"{stem}.png")
                official = "test" if room.split == "test" else "train"
                writer.writerow((stem, official, room.split, room.scene_type, number))
        return folder

    return write


@pytest.fixture(scope="module", autouse=True)
def no_garbage_of_others():
    """What Gradio and its test clients leave open is collected here, where it fails no test."""
    yield
    if "gradio" in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="module")
def no_open_event_loops():
    """Gradio leaves event loops open: they go here, where their warnings are ignored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradio.queueing.safe_get_lock", asyncio.Lock)
        yield
    gc.collect()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serving(port: int, folder: Path, **more: str) -> Iterator[subprocess.Popen]:
    """The page on that port, which can reach no other machine; its log and files in the folder.

    Args:
        port: free on this machine.
        folder: for its log and its files.
        more: settings of its environment.
    """
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "cache")}
    log = folder / "log"
    with log.open("a") as output:
        server = subprocess.Popen(
            [sys.executable, "tests/offline.py"],
            cwd=ROOT,
            env={**os.environ, **settings, **more},
            stdout=output,
            stderr=output,
        )
    try:
        for _ in range(900):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.2)
        else:
            raise TimeoutError("the page did not start within three minutes")
        yield server
    finally:
        server.terminate()
        server.wait(20)
    assert str(ROOT / "imexnet") not in log.read_text()  # no traceback through our code
    assert OUTGOING not in log.read_text()


@pytest.fixture(scope="session")
def url(tmp_path_factory) -> Iterator[str]:
    """The page of a server of its own."""
    port = free_port()
    with serving(port, tmp_path_factory.mktemp("server")):
        yield f"http://127.0.0.1:{port}"


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """What visits the page is marked so; what needs a browser is skipped where there is none."""
    for item in items:
        if {"browser", "url"} & set(item.fixturenames):
            item.add_marker("browser")
        if CHROMIUM is None and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many were skipped for want of a browser, and how to get one."""
    skipped = terminalreporter.stats.get("skipped", ())
    count = sum(NO_BROWSER in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} tests skipped: {NO_BROWSER}; {browsers.HOW}")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it has that size, and has hardly any pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")
