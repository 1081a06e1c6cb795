"""The page as a server: what it says when something is wrong, what it keeps, whom it calls."""

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import weakref
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import numpy as np
import offline
import pytest
import torch
from conftest import ROOT
from gradio.state_holder import StateHolder
from PIL import Image

from imexnet.benchmark.page import RefusedError, Visitor
from imexnet.io.photos import MAX_MEGAPIXELS, Photo
from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.ui.components import inputs, parts
from imexnet.ui.components.inputs import pair_and_input
from imexnet.ui.components.parts import NO_PICTURE, NOT_KEPT
from imexnet.ui.server import memory_fallback
from imexnet.ui.server.memory_fallback import with_memory_fallback
from imexnet.ui.server.page import NOT_UNDERSTOOD, NOT_WORKED_OUT, Page, _prefix
from imexnet.ui.server.sent import NO_ADDRESS, SEND
from imexnet.ui.stability.curves import Curves

pytestmark = pytest.mark.filterwarnings("ignore")  # of the client's and the browser's packages
LEAKS = (str(ROOT), "site-packages", "Traceback", 'File "', os.environ.get("HOME", "/root") + "/")


def secretive(words: str) -> None:
    """Nothing of the machine is in what a visitor is told."""
    assert not [leak for leak in LEAKS if leak in words], words[:500]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Gradio takes the one that runs, and makes one that nobody closes where none does."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def small(monkeypatch, tmp_path, loop) -> Page:
    """A page with a number, a choice and a photo, whose handler may fail."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "imexnet"))  # as a checkout is named

    def halved(number, word, photo):
        if word == "fail":
            raise RuntimeError(f"{ROOT}/secret")
        return number / 2

    async def built() -> Page:
        with Page(analytics_enabled=False) as page:
            number = gr.Number(4, label="Number", minimum=0, maximum=10)
            word = gr.Radio(["go", "fail"], value="go", label="Word")
            photo = parts.PhotoUpload(value=Image.new("RGB", (8, 8)), type="pil")
            gr.Button().click(halved, [number, word, photo], number, api_name="halve")
        page.has_launched = True  # from when on Gradio asks where files lie
        StateHolder().set_blocks(page)
        return page

    return loop.run_until_complete(built())


def asked(loop: asyncio.AbstractEventLoop, page: Page, *values) -> float:
    function = next(f for f in page.fns.values() if f.api_name == "halve")
    return loop.run_until_complete(page.process_api(function, list(values)))["data"][0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((11, "go", None), "Value 11 is greater than maximum value 10."),
        ((-1, "go", None), "less than minimum"),
        ((float("nan"), "go", None), NOT_UNDERSTOOD),
        (("four", "go", None), NOT_UNDERSTOOD),
        (([1], "go", None), NOT_UNDERSTOOD),
        ((4, "stop", None), "Choose one of 'go', 'fail'."),
        ((4, None, None), "Choose a value: Word."),
        ((4, "<img src=x>", None), "Choose one of"),
        ((4, {"a": 1}, None), "Choose one of"),
        ((4, "go", "text"), SEND),
        ((4, "go", {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}), SEND),
        ((4, "go", {"path": "http://127.0.0.1/a.png"}), NO_ADDRESS),
        (
            (4, "go", {"path": "HTTPS://8.8.8.8/a", "meta": {"_type": "gradio.FileData"}}),
            NO_ADDRESS,
        ),
        ((4, "fail", None), NOT_WORKED_OUT),
    ],
)
def test_every_failure_is_one_sentence(loop, small, values, words):
    assert asked(loop, small, 4, "go", None) == 2
    with pytest.raises(gr.Error) as error:
        asked(loop, small, *values)
    assert words in error.value.message
    assert not error.value.print_exception
    secretive(error.value.message)


PIXEL = Image.new("RGB", (2, 2), "red")


def red(*, urlsafe: bool = False) -> str:
    """A PNG in base64, with characters in which the two alphabets differ."""
    content = io.BytesIO()
    PIXEL.save(content, "PNG")
    filled = content.getvalue() + b"\xfb\xff\xfe"
    return (urlsafe_b64encode if urlsafe else b64encode)(filled).decode()


@pytest.mark.parametrize(
    "given",
    [
        lambda path: {"path": None, "url": f"data:image/png;base64,{red()}"},
        lambda path: {"url": f"data:image/png;base64,{red()}"},
        lambda path: {"path": f"data:image/png;base64,{red()}"},
        lambda path: {"path": "mine.png", "url": f"data:;base64,{red()}"},
        lambda path: f"data:image/png;base64,{red()}",
        lambda path: f"  DATA:image/PNG;BASE64,{red()}\n",
        lambda path: f"data:image/png;charset=utf-8;base64,{red()}",
        lambda path: f"data:image/png;base64,{red(urlsafe=True)}",
        lambda path: f"data:image/png;base64,{red().rstrip('=')}",
        lambda path: f"data:image/png;base64,{quote(red(), safe='')}",
        lambda path: f"data:image/png;base64,{red()[:40]}\r\n {red()[40:]}",
        lambda path: f"data:image/png,{quote(b64decode(red()))}",
        lambda path: path,
        lambda path: {"path": path},
        lambda path: {"path": path, "orig_name": 5, "meta": "wrong"},
        lambda path: {"path": None, "url": f"/gradio_api/file={path}"},
        lambda path: {"path": "", "url": f"https://page.org/demo/gradio_api/file={quote(path)}"},
    ],
)
def test_a_photo_is_read_however_it_is_sent(loop, small, tmp_path, given):
    path = tmp_path / "imexnet/imexnet/of a visitor.png"
    PIXEL.save(path)
    function = next(f for f in small.fns.values() if f.api_name == "halve")
    read = loop.run_until_complete(
        small.preprocess_data(function, [4, "go", given(str(path))], None)
    )[2]
    assert read.picture == PIXEL


FILE = {"_type": "gradio.FileData"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("photo.jpg", SEND),
        ("/etc/passwd", SEND),
        ("C:\\photos\\mine.jpg", SEND),
        ("file:///etc/passwd", SEND),
        ("FILE:///etc/passwd", SEND),
        ("blob:http://page.org/1", SEND),
        ("", SEND),
        ("\0", SEND),
        ("x" * 10_000, SEND),
        (17, SEND),
        (True, SEND),
        ([], SEND),
        ([{"path": "/etc/passwd"}], SEND),
        ({}, SEND),
        ({"path": None}, SEND),
        ({"path": None, "url": None, "meta": FILE}, SEND),
        ({"path": 5, "url": {}}, SEND),
        ({"path": "/etc/passwd", "meta": FILE}, SEND),
        ({"path": "/etc/passwd", "url": "/gradio_api/file=/etc/passwd"}, SEND),
        ({"url": "/gradio_api/file=../../etc/passwd"}, SEND),
        ({"path": "file:///etc/passwd", "meta": FILE}, SEND),
        ({"image": "data:image/png;base64,AAAA"}, SEND),
        ("data:image/png;base64", SEND),
        ("data:image/png;base64,ä", SEND),
        ("data:image/png;base64,A", SEND),
        ("data:,", NO_PICTURE),
        ("data:image/png;base64,AAAA", NO_PICTURE),
        ("data:text/plain,hello", NO_PICTURE),
        ("http://127.0.0.1/a.png", NO_ADDRESS),
        ({"path": None, "url": "HTTPS://8.8.8.8/a.png", "meta": FILE}, NO_ADDRESS),
        ({"url": "/gradio_api/file=http://127.0.0.1/a.png"}, NO_ADDRESS),
        ({"path": "ftp:127.0.0.1"}, NO_ADDRESS),
        ({"path": "/tmp/imexnet-other/imexnet/0a1b/photo.jpg", "meta": FILE}, NOT_KEPT),
        ("https://page.org/gradio_api/file=/tmp/imexnet-other/imexnet/0a1b/photo.jpg", NOT_KEPT),
    ],
)
def test_what_cannot_be_read_is_told_what_to_send(loop, small, given, words):
    with pytest.raises(gr.Error) as error:
        asked(loop, small, 4, "go", given)
    assert error.value.message == escape(words, quote=False)
    assert "/" not in words


def test_the_prefix_is_as_routing_compares_it():
    for given in ("demo", "/demo", "/demo/", "demo/", " /demo "):
        assert _prefix(given) == "/demo"
    for given in ("", "/", "  "):
        assert _prefix(given) == ""
    assert _prefix("a/b/") == "/a/b"
    assert _prefix("https://example.org/demo/") == "https://example.org/demo"


def test_old_files_go_and_the_pages_own_stay(small, tmp_path):
    others = tmp_path / "imexnet/not of the page"
    others.write_bytes(b"x")
    tmp_path /= "imexnet/imexnet"
    own = [Path(path) for block in small.blocks.values() for path in block.keep_in_cache]
    assert own and all(path.is_file() for path in own)
    for name in ("upload/photo.png", "answer/resnet.png", "tmp-broken-off"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    small.sweep(60)
    assert (tmp_path / "upload/photo.png").is_file()
    time.sleep(0.1)
    (tmp_path / "answer/new.png").write_bytes(b"x")
    small.sweep(0.05)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"answer/new.png", *(str(path.relative_to(tmp_path)) for path in own)}
    time.sleep(0.1)
    small.sweep(0.05)
    assert not (tmp_path / "upload").exists()
    assert others.is_file()


def test_photos_are_not_kept_in_memory_when_their_file_has_gone(small, tmp_path):
    path = tmp_path / "imexnet/imexnet/upload.png"
    Image.new("RGB", (9, 9)).save(path)
    photo = parts.decoded(str(path))
    assert parts.decoded(str(path)) is photo
    written = path.stat()
    small.sweep(-1)
    Image.new("RGB", (9, 9)).save(path)
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert parts.decoded(str(path)) is not photo


def test_decoded_photos_are_bounded_in_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(parts._photos, "most", 4 * 100 * 100)
    parts.forget_photos()
    kept = []
    for side in (20, 90, 60, 30, 70, 40, 99, 10):
        path = tmp_path / f"{side}.png"
        Image.new("RGB", (side, side)).save(path)
        assert parts.decoded(str(path)).full_size[0] == side
        sides = [photo.picture.width for photo in parts._photos.values()]
        assert sum(side**2 for side in sides) <= 100**2
        kept.append(sides)
    assert kept[1:4] == [[20, 90], [60], [60, 30]]  # the oldest go first
    Image.new("RGB", (101, 100)).save(path)
    assert parts.decoded(str(path)).full_size[0] == 101  # larger than all that may be kept
    assert not parts._photos.values()


def test_photos_are_decoded_one_at_a_time_and_once(tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.png" for i in range(3)] * 4
    for path in paths:
        path.write_bytes(b"")
    at_once, most = [], []

    def read(path):
        at_once.append(path)
        most.append(len(at_once))
        time.sleep(0.02)
        at_once.remove(path)
        return Photo.of(Image.new("RGB", (9, 9)))

    monkeypatch.setattr(parts, "read_photo", read)
    threads = [threading.Thread(target=parts.decoded, args=(str(path),)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_curves_of_many_photos_hold_one_photo_at_a_time(loop, monkeypatch):
    made, held = [], []

    def read(path):
        photo = Photo.of(Image.new("RGB", (9, 9)))
        made.append(weakref.ref(photo))
        held.append(sum(reference() is not None for reference in made))
        return photo

    def drawn(pair, task, samples, *given, **named):
        assert len(samples) == 5
        raise InterruptedError

    monkeypatch.setattr("imexnet.ui.stability.curves.read", read)
    monkeypatch.setattr("imexnet.stability.severity_curves.curves", drawn)
    networks: Any = dict.fromkeys(("indoor-resnet", "indoor-imexnet"), Full("resnet", 0))

    async def built() -> Curves:
        with gr.Blocks(analytics_enabled=False):
            return Curves(networks, gr.Checkbox())

    curves = loop.run_until_complete(built())
    with pytest.raises(InterruptedError):
        curves.draw("depth", [str(i) for i in range(5)], "gaussian", 4, 0)
    assert len(held) == 5 and max(held) <= 2


def test_the_running_page_sweeps(loop, small, monkeypatch):
    swept, returned = [], []
    monkeypatch.setattr(small, "sweep", swept.append)
    monkeypatch.setattr("imexnet.ui.server.page.return_freed_memory", lambda: returned.append(1))
    monkeypatch.setattr("imexnet.ui.server.page.SWEEP", 0.01)

    async def run() -> None:
        async with small.lifespan(None):
            while len(returned) < 3:
                await asyncio.sleep(0.01)

    loop.run_until_complete(asyncio.wait_for(run(), 10))
    assert set(swept) == {55 * 60}  # and the next look comes within 5 minutes: an hour at most


class Full(torch.nn.Module):
    """A network on a GPU that has memory for so many pixels of input."""

    def __init__(self, kind: str, room: int) -> None:
        super().__init__()
        self.network = build(MODELS[f"indoor-{kind}"]).eval()
        self.config, self.mean, self.room = self.network.config, self.network.mean, room

    def forward(self, x):
        if x.shape[-1] * x.shape[-2] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.network(x)


@pytest.mark.parametrize(
    ("room", "shape", "words"),
    [
        (160 * 120, (120, 160), ""),
        (80 * 60, (60, 80), "half the size"),
        (0, (120, 160), "this answer was computed on the CPU"),
    ],
)
@pytest.mark.parametrize("generator", [False, True])
def test_a_full_gpu_gives_a_smaller_answer_then_one_of_the_processor(
    room, shape, words, generator, monkeypatch
):
    told = []
    monkeypatch.setattr(memory_fallback.gr, "Warning", told.append)
    monkeypatch.setattr(
        memory_fallback, "load_pretrained", lambda name, device: Full(name.split("-")[1], 10**6)
    )
    memory_fallback._on_cpu.cache_clear()
    full = {f"indoor-{kind}": Full(kind, room) for kind in ("resnet", "imexnet")}

    def returned(photo, task):
        _, pair, x, _ = pair_and_input(full, photo, task)  # pyright: ignore[reportArgumentType]
        with torch.no_grad():
            return [network(x)["depth"].shape[-2:] for network in pair.values()]

    def yielded(photo, task):
        _, pair, x, _ = pair_and_input(full, photo, task)  # pyright: ignore[reportArgumentType]
        yield None
        with torch.no_grad():
            yield [network(x)["depth"].shape[-2:] for network in pair.values()]

    photo = Image.new("RGB", (640, 480))
    if generator:
        answer = list(with_memory_fallback(yielded)(photo, "depth"))[-1]
    else:
        answer = with_memory_fallback(returned)(photo, "depth")
    assert [tuple(size) for size in answer] == [shape] * 2
    assert len(told) == bool(words) and words in "".join(told)
    assert memory_fallback.effort() is memory_fallback.EFFORTS[0]
    memory_fallback._on_cpu.cache_clear()


def test_no_memory_anywhere_is_said():
    def handler():
        raise torch.OutOfMemoryError("CUDA out of memory. Process 1234 has 80 GiB")

    with pytest.raises(gr.Error, match="not enough memory") as error:
        with_memory_fallback(handler)()
    assert "1234" not in error.value.message


def test_a_task_without_its_networks_says_so():
    photo = Photo.of(Image.new("RGB", (64, 64)))
    with pytest.raises(gr.Error, match="no IMEXNet for this task"):
        pair_and_input({"indoor-resnet": None}, photo, "depth")  # pyright: ignore
    with pytest.raises(gr.Error, match="no ResNet and no IMEXNet"):
        pair_and_input({}, photo, "qtips")
    with pytest.raises(gr.Error, match="no such task"):
        pair_and_input({}, photo, "/etc/passwd")
    with pytest.raises(gr.Error, match="Upload a photo first"):
        pair_and_input({}, None, "depth")
    with pytest.raises(gr.Error, match="photos are kept for an hour"):
        inputs.read("/tmp/there-was-one.png")


def in_a_new_process(program: str, folder: Path, **settings: str) -> tuple[dict, str]:
    """The JSON object that a program prints last, and what it says on stderr."""
    paths = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **settings},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


SPACES = """
import functools, inspect, pickle, sys

TORCH_FIRST = "torch" in sys.modules
BORROWED = []

def GPU(duration):
    def decorate(handler):
        @functools.wraps(handler)
        def borrowed(*given, **named):
            BORROWED.append(handler.__name__)
            given, named = pickle.loads(pickle.dumps((given, named)))
            return pickle.loads(pickle.dumps(handler(*given, **named)))

        @functools.wraps(handler)
        def borrowed_by_parts(*given, **named):
            BORROWED.append(handler.__name__)
            given, named = pickle.loads(pickle.dumps((given, named)))
            for part in handler(*given, **named):
                yield pickle.loads(pickle.dumps(part))

        return borrowed_by_parts if inspect.isgeneratorfunction(handler) else borrowed
    return decorate
"""
ON_A_SPACE = """
import json, app, spaces
from PIL import Image
from imexnet.ui.components import examples, parts

functions = app.demo.fns.values()
handlers = {function.api_name: function.fn for function in functions}
photo = parts.decoded(examples.kitchens()[0])
pictures = list(handlers["predict"](photo, "depth"))
view = handlers["field_of_view"](photo, "depth", 5, 6)
borrowed = lambda fn: fn and fn.__code__.co_filename == spaces.__file__
print(json.dumps({
    "torch first": spaces.TORCH_FIRST,
    "borrowed": spaces.BORROWED,
    "decorated": sorted({bool(borrowed(f.fn)) for f in functions if f.concurrency_id == "device"}),
    "others": sorted({bool(borrowed(f.fn)) for f in functions if f.concurrency_id != "device"}),
    "answered": str(view),
    "block": Image.core.get_block_size(),
    "ids": [block.elem_id for block in app.demo.blocks.values() if block.elem_id],
}))
"""


def test_on_a_zero_gpu_space_every_handler_of_the_networks_borrows_the_gpu(tmp_path):
    (tmp_path / "spaces.py").write_text(SPACES)
    report, said = in_a_new_process(ON_A_SPACE, tmp_path, SPACES_ZERO_GPU="true")
    assert report["torch first"] is False
    assert report["borrowed"] == ["predict", "field_of_view"]
    assert (report["decorated"], report["others"]) == ([True], [False])
    assert "RMS radius" in report["answered"]
    assert report["block"] >= 4e6 * MAX_MEGAPIXELS  # every photo in one, which is freed as a whole
    assert len(report["ids"]) == len(set(report["ids"])) > 20  # styles and scripts find parts by it
    assert said == ""


BROKEN = """
import json, sys
from pathlib import Path
from typing import Any
from imexnet.models import checkpoints
checkpoints.WEIGHTS = Path(sys.path[1])
import gradio as gr
import app
from imexnet.ui.components.inputs import example

handlers = {function.api_name: function.fn for function in app.demo.fns.values()}
app.demo.warm()
try:
    list(handlers["predict"](example("qtips", 0), "depth"))
except gr.Error as error:
    refused = error.message
answered = str(list(handlers["predict"](example("qtips", 0), "qtips")))
print(json.dumps({"refused": refused, "answered": answered}))
"""


def test_the_page_runs_with_the_weights_that_are_whole_and_names_the_others(tmp_path):
    for path in (ROOT / "weights").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "indoor-imexnet.safetensors").unlink()
    whole = (tmp_path / "indoor-resnet.safetensors").read_bytes()
    (tmp_path / "indoor-resnet.safetensors").write_bytes(whole[:5000])
    report, said = in_a_new_process(BROKEN, tmp_path)
    assert (
        report["refused"] == "This server has no ResNet and no IMEXNet for this task; try another."
    )
    assert "True label" in report["answered"]
    truncated, missing = sorted(said.splitlines(), key=lambda line: "no file" in line)
    assert missing.startswith("imexnet: the weights indoor-imexnet.safetensors are not there")
    assert truncated.startswith("imexnet: indoor-resnet.safetensors is no checkpoint")
    assert "expected sha256" in missing and "found no file" in missing


@pytest.mark.browser
class TestRunning:
    """The page that the other tests visit, too."""

    def test_nothing_of_the_machine_is_told(self, url):
        visitor = Visitor(url)
        for path in (
            "/",
            "/config",
            "/gradio_api/info",
            "/theme.css",
            "/gradio_api/startup-events",
        ):
            secretive(visitor.get(path).decode())
        for body in (b"{", b"[]", b'{"data": 5}', b"\xff"):
            for path in ("call/predict", "call/v2/predict", "queue/join", "run/predict", "cancel"):
                with pytest.raises(RefusedError) as error:
                    visitor.post(f"/gradio_api/{path}", body)
                secretive(str(error.value))
        for path in ("call/nothing", "call/v2/nothing", "nothing", "upload"):
            with pytest.raises(RefusedError) as error:
                visitor.post(f"/gradio_api/{path}", b'{"data": []}')
            secretive(str(error.value))
        for path in (
            "/etc/passwd",
            "app.py",
            "%2e%2e/%2e%2e/app.py",
            f"{ROOT}/app.py",
            "C:\\\\x",
            "",
        ):
            with pytest.raises(RefusedError) as error:
                visitor.get(f"/gradio_api/file={path}")
            secretive(str(error.value).replace(str(path), ""))

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("predict", [None, "depth"]),
            ("predict", ["photo", "everything"]),
            ("predict", ["photo", None]),
            ("predict", [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "depth"]),
            (
                "predict",
                [{"path": "http://10.0.0.1/", "meta": {"_type": "gradio.FileData"}}, "depth"],
            ),
            ("predict", [{"url": "data:image/png;base64,AAAA"}, "depth"]),
            ("predict", [17, "depth"]),
            ("field_of_view", ["photo", "depth", 10**9, 0]),
            ("field_of_view", ["photo", "depth", -1, 0]),
            ("field_of_view", ["photo", "depth", None, 0]),
            ("field_of_view", ["photo", "depth", "left", 0]),
            ("field_of_view", ["photo", "depth", float("nan"), 0]),
            ("field_of_view", ["photo", "depth", float("inf"), 0]),
            ("field_of_view", ["photo", "depth", [], {}]),
            ("raw_values", ["photo", {"task": "depth"}]),
        ],
    )
    def test_parameters_out_of_range_get_a_sentence(self, url, name, values):
        visitor = Visitor(url)
        content = (ROOT / "assets" / "kitchens" / "rgb" / "0001.jpg").read_bytes()
        given = [visitor.upload(content) if value == "photo" else value for value in values]
        with pytest.raises(RefusedError) as error:
            visitor.ask(name, *given)
        assert str(error.value).endswith(".") and len(str(error.value)) < 250
        secretive(str(error.value))

    def test_a_photo_may_come_within_the_request(self, url):
        content = (ROOT / "assets" / "kitchens" / "rgb" / "0001.jpg").read_bytes()
        data = f"data:image/jpeg;base64,{b64encode(content).decode()}"
        assert len(Visitor(url).ask("predict", {"url": data}, "depth")) >= 2

    def test_files_are_found_only_by_those_who_know_their_names(self, url):
        one, other = Visitor(url, "8.8.8.8"), Visitor(url, "9.9.9.9")
        content = np.random.default_rng(int(time.time())).bytes(500)
        path = Path(one.upload(content, "mine.jpg")["path"])
        assert one.get(f"/gradio_api/file={path}") == content
        assert len(path.parent.name) >= 32  # of a keyed hash
        for guess in (path.parent, path.parent.parent, path.with_name("other.jpg")):
            with pytest.raises(RefusedError):
                other.get(f"/gradio_api/file={guess}")
        for place in ("/", "/config", "/gradio_api/info", "/gradio_api/queue/status"):
            assert path.parent.name not in other.get(place).decode()

    def test_headers_are_on_the_page_and_on_files(self, url):
        photo = Visitor(url).upload(b"<svg onload='alert(1)'/>", "x.svg")
        for path, policy in (
            ("/", "connect-src 'self'"),
            (f"/gradio_api/file={photo['path']}", "sandbox"),
        ):
            with urllib.request.urlopen(url + path) as response:
                assert policy in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_tests_server_would_tell_of_a_call(capsys, monkeypatch):
    for name in ("getaddrinfo",):
        monkeypatch.setattr(socket, name, getattr(socket, name))
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, getattr(socket.socket, name))
    offline.guard()
    with pytest.raises(OSError, match="no other machine"):
        urllib.request.urlopen("http://192.0.2.1/")
    with pytest.raises(OSError, match="no other machine"):
        urllib.request.urlopen("http://example.org/")
    assert capsys.readouterr().err.count(offline.OUTGOING) == 2
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    server.close()
