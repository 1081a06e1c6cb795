"""Values as colours: depth, classes and heat."""

from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.colors
import numpy as np
from PIL import Image

DEPTH_COLOURS = "turbo_r"  # near is red, far is blue
HEAT_COLOURS = "inferno"
SIGNED_COLOURS = "RdBu_r"  # blue below zero
DECADES = 4  # of the logarithmic heat scale
PALETTES = {
    "segmentation": (
        "#000000", "#8c564b", "#bcbd22", "#dbdb8d", "#1f77b4", "#98df8a", "#ff7f0e", "#e377c2",
        "#c49c94", "#17becf", "#d62728", "#7f7f7f", "#aec7e8", "#f7f14a",
    ),
    "qtips": ("#404040", "#f7f7f7", "#e4a72e", "#2e86ab"),
    "rods": ("#404040", "#f7f7f7", "#e4a72e", "#2e86ab"),
    "paths": ("#404040", "#2e86ab", "#f7f7f7"),
}  # fmt: skip
"""Task → colour of each class number."""


def depth_range(*maps: np.ndarray) -> tuple[float, float]:
    """One colour range in metres for several maps: their joint 1st and 99th percentiles."""
    values = np.concatenate([m[np.isfinite(m)].ravel() for m in maps])
    low, high = np.percentile(values, (1, 99))
    return float(low), float(max(high, low + 0.1))  # a flat map has a range too


def pictures(
    task: str, values: Mapping[str, np.ndarray], colours: str = DEPTH_COLOURS
) -> dict[str, np.ndarray]:
    """Network → colour picture of its metres or classes, depths on one range for all."""
    if task in PALETTES:
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


def decade_ticks(decades: int, each: int = 1) -> list[str]:
    """Labels of a logarithmic scale that ends at 1; every `each`-th power of ten."""
    return [*(f"10⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[d]}" for d in range(decades, 0, -each)), "1"]


def heat_values(
    s: np.ndarray, peak: float, logarithmic: bool = True, decades: float = DECADES
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
