"""Many visitors at once: every answer against that of a visitor alone, waiting times, memory.

The server is the real one, started here. Each visitor asks one thing after the other without a
pause, of all tasks, in an order of its own; some of the files that they send are broken.
"""

import argparse
import hashlib
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

from imexnet import program
from imexnet.benchmark_page import RefusedError, Server, Visitor, serve
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
PARTS = 9  # of the time in which memory is watched
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


def visit(server: Server, number: int, expected: list[str], until: float, log: Log) -> None:
    """One visitor, from an address of its own, until the time is over."""
    visitor = Visitor(server.url, f"8.8.{number // 256}.{number % 256}")
    order, asked = random.Random(number), cases()
    while time.perf_counter() < until:
        index = order.randrange(len(asked))
        begin = time.perf_counter()
        try:
            got = ask(visitor, asked[index])
        except Exception as error:  # of the connection or of what came over it
            log.add("failed", surprise=f"{type(error).__name__}: {error}")
            continue
        if got == expected[index]:
            log.add("right", time.perf_counter() - begin)
        elif any(words in got for words in BUSY):
            log.add("refused in words")
            time.sleep(1)
        else:
            log.add("wrong", surprise=f"{asked[index][1:]}: {got} instead of {expected[index]}")


def watch(server: Server, settled: float, until: float) -> list[int]:
    """Resident memory in MB: medians of 10 s, from when the server has settled to the end."""
    measured: list[tuple[float, float]] = []
    while time.perf_counter() < until:
        measured.append((time.perf_counter(), server.memory("VmRSS") or float("nan")))
        time.sleep(0.5)

    def around(moment: float) -> float:
        return statistics.median(m for t, m in measured if moment - 1 <= t <= moment + 10)

    moments = [settled + (until - 10 - settled) * k / PARTS for k in range(PARTS + 1)]
    return [round(around(moment)) for moment in moments]


def run(visitors: int, minutes: float, threads: int) -> tuple[dict, list[str]]:
    """The figures, and a line for each answer that was wrong or missing."""
    log = Log()
    with serve(threads) as server:
        alone = Visitor(server.url)
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
            threading.Thread(target=visit, args=(server, number, expected, until, log))
            for number in range(visitors)
        ]
        for thread in crowd:
            thread.start()
        memory = watch(server, begin + min(60.0, 15 * minutes), until)
        for thread in crowd:
            thread.join()
        seconds = time.perf_counter() - begin
    waits = sorted(log.seconds)
    return {
        "visitors": visitors,
        "seconds": round(seconds),
        **{name: log.outcomes[name] for name in ("right", "refused in words", "wrong", "failed")},
        "answers a second": round(len(waits) / seconds, 2),
        "alone, mean s": round(statistics.fmean(times), 3),
        "p50, s": round(waits[len(waits) // 2], 2),
        "p95, s": round(waits[int(0.95 * len(waits))], 2),
        "visitors / answers a second, s": round(visitors * seconds / len(waits), 2),
        "memory from when it has settled to the end, MB": memory,
        "it grew by": f"{100 * (memory[-1] / memory[0] - 1):.1f} %",
    }, log.surprises


def main() -> int:
    """Prints one JSON object; exit status 1 if an answer was wrong or missing."""
    parser = argparse.ArgumentParser(description="Many visitors at once.")
    parser.add_argument("--visitors", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=1, help="of the server's processor")
    given = parser.parse_args()
    figures, surprises = run(given.visitors, given.minutes, given.threads)
    print(json.dumps(figures, indent=2))
    print(*surprises[:20], sep="\n", file=sys.stderr)
    return int(bool(surprises))


if __name__ == "__main__":
    program.run(main, "load")
