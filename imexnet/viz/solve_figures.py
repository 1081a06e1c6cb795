"""Pictures of the stages of the solve, and of feature maps."""

from collections.abc import Mapping, Sequence

import numpy as np

from imexnet.spectral.stages import Recipe
from imexnet.viz import colours, drawing


def recipe_pictures(stages: Recipe, size: tuple[int, int]) -> list[tuple[np.ndarray, str]]:
    """The stages of an implicit solve as RGB pictures with captions, in their order.

    Args:
        stages: see `Recipe`.
        size: (H, W) of each picture but the stencil, which is square.
    """
    grid_size = drawing.display_size(stages.rhs.shape, max(size))

    def signed(values: np.ndarray, shown: tuple[int, int]) -> np.ndarray:
        peak = max(float(np.abs(values).max()), 1e-300)
        return drawing.enlarge(
            colours.colour(0.5 + values / peak / 2, "RdBu_r"), shown, smooth=False
        )

    def logarithmic(values: np.ndarray) -> np.ndarray:
        logs = np.log10(np.maximum(np.fft.fftshift(np.abs(values)), 1e-12))
        high = float(logs.max())
        low = max(float(logs.min()), high - 6)
        return drawing.enlarge(
            colours.colour((logs - low) / max(high - low, 1e-9), "viridis"), grid_size, smooth=False
        )

    low, high = float(stages.rhs.min()), float(stages.rhs.max())

    def grey(values: np.ndarray, shown: tuple[int, int]) -> np.ndarray:
        return drawing.enlarge(
            colours.colour((values - low) / max(high - low, 1e-12), "gray"), shown, smooth=False
        )

    multiplier = colours.colour(np.fft.fftshift(stages.multiplier), "viridis")
    return [
        (signed(stages.stencil, (max(size), max(size))), "1 · stencil"),
        (signed(stages.padded, grid_size), "2 · zero-padded"),
        (signed(stages.shifted, grid_size), "3 · shifted to (0, 0)"),
        (logarithmic(stages.eigenvalues), "4 · λ of L, log"),
        (
            drawing.enlarge(multiplier, grid_size, smooth=False),
            "5 · 1 / (1 + hλ)",
        ),
        (grey(stages.rhs, grid_size), "6 · r"),
        (logarithmic(stages.rhs_spectrum), "7 · spectrum of r, log"),
        (logarithmic(stages.product), "8 · picture 5 × picture 7, log"),
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
            image = colours.colour(0.5 + finite / peak / 2, "RdBu_r")
            found.append(
                (drawing.enlarge(image, size), f"{name} · {100 * number // (len(maps) - 1)} %")
            )
    return found
