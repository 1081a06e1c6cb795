"""What every tab begins with: a photo, the task, examples; and what a photo says of itself."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from imexnet import render
from imexnet.data import nyu, qtips
from imexnet.models import Network
from imexnet.predict import FAMILIES, KINDS, read_photo, resize, to_input
from imexnet.ui.parts import EVERY, LATEST, PRIVATE, SHOWN, Photo, fault, unreadable

TASKS = [("Depth", "depth"), ("Segmentation", "segmentation"), ("Q-tips", "qtips")]
CLASS_NAMES = {"segmentation": nyu.CLASSES, "qtips": qtips.CLASSES}
EXAMPLES = 6
EXAMPLE_SEED = 26  # two Q-tips of each class, long ones


@dataclass(frozen=True)
class Inputs:
    """The components of a tab's first column."""

    photo: Photo
    upload: gr.UploadButton
    task: gr.Radio
    examples: Any  # gr.Examples, which is typed as a function
    fresh: gr.Button


def inputs(prefix: str = "", task: str = "depth") -> Inputs:
    """Builds the column where it is called; `prefix` goes before each element's id."""
    photo = Photo(
        value=example(0),
        label="Photo",
        type="pil",
        image_mode=None,
        format="png",
        height=300,
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),
        buttons=["fullscreen"],
        elem_id=f"{prefix}photo",
        elem_classes="pic",
    )
    upload = gr.UploadButton(
        "Upload a photo", file_types=["image"], variant="primary", elem_id=f"{prefix}upload"
    )
    choice = gr.Radio(TASKS, value=task, label="Task", elem_id=f"{prefix}task")
    examples = gr.Examples(
        [example(i) for i in range(EXAMPLES)],
        inputs=photo,
        label="Q-tips: is the rod white–white, white–black or black–black?",
        cache_examples=False,
        api_visibility="private",
    )
    fresh = gr.Button("Draw another Q-tip", size="sm", elem_id=f"{prefix}fresh")
    return Inputs(photo, upload, choice, examples, fresh)


def on_new_photo(chosen: Inputs) -> list[Any]:
    """Events, one for each way a photo can come, after which the task suits it."""
    fit: dict[str, Any] = {
        "fn": suited,
        "inputs": [chosen.photo, chosen.task],
        "outputs": chosen.task,
        **PRIVATE,
    }
    arrived = chosen.upload.upload(read, chosen.upload, chosen.photo, **PRIVATE, **EVERY)
    drawn = chosen.fresh.click(fresh, None, chosen.photo, **PRIVATE, **EVERY)
    return [
        chosen.photo.upload(**fit, **EVERY),
        arrived.success(**fit, **LATEST),
        drawn.success(**fit, **LATEST),
        chosen.examples.load_input_event.then(**fit, **LATEST),
    ]


def pair_and_input(
    networks, photo: Image.Image | None, task: str
) -> tuple[Image.Image, dict[str, Network], Tensor]:
    """The photo, the task's two networks, and the one tensor that both are shown."""
    photo = need(photo)
    if task not in FAMILIES:
        raise fault(f"There is no task {task}; choose depth, segmentation or qtips.")
    pair = {kind: networks[f"{FAMILIES[task]}-{kind}"] for kind in KINDS}
    network = pair["resnet"]
    return photo, pair, to_input(photo, network.config, network.mean.device)


def example(index: int) -> Image.Image:
    """A Q-tip of the page's size."""
    picture, _ = qtips.qtip(EXAMPLE_SEED, index)
    size = render.display_size(picture.shape, SHOWN)
    return Image.fromarray(render.enlarge(picture, size, smooth=False))


def fresh() -> Image.Image:
    """A Q-tip that nobody has seen yet."""
    return example(time.time_ns())


def read(path: str) -> Image.Image:
    """The picture in an uploaded file, or one clear sentence."""
    try:
        return read_photo(Path(path))
    except ValueError as error:
        raise unreadable(error) from None


def need(photo: Image.Image | None) -> Image.Image:
    """The photo, or the sentence that asks for one."""
    if photo is None:
        raise fault("Upload a photo first, or choose an example.")
    return photo


def suited(photo: Image.Image | None, task: str) -> str:
    """The task that suits a new photo."""
    if true_label(need(photo)) is not None:
        return "qtips"
    return "depth" if task == "qtips" else task


def true_label(photo: Image.Image) -> np.ndarray | None:
    """The label of a Q-tip, at any whole enlargement."""
    return qtips.true_label(np.asarray(resize(photo, (qtips.SIZE, qtips.SIZE)).convert("L")))
