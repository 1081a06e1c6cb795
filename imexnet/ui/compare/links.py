"""Links that restore a view: task, example, pixel and settings as the address's query."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from imexnet.io.photos import full_size
from imexnet.ui.compare.view import View
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import QTIPS, example
from imexnet.ui.components.parts import decoded


def link(photo: Image.Image, view: View) -> str:
    """The query of a link to this view of an example; "" for an upload."""
    name = name_of(photo)
    if name is None:
        return ""
    return urlencode({"task": view.task, "example": name} | view.to_query(), safe=",")


def restore(query: Mapping[str, str]) -> tuple[str | Image.Image, View] | None:
    """The example of a link, as a file or a picture, and its view; None if it names none."""
    photo = _named(query.get("example", ""))
    if photo is None:
        return None
    try:
        view = View.from_query(query)
    except ValueError:
        return None
    width, height = full_size(decoded(photo) if isinstance(photo, str) else photo)
    question = view.question
    corners = question.pixel, question.other or question.pixel
    inside = all(0 <= row < height and 0 <= column < width for row, column in corners)
    return (photo, view) if inside else None


def state(photo: Image.Image, grid: tuple[int, int], query: str) -> str:
    """HTML: the link, and what the arrow keys need: the photo's size, and a cell of the input.

    Args:
        photo: as it was read.
        grid: (rows, columns) of the networks' input.
        query: of the link; "" for none.
    """
    width, height = full_size(photo)
    rows, columns = grid
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
