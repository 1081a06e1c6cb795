"""The tab "Compare": a photo, both networks' answers, and the field of view of a pixel."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from imexnet import files, render
from imexnet.models import Network, window_width
from imexnet.predict import FAMILIES, KINDS, answer, forward, full_size, predict, to_grid
from imexnet.sensitivity import FieldOfView, field_of_view, radial_profile
from imexnet.ui import examples
from imexnet.ui.examples import CLASS_NAMES
from imexnet.ui.inputs import inputs, need, on_new_photo, pair_and_input, suited
from imexnet.ui.parts import (
    DEVICE,
    EVERY,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Folder,
    class_legend,
    colour_bar,
    fault,
    picture,
    table,
)

RAW = 2048  # longest side of the raw values to download
RAW_NOTE = (
    '<div class="note">Raw values at the photo\'s own size, its longer side at most '
    f"{RAW} pixels: metres as .npy (float32) and, in millimetres, as 16-bit .png, which most "
    "viewers show nearly black; class numbers as .npy (uint8).</div>"
)


class Compare:
    """Builds the tab inside an open `gr.Blocks` and answers its events.

    Args:
        demo: the open page.
        networks: those of all tasks by name, in eval mode, on the device where they stay.
    """

    def __init__(self, demo: gr.Blocks, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self.folder = Folder()
        self._build(demo)

    def predict(
        self, photo: Image.Image | None, task: str
    ) -> tuple[Any, Any, Any, Any, Any, Any, str, str]:
        """Both networks' answers for a photo, on one colour scale.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
        """
        photo, pair, x = pair_and_input(self.networks, photo, task)
        with DEVICE:
            outputs, seconds = {}, {}
            for kind, network in pair.items():
                outputs[kind], seconds[kind] = forward(network, x)
        truth = examples.true_values(photo, task)
        arrays, legend = answer_pictures(task, photo, outputs, truth)
        if truth is not None and task == "depth":
            errors = examples.error_pictures(outputs, truth, SHOWN)
            arrays |= {f"{kind}-error": error for kind, error in errors.items()}
            legend += _error_bar()
        pictures = self.folder.pictures(arrays)
        device = str(x.device).upper()
        summary = " · ".join(
            [f"{render.LABELS[kind]} {1000 * taken():.0f} ms" for kind, taken in seconds.items()]
            + [f"on {device}", f"network input {x.shape[-1]} × {x.shape[-2]}"]
        )
        return (
            pictures["resnet"],
            pictures["imexnet"],
            _if_any(pictures.get("truth")),
            _if_any(pictures.get("resnet-error")),
            _if_any(pictures.get("imexnet-error")),
            (pictures["resnet"], pictures["imexnet"]),
            legend,
            f'<div class="note">{summary}</div>' + examples.verdict(task, outputs, truth),
        )

    def raw_values(self, photo: Image.Image | None, task: str) -> list[str]:
        """Metres or classes of both networks at the photo's own size, as files.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
        """
        photo, pair, x = pair_and_input(self.networks, photo, task)
        width, height = full_size(photo)
        size = render.display_size((height, width), min(RAW, max(width, height)))
        folder = self.folder.new()
        paths = []
        for kind, network in pair.items():
            with DEVICE:
                values = predict(network, task, x, size).values
            paths += files.write_raw(task, values, folder / f"{kind}-{task}")
        return [str(path) for path in paths]

    def field_of_view(
        self, photo: Image.Image | None, task: str, column: float, row: float
    ) -> tuple[str, str, str, Figure]:
        """What both networks' answers at one pixel depend on.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
            column: of the pixel in the photo, from 0 at the left.
            row: of the pixel in the photo, from 0 at the top.
        """
        photo, pair, x = pair_and_input(self.networks, photo, task)
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
            _measures(task, views, pixel, self._width(task)),
            figure,
        )

    def _width(self, task: str) -> int:
        return window_width(self.networks[f"{FAMILIES[task]}-resnet"].config)

    def _build(self, demo: gr.Blocks) -> None:
        size = gr.State((SHOWN, SHOWN))  # (width, height) of the photo
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=280):
                chosen = inputs()
                photo, task = chosen.photo, chosen.task
            with gr.Column(scale=3, min_width=320):
                with gr.Tabs():
                    with gr.Tab("Side by side"), gr.Row():
                        resnet = picture("ResNet", "resnet")
                        imexnet = picture("IMEXNet", "imexnet")
                        truth = picture("Truth", "truth", visible=False)
                    with gr.Tab("Slider"):
                        slider = gr.ImageSlider(
                            label="ResNet ↔ IMEXNet", format="png", max_height=460, buttons=[]
                        )
                with gr.Row():
                    error_resnet = picture("Error of ResNet", "error-resnet", visible=False)
                    error_imexnet = picture("Error of IMEXNet", "error-imexnet", visible=False)
                legend = gr.HTML(label="legend", elem_id="legend")
                summary = gr.HTML(label="summary", elem_id="summary")
                gr.Markdown("### Field of view: what decided this pixel? *Click any picture.*")
                with gr.Row():
                    heat_resnet = picture("ResNet", "heat-resnet")
                    heat_imexnet = picture("IMEXNet", "heat-imexnet")
                gr.HTML(_heat_bar())
                with gr.Row(equal_height=True):
                    number: dict[str, Any] = {"precision": 0, "minimum": 0, "min_width": 100}
                    column = gr.Number(label="Column", elem_id="column", **number)
                    row = gr.Number(label="Row", elem_id="row", **number)
                    look = gr.Button("Show this pixel", elem_id="look", min_width=160)
                with gr.Row():
                    with gr.Column(min_width=320):
                        measures = gr.HTML(label="measures", elem_id="measures")
                    with gr.Column(min_width=320):
                        decay = gr.Plot(
                            label="decay", show_label=False, format="png", elem_id="decay"
                        )
                gr.HTML(RAW_NOTE)
                write = gr.Button("Make files of the raw values", size="sm", elem_id="write")
                raw = gr.File(
                    label="Raw values",
                    file_count="multiple",
                    interactive=False,
                    elem_id="raw",
                )

        errors = [error_resnet, error_imexnet]
        predicted = [resnet, imexnet, truth, *errors, slider, legend, summary]
        viewed = [heat_resnet, heat_imexnet, measures, decay]
        pixel = [column, row]
        show_view: dict[str, Any] = {
            "fn": self.field_of_view,
            "inputs": [photo, task, *pixel],
            "outputs": viewed,
            **ON_DEVICE,
        }

        runs: list[Any] = []

        def answer_then_view(on, private: bool = True):
            names = PRIVATE if private else {"api_name": "predict"}
            answered = on(self.predict, [photo, task], predicted, **ON_DEVICE, **names, **LATEST)
            runs.append(answered)
            runs.append(answered.success(**show_view, **PRIVATE, **LATEST))

        begin: dict[str, Any] = {
            "fn": _begin,
            "inputs": [photo, task],
            "outputs": [task, size, *pixel, raw],
        }
        look.click(**show_view, api_name="field_of_view")
        write.click(self.raw_values, [photo, task], raw, **ON_DEVICE, api_name="raw_values")
        uploaded, *others = on_new_photo(chosen, begin)
        answer_then_view(uploaded.then, private=False)
        for begun in (*others, demo.load(**begin, **PRIVATE)):
            answer_then_view(begun.then)
        answer_then_view(task.input)
        task.input(lambda: None, None, raw, **PRIVATE)  # files of another task
        results = [*predicted, *viewed, raw]
        photo.clear(lambda: [None] * len(results), None, results, cancels=runs, **PRIVATE)
        gr.on([column.submit, row.submit], **show_view, **PRIVATE)
        for shown in (photo, resnet, imexnet, truth, *errors, heat_resnet, heat_imexnet):
            where = _in_photo if shown is photo else _in_shown
            quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
            # In the queue, so that the last click is answered last.
            clicked = shown.select(where, size, pixel, **quiet, **EVERY)
            clicked.then(**show_view, **quiet, **LATEST)


def _begin(photo: Image.Image | None, task: str) -> tuple[str, tuple[int, int], int, int, None]:
    """For a new photo: the task that suits it, its size, its central pixel, no raw files yet."""
    photo = need(photo)
    width, height = full_size(photo)
    return suited(photo, task), (width, height), width // 2, height // 2, None


def _in_photo(size: tuple[int, int], event: gr.SelectData) -> tuple[int, int]:
    column, row = event.index
    return min(column, size[0] - 1), min(row, size[1] - 1)


def _in_shown(size: tuple[int, int], event: gr.SelectData) -> tuple[int, int]:
    """From the picture on the page, whose longer side is `SHOWN`, to the photo's own pixels."""
    scale = max(size) / SHOWN
    column, row = ((i + 0.5) * scale for i in event.index)
    return min(int(column), size[0] - 1), min(int(row), size[1] - 1)


def answer_pictures(
    task: str,
    photo: Image.Image,
    outputs: Mapping[str, dict[str, Tensor]],
    truth: np.ndarray | None = None,
) -> tuple[dict[str, np.ndarray], str]:
    """Answers, and the truth if known, as pictures of the page's size; their bar or legend."""
    size = render.display_size((photo.height, photo.width), SHOWN)
    known = {} if truth is None else {"truth": truth}
    if task == "depth":
        metres = {kind: answer(task, o, size).values for kind, o in outputs.items()} | known
        low, high = render.depth_range(*metres.values())
        ticks = [f"{v:.1f} m" for v in np.linspace(low, high, 5)]
        bar = colour_bar(render.DEPTH_COLOURS, ticks, "Depth, one scale for all")
        return _enlarged(render.pictures(task, metres), size), bar
    classes = {}
    for kind, o in outputs.items():
        # Q-tips are pixel art: their answers are enlarged as they are.
        height, width = o[task].shape[-2:] if task == "qtips" else size
        classes[kind] = answer(task, o, (height, width)).values
    classes |= known
    present = sorted({int(k) for values in classes.values() for k in np.unique(values)})
    legend = class_legend(CLASS_NAMES[task], render.PALETTES[task], present)
    return _enlarged(render.pictures(task, classes), size), legend


def _enlarged(pictures: dict[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
    return {name: render.enlarge(p, size, smooth=False) for name, p in pictures.items()}


def _if_any(picture: str | None) -> dict[str, Any]:
    return gr.update(value=picture, visible=picture is not None)


def _error_bar() -> str:
    most = round(100 * examples.LARGEST_ERROR)
    ticks = [f"−{most} %", "too near", "0", "too far", f"+{most} %"]
    return colour_bar(examples.ERROR_COLOURS, ticks, "Error of depth, share of the true one")


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
