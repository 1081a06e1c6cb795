"""Many visitors at once: every answer against that of a visitor alone, waiting times, memory.

The server is the real one, started here. Each visitor asks one thing after the other without a
pause, of all tasks, in an order of its own; some of the files that they send are broken. Every
other time it comes as somebody new, with a photo of any size, shape and format, and tries one of
all that the tabs do: there an answer counts as right if it is one.
"""

import argparse
import hashlib
import io
import itertools
import json
import math
import random
import re
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from imexnet import program
from imexnet.benchmark.page import RefusedError, Server, Visitor, serve
from imexnet.models.tasks import TASKS
from imexnet.places import KITCHENS

PHOTOS = sorted((KITCHENS / "rgb").glob("*.jpg"))[:4]
BROKEN = PHOTOS[0].read_bytes()[:2000]
QUESTIONS: list[tuple[str, tuple]] = [
    ("predict", ("depth",)),
    ("predict", ("segmentation",)),
    ("predict", ("qtips",)),
    ("field_of_view", ("depth", 10, 20)),
    ("field_of_view", ("segmentation", 200, 100)),
    ("raw_values", ("depth",)),
]
MEGAPIXELS = np.geomspace(0.1, 40, 24)
ASPECTS = (4 / 3, 3 / 4, 16 / 9, 1, 1 / 3)
FORMATS = ("HEIF", "WEBP", "PNG", "JPEG")
PHOTO_KINDS = ("image", "uploadbutton")  # components that take a photo
GROWTH = 0.1  # of memory from the second quarter to the last, at most
STROKE = json.dumps({"radius": 0.1, "strokes": [[[0.3, 0.3], [0.4, 0.3]]]})  # of the brush
OUTCOMES = ("right", "refused in words", "wrong", "failed")
BUSY = ("Queue is full", "Too many", "no room")  # how the page says that it has no time


class Log:
    """What happened, from all visitors."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seconds: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.surprises: list[str] = []

    def add(self, outcome: str, seconds: float = 0.0, surprise: str = "") -> None:
        """One request that ended."""
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome == "right":
                self.seconds.append(seconds)
            if surprise:
                self.surprises.append(surprise)


def cases() -> list[tuple[bytes, str, tuple]]:
    """Content of a file, endpoint, and what else it is given."""
    whole = [(path.read_bytes(), name, rest) for path in PHOTOS for name, rest in QUESTIONS]
    return [*whole, (BROKEN, "predict", ("depth",)), (BROKEN, "field_of_view", ("depth", 1, 1))]


def ask(visitor: Visitor, case: tuple[bytes, str, tuple]) -> str:
    """Digest of all files of the answer, or the sentence instead of one."""
    content, name, rest = case
    try:
        answer = visitor.ask(name, visitor.upload(content), *rest)
    except RefusedError as error:
        return str(error)
    contents = [visitor.get(f"/gradio_api/file={path}") for path in files(answer)]
    return hashlib.sha256(b"".join(contents)).hexdigest()


def files(value: object) -> Iterator[str]:
    """Paths of the files in an answer, in their order."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        else:
            yield from files(list(value.values()))
    elif isinstance(value, list):
        for inner in value:
            yield from files(inner)


def photos() -> list[tuple[bytes, str]]:
    """Content and name of made-up photos of all sizes, shapes and formats."""
    made, blocks = [], np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    for number, megapixels in enumerate(MEGAPIXELS):
        height = (1e6 * megapixels / ASPECTS[number % len(ASPECTS)]) ** 0.5
        size = round(1e6 * megapixels / height), round(height)
        kind, content = FORMATS[number % len(FORMATS)], io.BytesIO()
        photo = Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)
        if kind == "PNG":
            photo.putalpha(200)
        photo.save(content, kind, method=0, compress_level=1)  # soon done, whatever the size
        made.append((content.getvalue(), f"photo.{kind.lower()}"))
    return made


def events(config: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Name and inputs of all that visitors do in the tabs but click pictures, each once."""
    components = {component["id"]: component for component in config["components"]}
    found = {}
    for event in config["dependencies"]:
        function = re.sub(r"_\d+$", "", event["api_name"] or "")
        other = any(trigger in ("select", "load") for _, trigger in event["targets"])
        if event["backend_fn"] and event["queue"] is not False and not other:
            inputs = [components[number] for number in event["inputs"]]
            found[function] = event["api_name"], [c for c in inputs if c["type"] != "state"]
    return list(found.values())


def given(component: dict[str, Any], photo: dict, chance: random.Random) -> object:
    """What a visitor leaves or puts into a component."""
    kind, props = component["type"], component["props"]
    if kind in PHOTO_KINDS or kind == "file":
        return photo if kind in PHOTO_KINDS else [photo, photo]
    if props.get("elem_id") == "brush":
        return STROKE
    if str(props.get("elem_id")).endswith("task"):
        return chance.choice([*TASKS])
    return 7 if kind == "number" and props.get("value") is None else props.get("value")


def visit(
    server: Server,
    number: int,
    expected: list[str],
    offered: list[tuple[bytes, str]],
    tabs: list[tuple[str, list[dict[str, Any]]]],
    until: float,
    log: Log,
) -> None:
    """One visitor, from an address of its own, until the time is over."""
    visitor, asked = Visitor(server.url, f"8.8.{number // 256}.{number % 256}"), cases()
    order = random.Random(number)

    def known() -> str:
        index = order.randrange(len(asked))
        got = ask(visitor, asked[index])
        return "" if got == expected[index] else f"{asked[index][1:]}: {got}"

    def anything() -> str:
        new = Visitor(server.url, visitor.address, f"{order.getrandbits(64):x}")
        name, inputs = order.choice(tabs)
        try:
            photo = new.upload(*order.choice(offered))
            new.ask(name, *(given(component, photo, order) for component in inputs))
        except RefusedError as error:
            return f"{name}: {error}"
        return ""

    for question in itertools.cycle((known, anything)):
        begin = time.perf_counter()
        if begin > until:
            return
        try:
            wrong = question()
        except Exception as error:  # of the connection or of what came over it
            log.add("failed", surprise=f"{type(error).__name__}: {error}")
            continue
        if not wrong:
            log.add("right", time.perf_counter() - begin)
        elif any(words in wrong for words in BUSY):
            log.add("refused in words")
            time.sleep(1)
        else:
            log.add("wrong", surprise=wrong)


def watch(server: Server, until: float) -> dict[str, Any]:
    """Resident memory in MB, as a curve, and by what share it grew in the second half.

    The server gives freed memory back once a minute; the least of a quarter is what it holds.
    """
    measured: list[float] = []
    while time.perf_counter() < until:
        measured.append(server.memory("VmRSS") or float("nan"))
        time.sleep(0.5)
    quarters = [min(quarter) for quarter in np.array_split(measured, 4)]
    return {
        "at the start": _whole(measured[0]),
        "least of each quarter": [*map(_whole, quarters)],
        "at the end": _whole(measured[-1]),
        "peak": _whole(server.memory() or float("nan")),
        "growth, second to last quarter": round(float(quarters[3] / quarters[1] - 1), 3),
    }


def _whole(megabytes: float) -> int | None:
    """Rounded; None where the system does not tell."""
    return None if math.isnan(megabytes) else round(megabytes)


def run(visitors: int, minutes: float, threads: int) -> tuple[dict, list[str]]:
    """The figures, and a line for each answer that was wrong or missing."""
    log, offered = Log(), photos()
    with serve(threads) as server:
        alone = Visitor(server.url)
        tabs = events(json.loads(alone.get("/config")))
        expected = [ask(alone, case) for case in cases()]
        times = []
        for case in cases():
            begin = time.perf_counter()
            if ask(alone, case) != expected[cases().index(case)]:
                raise RuntimeError("a visitor alone gets two answers to one question")
            times.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        until = begin + 60 * minutes
        crowd = [
            threading.Thread(
                target=visit, args=(server, number, expected, offered, tabs, until, log)
            )
            for number in range(visitors)
        ]
        for thread in crowd:
            thread.start()
        memory = watch(server, until)
        for thread in crowd:
            thread.join()
        seconds = time.perf_counter() - begin
    waits = sorted(log.seconds)
    if not waits:
        raise ValueError("no right answer came")
    return {
        "visitors": visitors,
        "seconds": round(seconds),
        **{name: log.outcomes[name] for name in OUTCOMES},
        "answers a second": round(len(waits) / seconds, 2),
        "alone, mean s": round(statistics.fmean(times), 3),
        "p50, s": round(waits[len(waits) // 2], 2),
        "p95, s": round(waits[int(0.95 * len(waits))], 2),
        "visitors / answers a second, s": round(visitors * seconds / len(waits), 2),
        "memory, MB": memory,
    }, log.surprises


def main() -> int:
    """Prints one JSON object; exit status 1 if an answer was wrong or missing or memory grew."""
    parser = argparse.ArgumentParser(description="Many visitors at once.")
    parser.add_argument("--visitors", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--threads", type=int, default=1, help="of the server's processor")
    asked = parser.parse_args()
    figures, surprises = run(asked.visitors, asked.minutes, asked.threads)
    print(json.dumps(figures, indent=2))
    print(*surprises[:20], sep="\n", file=sys.stderr)
    grown = figures["memory, MB"]["growth, second to last quarter"] > GROWTH
    return int(bool(surprises) or grown)


if __name__ == "__main__":
    program.run(main, "load")
