"""What the page costs beside its networks: start, requests over HTTP, memory of large uploads.

The server is the real one, started as `python app.py`; requests are made with the standard library
alone, as `curl` would make them.
"""

import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

APP = Path(__file__).resolve().parent.parent / "app.py"
SMALL, LARGE = (640, 480), (4000, 3000)  # width and height; 12 megapixels


class Server:
    """A running page.

    Attributes:
        url: its address.
        ready: seconds from its start until it answered.
        process: of Python.
    """

    def __init__(self, process: subprocess.Popen, url: str, ready: float) -> None:
        self.process, self.url, self.ready = process, url, ready

    def upload(self, size: tuple[int, int]) -> dict:
        """A made-up JPEG of that width and height, sent to the server: what an event takes."""
        blocks = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
        content = io.BytesIO()
        Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(content, "JPEG")
        head = b'Content-Disposition: form-data; name="files"; filename="photo.jpg"\r\n'
        body = b"--part\r\n" + head + b"Content-Type: image/jpeg\r\n\r\n"
        body += content.getvalue() + b"\r\n--part--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=part"}
        request = urllib.request.Request(f"{self.url}/gradio_api/upload", body, kind)
        with urllib.request.urlopen(request) as response:
            path = json.load(response)[0]
        return {"path": path, "orig_name": "photo.jpg", "meta": {"_type": "gradio.FileData"}}

    def call(self, name: str, *values: object) -> float:
        """Milliseconds from sending a request to having its whole answer.

        Raises:
            RuntimeError: if the page did not answer it.
        """
        begin = time.perf_counter()
        body = json.dumps({"data": values}).encode()
        address = f"{self.url}/gradio_api/call/{name}"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            event = json.load(response)["event_id"]
        with urllib.request.urlopen(f"{address}/{event}") as response:
            answer = response.read()
        if b"event: complete" not in answer:
            raise RuntimeError(f"the page gave no answer to {name}")
        return 1000 * (time.perf_counter() - begin)

    def peak_memory(self) -> float | None:
        """Largest resident memory of the server so far, in MB; None but on Linux."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1000


@contextmanager
def serve(threads: int) -> Iterator[Server]:
    """The page on a free port, ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": str(threads)}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(APP)], env={**os.environ, **settings}, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                urllib.request.urlopen(f"{url}/healthz").close()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError("the page did not start") from None
                time.sleep(0.02)
        yield Server(process, url, time.perf_counter() - begin)
    finally:
        process.terminate()
        process.wait()


def requests(server: Server, size: tuple[int, int], name: str, *values: object) -> dict:
    """The first request for a new upload, and the median of those that follow."""
    photo = server.upload(size)
    times = [server.call(name, photo, *values) for _ in range(16)]
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
