"""Numbers in, figures out: the plots of the stability tab and of "Inside the solve"."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imexnet import render
from imexnet.model_problem import SCHEMES, Complex, Settings, amplification, exact, grid, trajectory
from imexnet.recipe import Recipe
from imexnet.render import INK, LABELS, SERIES, plot

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


def step_figure(
    series: Mapping[str, Sequence[float]], label: str, first: float | None = None
) -> Figure:
    """A number a time step on a logarithmic axis, one line a network.

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
    """Mean score against severity, one line a network, with a band of one standard deviation.

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
    axes.legend(frameon=False, labelcolor=INK, fontsize=8, ncols=2)
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
    """Error against evaluations of f, both logarithmic, one line a stepper.

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
    """‖ẏ‖ / ‖y‖ against the step, logarithmic: how a pattern comes to rest."""
    figure, axes = plot((7.2, 2.6))
    axes.semilogy(range(1, len(changes) + 1), changes, color=SERIES["imexnet"], linewidth=1.5)
    axes.set_xlabel("step")
    axes.set_ylabel("change a unit of time")
    return figure


def recipe_pictures(stages: Recipe, size: tuple[int, int]) -> list[tuple[np.ndarray, str]]:
    """The stages of an implicit solve as RGB pictures with captions, in their order.

    Args:
        stages: see `Recipe`.
        size: (H, W) of each picture but the stencil, which is square.
    """
    grid_size = render.display_size(stages.rhs.shape, max(size))

    def signed(values: np.ndarray, shown: tuple[int, int]) -> np.ndarray:
        peak = max(float(np.abs(values).max()), 1e-300)
        return render.enlarge(render.colour(0.5 + values / peak / 2, "RdBu_r"), shown, smooth=False)

    def logarithmic(values: np.ndarray) -> np.ndarray:
        logs = np.log10(np.maximum(np.fft.fftshift(np.abs(values)), 1e-12))
        high = float(logs.max())
        low = max(float(logs.min()), high - 6)
        return render.enlarge(
            render.colour((logs - low) / max(high - low, 1e-9), "viridis"), grid_size, smooth=False
        )

    low, high = float(stages.rhs.min()), float(stages.rhs.max())

    def grey(values: np.ndarray, shown: tuple[int, int]) -> np.ndarray:
        return render.enlarge(
            render.colour((values - low) / max(high - low, 1e-12), "gray"), shown, smooth=False
        )

    multiplier = render.colour(np.fft.fftshift(stages.multiplier), "viridis")
    return [
        (signed(stages.stencil, (max(size), max(size))), "1 · stencil"),
        (signed(stages.padded, grid_size), "2 · zero-padded"),
        (signed(stages.shifted, grid_size), "3 · shifted to (0, 0)"),
        (logarithmic(stages.eigenvalues), "4 · λ of L, log"),
        (
            render.enlarge(multiplier, grid_size, smooth=False),
            "5 · 1 / (1 + hλ)",
        ),
        (grey(stages.rhs, grid_size), "6 · r"),
        (logarithmic(stages.rhs_spectrum), "7 · spectrum of r, log"),
        (logarithmic(stages.product), "8 · 5 times 7, log"),
        (grey(stages.result, size), "9 · y, greys as in 6"),
    ]


def feature_pictures(
    series: Mapping[str, Sequence[np.ndarray]], size: tuple[int, int]
) -> list[tuple[np.ndarray, str]]:
    """Feature maps as RGB pictures with captions, all on one scale.

    Args:
        series: name → maps (h, w) from the start to the end.
        size: (H, W) of each picture.
    """
    start = next(iter(series.values()))[0]
    peak = max(float(np.abs(start).max()), 1e-12)
    found = []
    for name, maps in series.items():
        for number, values in enumerate(maps):
            finite = np.nan_to_num(values, nan=0, posinf=peak, neginf=-peak)
            image = render.colour(0.5 + finite / peak / 2, "RdBu_r")
            found.append(
                (render.enlarge(image, size), f"{name} · {100 * number // (len(maps) - 1)} %")
            )
    return found


def pattern_picture(y: np.ndarray, peak: float, size: tuple[int, int]) -> np.ndarray:
    """A field (h, w) on ± peak as RGB at (H, W)."""
    return render.enlarge(render.colour(0.5 + y / peak / 2, "cividis"), size)
