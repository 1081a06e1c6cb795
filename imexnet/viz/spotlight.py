"""Spotlight: the photo, lit only where the networks looked."""

from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from imexnet.io.photos import Photo, PhotoLike
from imexnet.sensitivity.field_of_view import FieldOfView
from imexnet.sensitivity.measures import Region
from imexnet.viz import colours, drawing
from imexnet.viz.heat_maps import window_edges

LONGEST = 1024  # pixels along the longer side, at least
SMOOTHING = 1.8  # input pixels: two openings of stride 2 leave a plaid of that scale in gradients
DECADES = 2.5  # of S from full light to none
GAMMA = 0.3  # below 1, so that the photo stays readable where little light falls
FRAME = "#808080"


def light(views: Mapping[str, FieldOfView]) -> dict[str, np.ndarray]:
    """Network → its light on [0, 1], (h, w): log S over `DECADES`, on one scale for all networks.

    S / ΣS is averaged by a Gaussian of `SMOOTHING`; within the window, if nothing comes from
    outside: up to its edge there is light, and none beyond.

    Args:
        views: network → field of view.
    """
    return {kind: np.clip(plane, 0, 1) for kind, plane in _below_zero(views).items()}


def spotlights(photo: PhotoLike, views: Mapping[str, FieldOfView]) -> dict[str, np.ndarray]:
    """Network → the photo times light^γ, (H, W, 3) uint8, its longer side at least `LONGEST`.

    The window is framed where nothing comes from outside it.

    Args:
        photo: what the networks were shown.
        views: network → field of view.
    """
    picture = Photo.of(photo).picture
    size = drawing.display_size((picture.height, picture.width), max(LONGEST, *picture.size))
    enlarged = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    rgb = np.asarray(enlarged, np.float32)
    pictures = {}
    for kind, plane in _below_zero(views).items():
        view = views[kind]
        brightness = _enlarged(plane, view, size)[..., None] ** GAMMA
        lit = (rgb * brightness).round().astype(np.uint8)
        if view.measures.outside_window == 0:
            lit = drawing.frame(lit, *window_edges(view, size), FRAME)
        pictures[kind] = lit
    return pictures


def shade(s: np.ndarray) -> np.ndarray:
    """What a photo is multiplied by to be lit where S > 0, (H, W) uint8; full light at the peak.

    Args:
        s: S, (H, W), of one network.
    """
    if not s.any():
        return np.zeros(s.shape, np.uint8)
    rows, columns = (np.flatnonzero(s.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    smooth = _average(s, part)
    brightness = colours.heat_values(smooth, float(smooth.max()), decades=DECADES) ** GAMMA
    return (255 * brightness).round().astype(np.uint8)


def _below_zero(views: Mapping[str, FieldOfView]) -> dict[str, np.ndarray]:
    """The same on [-1, 1]: what is clipped at 0 before it is enlarged gets a ragged edge."""
    smooth = {kind: _smoothed(view) for kind, view in views.items()}
    peak = max(float(s.max()) for s in smooth.values())
    return {
        kind: 2 * colours.heat_values(s, peak, decades=2 * DECADES) - 1
        for kind, s in smooth.items()
    }


def _smoothed(view: FieldOfView) -> np.ndarray:
    """S / ΣS, each pixel averaged over its neighbours within the lit part."""
    s = view.sensitivity.astype(np.float64)
    return _average(s, _lit(view)) / max(s.sum(), 1e-300)


def _average(s: np.ndarray, part: Region) -> np.ndarray:
    """Each pixel of a part averaged over its neighbours in it; 0 elsewhere."""
    found = np.zeros(s.shape)
    weight = gaussian_filter(np.ones(s[part].shape), SMOOTHING, mode="constant")
    found[part] = gaussian_filter(s[part].astype(float), SMOOTHING, mode="constant") / weight
    return found


def _lit(view: FieldOfView) -> Region:
    """All that there can be light on: the window, or the picture."""
    return (slice(None), slice(None)) if view.measures.outside_window > 0 else view.window


def _enlarged(plane: np.ndarray, view: FieldOfView, size: tuple[int, int]) -> np.ndarray:
    """Light at (H, W), bicubic within the lit part, whose edge stays hard."""
    found = np.zeros(size, np.float32)
    part = _lit(view)
    edges = window_edges(view, size) if part == view.window else ((0, size[0]), (0, size[1]))
    rows, columns = (slice(*map(round, ends)) for ends in edges)
    inside = Image.fromarray(plane[part].astype(np.float32))
    height, width = found[rows, columns].shape
    enlarged = inside.resize((width, height), Image.Resampling.BICUBIC)
    found[rows, columns] = np.clip(np.asarray(enlarged), 0, 1)
    return found
