"""Figures of the model problem, of spectra and of the work of integrators."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from imexnet.ode.model_problem import (
    SCHEMES,
    Complex,
    Settings,
    amplification,
    exact,
    grid,
    trajectory,
)
from imexnet.viz import colours, drawing
from imexnet.viz.plots import INK, SERIES, plot

SCHEME_COLOURS = {
    "forward-euler": "#e4572e",
    "midpoint": "#e4a72e",
    "rk4": "#8c564b",
    "imex": "#2e86ab",
    "theta": "#5fa55a",
    "backward-euler": "#9467bd",
}
PLANE = ((-16.0, 6.0), (-8.0, 8.0))
"""Real and imaginary parts that the plane of z = hλ shows."""

PLANE_PIXELS = (704, 512)  # width, height
MARGINS = (0.075, 0.09, 0.99, 0.985)  # left, bottom, right, top of the axes in that picture


def plane_picture(
    schemes: Sequence[str],
    settings: Settings,
    eigenvalues: Complex | None = None,
    clicked: complex | None = None,
) -> np.ndarray:
    """The plane of z = hλ with the edge |R(z)| = 1 of each scheme: RGB, `PLANE_PIXELS`.

    Args:
        schemes: those to show; the stable side is shaded.
        settings: θ and hα.
        eigenvalues: hλ of a Jacobian, drawn as points.
        clicked: a point to mark.
    """
    width, height = PLANE_PIXELS
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    left, bottom, right, top = MARGINS
    axes = figure.add_axes((left, bottom, right - left, top - bottom))
    z = grid(*PLANE, 300)
    for scheme in schemes:
        size = np.abs(amplification(scheme, z, settings))
        size = np.nan_to_num(size, nan=np.inf, posinf=1e9)
        colour = SCHEME_COLOURS[scheme]
        axes.contourf(z.real, z.imag, size, [0, 1], colors=[colour], alpha=0.12)
        axes.contour(z.real, z.imag, size, [1], colors=[colour], linewidths=1.8)
        axes.plot([], [], color=colour, linewidth=1.8, label=SCHEMES[scheme])
    axes.axhline(0, color="#999999", linewidth=0.6)
    axes.axvline(0, color="#999999", linewidth=0.6)
    if eigenvalues is not None:
        label = "hλ of the layer's Jacobian"
        axes.plot(eigenvalues.real, eigenvalues.imag, ".", color="black", markersize=3, label=label)
    if clicked is not None:
        axes.plot(clicked.real, clicked.imag, "+", color="black", markersize=16, markeredgewidth=2)
    axes.set_xlim(*PLANE[0])
    axes.set_ylim(*PLANE[1])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("Re z", fontsize=9, labelpad=1)
    axes.set_ylabel("Im z", fontsize=9, labelpad=1)
    axes.legend(loc="upper left", fontsize=8, framealpha=0.9)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def plane_point(column: float, row: float) -> complex:
    """The z at a pixel of `plane_picture`."""
    width, height = PLANE_PIXELS
    left, bottom, right, top = MARGINS
    across = (column / width - left) / (right - left)
    up = (1 - row / height - bottom) / (top - bottom)
    (x0, x1), (y0, y1) = PLANE
    return complex(x0 + across * (x1 - x0), y0 + up * (y1 - y0))


def trajectory_figure(z: complex, schemes: Sequence[str], settings: Settings, steps: int) -> Figure:
    """Re y_n of ẏ = λy from y = 1 for every scheme, beside the exact solution."""
    figure, axes = plot((7.2, 3.6))
    fine = np.linspace(0, steps, 400)
    curve = exact(z, fine).real
    axes.plot(fine, curve, color=INK, linewidth=3, alpha=0.6, label="exact")
    for scheme in schemes:
        y = trajectory(scheme, z, steps, settings).real
        y = np.where(np.isfinite(y), y, np.nan)
        colour = SCHEME_COLOURS[scheme]
        axes.plot(y, "o-", color=colour, label=SCHEMES[scheme], linewidth=1.3, markersize=3)
    bound = min(max(2.0, 1.3 * float(np.abs(curve).max())), 1e6)
    axes.set_ylim(-bound, bound)
    axes.set_xlabel("step n")
    axes.set_ylabel("Re y")
    figure.legend(loc="outside upper center", frameon=False, labelcolor=INK, fontsize=8, ncols=5)
    return figure


def spectrum_figure(spectra: Mapping[str, Complex]) -> Figure:
    """Eigenvalues in the complex plane, name → complex array."""
    figure, axes = plot((7.2, 3.6))
    for (name, values), colour in zip(
        spectra.items(), (SERIES["imexnet"], SERIES["resnet"]), strict=False
    ):
        axes.plot(values.real, values.imag, ".", color=colour, label=name, markersize=4, alpha=0.7)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlabel("Re λ")
    axes.set_ylabel("Im λ")
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def work_figure(
    runs: Mapping[str, Sequence[tuple[int, float]]], names: Mapping[str, str]
) -> Figure:
    """Error against evaluations of f, both logarithmic, one line per stepper.

    Args:
        runs: stepper → (evaluations, error); errors that are not finite are left out.
        names: stepper → what to call it.
    """
    figure, axes = plot((7.2, 3.6))
    colours = ("#e4572e", "#2e86ab", "#9467bd", "#5fa55a")
    for (stepper, points), colour in zip(runs.items(), colours, strict=False):
        kept = [(n, e) for n, e in points if math.isfinite(e) and e > 0]
        if kept:
            count, error = np.array(kept).T
            axes.loglog(count, error, "o-", color=colour, label=names[stepper], linewidth=2)
    axes.set_xlabel("evaluations of f")
    axes.set_ylabel("error / ‖y‖")
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def distance_figure(changes: Sequence[float]) -> Figure:
    """‖ẏ‖ / ‖y‖ against the step, logarithmic: whether a pattern comes to rest."""
    figure, axes = plot((7.2, 2.6))
    axes.semilogy(range(1, len(changes) + 1), changes, color=SERIES["imexnet"], linewidth=1.5)
    axes.set_xlabel("step")
    axes.set_ylabel("change per unit of time")
    return figure


def pattern_picture(y: np.ndarray, span: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """A field (h, w) on span = (low, high) as RGB at (H, W)."""
    low, high = span
    return drawing.enlarge(colours.colour((y - low) / (high - low), "cividis"), size)
