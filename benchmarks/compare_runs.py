"""Mean ± standard deviation over the seeds of every command in runs.csv.

python benchmarks/compare_runs.py [FILE]; scores on the validation split, of one seed as they are.
"""

import math
import re
import statistics
import sys
from pathlib import Path

from record_run import RUNS, SCORES, number, read_runs

from imexnet.program import run


def groups(runs: Path = RUNS) -> dict[str, list[dict[str, str]]]:
    """The rows of each command without its seed and output file; of a seed the last row."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for row in read_runs(runs):
        command = re.sub(r" --(seed|out) \S+", "", row["command"])
        found.setdefault(command, {})[row["seed"]] = row
    return {command: list(by_seed.values()) for command, by_seed in found.items()}


def summary(values: list[float], digits: int = 4) -> str:
    """The mean, and of several values the standard deviation of a sample (n − 1)."""
    spread = f" ± {deviation(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def deviation(values: list[float]) -> float:
    """The standard deviation of a sample (n − 1); 0 of a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main(runs: Path = RUNS) -> None:
    if not runs.is_file():
        raise ValueError(f"{runs} is not there")
    for command, rows in groups(runs).items():
        seeds = ", ".join(row["seed"] for row in rows)
        print(f"{command}\n  seeds {seeds}")
        for name in SCORES:
            values = [number(row[name]) for row in rows]
            if not any(map(math.isnan, values)):  # depth is a score of rooms alone
                print(f"  {name:18}{summary(values)}")


if __name__ == "__main__":
    run(lambda: main(*map(Path, sys.argv[1:2])), "compare_runs")
