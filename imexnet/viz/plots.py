"""The style that all plots share."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#808890"  # readable on a light page and on a dark one
SERIES = {"resnet": "#e4572e", "imexnet": "#2e86ab"}


def plot(size: tuple[float, float] = (7.2, 3.2)) -> tuple[Figure, Axes]:
    """An empty figure of that many inches with a grid, for a light page and a dark one."""
    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    style(axes)
    return figure, axes


def style(axes: Axes) -> None:
    """Ticks, grid and labels in `INK`."""
    axes.tick_params(colors=INK)
    axes.grid(alpha=0.25, color=INK)
    for side in axes.spines.values():
        side.set_color(INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


LABELS = {"resnet": "ResNet", "imexnet": "IMEXNet"}
