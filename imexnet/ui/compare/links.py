"""Links that restore a view: task, example, pixel and settings as the address's query."""

from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from imexnet.io.photos import Photo
from imexnet.ui.compare.view import View
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import QTIPS, example


def link(photo: Photo, view: View) -> str:
    """The query of a link to this view of an example; "" for an upload."""
    name = name_of(photo)
    if name is None:
        return ""
    return urlencode({"task": view.task, "example": name} | view.to_query(), safe=",")


def restore(query: Mapping[str, str]) -> tuple[str | Photo, View] | None:
    """The example of a link, as a file or a picture, and its view; None if it names none."""
    photo = _named(query.get("example", ""))
    if photo is None:
        return None
    try:
        view = View.from_query(query)
    except ValueError:
        return None
    height, width = Photo.of(photo).shape
    question = view.question
    corners = question.pixel, question.other or question.pixel
    inside = all(0 <= row < height and 0 <= column < width for row, column in corners)
    return (photo, view) if inside else None


def state(photo: Photo, grid: tuple[int, int], query: str) -> str:
    """HTML: the link, and what the arrow keys need: the photo's size, and a cell of the input.

    Args:
        photo: as it was read.
        grid: (rows, columns) of the networks' input.
        query: of the link; "" for none.
    """
    width, height = photo.full_size
    rows, columns = grid
    step = max(1, round(width / columns)), max(1, round(height / rows))
    words = f'<a href="?{escape(query)}">Link to this view</a>' if query else ""
    return (
        f'<span id="view-state" data-query="{escape(query)}" data-width="{width}" '
        f'data-height="{height}" data-step-x="{step[0]}" data-step-y="{step[1]}">{words}</span>'
    )


def name_of(photo: Photo) -> str | None:
    """What an example is called in a link; None for every other picture."""
    return _names().get(examples.digest(np.asarray(photo.picture)))


def _named(name: str) -> str | Photo | None:
    for path in examples.kitchens():
        if name == f"kitchen-{Path(path).stem}":
            return path
    offered = {f"qtip-{number}": number for number in range(QTIPS)}
    return example(offered[name]) if name in offered else None


@lru_cache(1)
def _names() -> dict[str, str]:
    """Digest of each example's pixels → its name."""
    named = {f"kitchen-{Path(path).stem}": Photo.of(path) for path in examples.kitchens()}
    named |= {f"qtip-{number}": example(number) for number in range(QTIPS)}
    return {examples.digest(np.asarray(photo.picture)): name for name, photo in named.items()}
