"""The field of view of a clicked pixel: both networks' sensitivity maps on one scale."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import gradio as gr
from matplotlib.figure import Figure
from PIL import Image

from imexnet.io import files
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS, family
from imexnet.sensitivity import questions
from imexnet.sensitivity.field_of_view import FieldOfView
from imexnet.sensitivity.questions import ANSWER, TRAINED, Question
from imexnet.sensitivity.window import window_width
from imexnet.spectral.operators import BOUNDARIES
from imexnet.ui.compare import events, links
from imexnet.ui.compare.keys import KEYS
from imexnet.ui.compare.links import LINES
from imexnet.ui.components.inputs import pair_and_input
from imexnet.ui.components.parts import (
    DEVICE,
    EVERY,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Folder,
    as_user_error,
    colour_bar,
    decade_ticks,
    picture,
    table,
    user_error,
)
from imexnet.viz import field_of_view_figures
from imexnet.viz.colours import DECADES, HEAT_COLOURS, SIGNED_COLOURS
from imexnet.viz.heat_maps import CLIPPED, CONTOURS, PARTS, SCALES, Look, heat_maps

DIRECTIONS = [
    ("what decided this output", "inputs"),
    ("which outputs this input moves", "outputs"),
]
PLACES = [("the pixel", "pixel"), ("a box: its corners are the last two clicks", "box")]
EDGES = [("as trained", TRAINED), *((name, name) for name in BOUNDARIES)]
ASKED_NOTE = (
    "<div class=\"note\">For classes, the answer is the winner's logit minus the runner-up's. "
    "An input moves outputs by one forward-mode pass along grey. With a periodic boundary the "
    "left edge sees the right one; a mirrored boundary takes that away, with the same weights."
    "</div>"
)


class Explorer:
    """Builds the panel where it is made and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        folder: for the pictures.
        trunk: which of the networks for rooms.
    """

    def __init__(self, networks: Mapping[str, Network], folder: Folder, trunk: gr.Radio) -> None:
        self.networks = networks
        self.folder = folder
        self.trunk = trunk
        self._twin = lru_cache(2 * len(networks))(questions.with_edges)
        self._build()

    def question(self, photo: gr.Image, task: gr.Radio) -> dict[str, Any]:
        """The event that asks for the field of view of the pixel that is entered."""
        return {
            "fn": self.field_of_view,
            "inputs": [photo, task, *self.pixel, *self.settings],
            "outputs": self.outputs,
            **ON_DEVICE,
        }

    def answer_clicks(
        self, photo: gr.Image, task: gr.Radio, size: gr.State, shown: Sequence[gr.Image]
    ) -> None:
        """Makes the photo, pictures `shown` of it and the maps themselves answer a click.

        Args:
            photo: the upload, whose clicks come in its own pixels.
            task: what is asked.
            size: (width, height) of the photo.
            shown: pictures of it whose longer side is `SHOWN`.
        """
        view = self.question(photo, task)
        self.look.click(**view, **LATEST, api_name="field_of_view")
        numbers = [number.submit for number in (*self.pixel, *self.corner)]
        gr.on(numbers, **view, **PRIVATE)
        quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
        for shown_picture in (photo, *shown, *self.maps):
            where = events.in_photo if shown_picture is photo else events.in_shown
            # In the queue, so that the last click is answered last.
            clicked = shown_picture.select(
                where,
                [size, self.place, *self.pixel],
                [*self.pixel, *self.corner],
                **quiet,
                **EVERY,
            )
            clicked.then(**view, **quiet, **LATEST)
        chosen = (self.about, self.boundary, self.scale, self.part, self.contours)
        changed = [component.input for component in chosen]
        gr.on([*changed, self.opacity.release], **view, **quiet, **LATEST)
        placed = self.place.input(
            events.placed,
            [self.place, size, *self.pixel],
            [self.corners, *self.corner, self.direction],
            **quiet,
        )
        placed.then(**view, **quiet, **LATEST)
        turned = self.direction.input(
            events.turned, self.direction, [self.place, self.corners, *self.corner], **quiet
        )
        turned.then(**view, **quiet, **LATEST)
        fit = [task, self.direction, self.about, self.part]
        for changed in (task.change, self.direction.change):
            changed(events.fitting, fit, [self.about, self.part], queue=False, **quiet)
        show = self.save.click(lambda: gr.update(visible=True), None, self.saved, **quiet)
        show.then(self.files, view["inputs"], self.saved, **ON_DEVICE, **PRIVATE)

    def opened(self, demo: gr.Blocks, begin: Mapping[str, Any], photo: Any, task: Any) -> Any:
        """The event at whose end a fresh page shows the photo and the settings of its link.

        Args:
            demo: the page.
            begin: what happens for a new photo, as `fn`, `inputs`, `outputs`.
            photo, task: the components that choose what is shown.
        """
        shown = [self.scale, self.part, self.opacity, self.contours]
        asked = [self.trunk, self.about, self.direction, self.boundary]
        restored = demo.load(events.restored, None, [photo, task, *asked, *shown], **PRIVATE)
        begun = restored.then(**begin, **PRIVATE)
        where = [*self.pixel, *self.corner, self.place, self.corners]
        return begun.then(events.restored_place, None, where, **PRIVATE)

    def field_of_view(
        self,
        photo: Image.Image | None,
        task: str,
        column: float,
        row: float,
        about: str = ANSWER,
        other_column: float | None = None,
        other_row: float | None = None,
        direction: str = "inputs",
        boundary: str = TRAINED,
        trunk: str = "plain",
        scale: str = "logarithmic",
        part: str = "absolute",
        opacity: float = 0.85,
        contours: Sequence[int] = (),
    ) -> tuple[str, str, str, Figure, str]:
        """What both networks' answers at one pixel depend on.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
            column: of the pixel in the photo, from 0 at the left.
            row: of the pixel in the photo, from 0 at the top.
            about: "answer" (depth; the winner's logit minus the runner-up's), or a class's name.
            other_column: of the opposite corner, for the mean over a box.
            other_row: of the opposite corner.
            direction: "inputs" that decide this output, or "outputs" that this input moves.
            boundary: of the implicit solves: trained, periodic or mirrored.
            trunk: of the networks for rooms, plain or pyramid.
            scale: of the colours, logarithmic or linear.
            part: absolute, signed, red, green or blue.
            opacity: of the heat over the photo.
            contours: per cent of the sensitivity that a line holds.
        """
        asked = (about, other_column, other_row, direction, boundary, trunk)
        photo, question, views = self._views(photo, task, column, row, *asked)
        with as_user_error():
            look = Look(scale, part, opacity, tuple(int(share) for share in contours or ()))
            pictures = self.folder.pictures(heat_maps(photo, views, question, look, SHOWN))
        link = links.link(photo, question, trunk, boundary, look)
        return (
            pictures["resnet"],
            pictures["imexnet"],
            f"{self._measures(question, views, trunk)}{links.state(photo, views, link)}</div>",
            field_of_view_figures.decay_figure(views),
            _heat_bar(look),
        )

    def files(self, *values: Any) -> list[str]:
        """The field of view as a figure to print, PNG, SVG and PDF, and its data as .npz."""
        photo, question, views = self._views(*values[:-4])
        scale, part, opacity, contours = values[-4:]
        folder = self.folder.new()
        with as_user_error():
            look = Look(scale, part, opacity, tuple(int(share) for share in contours or ()))
            figure = field_of_view_figures.printed_figure(photo, views, question, look)
        paths = [
            files.write_bytes(
                folder / f"field-of-view.{kind}", field_of_view_figures.encode(figure, kind)
            )
            for kind in field_of_view_figures.FORMATS
        ]
        data = questions.arrays(question, views)
        return [*map(str, paths), str(files.write_arrays(data, folder / "field-of-view.npz"))]

    def _views(
        self,
        photo: Image.Image | None,
        task: str,
        column: float,
        row: float,
        about: str,
        other_column: float | None,
        other_row: float | None,
        direction: str,
        boundary: str,
        trunk: str,
    ) -> tuple[Image.Image, Question, dict[str, FieldOfView]]:
        photo, pair, x = pair_and_input(self.networks, photo, task, trunk)
        if column is None or row is None:
            raise user_error("Give a column and a row, or click a picture.")
        other = None
        if other_column is not None and other_row is not None:
            other = int(other_row), int(other_column)
        with as_user_error():
            question = Question(task, (int(row), int(column)), other, about, direction)
            with DEVICE:
                twins = {kind: self._twin(network, boundary) for kind, network in pair.items()}
                return photo, question, questions.ask_all(twins, photo, x, question)

    def _measures(self, question: Question, views: Mapping[str, FieldOfView], trunk: str) -> str:
        width = window_width(self.networks[f"{family(question.task, trunk)}-resnet"].config)
        readings = {kind: questions.reading(question, view) for kind, view in views.items()}
        rows = [
            (f"Answer at {question.place}", readings),
            *field_of_view_figures.measure_rows(views),
        ]
        note = (
            f'<div class="note">The frame is the explicit window, all that the ResNet can see: '
            f"{width} px. Areas are shares of the picture; px are pixels of the network's input; "
            "lines hold shares of the smoothed map. "
        )
        return table(rows, KINDS) + note

    def _build(self) -> None:
        gr.Markdown(
            "### Field of view: what decided this pixel? *Click any picture, "
            "go on with the arrow keys.*"
        )
        with gr.Row():
            heat_resnet = picture("ResNet", "heat-resnet")
            heat_imexnet = picture("IMEXNet", "heat-imexnet")
        bar = gr.HTML(_heat_bar(Look()), label="scale", elem_id="heat-bar")
        number: dict[str, Any] = {"precision": 0, "minimum": 0, "min_width": 100}
        with gr.Row(equal_height=True):
            column = gr.Number(label="Column", elem_id="column", **number)
            row = gr.Number(label="Row", elem_id="row", **number)
            self.look = gr.Button("Show this pixel", elem_id="look", min_width=160)
        with gr.Row():
            with (
                gr.Column(min_width=320),
                gr.Accordion("What is asked", open=False, elem_id="asked"),
            ):
                self._build_question(number)
            with (
                gr.Column(min_width=320),
                gr.Accordion("How it is shown", open=False, elem_id="shown"),
            ):
                self._build_look()
        with gr.Row():
            with gr.Column(min_width=320):
                measures = gr.HTML(label="measures", elem_id="measures")
            with gr.Column(min_width=320):
                decay = gr.Plot(label="decay", show_label=False, format="png", elem_id="decay")
        gr.HTML("", js_on_load=KEYS)
        self.save = gr.Button("Save figure and data", size="sm", elem_id="save-view")
        self.saved = gr.File(
            label="Figure to print (PNG, SVG, PDF) and data (.npz)",
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id="saved-view",
        )
        self.maps = [heat_resnet, heat_imexnet]
        self.pixel = [column, row]
        self.outputs = [*self.maps, measures, decay, bar]

    def _build_question(self, number: dict[str, Any]) -> None:
        self.direction = gr.Radio(DIRECTIONS, value="inputs", label="Show", elem_id="direction")
        self.about = gr.Dropdown(
            [(events.ANSWERS["depth"], ANSWER)],
            value=ANSWER,
            label="About",
            elem_id="about",
            allow_custom_value=True,  # the API takes classes of every task
        )
        self.place = gr.Radio(PLACES, value="pixel", label="At", elem_id="place")
        with gr.Row(visible=False) as self.corners:
            self.corner = [
                gr.Number(label=f"Other {name}", elem_id=f"other-{name}", **number)
                for name in ("column", "row")
            ]
        self.boundary = gr.Radio(EDGES, value=TRAINED, label="Boundary", elem_id="boundary")
        gr.HTML(ASKED_NOTE)

    def _build_look(self) -> None:
        self.scale = gr.Radio(list(SCALES), value=SCALES[0], label="Scale", elem_id="scale")
        self.part = gr.Radio(list(PARTS), value=PARTS[0], label="Derivative", elem_id="part")
        self.opacity = gr.Slider(0, 1, 0.85, step=0.05, label="Opacity", elem_id="opacity")
        shares = [(f"{share} %", share) for share in CONTOURS]
        self.contours = gr.CheckboxGroup(
            shares, value=list(LINES), label="Lines round the set that holds", elem_id="contours"
        )

    @property
    def settings(self) -> list[Any]:
        """Beside the pixel, in the order of `field_of_view`."""
        asked = [self.about, *self.corner, self.direction, self.boundary, self.trunk]
        return [*asked, self.scale, self.part, self.opacity, self.contours]


def _heat_bar(look: Look) -> str:
    if look.scale == "linear":
        ticks = ["0", "0.25", "0.5", "0.75", "1"]
        unit = f"the {100 * CLIPPED:g} % quantile"
    else:
        ticks = decade_ticks(DECADES)
        unit = "the peak"
    if look.signed:
        ticks = [*(f"−{tick}" for tick in ticks[:0:-1]), "0", *ticks[1:]]
    colours = SIGNED_COLOURS if look.signed else HEAT_COLOURS
    title = f"Share of the sensitivity a pixel, relative to {unit} of both; one scale"
    return colour_bar(colours, ticks, title)
