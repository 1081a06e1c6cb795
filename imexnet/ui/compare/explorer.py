"""The field of view of a clicked pixel: both networks' sensitivity maps on one scale."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr

from imexnet.io import files
from imexnet.io.photos import Photo
from imexnet.models.networks import Network, with_boundary
from imexnet.models.spec import ModelSpec
from imexnet.models.tasks import KINDS
from imexnet.sensitivity import questions
from imexnet.sensitivity.field_of_view import FieldOfView
from imexnet.sensitivity.summary import summary
from imexnet.sensitivity.window import window_width
from imexnet.ui.compare import links
from imexnet.ui.compare.form import QUIET, ViewForm
from imexnet.ui.compare.view import View
from imexnet.ui.components.inputs import Inputs, pair_and_input, still_there
from imexnet.ui.components.kept import ask_all
from imexnet.ui.components.parts import (
    ANNOUNCE,
    DEVICE,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Changes,
    Folder,
    as_user_error,
    colour_bar,
    picture,
    table,
)
from imexnet.viz import field_of_view_figures, plots
from imexnet.viz.colours import HEAT_COLOURS, SIGNED_COLOURS
from imexnet.viz.heat_maps import CLIPPED, HeatMapStyle, heat_maps
from imexnet.viz.spotlight import spotlights

ASKED = """() => {
    document.dispatchEvent(new Event("imexnet:asked"));
    return [{ __type__: "update", value: null, visible: false }, ""];
}"""  # files and link are of the question before

CAPTIONS = {
    direction: [{"__type__": "update", "label": f"{plots.LABELS[kind]}{words}"} for kind in KINDS]
    for direction, words in (("inputs", " looked here"), ("outputs", ": what this point moves"))
}  # of the photo that is lit


class Explorer:
    """Builds the panel where it is made and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        folder: for the pictures.
        chosen: the photo and the task.
        size: (width, height) of the photo.
        trunk: which of the networks for rooms.
        angle: the camera's field of view.
        spotlights: one picture for each network: the photo, lit where it looked.
        sentence: what they show, in words.
    """

    def __init__(
        self,
        networks: Mapping[str, Network],
        folder: Folder,
        chosen: Inputs,
        size: gr.State,
        trunk: gr.Radio,
        angle: gr.Slider,
        spotlights: Sequence[gr.Image],
        sentence: gr.HTML,
    ) -> None:
        self.networks = networks
        self.folder = folder
        self.spotlights, self.sentence = spotlights, sentence
        self._twin = lru_cache(2 * len(networks))(with_boundary)
        self._build(chosen, size, trunk, angle)
        self.event: dict[str, Any] = {
            "fn": self.field_of_view,
            "inputs": chosen.photo,
            "inputs_kwargs": self.form.fields,
            "outputs": self.outputs,
            **ON_DEVICE,
        }

    def answer_events(self) -> None:
        """Makes the form and the buttons ask."""
        show = self.save.click(lambda: gr.update(visible=True), None, self.saved, **QUIET)
        files = self.event | {"fn": self.files, "outputs": self.saved}
        self.saves: list[Any] = [show, show.then(**files, **PRIVATE)]
        # Before what asks: a refusal may be there at once.
        gr.on(self.form.asked, None, None, self.kept, js=ASKED, cancels=self.saves, **PRIVATE)
        looked = self.form.look.click(
            **self.event, **LATEST, show_progress="hidden", api_name="field_of_view"
        )
        for asking in (looked, *self.form.answer(self.event)):
            asking.failure(None, js=ANNOUNCE.format("imexnet:refused"), **PRIVATE)
        captioned = f"(direction) => ({json.dumps(CAPTIONS)})[direction]"
        direction = self.form.direction
        direction.change(None, direction, self.spotlights, js=captioned, **PRIVATE)
        asked = {"inputs": self.event["inputs"], "inputs_kwargs": self.form.fields}
        self.share.click(self.shared, outputs=self.link, **asked, **QUIET)

    def field_of_view(
        self,
        photo: Photo | None,
        task: str,
        column: float,
        row: float,
        about: str = View.about,
        other_column: float | None = View.other_column,
        other_row: float | None = View.other_row,
        direction: str = View.direction,
        boundary: str = View.boundary,
        trunk: str = View.trunk,
        scale: str = View.scale,
        part: str = View.part,
        opacity: float = View.opacity,
        contours: Sequence[int] = View.contours,
        method: str = View.method,
        angle: float = View.angle,
    ) -> Changes:
        """What both networks' answers at one pixel depend on.

        Args:
            photo: a picture.
            task: depth, segmentation, qtips, rods or paths.
            column: of the pixel in the photo, from 0 at the left.
            row: of the pixel in the photo, from 0 at the top.
            about: "answer" (depth; the winner's logit minus the runner-up's), or a class's name.
            other_column: of the opposite corner, for the mean over a box.
            other_row: of the opposite corner.
            direction: "inputs" that decide this output, or "outputs" that this input moves.
            boundary: of the implicit solves: trained, periodic or mirrored.
            trunk: of the networks for rooms, plain or backbone.
            scale: of the colours, logarithmic or linear.
            part: absolute, signed, red, green or blue.
            opacity: of the heat over the photo.
            contours: per cent of the sensitivity that a line holds.
            method: gradient, gradient-times-difference, integrated-blur, integrated-flat,
                occlusion-mean or occlusion-blur; usual: integrated-flat for drawn
                pictures, else gradient.
            angle: of view along the photo's longer side, in degrees; 0: as the photo says.
        """
        form: dict[str, Any] = {
            "task": task, "column": column, "row": row, "about": about,
            "other_column": other_column, "other_row": other_row, "direction": direction,
            "boundary": boundary, "trunk": trunk,
            "scale": scale, "part": part, "opacity": opacity, "contours": contours,
            "method": method, "angle": angle,
        }  # fmt: skip
        photo, view, fields = self._ask(photo, form)
        with as_user_error():
            heats = heat_maps(photo, fields, view.question, view.style, SHOWN)
        lit = spotlights(photo, fields)
        said = summary(view.question, fields, self._window_width(view))
        pictures = self.folder.pictures(
            {f"{kind}-looked-here": picture for kind, picture in lit.items()}
            | {f"{kind}-sensitivity": picture for kind, picture in heats.items()}
        )
        grid = fields["resnet"].sensitivity.shape
        link = links.state(photo, (grid[0], grid[1]), links.link(photo, view))
        return {
            **{
                shown: pictures[f"{kind}-{name}"]
                for name, pair in (("looked-here", self.spotlights), ("sensitivity", self.maps))
                for kind, shown in zip(KINDS, pair, strict=True)
            },
            self.sentence: f'<p class="sentence">{escape(said)}</p>',
            self.measures: f"{self._measures(view, fields)}{link}</div>",
            self.decay: field_of_view_figures.decay_figure(fields),
            self.bar: _heat_bar(view.style),
        }

    def shared(self, photo: Photo | None, **form: Any) -> str:
        """A link to this view of the visitor's own photo, which is kept for it from now on."""
        photo = still_there(photo)
        with as_user_error():
            view = View.from_form(**form)
        links.share(photo)
        address = escape(links.link(photo, view))
        return (
            f'<p class="note"><a href="?{address}">Link to this view of your photo</a>, which this '
            "server now keeps for an hour. Whoever has the link can see it.</p>"
        )

    def files(self, photo: Photo | None, **form: Any) -> list[str]:
        """The field of view as a figure to print, PNG, SVG and PDF, and its data as .npz."""
        photo, view, fields = self._ask(photo, form)
        folder = self.folder.new()
        with as_user_error():
            figure = field_of_view_figures.printed_figure(photo, fields, view.question, view.style)
        paths = [
            files.write_bytes(
                folder / f"field-of-view.{kind}", field_of_view_figures.encode(figure, kind)
            )
            for kind in field_of_view_figures.FORMATS
        ]
        data = questions.arrays(view.question, fields)
        return [*map(str, paths), str(files.write_arrays(data, folder / "field-of-view.npz"))]

    def _ask(
        self, photo: Photo | None, form: dict[str, Any]
    ) -> tuple[Photo, View, dict[str, FieldOfView]]:
        """The photo, the view, and each network's field of view."""
        chosen = (form[name] for name in ("task", "trunk", "angle"))
        photo, pair, x, camera = pair_and_input(self.networks, still_there(photo), *chosen)
        with as_user_error():
            view = View.from_form(**form)
            with DEVICE:
                twins = {kind: self._twin(network, view.boundary) for kind, network in pair.items()}
                return photo, view, ask_all(twins, photo, x, view.question, camera)

    def _measures(self, view: View, fields: Mapping[str, FieldOfView]) -> str:
        question = view.question
        width = self._window_width(view)
        readings = {kind: questions.reading(field) for kind, field in fields.items()}
        rows = [
            (f"Answer at {question.place}", readings),
            *field_of_view_figures.measure_rows(fields),
        ]
        note = (
            f'<div class="note">The frame is the explicit window, all that the ResNet can see: '
            f"{width} px wide. Areas are shares of the picture. Lengths in px are pixels of the "
            "network's input. Lines are drawn on a smoothed map. "
        )
        return table(rows, KINDS) + note

    def _window_width(self, view: View) -> int:
        resnet = ModelSpec.for_task(view.task, view.trunk, "resnet")
        return window_width(self.networks[resnet.name].config)

    def _build(self, chosen: Inputs, size: gr.State, trunk: gr.Radio, angle: gr.Slider) -> None:
        self.form = ViewForm(chosen, size, trunk, angle)
        with gr.Accordion("Heat maps", open=False, elem_id="heat-maps"):
            with gr.Row():
                self.maps = [
                    picture(f"{plots.LABELS[kind]}: sensitivity", f"heat-{kind}") for kind in KINDS
                ]
            self.bar = gr.HTML(_heat_bar(HeatMapStyle()), label="scale", elem_id="heat-bar")
        with gr.Row():
            with gr.Column(min_width=320):
                self.measures = gr.HTML(label="measures", elem_id="measures")
            with gr.Column(min_width=320):
                self.decay = gr.Plot(label="decay", show_label=False, format="png", elem_id="decay")
        with gr.Row():
            self.save = gr.Button("Save figure and data", size="sm", elem_id="save-view")
            self.share = gr.Button(
                "Make a link to your photo, kept for an hour", size="sm", elem_id="share"
            )
        self.link = gr.HTML(label="link", elem_id="shared-link")
        self.saved = gr.File(
            label="Figure to print (PNG, SVG, PDF) and data (.npz)",
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id="saved-view",
        )
        self.kept = [self.saved, self.link]
        self.outputs = [
            *self.maps, self.measures, self.decay, self.bar, *self.spotlights, self.sentence
        ]  # fmt: skip


def _heat_bar(look: HeatMapStyle) -> str:
    unit = f"the {100 * CLIPPED:g} % quantile" if look.scale == "linear" else "the peak"
    colours = SIGNED_COLOURS if look.signed else HEAT_COLOURS
    title = f"Sensitivity per pixel, relative to {unit} of both networks"
    return colour_bar(colours, look.ticks, title)
