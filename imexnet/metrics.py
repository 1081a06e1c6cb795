"""Scores of dense predictions, in numpy."""

import math
from typing import TypedDict

import numpy as np

MIN_DEPTH, MAX_DEPTH = 0.1, 10.0  # metres
BOUNDARIES = np.linspace(1.05, 1.25, 10)  # ratios of neighbouring depths


class DepthScores(TypedDict):
    """Errors are better when small, δ shares when large."""

    abs_rel: float
    rmse: float
    log10: float
    delta1: float
    delta2: float
    delta3: float


def eigen_crop(size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows 45:471 and columns 41:601 of 480×640, scaled to `size` (H, W).

    The region in which NYU depths are scored (Eigen et al. 2014): the pictures have a white frame.
    """
    rows, columns = size[0] / 480, size[1] / 640
    return (
        slice(int(45 * rows), int(np.ceil(471 * rows))),
        slice(int(41 * columns), int(np.ceil(601 * columns))),
    )


def depth_scores(predicted: np.ndarray, true: np.ndarray) -> DepthScores:
    """AbsRel, RMSE (m), log10 and δ_k = share of max(d/d*, d*/d) < 1.25^k, of one picture.

    Args:
        predicted: (H, W) metres; clamped to 0.1…10 m.
        true: (H, W) metres; pixels outside 0.1…10 m are unknown and do not count.

    Raises:
        ValueError: if shapes differ or no pixel of `true` is known.
    """
    p, t = _known(predicted, true)
    ratio = np.maximum(p / t, t / p)
    return DepthScores(
        abs_rel=float(np.mean(np.abs(p - t) / t)),
        rmse=float(np.sqrt(np.mean((p - t) ** 2))),
        log10=float(np.mean(np.abs(np.log10(p / t)))),
        delta1=float(np.mean(ratio < 1.25)),
        delta2=float(np.mean(ratio < 1.25**2)),
        delta3=float(np.mean(ratio < 1.25**3)),
    )


def median_scaled(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The prediction times median(true) / median(predicted), over the pixels of known depth.

    What is left is the error of the shape, not of the size of the room. Arguments and errors as of
    `depth_scores`.
    """
    p, t = _known(predicted, true)
    return predicted * (np.median(t) / np.median(p))


def log_bias(predicted: np.ndarray, true: np.ndarray) -> float:
    """mean(log predicted − log true): 0.1 where rooms come out a tenth too large.

    Arguments and errors as of `depth_scores`.
    """
    p, t = _known(predicted, true)
    return float(np.mean(np.log(p / t)))


def boundary_f1(predicted: np.ndarray, true: np.ndarray) -> float:
    """How well the edges of the prediction lie on those of the truth, from 0 to 1.

    Two neighbours, in a row or a column, are an edge at threshold t if the one is more than t times
    as far as the other, and the same edge only if the same one is farther. With E the edges of the
    truth and Ê those of the prediction, F1(t) = 2 |E ∩ Ê| / (|E| + |Ê|), or 0 where there are none;
    the result is the mean over t = 1.05 … 1.25, weighted by t. It does not depend on scale.

    After Bochkovskii et al., "Depth Pro", 2024 (arXiv 2410.02073), section on boundary metrics.
    Arguments and errors as of `depth_scores`; pairs of which one depth is unknown do not count.
    """
    _known(predicted, true)
    known = (true >= MIN_DEPTH) & (true <= MAX_DEPTH)
    logs = [np.log(np.clip(d, MIN_DEPTH, MAX_DEPTH, dtype=np.float64)) for d in (predicted, true)]
    ours, truth = (
        np.concatenate([np.diff(log, axis=k)[_pairs(known, k)] for k in (0, 1)]) for log in logs
    )
    scores = []
    for t in np.log(BOUNDARIES):
        hits = np.sum((ours > t) & (truth > t)) + np.sum((ours < -t) & (truth < -t))
        edges = np.sum(np.abs(ours) > t) + np.sum(np.abs(truth) > t)
        scores.append(2 * hits / max(edges, 1))
    return float(np.average(scores, weights=BOUNDARIES))


def _pairs(known: np.ndarray, axis: int) -> np.ndarray:
    """Where a pixel and the one after it along the axis are both known, as in `numpy.diff`."""
    n = known.shape[axis]
    return known.take(range(1, n), axis) & known.take(range(n - 1), axis)


def _known(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both where the truth is known, the prediction clamped."""
    if predicted.shape != true.shape:
        raise ValueError(f"predicted {predicted.shape} and true {true.shape} differ in shape")
    known = (true >= MIN_DEPTH) & (true <= MAX_DEPTH)
    if not known.any():
        raise ValueError("no pixel with a known depth")
    p = np.clip(predicted[known].astype(np.float64), MIN_DEPTH, MAX_DEPTH)
    return p, true[known].astype(np.float64)


def mean_depth_scores(scores: list[DepthScores]) -> DepthScores:
    """The mean over pictures of each score."""
    means = {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
    return DepthScores(**means)


def confusion_matrix(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts, row = true class, column = predicted; add them over a split."""
    pairs = true.astype(np.int64).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def iou(confusion: np.ndarray) -> np.ndarray:
    """|predicted ∩ true| / |predicted ∪ true| per class; NaN for a class that never occurs."""
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)


def mean_iou(confusion: np.ndarray) -> float:
    """Over the classes that occur; NaN without a pixel."""
    return float(np.nanmean(iou(confusion))) if confusion.any() else math.nan


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of pixels whose class is right; NaN without a pixel."""
    return float(np.trace(confusion) / confusion.sum()) if confusion.any() else math.nan
