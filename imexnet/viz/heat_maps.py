"""Fields of view as pictures: both networks' heat maps over the photo, on one scale."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from imexnet.io.photos import Photo, PhotoLike
from imexnet.sensitivity.field_of_view import FieldOfView
from imexnet.sensitivity.measures import set_level
from imexnet.sensitivity.questions import Question
from imexnet.viz import colours, drawing

SCALES = ("logarithmic", "linear")
PARTS = ("absolute", "signed", "red", "green", "blue")
CONTOURS = (50, 95, 99)
SMOOTHING = 0.04  # standard deviation of the Gaussian before contours, of the shorter side
CLIPPED = 0.999  # quantile at the end of the linear scale: single pixels stand far above the rest
SHADE = "#ffd400"  # of the box that is asked about

Edges = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class HeatMapStyle:
    """How heat maps are shown.

    Attributes:
        scale: logarithmic over `colours.DECADES` decades, or linear.
        part: of the derivative: the sum of absolute values over the channels, the signed sum, or
            the absolute value of one channel.
        opacity: of the strongest heat over the photo, 0 … 1.
        contours: per cent of ΣS; a line round the smallest set of pixels that holds them, of S
            averaged over `SMOOTHING` of the shorter side: at single pixels that set is dust.
    """

    scale: str = "logarithmic"
    part: str = "absolute"
    opacity: float = 0.85
    contours: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"the scale must be one of {', '.join(SCALES)}, got {self.scale!r}")
        if self.part not in PARTS:
            raise ValueError(f"the part must be one of {', '.join(PARTS)}, got {self.part!r}")
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"the opacity must be from 0 to 1, got {self.opacity}")
        if not all(0 < share < 100 for share in self.contours):
            raise ValueError("contours are per cent between 0 and 100")

    @property
    def signed(self) -> bool:
        """Whether maps have values of both signs."""
        return self.part == "signed"

    @property
    def ticks(self) -> list[str]:
        """Labels of the colour bar at equal distances: relative to the end of its scale."""
        if self.scale == "linear":
            ticks = ["0", "0.25", "0.5", "0.75", "1"]
        else:
            ticks = colours.decade_ticks(colours.DECADES)
        return [*(f"−{tick}" for tick in ticks[:0:-1]), "0", *ticks[1:]] if self.signed else ticks


def shown_map(view: FieldOfView, part: str) -> np.ndarray:
    """What is shown of a field of view, (h, w), as a share of ΣS.

    Raises:
        ValueError: for a colour that the network's input has not.
    """
    total = max(float(view.sensitivity.sum(dtype=np.float64)), 1e-30)
    if part == "absolute":
        return view.sensitivity / total
    if part == "signed":
        return view.derivative.sum(axis=0) / total
    channels = view.derivative.shape[0]
    if channels != 3:
        raise ValueError(f"there is no {part} channel in this map: it has {channels}")
    return np.abs(view.derivative[("red", "green", "blue").index(part)]) / total


def shared_scale(views: Mapping[str, FieldOfView], style: HeatMapStyle) -> dict[str, np.ndarray]:
    """Network → its map on [-1, 1] as the colours take it, relative to the peak of all.

    On the linear scale relative to the largest of their `CLIPPED` quantiles.
    """
    maps = {kind: shown_map(view, style.part) for kind, view in views.items()}
    logarithmic = style.scale == "logarithmic"
    top = 1.0 if logarithmic else CLIPPED
    peak = max(float(np.quantile(np.abs(m), top)) for m in maps.values())
    return {kind: colours.heat_values(m, peak, logarithmic) for kind, m in maps.items()}


def smoothed(view: FieldOfView) -> np.ndarray:
    """S averaged by a Gaussian of `SMOOTHING`, for contours; within the window if S is."""
    s = view.sensitivity.astype(np.float64)
    smooth = gaussian_filter(s, SMOOTHING * min(s.shape), mode="constant")
    if view.measures.outside_window > 0:
        return smooth
    inside = np.zeros_like(smooth)
    inside[view.window] = smooth[view.window]
    return inside


def heat_maps(
    photo: PhotoLike,
    views: Mapping[str, FieldOfView],
    question: Question,
    style: HeatMapStyle | None = None,
    longest: int | None = None,
) -> dict[str, np.ndarray]:
    """Network → its heat map over the photo, with contours, window, and marker: (H, W, 3) uint8.

    The frame is the explicit window; it is drawn where nothing comes from outside.

    Args:
        photo: what the networks were shown, any that `Photo.of` takes.
        views: network → field of view.
        question: what they answer.
        style: how it is shown.
        longest: longer side of the pictures; by default the photo's own.
    """
    photo, style = Photo.of(photo), style or HeatMapStyle()
    width, height = photo.picture.size
    size = drawing.display_size((height, width), longest or max(height, width))
    backdrop = np.asarray(photo.picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    pictures = {}
    for kind, heat in shared_scale(views, style).items():
        view = views[kind]
        picture = colours.heat_picture(backdrop, heat, style.opacity, style.signed)
        if view.sensitivity.any():
            smooth = smoothed(view)
            for share in style.contours:
                picture = drawing.contour(picture, smooth, set_level(smooth, share / 100))
        if view.measures.outside_window == 0:
            picture = drawing.frame(picture, *window_edges(view, size))
        pictures[kind] = _marked(picture, photo, question)
    return pictures


def window_edges(view: FieldOfView, size: tuple[int, int]) -> Edges:
    """First and last row, first and last column of the window, in a picture of `size` (H, W)."""
    (rows, columns), (h, w) = view.window, view.sensitivity.shape
    down, across = size[0] / h, size[1] / w
    return (rows.start * down, rows.stop * down), (columns.start * across, columns.stop * across)


def _marked(picture: np.ndarray, photo: Photo, question: Question) -> np.ndarray:
    rows, columns = asked_edges(question, photo, (picture.shape[0], picture.shape[1]))
    if question.other is None:
        return drawing.mark(picture, sum(rows) / 2, sum(columns) / 2)
    return drawing.frame(picture, rows, columns, SHADE)


def asked_edges(question: Question, photo: Photo, size: tuple[int, int]) -> Edges:
    """First and last row, first and last column asked about, in a picture of the photo (H, W)."""
    height, width = photo.shape
    corners = (question.pixel, question.other or question.pixel)
    (rows, columns), scale = zip(*corners, strict=True), (size[0] / height, size[1] / width)
    return (
        (min(rows) * scale[0], (max(rows) + 1) * scale[0]),
        (min(columns) * scale[1], (max(columns) + 1) * scale[1]),
    )
