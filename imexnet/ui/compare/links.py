"""Links that restore a view: task, example, pixel and settings as the address's query."""

import io
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from imexnet.io.photos import Photo, read_photo
from imexnet.ui.compare.view import View
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import example
from imexnet.ui.components.kept import Kept

BYTES, MOST = 64 * 2**20, 64  # of visitors' photos that links name, as PNG; and how many
SECONDS = 60 * 60
GONE = (
    "The photo of this link is not available: only the server that made the link keeps it, and "
    "only for an hour."
)
SHARED: Kept[str, tuple[str, bytes]] = Kept(
    BYTES, lambda shared: max(len(shared[1]), BYTES // MOST), SECONDS
)
"""What nobody can guess → digest of the pixels, and the file, of a photo that a link names."""


def link(photo: Photo, view: View) -> str:
    """The query of a link to this view of an example or a shared photo; "" for another upload."""
    digest = examples.digest(np.asarray(photo.picture))
    if (name := _names().get(digest)) is not None:
        named = {"example": name}
    elif token := _token(digest):
        named, view = {"photo": token}, _scaled(view, photo)
    else:
        return ""
    return urlencode({"task": view.task} | named | view.to_query(), safe=",")


def share(photo: Photo) -> None:
    """Keeps a visitor's photo in memory for an hour from now, so that a link can name it."""
    digest = examples.digest(np.asarray(photo.picture))
    token = _token(digest) or secrets.token_urlsafe(16)
    SHARED.put(token, (digest, photo.encoded("PNG")))


def restore(query: Mapping[str, str]) -> tuple[str | Photo, View] | None:
    """The example or photo of a link, as a file or a picture, and its view; None for none."""
    photo = _named(query.get("example", "")) or _shared(query.get("photo", ""))
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


def _scaled(view: View, photo: Photo) -> View:
    """The same place in the picture that is kept, which may have fewer pixels."""
    scale = photo.picture.width / photo.full_size[0]
    places = {
        name: None if (place := getattr(view, name)) is None else int((place + 0.5) * scale)
        for name in ("column", "row", "other_column", "other_row")
    }
    return replace(view, **places)


def _token(digest: str) -> str | None:
    """By which a photo is known that was shared before."""
    return next((token for token, (known, _) in SHARED.items() if known == digest), None)


def _shared(token: str) -> Photo | None:
    known = SHARED.get(token)
    return None if known is None else read_photo(io.BytesIO(known[1]))


def _named(name: str) -> str | Photo | None:
    for path in examples.kitchens():
        if name == f"kitchen-{Path(path).stem}":
            return path
    offered = _drawn()
    return example(*offered[name]) if name in offered else None


def _drawn() -> dict[str, tuple[str, int]]:
    """Name of each drawn example → its task and number."""
    numbers = range(examples.OFFERED)
    return {f"{of.name}-{i}": (task, i) for task, of in examples.DRAWN.items() for i in numbers}


@lru_cache(1)
def _names() -> dict[str, str]:
    """Digest of each example's pixels → its name."""
    named = {f"kitchen-{Path(path).stem}": Photo.of(path) for path in examples.kitchens()}
    named |= {name: example(*offered) for name, offered in _drawn().items()}
    return {examples.digest(np.asarray(photo.picture)): name for name, photo in named.items()}
