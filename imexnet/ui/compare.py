"""The tab "Compare": a photo, both networks' answers, and the field of view of a pixel."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from imexnet import files, render
from imexnet.models import Network
from imexnet.predict import answer, forward, full_size, predict
from imexnet.ui import examples
from imexnet.ui.examples import CLASS_NAMES
from imexnet.ui.explorer import Explorer
from imexnet.ui.inputs import inputs, need, on_new_photo, pair_and_input, suited
from imexnet.ui.parts import (
    DEVICE,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Folder,
    class_legend,
    colour_bar,
    picture,
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
                explorer = Explorer(self.networks, self.folder)
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
        viewed, pixel, view = explorer.outputs, explorer.pixel, explorer.question(photo, task)

        # First, as the first event takes the function's name in the API.
        explorer.answer_clicks(photo, task, size, [resnet, imexnet, truth, *errors])
        runs: list[Any] = []

        def answer_then_view(on, private: bool = True):
            names = PRIVATE if private else {"api_name": "predict"}
            answered = on(self.predict, [photo, task], predicted, **ON_DEVICE, **names, **LATEST)
            runs.append(answered)
            runs.append(answered.success(**view, **PRIVATE, **LATEST))

        begin: dict[str, Any] = {
            "fn": _begin,
            "inputs": [photo, task],
            "outputs": [task, size, *pixel, *explorer.corner, raw],
        }
        write.click(self.raw_values, [photo, task], raw, **ON_DEVICE, api_name="raw_values")
        uploaded, *others = on_new_photo(chosen, begin)
        answer_then_view(uploaded.then, private=False)
        for begun in (*others, explorer.opened(demo, begin, photo, task)):
            answer_then_view(begun.then)
        answer_then_view(task.input)
        task.input(lambda: None, None, raw, **PRIVATE)  # files of another task
        results = [*predicted, *viewed, raw]
        photo.clear(lambda: [None] * len(results), None, results, cancels=runs, **PRIVATE)


def _begin(photo: Image.Image | None, task: str) -> tuple[Any, ...]:
    """For a new photo: the task that suits it, its size, its central pixel, no box, no files."""
    photo = need(photo)
    width, height = full_size(photo)
    return suited(photo, task), (width, height), width // 2, height // 2, None, None, None


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
