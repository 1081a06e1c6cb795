"""Drawing on pictures: sizes, contours, marks and frames."""

import numpy as np
from contourpy import contour_generator
from PIL import Image, ImageDraw


def display_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(H, W) scaled so that the longer side is `longest`, the shorter at least 1."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def enlarge(picture: np.ndarray, size: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """An RGB or grey uint8 picture at (H, W), bilinear or by nearest neighbour."""
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), method))


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
