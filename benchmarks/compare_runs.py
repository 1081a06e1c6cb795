"""Mean ± standard deviation over the seeds of every command in runs.csv.

python benchmarks/compare_runs.py [FILE]; scores on the validation split, − where one seed is all.
"""

import csv
import re
import statistics
import sys
from pathlib import Path

RUNS = Path(__file__).with_name("runs.csv")
SCORES = ("abs_rel", "rmse", "delta1", "mean_iou", "pixel_accuracy", "kitchens_abs_rel")


def groups(runs: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of each command without its seed and output file; of a seed the last row."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    with runs.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            command = re.sub(r" --(seed|out) \S+", "", row["command"])
            found.setdefault(command, {})[row["seed"]] = row
    return {command: list(by_seed.values()) for command, by_seed in found.items()}


def summary(values: list[float]) -> str:
    """The mean and the standard deviation of a sample (n − 1)."""
    spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "−"
    return f"{statistics.mean(values):.4f} ± {spread}"


def main(runs: Path = RUNS) -> None:
    for command, rows in groups(runs).items():
        seeds = ", ".join(row["seed"] for row in rows)
        print(f"{command}\n  seeds {seeds}")
        for name in SCORES:
            print(f"  {name:18}{summary([float(row[name]) for row in rows])}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
