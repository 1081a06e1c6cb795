"""Appends a trained network to runs.csv: python benchmarks/record_run.py CHECKPOINT MINUTES.

Command, seed, epochs and scores on the validation split are those in the checkpoint's header.
"""

import csv
import io
import subprocess
import sys
from datetime import date
from pathlib import Path

from imexnet.io.files import write_bytes
from imexnet.io.tables import read_table
from imexnet.models.checkpoints import read
from imexnet.program import run

RUNS = Path(__file__).with_name("runs.csv")
SCORES = ("abs_rel", "rmse", "delta1", "mean_iou", "pixel_accuracy", "kitchens_abs_rel")
COLUMNS: tuple[str, ...] = ("date", "commit", "command", "seed", "epochs", *SCORES, "minutes")


def row(checkpoint: Path, minutes: float) -> dict[str, str]:
    """What is known of a run, as it stands in the file.

    Raises:
        ValueError: if the file holds no network for rooms with its scores.
    """
    card, _ = read(checkpoint)
    try:
        depth, classes = card.metrics["depth"], card.metrics["segmentation"]
        kitchens = card.metrics["kitchens"]
        scores = [depth[name] for name in SCORES[:3]] + [classes[name] for name in SCORES[3:5]]
        scores.append(kitchens["depth"]["abs_rel"] if kitchens else float("nan"))
        return row_of(card.training, dict(zip(SCORES, scores, strict=True)), minutes)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{checkpoint.name} holds no scores on rooms") from error


def row_of(training: dict, scores: dict[str, float], minutes: float) -> dict[str, str]:
    """A row of what the header says of the training, and of scores; those not named are nan."""
    facts = [str(training[name]) for name in ("command", "seed", "epochs")]
    cells = [str(date.today()), _commit(), *facts]
    cells += [*(f"{scores.get(name, float('nan')):.4f}" for name in SCORES), f"{minutes:.0f}"]
    return dict(zip(COLUMNS, cells, strict=True))


def read_runs(runs: Path = RUNS) -> list[dict[str, str]]:
    """All rows; none if there is no file yet."""
    if not runs.exists():
        return []
    return read_table(runs, COLUMNS)


def number(cell: str) -> float:
    """A score, also with the decimal comma of a spreadsheet."""
    return float(cell.replace(",", "."))


def append(new: dict[str, str], runs: Path = RUNS) -> None:
    """Adds a row; the file is the old or the new one, never half of it.

    Raises:
        ValueError: if the same run, by command, seed, epochs and scores, is there already.
    """
    rows = read_runs(runs)
    if is_recorded(new, runs):
        raise ValueError(f"{runs.name} has this run already: {new['command']}")
    text = io.StringIO()
    names = dict.fromkeys([*COLUMNS, *(name for old in rows for name in old)])
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, new])
    write_bytes(runs, text.getvalue().encode())


def is_recorded(new: dict[str, str], runs: Path = RUNS) -> bool:
    """Whether the same run is there already."""
    return any(_same(old, new) for old in read_runs(runs))


def _same(old: dict[str, str], new: dict[str, str]) -> bool:
    words = all(old[name] == new[name] for name in ("command", "seed", "epochs"))
    # As text: a score may be nan. A spreadsheet writes 0.31 for 0.3100.
    return words and all(f"{number(old[n]):.4f}" == f"{number(new[n]):.4f}" for n in SCORES)


def _commit() -> str:
    """Of this repository; "unknown" outside one, or without git."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, cwd=RUNS.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def main(arguments: list[str]) -> None:
    if len(arguments) != 2:
        raise ValueError("usage: python benchmarks/record_run.py CHECKPOINT MINUTES")
    append(row(Path(arguments[0]), float(arguments[1])), RUNS)


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "record_run")
