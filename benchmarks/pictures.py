"""Scores of every picture, by run, in pictures.csv; and differences of two variants, in pairs."""

import csv
import io
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from imexnet.io.files import write_bytes
from imexnet.io.tables import read_table

PICTURES = Path(__file__).with_name("pictures.csv")
COLUMNS = ("command", "seed", "score", "values")


def note(words: str, seed: int, found: dict[str, list[float]]) -> None:
    """Writes the scores of every picture to pictures.csv, in the place of older ones of the run."""
    rows = read_table(PICTURES, COLUMNS) if PICTURES.exists() else []
    kept = [old for old in rows if (old["command"], old["seed"]) != (words, str(seed))]
    for score, values in found.items():
        cells = (words, str(seed), score, " ".join(f"{value:.4f}" for value in values))
        kept.append(dict(zip(COLUMNS, cells, strict=True)))
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_bytes(PICTURES, text.getvalue().encode())


def per_picture(words: str, score: str) -> dict[str, np.ndarray]:
    """Seed → the score of every picture, of the runs with that command."""
    rows = read_table(PICTURES, COLUMNS) if PICTURES.exists() else []
    return {
        row["seed"]: np.array([float(value) for value in row["values"].split()])
        for row in rows
        if (row["command"], row["score"]) == (words, score)
    }


def interval(found: tuple[float, float, float] | None) -> str:
    """What `paired` found, in a cell of a table."""
    return "—" if found is None else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*found)


def paired(words: str, other: str, score: str) -> tuple[float, float, float] | None:
    """Mean difference of a score per picture, and its 95 % bootstrap interval over the pictures.

    Each picture's difference is the mean over the seeds that both have; None if there is none.
    """
    mine, theirs = per_picture(words, score), per_picture(other, score)
    seeds = sorted(mine.keys() & theirs.keys())
    if not seeds:
        return None
    difference = np.mean([mine[seed] - theirs[seed] for seed in seeds], axis=0)
    difference = difference[np.isfinite(difference)]
    if len(difference) < 2:
        return None
    drawn = bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(0))
    low, high = drawn.confidence_interval
    return float(difference.mean()), float(low), float(high)
