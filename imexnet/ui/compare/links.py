"""Links that restore a view: task, example, pixel and settings as the address's query."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from imexnet.io.photos import full_size
from imexnet.models.networks import TRAINED
from imexnet.models.spec import SHIPPED_TRUNKS
from imexnet.sensitivity.field_of_view import FieldOfView
from imexnet.sensitivity.questions import ANSWER, DIRECTIONS, Question
from imexnet.spectral.operators import BOUNDARIES
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import QTIPS, example
from imexnet.ui.components.parts import decoded
from imexnet.viz.heat_maps import HeatMapStyle

PLAIN = "plain"
LINES = (50, 95)  # of the contours that the page begins with
BEGUN = HeatMapStyle(contours=LINES)


class View(NamedTuple):
    """What a link restores: an example, as a file or a picture, and all that is chosen."""

    photo: str | Image.Image
    question: Question
    trunk: str
    boundary: str
    look: HeatMapStyle


def link(
    photo: Image.Image, question: Question, trunk: str, boundary: str, look: HeatMapStyle
) -> str:
    """The query of a link to this view, without what the page begins with; "" for an upload."""
    name = name_of(photo)
    if name is None:
        return ""
    row, column = question.pixel
    said: dict[str, Any] = {"task": question.task, "example": name, "x": column, "y": row}
    if question.other is not None:
        said |= {"x2": question.other[1], "y2": question.other[0]}
    contours = ",".join(map(str, look.contours))
    for key, value, usual in (
        ("about", question.about, ANSWER),
        ("show", question.direction, DIRECTIONS[0]),
        ("trunk", trunk, PLAIN),
        ("boundary", boundary, TRAINED),
        ("scale", look.scale, BEGUN.scale),
        ("part", look.part, BEGUN.part),
        ("opacity", f"{look.opacity:g}", f"{BEGUN.opacity:g}"),
        ("lines", contours, ",".join(map(str, LINES))),
    ):
        if value != usual:
            said[key] = value
    return urlencode(said, safe=",")


def restore(query: Mapping[str, str]) -> View | None:
    """What the query of a link asks for; None for one that names no view of ours."""
    photo = _named(query.get("example", ""))
    try:
        if photo is None:
            return None
        pixel = int(query["y"]), int(query["x"])
        other = (int(query["y2"]), int(query["x2"])) if "x2" in query else None
        about, trunk = query.get("about", ANSWER), query.get("trunk", PLAIN)
        boundary = query.get("boundary", TRAINED)
        question = Question(query["task"], pixel, other, about, query.get("show", DIRECTIONS[0]))
        lines = query.get("lines", ",".join(map(str, LINES)))
        look = HeatMapStyle(
            query.get("scale", BEGUN.scale),
            query.get("part", BEGUN.part),
            float(query.get("opacity", BEGUN.opacity)),
            tuple(int(share) for share in lines.split(",") if share),
        )
    except (KeyError, ValueError):
        return None
    width, height = full_size(decoded(photo) if isinstance(photo, str) else photo)
    inside = all(0 <= r < height and 0 <= c < width for r, c in (pixel, other or pixel))
    if not inside or boundary not in (TRAINED, *BOUNDARIES) or trunk not in SHIPPED_TRUNKS:
        return None
    return View(photo, question, trunk, boundary, look)


def state(photo: Image.Image, views: Mapping[str, FieldOfView], query: str) -> str:
    """HTML: the link, and what the arrow keys need: the photo's size, and a cell of the input."""
    width, height = full_size(photo)
    rows, columns = next(iter(views.values())).sensitivity.shape
    step = max(1, round(width / columns)), max(1, round(height / rows))
    words = f'<a href="?{escape(query)}">Link to this view</a>' if query else ""
    return (
        f'<span id="view-state" data-query="{escape(query)}" data-width="{width}" '
        f'data-height="{height}" data-step-x="{step[0]}" data-step-y="{step[1]}">{words}</span>'
    )


def name_of(photo: Image.Image) -> str | None:
    """What an example is called in a link; None for every other picture."""
    return _names().get(_digest(photo))


def _named(name: str) -> str | Image.Image | None:
    for path in examples.kitchens():
        if name == f"kitchen-{Path(path).stem}":
            return path
    offered = {f"qtip-{number}": number for number in range(QTIPS)}
    return example(offered[name]) if name in offered else None


@lru_cache(1)
def _names() -> dict[str, str]:
    """Digest of each example's pixels → its name."""
    files = {f"kitchen-{Path(path).stem}": decoded(path) for path in examples.kitchens()}
    rods = {f"qtip-{number}": example(number) for number in range(QTIPS)}
    return {_digest(photo): name for name, photo in (files | rods).items()}


def _digest(photo: Image.Image) -> str:
    pixels = np.asarray(photo.convert("RGB"))
    return sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
