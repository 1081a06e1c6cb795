"""A link that restores a view: an example, the question and the pixel in the address's query.

Visitors' own photos are in no link: they are not kept.
"""

from collections.abc import Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import urlencode

from PIL import Image

from imexnet.predict import FAMILIES, TRUNKS
from imexnet.ui import examples
from imexnet.ui.answers import COLOURS
from imexnet.ui.inputs import QTIPS, example, read


class View(NamedTuple):
    """What a link asks for; `pixel` is (column, row), None for the centre."""

    photo: Image.Image
    task: str
    trunk: str
    colours: str
    pixel: tuple[int, int] | None


def link(photo: Image.Image, task: str, trunk: str, colours: str) -> str:
    """HTML of the link, empty for a photo that is no example; the page adds the pixel."""
    name = examples.name(photo, QTIPS)
    if name is None:
        return ""
    query = urlencode({"example": name, "task": task, "trunk": trunk, "colours": colours})
    return f'<a class="permalink" href="?{escape(query)}">Link to this view</a>'


def view(query: Mapping[str, str]) -> View | None:
    """What a query asks for; None if it names no example; what it gets wrong is as by default."""
    kind, _, number = query.get("example", "").partition("-")
    kitchens = examples.kitchens()
    count = {"kitchen": len(kitchens), "qtip": QTIPS}.get(kind, 0)
    if not (number.isdecimal() and 1 <= int(number[:4]) <= count):
        return None
    index = int(number[:4]) - 1
    photo = example(index) if kind == "qtip" else read(kitchens[index])
    fallback = "qtips" if kind == "qtip" else "depth"
    return View(
        photo,
        _one_of(FAMILIES, query.get("task"), fallback),
        _one_of(TRUNKS, query.get("trunk"), "plain"),
        _one_of(COLOURS.values(), query.get("colours"), next(iter(COLOURS.values()))),
        _pixel(query, photo.size),
    )


def _one_of(known, wanted: str | None, fallback: str) -> str:
    return fallback if wanted is None or wanted not in known else wanted


def _pixel(query: Mapping[str, str], size: tuple[int, int]) -> tuple[int, int] | None:
    texts = query.get("column", ""), query.get("row", "")
    if not all(text.isdecimal() and len(text) < 6 for text in texts):
        return None
    column, row = (int(text) for text in texts)
    return (column, row) if column < size[0] and row < size[1] else None
