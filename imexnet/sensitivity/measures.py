"""How far a map S ≥ 0 reaches, always on the linear map; nothing depends on its scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Region = tuple[slice, slice]
"""Rows and columns of a grid: a pixel, a box, a window."""


@dataclass(frozen=True)
class Measures:
    """How far a sensitivity map reaches.

    Attributes:
        area50, area95, area99: share of the picture taken by the smallest set of pixels that
            holds 50, 95, 99 % of ΣS.
        rms_radius: √(Σ S d² / Σ S), d the distance to the asked pixel or box in input pixels.
        outside_window: share of ΣS outside the explicit window; exactly 0 for a ResNet.
        wrap_around: share of ΣS outside the explicit window at pixels that lie nearer to the
            asked one across an edge of the periodic grid than within the picture.

    Without a window, the last two are NaN.
    """

    area50: float
    area95: float
    area99: float
    rms_radius: float
    outside_window: float
    wrap_around: float


def region(
    size: tuple[int, int], pixel: tuple[int, int], other: tuple[int, int] | None = None
) -> Region:
    """The pixel (row, column), or the box between it and the other corner, both included.

    Raises:
        ValueError: if a corner lies outside the grid of `size` (H, W).
    """
    corners = (pixel, other or pixel)
    for row, column in corners:
        if not (0 <= row < size[0] and 0 <= column < size[1]):
            raise ValueError(f"row {row}, column {column} is outside the {size} grid")
    rows, columns = (slice(min(ends), max(ends) + 1) for ends in zip(*corners, strict=True))
    return rows, columns


def measure(s: np.ndarray, asked: Region, window: Region | None = None) -> Measures:
    """The measures of a map S ≥ 0 (H, W); all are 0 where S vanishes everywhere.

    Args:
        s: the map.
        asked: rows and columns whose output was asked for.
        window: that of the explicit network, if it has one.
    """
    s = s.astype(np.float64)
    total = s.sum()
    if total == 0:
        return Measures(0, 0, 0, 0, 0, 0)
    rows, columns = (distances(n, span) for n, span in zip(s.shape, asked, strict=True))
    d2 = rows[:, None] ** 2 + columns**2
    outside = s.copy()
    if window is None:
        outside[:] = np.nan
    else:
        outside[window] = 0
    round_rows, round_columns = (
        d > n - (span.stop - span.start - 1) - d  # further than round the edge
        for n, d, span in zip(s.shape, (rows, columns), asked, strict=True)
    )
    across = round_rows[:, None] | round_columns
    return Measures(
        *smallest_areas(s, (0.5, 0.95, 0.99)),
        rms_radius=float(np.sqrt((s * d2).sum() / total)),
        outside_window=float(outside.sum() / total),
        wrap_around=float(outside[across].sum() / total),
    )


def smallest_areas(s: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Share of the pixels in the smallest set that holds each of `shares` of ΣS."""
    cumulative = np.cumsum(np.sort(s, axis=None)[::-1])
    counts = np.searchsorted(cumulative, np.multiply(shares, cumulative[-1])) + 1
    return [float(count / s.size) for count in counts]


def set_level(s: np.ndarray, share: float) -> float:
    """The least S in the smallest set of pixels that holds `share` of ΣS."""
    strongest = np.sort(s.astype(np.float64), axis=None)[::-1]
    cumulative = np.cumsum(strongest)
    return float(strongest[np.searchsorted(cumulative, share * cumulative[-1])])


def radial_profile(s: np.ndarray, asked: Region) -> np.ndarray:
    """Mean of S over the pixels at rounded distance 0, 1, 2, … from `asked`; NaN for no pixel."""
    sums, counts = _rings(s, asked)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def cumulative_mass(s: np.ndarray, asked: Region) -> np.ndarray:
    """Share of ΣS within rounded distance 0, 1, 2, … from `asked`; 0 where S vanishes."""
    sums, _ = _rings(s, asked)
    total = sums.sum()
    return np.cumsum(sums) / total if total > 0 else np.zeros(len(sums))


def _rings(s: np.ndarray, asked: Region) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = (distances(n, span) for n, span in zip(s.shape, asked, strict=True))
    ring = np.rint(np.hypot(rows[:, None], columns)).astype(int).ravel()
    return np.bincount(ring, weights=s.ravel()), np.bincount(ring)


def distances(length: int, span: slice) -> np.ndarray:
    """Distance of i = 0 … length − 1 to the positions of `span`, not periodic; 0 inside."""
    i = np.arange(length, dtype=float)
    return np.maximum(0, np.maximum(span.start - i, i - (span.stop - 1)))
