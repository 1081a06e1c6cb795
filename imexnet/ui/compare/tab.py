"""The chapter "Your photo": a photo, both networks' answers, and the field of view of a pixel."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from imexnet.inference import answer, in_metres
from imexnet.io import files
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS, TASKS
from imexnet.ui.compare import links
from imexnet.ui.compare.explorer import Explorer
from imexnet.ui.compare.hide import Hide
from imexnet.ui.compare.history import History
from imexnet.ui.compare.room_view_3d import RoomView3D
from imexnet.ui.compare.several import Several
from imexnet.ui.compare.view import WIDEST, View
from imexnet.ui.components import examples
from imexnet.ui.components.answers import COLOURS, answer_pictures, pointer_values
from imexnet.ui.components.inputs import (
    Inputs,
    inputs,
    leave_with,
    matching_task,
    on_new_photo,
    pair_and_input,
    pair_of,
    still_there,
)
from imexnet.ui.components.kept import forward
from imexnet.ui.components.parts import (
    DEVICE,
    EVERY,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    Changes,
    Folder,
    decoded,
    picture,
    user_error,
)
from imexnet.ui.components.style import CITE, EMPTY, INVITATION, static
from imexnet.ui.server.gradio_internals import begin_with
from imexnet.viz import drawing, plots
from imexnet.viz.colours import DEPTH_COLOURS

RAW = 2048  # longest side of the raw values to download
SOON = 0.2  # seconds of the first network after which its answer is shown before the second's
RAW_NOTE = (
    "<div class=\"note\">Both networks' values at the photo's own size, its longer side at most "
    f"{RAW} pixels:<ul><li><b>-mm.png</b>: depth in millimetres, 16-bit grey; most viewers show it "
    "nearly black</li><li><b>-depth.npy</b>: depth in metres, float32</li>"
    "<li><b>-segmentation.npy</b> and those of the other tasks: class numbers, uint8</li>"
    "<li><b>.npz</b>: both networks in one file; its entry <i>readme</i> names the unit</li></ul>"
    "</div>"
)


SIDES = [("Photo", "photo"), *((label, kind) for kind, label in plots.LABELS.items())]
COMPARED = """(left, right, photo, resnet, imexnet, truth) => {
    const offered = SIDES.concat(truth ? [["Truth", "truth"]] : []);
    const pictures = { photo, resnet, imexnet, truth };
    const sides = [[left, "resnet"], [right, "imexnet"]].map(([side, usual]) =>
        offered.some(([, name]) => name === side) ? side : usual);
    const choices = sides.map((value) => ({ __type__: "update", choices: offered, value }));
    const shown = sides.map((side) => pictures[side]);
    return [...choices, shown.every(Boolean) ? shown : null];
}""".replace("SIDES", json.dumps(SIDES))
"""What the slider compares is chosen in the browser, which has all of the pictures."""


class Compare:
    """Builds the chapter inside an open `gr.Blocks` and answers its events.

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
        photo: Photo | None,
        task: str,
        trunk: str = "plain",
        colours: str = DEPTH_COLOURS,
        angle: float = View.angle,
    ) -> Iterator[Changes]:
        """Both networks' answers for a photo, on one colour scale.

        Args:
            photo: a picture.
            task: depth, segmentation, qtips, rods or paths.
            trunk: of the networks for rooms, plain or backbone.
            colours: colour map of depth.
            angle: of view along the photo's longer side, in degrees; 0: as the photo says.
        """
        photo, pair, x, camera = pair_and_input(
            self.networks, still_there(photo), task, trunk, angle
        )
        if colours not in COLOURS.values():
            raise user_error(f"There is no such colour map; choose {', '.join(COLOURS.values())}.")
        truth = examples.true_values(photo, task)
        outputs, seconds = {}, {}
        for kind, network in pair.items():
            with DEVICE:
                answered, seconds[kind] = forward(network, x)
            outputs[kind] = in_metres(answered, camera.depth_scale)
            alone = len(outputs) < len(pair)
            if alone and (x.is_cuda or seconds[kind]() < SOON):
                continue  # both will be there before anyone can have looked
            arrays, legend = answer_pictures(task, photo, outputs, truth, colours)
            words = f"{_about(task, trunk)} Their input has {x.shape[-1]} × {x.shape[-2]} pixels."
            if task == "depth":
                words = f"{words} {camera.words}"
            answers = {} if truth is None else examples.answers_on(truth, task, outputs)
            if truth is not None:
                words = f"<b>{examples.plain_verdict(task, answers, truth)}</b> {words}"
            elif caution := examples.caution(photo, task):
                words = f"<b>{caution}</b>"
            if truth is not None and task == "depth":
                errors = examples.error_pictures(answers, truth, SHOWN)
                arrays |= {f"{k}-error": error for k, error in errors.items()}
            if alone:
                words = "<b>The IMEXNet is still computing; the scale may change.</b> " + words
            shown = self.folder.pictures(arrays)
            yield {
                self.resnet: shown["resnet"],
                self.imexnet: shown.get("imexnet"),
                self.truth: _if_any(shown.get("truth")),
                self.errors[0]: _if_any(shown.get("resnet-error")),
                self.errors[1]: _if_any(shown.get("imexnet-error")),
                self.slider: None if alone else (shown["resnet"], shown["imexnet"]),
                self.legend: legend,
                self.summary: f'<div class="note">{words}</div>',
                self.scores: examples.verdict(task, answers, truth),
                self.error_bar: gr.update(visible=truth is not None and task == "depth"),
                self.values: pointer_values(task, outputs, truth, photo.full_size, camera.angle),
            }

    def raw_values(
        self, photo: Photo | None, task: str, trunk: str = "plain", angle: float = View.angle
    ) -> list[str]:
        """Metres or classes at the photo's own size, its longer side at most 2048, as files.

        Args:
            photo: a picture.
            task: depth, segmentation, qtips, rods or paths.
            trunk: of the networks for rooms, plain or backbone.
            angle: of view along the photo's longer side, in degrees; 0: as the photo says.
        """
        photo, pair, x, camera = pair_and_input(self.networks, photo, task, trunk, angle)
        size = drawing.display_size(photo.shape, min(RAW, max(photo.shape)))
        folder = self.folder.new()
        paths, together = [], {}
        for kind, network in pair.items():
            with DEVICE:
                outputs = in_metres(forward(network, x)[0], camera.depth_scale)
                together[kind] = answer(task, outputs, size).values
            paths += files.write_raw(together[kind], folder / f"{kind}-{task}")
        paths.append(
            files.write_together(together, TASKS[task].reading, folder / f"both-{task}.npz")
        )
        return [str(path) for path in paths]

    def begin(self, photo: Photo | None, task: str) -> Changes:
        """For a new photo: its task, size and first pixel, its own camera, no values, no files."""
        photo = still_there(photo)
        task = matching_task(photo, task)
        return {
            self.task: task,
            self.room.source: self.room.sources(photo),
            self.size: photo.full_size,
            self.angle: View.angle,
            self.explorer.form.place: "pixel",
            self.explorer.form.corners: gr.update(visible=False),
            **self.explorer.form.at(*examples.first_pixel(photo, task)),
            **dict.fromkeys([self.values, *self.left]),
            **self.no_files(),
        }

    def open_answered(self) -> None:
        """Lets the page open with the answers for its first photo."""
        with suppress(gr.Error):  # a network is missing
            photo, task = decoded(self.photo.value["path"]), self.task.value
            *_, answers = self.predict(photo, task)
            if task == "depth" and examples.true_values(photo, task) is not None:
                with DEVICE:
                    words = examples.nearer_on(pair_of(self.networks, task))
                answers[self.summary] += f'<div class="note">{words}</div>'
            column, row = examples.first_pixel(photo, task)
            view = self.explorer.field_of_view(photo, task, column, row)
            size = {self.size: photo.full_size, **self.explorer.form.at(column, row)}
            for component, value in {**size, **answers, **view}.items():
                begin_with(component, value)
            self.history.begin(photo)
            query = links.link(photo, View(task=task, column=column, row=row))
            self.explorer.form.answered = links.restore(dict(parse_qsl(query)))

    def no_files(self) -> Changes:
        """Files and link are of the question that was asked before."""
        saved = {self.explorer.saved: gr.update(value=None, visible=False)}
        return {self.raw: None, **saved, self.explorer.link: None}

    def _build(self, demo: gr.Blocks) -> None:
        self.size = gr.State((SHOWN, SHOWN))  # (width, height) of the photo
        with gr.Row(equal_height=False, elem_id="compare"):
            with gr.Column(scale=1, min_width=280, elem_id="given"):
                chosen = inputs(under_task=self._build_trunk)
                self.photo, self.task = chosen.photo, chosen.task
                with gr.Accordion("Settings", open=False, elem_id="settings"):
                    self._build_settings()
                self.history = History(self.folder)
            with gr.Column(scale=3, min_width=320, elem_id="answered"):
                with gr.Row(equal_height=False, elem_id="answers"):
                    spots, sentence = self._build_answers()
                with gr.Column(elem_id="more"):
                    self.explorer = Explorer(
                        self.networks, self.folder, chosen, self.size, self.trunk, self.angle,
                        spots, sentence,
                    )  # fmt: skip
                    self._build_truth()
                    self._build_downloads()
                    self.several = Several(self.networks)
                    with gr.Accordion("Cite this", open=False):
                        gr.HTML(CITE)
            gr.HTML(EMPTY, elem_id="empty", label="empty")

        shown = [self.resnet, self.imexnet, self.truth, *self.errors]
        texts = [self.slider, self.legend, self.summary, self.scores]
        self.predicted = [*shown, *texts, self.values, self.error_bar]
        self.files = [self.raw, *self.explorer.kept]
        self.left = [self.room.model, *self.hide.outputs]  # not worked out anew for a new photo
        self.results = [
            *shown, *texts, self.values, *self.explorer.outputs, *self.left, *self.files
        ]  # fmt: skip
        # First, as the first event takes the function's name in the API.
        self.explorer.answer_events()
        self.room.answer_clicks(self.photo, self.angle, self.trunk)
        self.hide.answer_events(chosen, self.explorer.form.pixel, self.trunk, self.angle)
        self.several.answer_clicks(self.task, self.trunk, self.colours, self.angle)
        given = [self.photo, self.task, self.trunk, self.angle]
        wrote = self.write.click(
            self.raw_values, given, self.raw, **ON_DEVICE, api_name="raw_values"
        )
        self._answer_photos(demo, chosen, [wrote, *self.explorer.saves])
        pictures = [self.photo, self.resnet, self.imexnet, self.truth]
        changed = [side.input for side in self.sides] + [part.change for part in pictures[2:]]
        compared = [*self.sides, self.slider]
        gr.on(changed, None, [*self.sides, *pictures], compared, js=COMPARED, **PRIVATE)

    def _answer_photos(self, demo: gr.Blocks, chosen: Inputs, filed: list[Any]) -> None:
        history = self.history
        runs: list[Any] = []

        def answer_then_view(on, **names: Any) -> None:
            given = [self.photo, self.task, self.trunk, self.colours, self.angle]
            run = on(self.predict, given, self.predicted, **ON_DEVICE, **names, **LATEST)
            runs.append(run)
            runs.append(run.success(**self.explorer.event, **PRIVATE, **LATEST))

        form = self.explorer.form
        begun = [
            self.task, self.size, self.angle, self.room.source, form.place, form.corners,
            *form.pixel, *form.corner, self.values, *self.left, *self.files,
        ]  # fmt: skip
        begin: dict[str, Any] = {
            "fn": self.begin,
            "inputs": [self.photo, self.task],
            "outputs": begun,
        }
        refused: dict[str, Any] = {
            "fn": lambda: dict.fromkeys([self.photo, *self.results]),
            "inputs": None,
            "outputs": [self.photo, *self.results],
        }
        uploaded, *others = on_new_photo(chosen, begin, refused)
        answer_then_view(uploaded.success, api_name="predict")
        opened = form.opened(demo, begin)
        recalled = history.strip.select(
            history.recall, history.kept, self.photo, show_progress="hidden", **PRIVATE, **EVERY
        )
        again = recalled.success(**begin, **PRIVATE, **LATEST)
        for event in (*others, opened, again):
            answer_then_view(event.success, **PRIVATE)
        for event in (uploaded, *others, opened):
            kept = [history.kept, history.strip]
            event.success(history.remember, [self.photo, history.kept], kept, **PRIVATE)
        settings = self.task.input, self.trunk.input, self.colours.input, self.angle.release
        for changed in settings:
            answer_then_view(changed, **PRIVATE)
            changed(self.no_files, None, self.files, cancels=filed, **PRIVATE)
        # The photo itself stays out of it: one that is dropped onto another clears that first.
        # Without a photo the style sheet hides the boxes of results and says what to do.
        leave_with(self.photo, self.results, runs, [*filed, *self.room.runs, *self.hide.runs])

    def _build_trunk(self) -> None:
        self.trunk = gr.Radio(
            [("Plain", "plain"), ("Backbone: sharper", "backbone")],
            value="plain",
            label="Networks for rooms",
            info="A backbone begins with layers trained on ImageNet.",
            elem_id="trunk",
        )

    def _build_settings(self) -> None:
        self.colours = gr.Dropdown(
            list(COLOURS.items()), value=DEPTH_COLOURS, label="Colours of depth", elem_id="colours"
        )
        self.angle = gr.Slider(
            0,
            WIDEST,
            View.angle,
            step=1,
            label="Camera's field of view along the longer side, degrees",
            info="0 takes it from the photo's EXIF. If there is none, the Kinect's is assumed: 63° "
            "for a photo of 4:3.",
            elem_id="angle",
        )

    def _build_answers(self) -> tuple[list[gr.Image], gr.HTML]:
        """Answers, and under them where the networks looked; beside them the truth and words."""
        small: dict[str, Any] = {"min_width": 150}
        with gr.Column(scale=2, min_width=300, elem_id="pictures"):
            with gr.Tabs():
                with gr.Tab("Side by side"), gr.Row(elem_id="pair"):
                    self.resnet = picture("ResNet: answer", "resnet", **small)
                    self.imexnet = picture("IMEXNet: answer", "imexnet", **small)
                with gr.Tab("Slider"):
                    with gr.Row(elem_id="sides"):
                        self.sides = [
                            gr.Dropdown(SIDES, value=kind, label=side, elem_id=f"side-{kind}")
                            for side, kind in zip(("Left", "Right"), KINDS, strict=True)
                        ]
                    self.slider = gr.ImageSlider(
                        label="Drag the line, turn the wheel to zoom",
                        format="png",
                        max_height=400,
                        buttons=["fullscreen"],
                        elem_id="slider",
                    )
                with gr.Tab("Hide a part"):
                    self.hide = Hide(self.networks, self.folder)
                with gr.Tab("In 3-D"):
                    self.room = RoomView3D(self.networks, self.folder)
            with gr.Row(elem_id="spots"):
                spots = [
                    picture(f"{plots.LABELS[kind]} looked here", f"spot-{kind}", **small)
                    for kind in KINDS
                ]
            sentence = gr.HTML(label="sentence", elem_id="sentence")
        with gr.Column(scale=1, min_width=220, elem_id="words"):
            self.truth = picture("Truth", "truth", visible=False, **small)
            self.legend = gr.HTML(label="legend", elem_id="legend")
            self.summary = gr.HTML(label="summary", elem_id="summary")
            gr.HTML(INVITATION, elem_id="invitation")
            self.values = gr.HTML(
                label="values",
                html_template='<p class="readout note" role="status"></p>',
                js_on_load=static("pictures.js"),
                elem_id="values",
            )
        return spots, sentence

    def _build_truth(self) -> None:
        with gr.Accordion("Compared with the truth", open=False, elem_id="against-truth"):
            with gr.Row():
                self.errors = [
                    picture(f"Error of {plots.LABELS[kind]}", f"error-{kind}", visible=False)
                    for kind in KINDS
                ]
            self.error_bar = gr.HTML(examples.error_bar(), label="error scale", visible=False)
            self.scores = gr.HTML(label="scores", elem_id="scores")

    def _build_downloads(self) -> None:
        with gr.Accordion("Download the values", open=False, elem_id="downloads"):
            gr.HTML(RAW_NOTE)
            self.write = gr.Button("Make the files", size="sm", elem_id="write")
            self.raw = gr.File(
                label="Raw values", file_count="multiple", interactive=False, elem_id="raw"
            )


def _about(task: str, trunk: str) -> str:
    """What the networks are, as the page says beside their answers."""
    if task in examples.DRAWN:
        return f"Small networks, trained on {examples.DRAWN[task].pictures}."
    if trunk == "plain":
        return "Small networks, trained on photos of rooms."
    return (
        "Small networks that begin with layers from ImageNet, trained on rendered kitchens like "
        "the examples, then on photos of rooms."
    )


def _if_any(picture: str | None) -> dict[str, Any]:
    return gr.update(value=picture, visible=picture is not None)
