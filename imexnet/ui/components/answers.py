"""Both networks' answers for the page: pictures on one scale, words, and values for the pointer."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from imexnet.inference import answer
from imexnet.io.camera import KINECT_ANGLE
from imexnet.io.photos import Photo
from imexnet.models.tasks import TASKS
from imexnet.ui.components.parts import SHOWN, class_legend, colour_bar
from imexnet.viz import drawing
from imexnet.viz.colours import DEPTH_COLOURS, PALETTES, depth_range, pictures

COLOURS = {"Rainbow": DEPTH_COLOURS, "Even steps": "viridis_r", "Grey": "gray_r"}
"""Name on the page → colour map of depth: near is red, yellow, or white."""


def answer_pictures(
    task: str,
    photo: Photo,
    outputs: Mapping[str, dict[str, Tensor]],
    truth: np.ndarray | None = None,
    colours: str = DEPTH_COLOURS,
) -> tuple[dict[str, np.ndarray], str]:
    """Answers, and the truth if known, as pictures of the page's size; their bar or legend."""
    size = drawing.display_size((photo.picture.height, photo.picture.width), SHOWN)
    known = {} if truth is None else {"truth": truth}
    if task == "depth":
        metres = {kind: answer(task, o, size).values for kind, o in outputs.items()} | known
        low, high = depth_range(*metres.values())
        ticks = [f"{v:.1f} m" for v in np.linspace(low, high, 5)]
        bar = colour_bar(colours, ticks, "Depth, one scale for all")
        return _enlarged(pictures(task, metres, colours), size), bar
    classes = {}
    for kind, o in outputs.items():
        # Drawn pictures are pixel art: their answers are enlarged as they are.
        height, width = o[task].shape[-2:] if TASKS[task].drawn else size
        classes[kind] = answer(task, o, (height, width)).values
    classes |= known
    present = sorted({int(k) for values in classes.values() for k in np.unique(values)})
    legend = class_legend(TASKS[task].classes, PALETTES[task], present)
    return _enlarged(pictures(task, classes), size), legend


def pointer_values(
    task: str,
    outputs: Mapping[str, dict[str, Tensor]],
    truth: np.ndarray | None,
    photo_size: tuple[int, int],
    angle: float = KINECT_ANGLE,
) -> str:
    """JSON of what the page shows at the pointer: 16-bit millimetres, or class numbers.

    Args:
        task: depth, segmentation, qtips, rods or paths.
        outputs: of each network; taken on its own grid.
        truth: (h, w) metres or classes, if known.
        photo_size: (width, height) in pixels.
        angle: of view along the longer side, in degrees, by which distances are measured.
    """
    grids = {}
    for kind, o in outputs.items():
        height, width = o[task].shape[-2:]
        grids[kind] = answer(task, o, (height, width)).values
    if truth is not None:
        grids["truth"] = truth
    content: dict[str, Any] = {
        "size": photo_size,
        "angle": angle,
        "classes": None if task == "depth" else TASKS[task].classes,
        "grids": {name: _packed(task, values) for name, values in grids.items()},
    }
    return json.dumps(content)


def _packed(task: str, values: np.ndarray) -> dict[str, Any]:
    """Width, height and the little-endian 16-bit values, row by row, in base64."""
    whole = (1000 * values).round().clip(0, 65535) if task == "depth" else values
    data = base64.b64encode(whole.astype("<u2").tobytes()).decode()
    return {"width": values.shape[1], "height": values.shape[0], "data": data}


def _enlarged(pictures: dict[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
    return {name: drawing.enlarge(p, size, smooth=False) for name, p in pictures.items()}
