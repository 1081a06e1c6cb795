"""The tab "Compare": a photo, both networks' answers, and the field of view of a pixel."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from PIL import Image

from imexnet.inference import forward, predict_input
from imexnet.io import files
from imexnet.io.photos import full_size
from imexnet.models.networks import Network
from imexnet.ui.compare.explorer import Explorer
from imexnet.ui.compare.history import History
from imexnet.ui.compare.room import Room
from imexnet.ui.compare.several import Several
from imexnet.ui.components import examples
from imexnet.ui.components.answers import COLOURS, answer_pictures, pointer_values
from imexnet.ui.components.inputs import inputs, need, on_new_photo, pair_and_input, suited
from imexnet.ui.components.parts import (
    DEVICE,
    EVERY,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Folder,
    fault,
    picture,
)
from imexnet.ui.components.style import CITE, EMPTY, INVITATION, STATIC
from imexnet.viz import drawing, plots
from imexnet.viz.colours import DEPTH_COLOURS

RAW = 2048  # longest side of the raw values to download
SOON = 0.2  # seconds of the first network after which its answer is shown before the second's
READOUT = (STATIC / "readout.js").read_text("utf-8")
RAW_NOTE = (
    "<div class=\"note\">Both networks' values at the photo's own size, its longer side at most "
    f"{RAW} pixels:<ul><li><b>-mm.png</b>: depth in millimetres, 16-bit grey; most viewers show it "
    "nearly black</li><li><b>-depth.npy</b>: depth in metres, float32</li>"
    "<li><b>-segmentation.npy</b>, <b>-qtips.npy</b>: class numbers, uint8</li>"
    "<li><b>.npz</b>: both networks in one file, with a line <i>readme</i> that says the unit</li>"
    "</ul></div>"
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
        self,
        photo: Image.Image | None,
        task: str,
        trunk: str = "plain",
        colours: str = DEPTH_COLOURS,
    ) -> Iterator[tuple[Any, ...]]:
        """Both networks' answers for a photo, on one colour scale.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
            trunk: of the networks for rooms, plain or pyramid.
            colours: colour map of depth.
        """
        photo, pair, x = pair_and_input(self.networks, photo, task, trunk)
        if colours not in COLOURS.values():
            raise fault(f"There is no such colour map; choose {', '.join(COLOURS.values())}.")
        truth = examples.true_values(photo, task)
        outputs, seconds = {}, {}
        for kind, network in pair.items():
            with DEVICE:
                outputs[kind], seconds[kind] = forward(network, x)
            alone = len(outputs) < len(pair)
            if alone and (x.is_cuda or seconds[kind]() < SOON):
                continue  # both will be there before anyone can have looked
            arrays, legend = answer_pictures(task, photo, outputs, truth, colours)
            told = [f"{plots.LABELS[k]} {1000 * taken():.0f} ms" for k, taken in seconds.items()]
            told += [f"on {str(x.device).upper()}", f"network input {x.shape[-1]} × {x.shape[-2]}"]
            words = " · ".join(told)
            answers = {} if truth is None else examples.answers_on(truth, task, outputs)
            if truth is not None:
                words = f"<b>{examples.plain_verdict(task, answers, truth)}</b> {words}"
            if truth is not None and task == "depth":
                errors = examples.error_pictures(answers, truth, SHOWN)
                arrays |= {f"{k}-error": error for k, error in errors.items()}
            if alone:
                words = "<b>The IMEXNet is still computing; the scale may change.</b> " + words
            shown = self.folder.pictures(arrays)
            yield (
                shown["resnet"],
                shown.get("imexnet"),
                _if_any(shown.get("truth")),
                _if_any(shown.get("resnet-error")),
                _if_any(shown.get("imexnet-error")),
                None if alone else (shown["resnet"], shown["imexnet"]),
                legend,
                f'<div class="note">{words}</div>',
                examples.verdict(task, answers, truth),
                gr.update(visible=truth is not None or task == "qtips"),
                pointer_values(task, outputs, truth, full_size(photo)),
            )

    def raw_values(self, photo: Image.Image | None, task: str, trunk: str = "plain") -> list[str]:
        """Metres or classes at the photo's own size, its longer side at most 2048, as files.

        Args:
            photo: a picture.
            task: depth, segmentation or qtips.
            trunk: of the networks for rooms, plain or pyramid.
        """
        photo, pair, x = pair_and_input(self.networks, photo, task, trunk)
        width, height = full_size(photo)
        size = drawing.display_size((height, width), min(RAW, max(width, height)))
        folder = self.folder.new()
        paths, together = [], {}
        for kind, network in pair.items():
            with DEVICE:
                together[kind] = predict_input(network, task, x, size).values
            paths += files.write_raw(task, together[kind], folder / f"{kind}-{task}")
        paths.append(files.write_together(task, together, folder / f"both-{task}.npz"))
        return [str(path) for path in paths]

    def _build(self, demo: gr.Blocks) -> None:
        size = gr.State((SHOWN, SHOWN))  # (width, height) of the photo
        with gr.Row(equal_height=False, elem_id="compare"):
            with gr.Column(scale=1, min_width=280, elem_id="given"):
                chosen = inputs()
                photo, task = chosen.photo, chosen.task
                with gr.Accordion("Settings", open=False, elem_id="settings"):
                    trunk = gr.Radio(
                        [("Plain", "plain"), ("Pyramid", "pyramid")],
                        value="plain",
                        label="Networks for rooms",
                        info="Plain: one resolution, as in the paper. Pyramid: coarse to fine.",
                        elem_id="trunk",
                    )
                    colours = gr.Dropdown(
                        list(COLOURS.items()),
                        value=DEPTH_COLOURS,
                        label="Colours of depth",
                        elem_id="colours",
                    )
                history = History(self.folder)
            with gr.Column(scale=3, min_width=320, elem_id="answered") as answered:
                with gr.Column(elem_id="answers"):
                    predicted = self._build_answers()
                with gr.Column(elem_id="more"):
                    explorer = Explorer(self.networks, self.folder, trunk)
                    predicted += self._build_truth()
                    write, raw = self._build_downloads()
                    several = Several(self.networks)
                    with gr.Accordion("Cite this", open=False):
                        gr.HTML(CITE)
            empty = gr.HTML(EMPTY, visible=False, elem_id="empty", label="empty")

        resnet, imexnet, truth, slider, legend, summary, values, *judged = predicted
        error_resnet, error_imexnet, scores, against_truth = judged
        errors = [error_resnet, error_imexnet]
        predicted = [
            *(resnet, imexnet, truth, *errors, slider, legend, summary, scores, against_truth),
            values,
        ]
        asked = [photo, task, trunk, colours]
        viewed, pixel, view = (
            explorer.outputs,
            explorer.pixel,
            explorer.question(photo, task),
        )

        # First, as the first event takes the function's name in the API.
        explorer.answer_clicks(photo, task, size, [resnet, imexnet, truth, *errors])
        self.room.answer_clicks(photo, trunk)
        several.answer_clicks(task, trunk, colours)
        runs: list[Any] = []

        def answer_then_view(on, private: bool = True):
            names = PRIVATE if private else {"api_name": "predict"}
            run = on(self.predict, asked, predicted, **ON_DEVICE, **names, **LATEST)
            runs.append(run)
            runs.append(run.success(**view, **PRIVATE, **LATEST))

        begin: dict[str, Any] = {
            "fn": _begin,
            "inputs": [photo, task],
            "outputs": [
                *(task, size, *pixel, *explorer.corner, raw, self.room.model, answered, empty)
            ],
        }
        write.click(self.raw_values, [photo, task, trunk], raw, **ON_DEVICE, api_name="raw_values")
        values_shown = [part for part in predicted if part is not against_truth]
        results = [*values_shown, *viewed, raw, self.room.model]
        left = [*results, answered, empty]
        fail: dict[str, Any] = {
            "fn": lambda: (None, *_nothing(len(results))),
            "inputs": None,
            "outputs": [photo, *left],
        }
        uploaded, *others = on_new_photo(chosen, begin, fail)
        answer_then_view(uploaded.then, private=False)
        opened = explorer.opened(demo, begin, photo, task)
        recalled = history.strip.select(history.recall, history.kept, photo, **PRIVATE, **EVERY)
        again = recalled.success(**begin, **PRIVATE, **LATEST)
        for begun in (*others, opened, again):
            answer_then_view(begun.then)
        for begun in (uploaded, *others, opened):
            kept = [history.kept, history.strip]
            begun.success(history.remember, [photo, history.kept], kept, **PRIVATE)
        for changed in (task, trunk, colours):
            answer_then_view(changed.input)
            changed.input(lambda: None, None, raw, **PRIVATE)  # files of another question
        gone: dict[str, Any] = {"fn": lambda: _nothing(len(results)), "inputs": None, **PRIVATE}
        photo.clear(**gone, outputs=left, cancels=runs)

    def _build_answers(self) -> list[Any]:
        small: dict[str, Any] = {"min_width": 150}
        with gr.Tabs():
            with gr.Tab("Side by side"), gr.Row(elem_id="pair"):
                resnet = picture("ResNet", "resnet", **small)
                imexnet = picture("IMEXNet", "imexnet", **small)
                truth = picture("Truth", "truth", visible=False, **small)
            with gr.Tab("Slider"):
                slider = gr.ImageSlider(
                    label="ResNet ↔ IMEXNet: drag, turn the wheel to zoom",
                    format="png",
                    max_height=400,
                    buttons=["fullscreen"],
                    elem_id="slider",
                )
            with gr.Tab("In 3-D"):
                self.room = Room(self.networks, self.folder)
        with gr.Row(elem_id="legend-row"):
            legend = gr.HTML(label="legend", elem_id="legend", min_width=300)
            gr.HTML(INVITATION, elem_id="invitation", min_width=260)
        summary = gr.HTML(label="summary", elem_id="summary")
        values = gr.HTML(
            label="values",
            html_template='<p class="readout note" role="status"></p>',
            js_on_load=READOUT,
            elem_id="values",
        )
        return [resnet, imexnet, truth, slider, legend, summary, values]

    def _build_truth(self) -> list[Any]:
        with gr.Accordion("Compared with the truth", open=False, elem_id="against-truth") as box:
            with gr.Row():
                error_resnet = picture("Error of ResNet", "error-resnet", visible=False)
                error_imexnet = picture("Error of IMEXNet", "error-imexnet", visible=False)
            gr.HTML(examples.error_bar())
            scores = gr.HTML(label="scores", elem_id="scores")
        return [error_resnet, error_imexnet, scores, box]

    def _build_downloads(self) -> tuple[gr.Button, gr.File]:
        with gr.Accordion("Download the values", open=False, elem_id="downloads"):
            gr.HTML(RAW_NOTE)
            write = gr.Button("Make the files", size="sm", elem_id="write")
            raw = gr.File(
                label="Raw values", file_count="multiple", interactive=False, elem_id="raw"
            )
        return write, raw


def _begin(photo: Image.Image | None, task: str) -> tuple[Any, ...]:
    """For a new photo: the task that suits it, its size, its central pixel, no box, no files."""
    photo = need(photo)
    width, height = full_size(photo)
    shown = gr.update(visible=True), gr.update(visible=False)
    return suited(photo, task), (width, height), width // 2, height // 2, *[None] * 4, *shown


def _nothing(results: int) -> tuple[Any, ...]:
    """Without a photo: no results, no boxes for them, and a word on what to do."""
    return (*[None] * results, gr.update(visible=False), gr.update(visible=True))


def _if_any(picture: str | None) -> dict[str, Any]:
    return gr.update(value=picture, visible=picture is not None)
