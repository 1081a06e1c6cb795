"""The field of view of a clicked pixel: both networks' sensitivity maps on one scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from imexnet import render
from imexnet.models import Network, window_width
from imexnet.predict import KINDS, full_size, to_grid
from imexnet.sensitivity import FieldOfView, field_of_view, radial_profile
from imexnet.ui.examples import CLASS_NAMES
from imexnet.ui.inputs import pair_and_input
from imexnet.ui.parts import (
    DEVICE,
    EVERY,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Folder,
    colour_bar,
    fault,
    picture,
    table,
)


class Explorer:
    """Builds the panel where it is made and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        folder: for the pictures.
    """

    def __init__(self, networks: Mapping[str, Network], folder: Folder) -> None:
        self.networks = networks
        self.folder = folder
        self._build()

    def question(self, photo: gr.Image, task: gr.Radio, trunk: gr.Radio) -> dict[str, Any]:
        """The event that asks for the field of view of the pixel that is entered."""
        return {
            "fn": self.field_of_view,
            "inputs": [photo, task, *self.pixel, trunk],
            "outputs": self.outputs,
            **ON_DEVICE,
        }

    def answer_clicks(
        self, photo: gr.Image, view: dict[str, Any], size: gr.State, shown: Sequence[gr.Image]
    ) -> None:
        """Makes the photo, pictures `shown` of it and the maps themselves answer a click.

        Args:
            photo: the upload, whose clicks come in its own pixels.
            view: the event of `question`.
            size: (width, height) of the photo.
            shown: pictures of it whose longer side is `SHOWN`.
        """
        column, row = self.pixel
        self.look.click(**view, api_name="field_of_view")
        gr.on([column.submit, row.submit], **view, **PRIVATE)
        for shown_picture in (photo, *shown, *self.maps):
            where = _in_photo if shown_picture is photo else _in_shown
            quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
            # In the queue, so that the last click is answered last.
            clicked = shown_picture.select(where, size, self.pixel, **quiet, **EVERY)
            clicked.then(**view, **quiet, **LATEST)

    def field_of_view(
        self,
        photo: Image.Image | None,
        task: str,
        column: float,
        row: float,
        trunk: str = "plain",
    ) -> tuple[str, str, str, Figure]:
        """What both networks' answers at one pixel depend on.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
            column: of the pixel in the photo, from 0 at the left.
            row: of the pixel in the photo, from 0 at the top.
            trunk: of the networks for rooms, plain or pyramid.
        """
        photo, pair, x = pair_and_input(self.networks, photo, task, trunk)
        if column is None or row is None:
            raise fault("Give a column and a row, or click a picture.")
        pixel = int(row), int(column)
        width, height = full_size(photo)
        try:
            cell = to_grid(pixel, (height, width), (x.shape[-2], x.shape[-1]))
        except ValueError as error:
            raise fault(f"{str(error).capitalize()}.") from None
        with DEVICE:
            views = {kind: field_of_view(network, task, x, cell) for kind, network in pair.items()}
        pictures = self.folder.pictures(_heat_maps(photo, views, pixel))
        profiles = {kind: radial_profile(v.sensitivity, cell) for kind, v in views.items()}
        figure = render.decay_figure(profiles, "pixels of the network's input")
        return (
            pictures["resnet"],
            pictures["imexnet"],
            _measures(task, views, pixel, window_width(pair["resnet"].config)),
            figure,
        )

    def _build(self) -> None:
        gr.Markdown("### Field of view: what decided this pixel? *Click any picture.*")
        with gr.Row():
            heat_resnet = picture("ResNet", "heat-resnet")
            heat_imexnet = picture("IMEXNet", "heat-imexnet")
        gr.HTML(_heat_bar())
        with gr.Row(equal_height=True):
            number: dict[str, Any] = {"precision": 0, "minimum": 0, "min_width": 100}
            column = gr.Number(label="Column", elem_id="column", **number)
            row = gr.Number(label="Row", elem_id="row", **number)
            self.look = gr.Button("Show this pixel", elem_id="look", min_width=160)
        with gr.Row():
            with gr.Column(min_width=320):
                measures = gr.HTML(label="measures", elem_id="measures")
            with gr.Column(min_width=320):
                decay = gr.Plot(label="decay", show_label=False, format="png", elem_id="decay")
        self.maps = [heat_resnet, heat_imexnet]
        self.pixel = [column, row]
        self.outputs = [*self.maps, measures, decay]


def _in_photo(size: tuple[int, int], event: gr.SelectData) -> tuple[int, int]:
    column, row = event.index
    return min(column, size[0] - 1), min(row, size[1] - 1)


def _in_shown(size: tuple[int, int], event: gr.SelectData) -> tuple[int, int]:
    """From the picture on the page, whose longer side is `SHOWN`, to the photo's own pixels."""
    scale = max(size) / SHOWN
    column, row = ((i + 0.5) * scale for i in event.index)
    return min(int(column), size[0] - 1), min(int(row), size[1] - 1)


def _heat_bar() -> str:
    ticks = [*(f"10⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[d]}" for d in range(render.DECADES, 0, -1)), "1"]
    title = "Share of the sensitivity a pixel, relative to the peak of both; one scale"
    return colour_bar(render.HEAT_COLOURS, ticks, title)


def _heat_maps(
    photo: Image.Image, views: Mapping[str, FieldOfView], pixel: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Both maps as shares of their sums, on one scale, over the photo, with the marker."""
    shares = {k: v.sensitivity / max(v.sensitivity.sum(), 1e-30) for k, v in views.items()}
    peak = max(float(share.max()) for share in shares.values())
    size = render.display_size((photo.height, photo.width), SHOWN)
    backdrop = np.asarray(photo.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    width, height = full_size(photo)
    scale = size[0] / height, size[1] / width
    row, column = (pixel[0] + 0.5) * scale[0], (pixel[1] + 0.5) * scale[1]
    pictures = {}
    for kind, share in shares.items():
        picture = render.heat_picture(backdrop, render.heat_values(share, peak))
        if kind == "resnet":
            edges = [
                (window.start * side / n, window.stop * side / n)
                for window, side, n in zip(views[kind].window, size, share.shape, strict=True)
            ]
            picture = render.frame(picture, *edges)
        pictures[kind] = render.mark(picture, row, column)
    return pictures


def _measures(
    task: str, views: Mapping[str, FieldOfView], pixel: tuple[int, int], width: int
) -> str:
    def row(label: str, words) -> tuple[str, dict[str, str]]:
        return label, {kind: words(view) for kind, view in views.items()}

    def share(name: str):
        return lambda view: f"{100 * getattr(view.measures, name):.1f} %"

    def value(view: FieldOfView) -> str:
        if view.probability is None:
            return f"{view.value:.2f} m"
        return f"{CLASS_NAMES[task][int(view.value)]}, p = {view.probability:.2f}"

    rows = [
        row(f"Answer at column {pixel[1]}, row {pixel[0]}", value),
        row("50 % of the sensitivity lies in", share("area50")),
        row("95 % lies in", share("area95")),
        row("99 % lies in", share("area99")),
        row("RMS radius", lambda view: f"{view.measures.rms_radius:.1f} px"),
        row(f"Outside the ResNet's window ({width} px)", share("outside_window")),
        row("Of all: outside it, and nearer round an edge", share("wrap_around")),
    ]
    note = (
        '<div class="note">Areas are shares of the picture; px are pixels of the network\'s input. '
        "The frame is all that the ResNet can see.</div>"
    )
    return table(rows, KINDS) + note
