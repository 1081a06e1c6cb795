"""Arrays in, RGB pictures (uint8) and figures out."""

from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.colors
import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

DEPTH_COLOURS = "turbo_r"  # near is red, far is blue
HEAT_COLOURS = "inferno"
SIGNED_COLOURS = "RdBu_r"  # blue below zero
DECADES = 4  # of the logarithmic heat scale
INK = "#808890"  # readable on a light page and on a dark one
SERIES = {"resnet": "#e4572e", "imexnet": "#2e86ab"}

PALETTES = {
    "segmentation": (
        "#000000", "#8c564b", "#bcbd22", "#dbdb8d", "#1f77b4", "#98df8a", "#ff7f0e", "#e377c2",
        "#c49c94", "#17becf", "#d62728", "#7f7f7f", "#aec7e8", "#f7f14a",
    ),
    "qtips": ("#404040", "#f7f7f7", "#e4a72e", "#2e86ab"),
}  # fmt: skip
"""Task → colour of each class number."""


def display_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(H, W) scaled so that the longer side is `longest`, the shorter at least 1."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def enlarge(picture: np.ndarray, size: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """An RGB or grey uint8 picture at (H, W), bilinear or by nearest neighbour."""
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), method))


def depth_range(*maps: np.ndarray) -> tuple[float, float]:
    """One colour range in metres for several maps: their joint 1st and 99th percentiles."""
    values = np.concatenate([m[np.isfinite(m)].ravel() for m in maps])
    low, high = np.percentile(values, (1, 99))
    return float(low), float(max(high, low + 0.1))  # a flat map has a range too


def pictures(
    task: str, values: Mapping[str, np.ndarray], colours: str = DEPTH_COLOURS
) -> dict[str, np.ndarray]:
    """Network → colour picture of its metres or classes, depths on one range for all."""
    if task != "depth":
        return {name: class_picture(v, PALETTES[task]) for name, v in values.items()}
    low, high = depth_range(*values.values())
    return {name: depth_picture(v, low, high, colours) for name, v in values.items()}


def depth_picture(
    metres: np.ndarray, low: float, high: float, colours: str = DEPTH_COLOURS
) -> np.ndarray:
    """(H, W) metres → (H, W, 3), colours from `low` to `high`."""
    return colour((metres - low) / (high - low), colours)


def class_picture(classes: np.ndarray, palette: Sequence[str]) -> np.ndarray:
    """(H, W) class numbers → (H, W, 3)."""
    table = np.array([matplotlib.colors.to_rgb(c) for c in palette])
    return (table * 255).round().astype(np.uint8)[classes]


def colour(values: np.ndarray, name: str) -> np.ndarray:
    """Values in [0, 1] (clipped) through a matplotlib colour map."""
    colours = matplotlib.colormaps[name]
    table = colours(np.arange(colours.N), bytes=True)[:, :3]
    return table[(values * colours.N).clip(0, colours.N - 1).astype(np.intp)]


def colour_stops(name: str, count: int = 17) -> list[str]:
    """Hex colours at equal distances along a colour map, for a colour bar."""
    return [
        matplotlib.colors.to_hex(c) for c in matplotlib.colormaps[name](np.linspace(0, 1, count))
    ]


def heat_values(
    s: np.ndarray, peak: float, logarithmic: bool = True, decades: int = DECADES
) -> np.ndarray:
    """S relative to `peak` on [-1, 1]: linear, or logarithmic over so many decades per sign."""
    relative = s / peak if peak > 0 else np.zeros_like(s)
    if not logarithmic:
        return relative
    floor = 10.0**-decades
    return np.sign(s) * (1 + np.log10(np.maximum(np.abs(relative), floor)) / decades)


def heat_picture(
    photo: np.ndarray, heat: np.ndarray, opacity: float = 0.85, signed: bool = False
) -> np.ndarray:
    """A heat map (h, w) on [0, 1], or signed on [-1, 1], over a grey version of a photo (H, W, 3).

    Heat 0 leaves the photo as it is; the stronger the heat, the more of its colour.
    """
    size = (photo.shape[0], photo.shape[1])
    grey = np.asarray(Image.fromarray(photo).convert("L"), np.float32)[..., None] * 0.7
    # Between values of different signs a bilinear one would be near zero and leave a crack.
    method = Image.Resampling.NEAREST if signed else Image.Resampling.BILINEAR
    plane = Image.fromarray(heat.astype(np.float32)).resize(size[::-1], method)
    heat = np.clip(np.asarray(plane), -1, 1)
    weight = opacity * np.minimum(1, np.abs(heat) * 3)[..., None]
    colours = colour(0.5 + heat / 2, SIGNED_COLOURS) if signed else colour(heat, HEAT_COLOURS)
    return ((1 - weight) * grey + weight * colours).round().astype(np.uint8)


def contour(picture: np.ndarray, s: np.ndarray, level: float) -> np.ndarray:
    """Lines round the set where a map S (h, w) on the picture's area is at least `level` > 0."""
    logs = np.log(np.maximum(s, level * 1e-6))
    padded = np.pad(logs, 1, constant_values=np.log(level) - 1)  # closes what meets the edge
    lines = contour_generator(z=padded).lines(np.log(level) - 1e-9)  # S = level is inside
    scale = np.array([picture.shape[1] / s.shape[1], picture.shape[0] / s.shape[0]])
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    limit = np.array([picture.shape[1] - 1, picture.shape[0] - 1])
    for shade, width in (("black", 3), ("white", 1)):
        for line in lines:
            points = np.clip((np.asarray(line) - 0.5) * scale, 0, limit)
            draw.line([*map(tuple, points)], fill=shade, width=width)
    return np.asarray(image)


def mark(picture: np.ndarray, row: float, column: float) -> np.ndarray:
    """A ring with a cross-hair at a pixel, light on dark, so that it shows on any picture."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    r = max(3, max(picture.shape[:2]) // 60)
    for shade, width in (("black", max(3, r // 2)), ("white", max(1, r // 5))):
        draw.ellipse((column - r, row - r, column + r, row + r), outline=shade, width=width)
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            line = (column + dx * r, row + dy * r, column + 2 * dx * r, row + 2 * dy * r)
            draw.line(line, fill=shade, width=width)
    return np.asarray(image)


def frame(
    picture: np.ndarray,
    rows: tuple[float, float],
    columns: tuple[float, float],
    shade: str = "white",
) -> np.ndarray:
    """A thin frame round rows and columns [first, last) of the picture."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    right, bottom = max(columns[0], columns[1] - 1), max(rows[0], rows[1] - 1)
    box = (columns[0], rows[0], right, bottom)
    draw.rectangle(box, outline="black", width=3)
    draw.rectangle(box, outline=shade, width=1)
    return np.asarray(image)


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
