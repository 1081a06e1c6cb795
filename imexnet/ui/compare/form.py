"""The form of the field of view: its components, and what clicks and choices change in it."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from imexnet.io.photos import Photo
from imexnet.models.networks import TRAINED
from imexnet.models.tasks import TASKS
from imexnet.sensitivity.attribution import METHODS
from imexnet.sensitivity.questions import ANSWER, USUAL, abouts
from imexnet.spectral.operators import BOUNDARIES
from imexnet.ui.compare import links
from imexnet.ui.compare.view import View
from imexnet.ui.components.inputs import Inputs
from imexnet.ui.components.parts import LATEST, PRIVATE, Changes
from imexnet.viz.heat_maps import CONTOURS, PARTS, SCALES

DEPTH, WINNER = "the depth", "the answer: winner minus runner-up"
DIRECTIONS = [("what decided this output", "inputs"), ("which outputs this input moves", "outputs")]
PLACES = [("the pixel", "pixel"), ("a box: its corners are the last two clicks", "box")]
EDGES = [("as trained", TRAINED), *((name, name) for name in BOUNDARIES)]
METHOD_CHOICES = [
    ("Usual: the gradient for photos, integrated gradients for drawings", USUAL),
    *((method.title, name) for name, method in METHODS.items()),
]
QUERY_NOTE = (
    "<div class=\"note\">For classes, the answer is the winner's logit minus the runner-up's. "
    "The outputs that an input moves are those that change when it becomes brighter. With a "
    "periodic boundary, the left edge is next to the right one; with a mirrored boundary it is "
    "not. The weights are the same.</div>"
)
NO_VIEW = "This link does not fit this page: its example or one of its settings does not exist."
QUIET: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
NUMBER: dict[str, Any] = {"precision": 0, "minimum": 0, "min_width": 100}


class ViewForm:
    """Builds the form where it is made and answers its events.

    Args:
        chosen: the photo and the task.
        size: (width, height) of the photo.
        trunk: which of the networks for rooms.
        angle: the camera's field of view.

    Attributes:
        fields: field of `View` → its component, in the order of the API's parameters.
        look: the button that asks for the field of view.
        asked: all events that ask for it.
        answered: the photo and the view that the page opens with, answered already; None for none.
    """

    answered: tuple[str | Photo, View] | None = None

    def __init__(self, chosen: Inputs, size: gr.State, trunk: gr.Radio, angle: gr.Slider) -> None:
        self.photo, self.task, self.size = chosen.photo, chosen.task, size
        with gr.Row(equal_height=True):
            self.column = gr.Number(label="Column", elem_id="column", **NUMBER)
            self.row = gr.Number(label="Row", elem_id="row", **NUMBER)
            with gr.Row(visible=False) as self.corners:
                self.other_column = gr.Number(
                    label="Other column", elem_id="other-column", **NUMBER
                )
                self.other_row = gr.Number(label="Other row", elem_id="other-row", **NUMBER)
            self.look = gr.Button("Show this pixel", elem_id="look", min_width=160)
        with gr.Row():
            with gr.Column(min_width=320), gr.Accordion("Query", open=False, elem_id="asked"):
                self._build_query()
            with gr.Column(min_width=320), gr.Accordion("Display", open=False, elem_id="shown"):
                self._build_display()
        self.fields: dict[str, Component] = {
            "task": self.task, "column": self.column, "row": self.row, "about": self.about,
            "other_column": self.other_column, "other_row": self.other_row,
            "direction": self.direction, "boundary": self.boundary, "trunk": trunk,
            "scale": self.scale, "part": self.part, "opacity": self.opacity,
            "contours": self.contours, "method": self.method, "angle": angle,
        }  # fmt: skip
        self.pixel = [self.column, self.row]
        self.corner = [self.other_column, self.other_row]
        self.angle = angle
        self.submitted = [number.submit for number in (*self.pixel, *self.corner)]
        choices = self.about, self.method, self.boundary, self.scale, self.part, self.contours
        self.chosen = [*(component.input for component in choices), self.opacity.release]
        self.asked = [
            self.look.click, *self.submitted, *self.chosen, self.place.input, self.direction.input
        ]  # fmt: skip

    def answer(self, view: dict[str, Any]) -> list[Any]:
        """Makes what is chosen ask for the field of view by the event `view`; returns the events.

        Clicks on pictures go by `pictures.js`: it sets the numbers and presses the button, so that
        whatever comes last is what the visitor sees in them.
        """
        asking = [
            gr.on(self.submitted, **view, **PRIVATE),
            gr.on(self.chosen, **view, **QUIET, **LATEST),
        ]
        box = [self.place, self.corners, *self.corner, self.direction, self.method]
        placed = self.place.input(self.placed, [self.place, self.size, *self.pixel], box, **QUIET)
        turned = self.direction.input(self.turned, self.direction, box, **QUIET)
        asking += [event.then(**view, **QUIET, **LATEST) for event in (placed, turned)]
        fit = [self.task, self.direction, self.about, self.part]
        for changed in (self.task.change, self.direction.change):
            changed(fitting, fit, [self.about, self.part], queue=False, **QUIET)
        return asking

    def opened(self, demo: gr.Blocks, begin: Mapping[str, Any]) -> Any:
        """The event at whose end a fresh page shows the photo and the settings of its link.

        Args:
            demo: the page.
            begin: what happens for a new photo, as `fn`, `inputs`, `outputs`.
        """
        restored = demo.load(self.restored, None, [self.photo, *self.fields.values()], **QUIET)
        where = [*self.pixel, *self.corner, self.place, self.corners, self.angle]
        return restored.success(**begin, **PRIVATE).then(
            self.restored_place, None, where, **PRIVATE
        )

    def restored(self, request: gr.Request) -> Changes:
        """Photo and settings of a visitor's link, as far as a new photo leaves them."""
        found = links.restore(dict(request.query_params))
        if found is None:
            for name, words in (("example", NO_VIEW), ("photo", links.GONE)):
                if name in request.query_params:
                    gr.Warning(words, title="Another example is shown")
            if self.answered is None:
                return gr.skip()
        if found is None or found == self.answered:
            raise gr.Error(visible=False, print_exception=False)  # nothing is to be asked
        photo, view = found
        later = {*self.pixel, *self.corner, self.angle}
        chosen = {c: getattr(view, name) for name, c in self.fields.items() if c not in later}
        return {self.photo: photo, **chosen, self.contours: list(view.contours)}

    def restored_place(self, request: gr.Request) -> Changes:
        """The pixel or the box of a visitor's link, and the camera's field of view."""
        found = links.restore(dict(request.query_params))
        if found is None:
            return gr.skip()
        _, view = found
        box = view.other_column is not None
        return {
            self.place: "box" if box else "pixel",
            self.corners: gr.update(visible=box),
            **self.at(view.column, view.row, view.other_column, view.other_row),
            self.angle: view.angle,
        }

    def at(
        self, column: int, row: int, other_column: int | None = None, other_row: int | None = None
    ) -> Changes:
        """A pixel, or a box."""
        values = column, row, other_column, other_row
        return dict(zip((*self.pixel, *self.corner), values, strict=True))

    def placed(
        self, place: str, size: tuple[int, int], column: float | None, row: float | None
    ) -> Changes:
        """The row of the other corner, that corner, and the direction: outputs have no box."""
        if place == "pixel" or column is None or row is None:
            corner = dict.fromkeys(self.corner)
            return {self.corners: gr.update(visible=place == "box"), **corner}
        ends = [min(int(p + n / 6), n - 1) for p, n in zip((column, row), size, strict=True)]
        return {
            self.corners: gr.update(visible=True),
            **dict(zip(self.corner, ends, strict=True)),
            self.direction: "inputs",
        }

    def turned(self, direction: str) -> Changes:
        """What an input moves is asked for a pixel, not for a box, and by the gradient."""
        if direction == "inputs":
            return gr.skip()
        corner = dict.fromkeys(self.corner)
        return {
            self.place: "pixel",
            self.corners: gr.update(visible=False),
            self.method: USUAL,  # what an input moves is a gradient
            **corner,
        }

    def _build_query(self) -> None:
        self.direction = gr.Radio(
            DIRECTIONS, value=View.direction, label="Direction", elem_id="direction"
        )
        self.about = gr.Dropdown(
            [(DEPTH, ANSWER)],
            value=View.about,
            label="Quantity",
            elem_id="about",
            allow_custom_value=True,  # the API takes classes of every task
        )
        self.method = gr.Dropdown(
            METHOD_CHOICES, value=View.method, label="Method", elem_id="method"
        )
        self.place = gr.Radio(PLACES, value="pixel", label="Place", elem_id="place")
        self.boundary = gr.Radio(EDGES, value=View.boundary, label="Boundary", elem_id="boundary")
        gr.HTML(QUERY_NOTE)

    def _build_display(self) -> None:
        self.scale = gr.Radio(list(SCALES), value=View.scale, label="Scale", elem_id="scale")
        self.part = gr.Radio(list(PARTS), value=View.part, label="Derivative", elem_id="part")
        self.opacity = gr.Slider(0, 1, View.opacity, step=0.05, label="Opacity", elem_id="opacity")
        self.contours = gr.CheckboxGroup(
            [(f"{share} %", share) for share in CONTOURS],
            value=list(View.contours),
            label="Contours: share of the sensitivity inside",
            elem_id="contours",
        )


def fitting(task: str, direction: str, about: str, part: str) -> tuple[dict, dict]:
    """What can be asked about, and which parts of a derivative there are."""
    answer = WINNER if TASKS[task].classes else DEPTH
    choices = [(answer, ANSWER), *((name, name) for name in abouts(task)[1:])]
    kept = about if about in abouts(task) else ANSWER
    parts = PARTS if not TASKS[task].drawn and direction == "inputs" else PARTS[:2]
    return (
        gr.update(choices=choices, value=kept),
        gr.update(choices=list(parts), value=part if part in parts else PARTS[0]),
    )
