"""What a link, clicks and choices make of the question that the page asks."""

from typing import Any

import gradio as gr

from imexnet.sensitivity.questions import ANSWER, abouts
from imexnet.ui.compare import links
from imexnet.ui.components.parts import SHOWN
from imexnet.viz.heat_maps import PARTS

ANSWERS = {
    "depth": "the depth",
    "segmentation": "the answer: winner minus runner-up",
    "qtips": "the answer: winner minus runner-up",
}


def restored(request: gr.Request) -> tuple[Any, ...]:
    """Photo, task, trunk and all but the pixel of a visitor's link; without one, no change."""
    found = links.restore(dict(request.query_params))
    if found is None:
        return (gr.skip(),) * 10
    question, look = found.question, found.look
    asked = question.task, found.trunk, question.about, question.direction, found.boundary
    return found.photo, *asked, look.scale, look.part, look.opacity, list(look.contours)


def restored_place(request: gr.Request) -> tuple[Any, ...]:
    """Column and row of a visitor's link, those of a box's other corner, and that it is one."""
    found = links.restore(dict(request.query_params))
    if found is None:
        return (gr.skip(),) * 6
    question = found.question
    (row, column), other = question.pixel, question.other
    if other is None:
        return column, row, None, None, "pixel", gr.update(visible=False)
    return column, row, other[1], other[0], "box", gr.update(visible=True)


def in_photo(size, place, column, row, event: gr.SelectData):
    x, y = event.index
    return _clicked(size, place, column, row, x, y)


def in_shown(size, place, column, row, event: gr.SelectData):
    """From the picture on the page, whose longer side is `SHOWN`, to the photo's own pixels."""
    scale = max(size) / SHOWN
    x, y = (int((i + 0.5) * scale) for i in event.index)
    return _clicked(size, place, column, row, x, y)


def _clicked(
    size: tuple[int, int], place: str, column: float | None, row: float | None, x: int, y: int
) -> tuple[int, int, int | None, int | None]:
    """The clicked pixel, and for a box its other corner: the pixel before."""
    x, y = min(x, size[0] - 1), min(y, size[1] - 1)
    if place == "pixel" or column is None or row is None:
        return x, y, None, None
    return x, y, min(int(column), size[0] - 1), min(int(row), size[1] - 1)


def placed(
    place: str, size: tuple[int, int], column: float | None, row: float | None
) -> tuple[dict, int | None, int | None, dict]:
    """The row of the other corner, that corner, and the direction: outputs have no box."""
    if place == "pixel" or column is None or row is None:
        return gr.update(visible=place == "box"), None, None, gr.skip()
    ends = [min(int(p + n / 6), n - 1) for p, n in zip((column, row), size, strict=True)]
    return gr.update(visible=True), ends[0], ends[1], gr.update(value="inputs")


def turned(direction: str) -> tuple[Any, Any, Any, Any]:
    """What an input moves is asked for a pixel: the place, and no other corner."""
    if direction == "inputs":
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    return gr.update(value="pixel"), gr.update(visible=False), None, None


def fitting(task: str, direction: str, about: str, part: str) -> tuple[dict, dict]:
    """What can be asked about, and which parts of a derivative there are."""
    choices = [(ANSWERS[task], ANSWER), *((name, name) for name in abouts(task)[1:])]
    kept = about if about in abouts(task) else ANSWER
    parts = PARTS if task != "qtips" and direction == "inputs" else PARTS[:2]
    return (
        gr.update(choices=choices, value=kept),
        gr.update(choices=list(parts), value=part if part in parts else PARTS[0]),
    )
