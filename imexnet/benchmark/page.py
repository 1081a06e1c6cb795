"""What the page costs beside its networks: start, requests over HTTP, memory of large uploads.

The server is the real one, started as `imexnet serve`; each request has a connection of its own, as
`curl` would make them.
"""

import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

SMALL, LARGE = (640, 480), (4000, 3000)  # width and height; 12 megapixels
CLIENT = httpx.Client(
    timeout=None, follow_redirects=True, limits=httpx.Limits(max_keepalive_connections=0)
)


class RefusedError(RuntimeError):
    """The page gave no answer; what it said instead."""


class Visitor:
    """Asks a running page as a program does.

    Attributes:
        url: the page's address.
        address: where the requests seem to come from, through a proxy; "" for this machine.
        session: of the page, by a name of its own; "" for none, as programs ask.
    """

    def __init__(self, url: str, address: str = "", session: str = "") -> None:
        self.url, self.address, self.session = url, address, session

    def upload(self, content: bytes, name: str = "photo.jpg") -> dict:
        """A file sent to the page: what an event takes."""
        sent = self._send("POST", "/gradio_api/upload", files={"files": (name, content)})
        path = json.loads(sent)[0]
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def ask(self, name: str, *values: object) -> list:
        """The answer of a named endpoint.

        Raises:
            RefusedError: with what the page says, if it does not answer.
        """
        address = f"/gradio_api/call/{name}"
        body = json.dumps({"data": values, "session_hash": self.session or None}).encode()
        event = json.loads(self.post(address, body))["event_id"]
        last = self.get(f"{address}/{event}").decode().strip().rpartition("\n\n")[2]
        state, _, data = last.partition("\ndata: ")
        answer = json.loads(data)
        if state != "event: complete":
            raise RefusedError(answer["error"] if isinstance(answer, dict) else str(answer))
        return answer

    def get(self, path: str) -> bytes:
        """What is at a path of the page."""
        return self._send("GET", path)

    def post(self, path: str, body: bytes) -> bytes:
        """What the page answers to JSON that is sent to a path of it."""
        return self._send("POST", path, content=body, headers={"Content-Type": "application/json"})

    def _send(self, method: str, path: str, headers: Mapping[str, str] = {}, **body: Any) -> bytes:
        if self.address:
            headers = {**headers, "X-Forwarded-For": self.address}
        response = CLIENT.request(method, f"{self.url}{path}", headers=headers, **body)
        if response.is_error:
            raise RefusedError(_detail(response.text))
        return response.content


def _detail(said: str) -> str:
    try:
        return str(json.loads(said)["detail"])
    except (ValueError, KeyError, TypeError):
        return said


class Server(Visitor):
    """A page that runs for this benchmark, and its only visitor.

    Attributes:
        process: of Python.
        ready: seconds from its start until it answered.
    """

    def __init__(self, process: subprocess.Popen, url: str, ready: float) -> None:
        super().__init__(url)
        self.process, self.ready = process, ready

    def photo(self, size: tuple[int, int]) -> dict:
        """A made-up JPEG of that width and height, uploaded."""
        blocks = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
        content = io.BytesIO()
        Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(content, "JPEG")
        return self.upload(content.getvalue())

    def call(self, name: str, *values: object) -> float:
        """Milliseconds from sending a request to having its whole answer."""
        begin = time.perf_counter()
        self.ask(name, *values)
        return 1000 * (time.perf_counter() - begin)

    def memory(self, which: str = "VmHWM") -> float | None:
        """Resident memory in MB, the largest so far or "VmRSS" now; None but on Linux."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields[which].split()[0]) / 1000


@contextmanager
def serve(threads: int) -> Iterator[Server]:
    """The page on a free port, ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": str(threads)}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "imexnet", "serve"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                CLIENT.get(f"{url}/healthz")
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise ValueError("the page did not start") from None
                time.sleep(0.02)
        yield Server(process, url, time.perf_counter() - begin)
    finally:
        process.terminate()
        process.wait()


def requests(
    server: Server, size: tuple[int, int], name: str, values: Callable[[int], Sequence[object]]
) -> dict:
    """The first request for a new upload, and the median of those that follow.

    Args:
        server: that is asked.
        size: (width, height) of the upload.
        name: of the endpoint.
        values: that the i-th request gives it.
    """
    photo = server.photo(size)
    times = [server.call(name, photo, *values(i)) for i in range(16)]
    return {"first, ms": times[0], "later, ms": statistics.median(times[1:])}


def seconds_to_run(*statements: str) -> list[float]:
    """For each statement, median seconds that a new interpreter takes; they take turns."""
    times: list[list[float]] = [[] for _ in statements]
    for _ in range(5):
        for statement, measured in zip(statements, times, strict=True):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            measured.append(time.perf_counter() - begin)
    return [statistics.median(measured) for measured in times]
