"""Several photos at once: both answers side by side, and where the networks differ, in a table."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from imexnet.inference import answer, forward, in_metres
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS, TASKS
from imexnet.ui.components import examples
from imexnet.ui.components.answers import answer_pictures
from imexnet.ui.components.inputs import PICTURES, emptied, pair_and_input, read
from imexnet.ui.components.parts import (
    DEVICE,
    ON_DEVICE,
    PRIVATE,
    PROGRESS,
    table,
    user_error,
)
from imexnet.viz import colours, plots

MOST = 24  # photos
COLUMNS = {**plots.LABELS, "apart": "Difference", "camera": "Camera"}
DEPTHS = "Mean depth of each network; difference: mean of |IMEXNet − ResNet| / ResNet."
CLASSES = "Most common class of each network; difference: share of pixels that differ."


class Several:
    """Builds its accordion where it is called and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
    """

    def __init__(self, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        with gr.Accordion("Several photos at once", open=False, elem_id="several"):
            self.files = gr.File(
                label=f"Photos, at most {MOST}",
                file_count="multiple",
                file_types=PICTURES,
                height=140,
                elem_id="several-files",
            )
            self.run = gr.Button("Compare these photos", size="sm", elem_id="several-run")
            self.pictures = gr.Gallery(
                label="Photo, ResNet, IMEXNet; each photo has its own scale",
                columns=2,
                format="png",
                height="auto",
                object_fit="contain",
                buttons=["fullscreen"],
                elem_id="several-pictures",
            )
            self.rows = gr.HTML(label="rows", elem_id="several-rows")

    def answer_clicks(
        self, task: gr.Radio, trunk: gr.Radio, colours: gr.Dropdown, angle: gr.Slider
    ) -> None:
        """Makes the button compare; what it showed leaves with the photos and settings."""
        shown = [self.pictures, self.rows]
        run = self.run.click(
            self.compare,
            [self.files, task, trunk, colours, angle],
            shown,
            **ON_DEVICE,
            **PRIVATE,
        )
        settings = task.change, trunk.input, colours.input, angle.release
        for changed in (self.files.change, *settings):
            changed(**emptied(shown, [run]))

    def compare(
        self,
        paths: Sequence[str] | None,
        task: str,
        trunk: str = "plain",
        colours: str = colours.DEPTH_COLOURS,
        angle: float = 0.0,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[list[tuple[np.ndarray, str]], str]:
        """A strip and a table row for each photo; a file that is not a picture gets a row, too."""
        if not paths:
            raise user_error("Choose one photo or more.")
        if len(paths) > MOST:
            raise user_error(f"Choose at most {MOST} photos; these are {len(paths)}.")
        strips, rows = [], []
        cautions: dict[str, list[str]] = {}  # sentence → names of photos
        for i, path in enumerate(paths):
            progress((i, len(paths)), unit="photos")
            name = Path(path).name
            try:
                photo = read(path)
                strip, row = self._one(photo, task, trunk, colours, angle)
            except gr.Error as error:
                row = {"resnet": "–", "imexnet": "–", "apart": str(error.message), "camera": "–"}
            else:
                strips.append((strip, name))
                if caution := examples.caution(photo, task):
                    cautions.setdefault(caution, []).append(name)
            rows.append((name, row))
        warned = "".join(
            f"<p><b>{escape(', '.join(names))}:</b> {caution}</p>"
            for caution, names in cautions.items()
        )
        note = f'<div class="note">{warned}{CLASSES if TASKS[task].classes else DEPTHS}</div>'
        columns = list(COLUMNS) if task == "depth" else list(COLUMNS)[:-1]
        return strips, table(rows, columns, COLUMNS) + note

    def _one(
        self, photo: Photo, task: str, trunk: str, colours: str, angle: float
    ) -> tuple[np.ndarray, dict[str, str]]:
        photo, pair, x, camera = pair_and_input(self.networks, photo, task, trunk, angle)
        with DEVICE:
            outputs = {
                kind: in_metres(forward(network, x)[0], camera.depth_scale)
                for kind, network in pair.items()
            }
        pictures, _ = answer_pictures(task, photo, outputs, colours=colours)
        height, width = pictures["resnet"].shape[:2]
        shown = np.asarray(photo.picture.resize((width, height), Image.Resampling.BILINEAR))
        strip = np.hstack([shown, *(pictures[kind] for kind in KINDS)])
        values = {k: _on_grid(task, o[task], o) for k, o in outputs.items()}
        row = _row(task, values["resnet"], values["imexnet"])
        return strip, row | {"camera": camera.words}


def _on_grid(task: str, y: Tensor, outputs: dict[str, Tensor]) -> np.ndarray:
    return answer(task, outputs, (y.shape[-2], y.shape[-1])).values


def _row(task: str, resnet: np.ndarray, imexnet: np.ndarray) -> dict[str, str]:
    both = {"resnet": resnet, "imexnet": imexnet}
    if task == "depth":
        words = {kind: f"{values.mean():.2f} m" for kind, values in both.items()}
        apart = np.abs(imexnet - resnet) / resnet
    else:
        names = TASKS[task].classes
        words = {kind: names[np.bincount(v.ravel()).argmax()] for kind, v in both.items()}
        apart = resnet != imexnet
    return words | {"apart": f"{100 * apart.mean():.0f} %"}
