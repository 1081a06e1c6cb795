"""Fields of view as figures: decay and cumulative mass, and a figure to print."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from imexnet.io.photos import Photo, PhotoLike
from imexnet.sensitivity.attribution import METHODS
from imexnet.sensitivity.field_of_view import FieldOfView
from imexnet.sensitivity.green import Green
from imexnet.sensitivity.measures import cumulative_mass, radial_profile, region, set_level
from imexnet.sensitivity.questions import Question, reading
from imexnet.sensitivity.receptive_field import Average
from imexnet.viz import colours, drawing, plots
from imexnet.viz.heat_maps import (
    CLIPPED,
    SHADE,
    HeatMapStyle,
    asked_edges,
    shared_scale,
    smoothed,
    window_edges,
)
from imexnet.viz.plots import INK, LABELS, SERIES

ROWS = {
    "area50": "50 % of the sensitivity lies in",
    "area95": "95 % lies in",
    "area99": "99 % lies in",
    "rms_radius": "RMS radius",
    "outside_window": "Outside the explicit window",
    "wrap_around": "Outside it, and nearer across an edge",
}
PRINTED = 1024  # longer side of the photo in a figure to print
FORMATS = ("png", "svg", "pdf")
DOTS = 300  # per inch
MAP_WIDTH, GAP, LINE = 3.5, 0.1, 0.16  # inches: of a map, between them, a line of text
LINEAR = f"linear scale to the {100 * CLIPPED:g} % quantile"
LINES = ("-", "--", ":", "-.")  # of contours, the smallest set first, and over again


def decay_figure(views: Mapping[str, FieldOfView]) -> Figure:
    """Mean sensitivity and share of ΣS within, against distance, one line per network."""
    figure = Figure(figsize=(7.2, 4.8), facecolor="none")
    # Placed by hand: measuring the labels takes longer than drawing all.
    decay, mass = (figure.add_axes((0.11, y, 0.87, 0.42), facecolor="none") for y in (0.56, 0.11))
    for kind, view in views.items():
        profile = radial_profile(view.sensitivity, view.asked)
        peak = np.nanmax(profile) if np.nanmax(profile) > 0 else 1.0
        style = {"color": SERIES[kind], "label": LABELS[kind], "linewidth": 2}
        decay.semilogy(np.where(profile > 0, profile / peak, np.nan), **style)
        mass.plot(100 * cumulative_mass(view.sensitivity, view.asked), **style)
    decay.set_ylabel("mean sensitivity / peak")
    decay.legend(frameon=False, labelcolor=INK)
    decay.tick_params(labelbottom=False)
    mass.set_ylabel("% of the sensitivity within")
    mass.set_ylim(0, 102)
    mass.set_xlabel("distance, pixels of the network's input")
    for axes in (decay, mass):
        plots.style(axes)
        axes.set_xlim(left=0)
    decay.set_xlim(mass.get_xlim())
    return figure


def printed_figure(
    photo: PhotoLike,
    views: Mapping[str, FieldOfView],
    question: Question,
    style: HeatMapStyle,
) -> Figure:
    """Both maps, their colour bar, the measures and a caption, on white, for a paper.

    Args:
        photo: what the networks were shown, any that `Photo.of` takes.
        views: network → field of view.
        question: what they answer.
        style: how it is shown.
    """
    photo = Photo.of(photo)
    size = drawing.display_size((photo.picture.height, photo.picture.width), PRINTED)
    backdrop = np.asarray(photo.picture.resize((size[1], size[0]), Image.Resampling.LANCZOS))
    rows = [(label, [values[kind] for kind in views]) for label, values in measure_rows(views)]
    width = GAP + len(views) * (MAP_WIDTH + GAP)
    words = textwrap.wrap(caption(question, style, views), int(17 * width))
    high = MAP_WIDTH * size[0] / size[1]
    below = 0.55 + LINE * (len(rows) + 1.5 + len(words))
    inches = (width, high + below + 0.3)
    figure = Figure(figsize=inches, facecolor="white")

    def place(left: float, bottom: float, width: float, height: float) -> Axes:
        return figure.add_axes(
            (left / inches[0], bottom / inches[1], width / inches[0], height / inches[1])
        )

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / inches[0], y / inches[1], text, fontsize=8, va="baseline", **style)

    lefts = [GAP + n * (MAP_WIDTH + GAP) for n in range(len(views))]
    heats = shared_scale(views, style)
    for left, (kind, view) in zip(lefts, views.items(), strict=True):
        axes = place(left, below, MAP_WIDTH, high)
        shown = colours.heat_picture(backdrop, heats[kind], style.opacity, style.signed)
        axes.imshow(shown, extent=(0, size[1], size[0], 0), aspect="auto")
        _annotate(axes, photo, view, question, style, size)
        axes.set_title(f"{LABELS[kind]}: {reading(view)}", fontsize=10)
        axes.set_axis_off()
    bar = place(GAP, below - 0.22, inches[0] - 2 * GAP, 0.09)
    figure.colorbar(_scale(style), cax=bar, orientation="horizontal")
    if style.signed:  # on a logarithmic scale the colours of r are ±(1 + log₁₀ |r| / decades)
        bar.set_xticks(np.linspace(-1, 1, len(style.ticks)), style.ticks)
    bar.tick_params(labelsize=7)
    y = below - 0.65
    for left, kind in zip(lefts, views, strict=True):
        write(left + MAP_WIDTH, y, LABELS[kind], ha="right", weight="bold")
    for label, values in rows:
        y -= LINE
        write(GAP, y, label)
        for left, value in zip(lefts, values, strict=True):
            write(left + MAP_WIDTH, y, value, ha="right")
    y -= 0.5 * LINE
    for line in words:
        y -= LINE
        write(GAP, y, line, color="#404040")
    return figure


def measure_rows(views: Mapping[str, FieldOfView]) -> list[tuple[str, dict[str, str]]]:
    """The measures in words: label, and network → value."""

    def words(view: FieldOfView, name: str) -> str:
        value = getattr(view.measures, name)
        return f"{value:.1f} px" if name == "rms_radius" else f"{100 * value:.1f} %"

    return [
        (label, {kind: words(view, name) for kind, view in views.items()})
        for name, label in ROWS.items()
    ]


def average_rows(found: Mapping[str, Average]) -> list[tuple[str, dict[str, str]]]:
    """Means and standard deviations of the measures in words: label, and network → value."""

    def words(average: Average, name: str) -> str:
        mean, std = getattr(average.mean, name), getattr(average.std, name)
        if name == "rms_radius":
            return f"{mean:.1f} ± {std:.1f} px"
        return f"{100 * mean:.1f} ± {100 * std:.1f} %"

    return [
        (label, {kind: words(average, name) for kind, average in found.items()})
        for name, label in ROWS.items()
    ]


def average_figure(maps: Mapping[str, np.ndarray]) -> Figure:
    """Mean share at a distance from the middle of each map, one line per network."""
    figure, axes = plots.plot()
    for kind, values in maps.items():
        middle = region(
            (values.shape[0], values.shape[1]), (values.shape[0] // 2, values.shape[1] // 2)
        )
        profile = radial_profile(values, middle)
        positive = np.where(profile > 0, profile, np.nan)
        axes.semilogy(positive, color=SERIES[kind], label=LABELS[kind], linewidth=2)
    axes.set_xlabel("distance, pixels of the network's input")
    axes.set_ylabel("mean share per pixel")
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def green_figure(found: Green) -> Figure:
    """Largest |G| against the distance, and the exponential of its decay length."""
    figure, axes = plots.plot((7.2, 2.8))
    r = np.arange(len(found.profile))
    positive = np.where(found.profile > 0, found.profile, np.nan)
    axes.semilogy(r, positive, "o", color=SERIES["imexnet"], markersize=4, label="largest |G|")
    if 0 < found.decay_length < np.inf:
        middle = len(r) // 4
        line = found.profile[middle] * np.exp(-(r - middle) / found.decay_length)
        axes.semilogy(r, line, color=INK, linewidth=1, label="exp(−r / ℓ)")
    axes.set_ylim(max(1e-17, float(np.nanmin(positive)) / 3), 3 * float(found.profile[0]))
    axes.set_xlabel("distance, cells of the layer's grid")
    axes.legend(frameon=False, labelcolor=INK)
    return figure


def caption(question: Question, style: HeatMapStyle, views: Mapping[str, FieldOfView]) -> str:
    """One paragraph that says what the figure shows."""
    method = METHODS[question.asked_by]
    symbol = method.symbol
    part = {"absolute": f"Σ_c |{symbol}|", "signed": f"Σ_c {symbol}"}.get(
        style.part, f"|{symbol.removesuffix('_c')}| of the {style.part} channel"
    )
    of = f"q = {question.scalar} at {question.place}"
    if question.other is not None:
        of = f"q = mean of {question.scalar} over {question.place}"
    first = f"{method.title} {part}, {of}"
    if question.direction == "outputs":
        first = (
            f"Change of q = {question.scalar} at every output for a brighter input pixel at "
            f"{question.place}"
        )
    height, width = next(iter(views.values())).sensitivity.shape
    scale = "logarithmic scale" if style.scale == "logarithmic" else LINEAR
    words = [f"{first}; maps as shares of their sums, {scale}."]
    words.append("The frame is all that the explicit network can see.")
    if style.contours:
        shares = ", ".join(f"{share} %" for share in style.contours)
        words.append(f"Lines hold {shares} of the smoothed map.")
    words.append(f"Areas are shares of the {width} × {height} pixels of the network's input.")
    return " ".join(words)


def encode(figure: Figure, kind: str) -> bytes:
    """The figure as a file of one of `FORMATS`; the same bytes every time.

    Raises:
        ValueError: for another format.
    """
    if kind not in FORMATS:
        raise ValueError(f"a figure is written as {', '.join(FORMATS)}, not as {kind!r}")
    dates = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "imexnet", "pdf.fonttype": 42}):
        figure.savefig(content, format=kind, dpi=DOTS, metadata=dates[kind], bbox_inches="tight")
    return content.getvalue()


def _annotate(
    axes: Axes,
    photo: Photo,
    view: FieldOfView,
    question: Question,
    style: HeatMapStyle,
    size: tuple[int, int],
) -> None:
    """Contours, window and marker as lines over the map."""
    if style.contours and view.sensitivity.any():
        smooth = smoothed(view)
        h, w = smooth.shape
        x, y = (np.arange(w) + 0.5) * size[1] / w, (np.arange(h) + 0.5) * size[0] / h
        for share, line in zip(sorted(style.contours), cycle(LINES), strict=False):
            level = set_level(smooth, share / 100)
            axes.contour(x, y, smooth, [level], colors="white", linewidths=0.8, linestyles=line)
    if view.measures.outside_window == 0:
        _box(axes, *window_edges(view, size), "white")
    rows, columns = asked_edges(question, photo, size)
    if question.other is not None:
        _box(axes, rows, columns, SHADE)
        return
    for colour, thick in (("black", 2.4), ("white", 1)):
        axes.plot(
            sum(columns) / 2, sum(rows) / 2, "o", markersize=7, markerfacecolor="none",
            markeredgecolor=colour, markeredgewidth=thick,
        )  # fmt: skip


def _box(axes: Axes, rows: Sequence[float], columns: Sequence[float], colour: str) -> None:
    corner, wide, high = (columns[0], rows[0]), columns[1] - columns[0], rows[1] - rows[0]
    for shade, thick in (("black", 2), (colour, 0.9)):
        axes.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor=shade, linewidth=thick))


def _scale(style: HeatMapStyle) -> ScalarMappable:
    """What the colours mean, relative to the peak."""
    if style.signed:
        return ScalarMappable(Normalize(-1, 1), colours.SIGNED_COLOURS)
    if style.scale == "logarithmic":
        return ScalarMappable(LogNorm(10.0**-colours.DECADES, 1), colours.HEAT_COLOURS)
    return ScalarMappable(Normalize(0, 1), colours.HEAT_COLOURS)
