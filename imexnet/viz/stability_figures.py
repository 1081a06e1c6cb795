"""Figures of growth and of scores against severity."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imexnet.viz.plots import INK, LABELS, SERIES, plot


def step_figure(
    series: Mapping[str, Sequence[float]], label: str, first: float | None = None
) -> Figure:
    """One number per time step on a logarithmic axis, one line per network.

    Args:
        series: network → its numbers after step 1, 2, …; those that are not finite leave a gap.
        label: of the vertical axis.
        first: the number before the first step, if there is one.
    """
    figure, axes = plot()
    for name, numbers in series.items():
        values = np.array([*([] if first is None else [first]), *numbers], float)
        steps = np.arange(len(values)) + (first is None)
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        axes.semilogy(
            steps, values, "o-", color=SERIES[name], label=LABELS[name], linewidth=2, markersize=4
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("time step")
    axes.set_ylabel(label)
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def severity_figure(curves: Mapping[str, Sequence[tuple[float, float, float]]], unit: str):
    """Mean score against severity, one line per network, with a band of one standard deviation.

    Args:
        curves: network → (severity, mean, standard deviation).
        unit: what a severity is.
    """
    figure, axes = plot()
    for name, points in curves.items():
        severity, mean, std = np.array(sorted(points), float).T
        axes.plot(severity, mean, "o-", color=SERIES[name], label=LABELS[name], linewidth=2)
        low, high = np.clip(mean - std, 0, 1), np.clip(mean + std, 0, 1)
        axes.fill_between(severity, low, high, color=SERIES[name], alpha=0.15, linewidth=0)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(unit)
    axes.set_ylabel("score, mean ± std")
    axes.legend(frameon=False, labelcolor=INK)
    return figure
