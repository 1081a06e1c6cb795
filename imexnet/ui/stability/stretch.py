"""Part of the tab "Stability": trained networks with another step size and more steps."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from imexnet.inference import in_metres
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS
from imexnet.stability.growth import describe, norms, stretched
from imexnet.ui.components.answers import answer_pictures
from imexnet.ui.components.inputs import pair_and_input
from imexnet.ui.components.parts import COMPUTE, DEVICE, Changes, as_user_error, picture, table
from imexnet.viz import plots, stability_figures

STRETCH_NOTE = (
    '<div class="note">The networks were trained with h = 1. Here the same weights run with '
    "another step size, and each time step may be repeated. The answers lose their meaning; the "
    "question is whether the features stay bounded.</div>"
)


class Stretch:
    """Builds its tab where it is called and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        photo, task, bounded: the components that choose what is shown to which of them.
    """

    def __init__(
        self, networks: Mapping[str, Network], photo: gr.Image, task: gr.Radio, bounded: gr.Checkbox
    ) -> None:
        self.networks = networks
        self._build(photo, task, bounded)

    def run(
        self,
        photo: Photo | None,
        task: str,
        step_size: float,
        repeats: float,
        bounded: bool = False,
    ) -> Changes:
        """Both trained networks with another step size, and each step taken several times."""
        photo, pair, x, camera = pair_and_input(self.networks, photo, task, bounded=bounded)
        with as_user_error():
            twins = {k: stretched(n, float(step_size), int(repeats)) for k, n in pair.items()}
        with DEVICE:
            sizes = {kind: norms(twin, x) for kind, twin in twins.items()}
            outputs = outputs_of(twins, dict.fromkeys(twins, x))
        whole = {
            kind: in_metres(o, camera.depth_scale)
            for kind, o in outputs.items()
            if bool(o[task].isfinite().all())
        }
        pictures, legend = answer_pictures(task, photo, whole) if whole else ({}, "")
        rows = [
            ("The features", {kind: describe(sizes[kind]) for kind in KINDS}),
            (
                "The answer",
                {
                    kind: "finite" if kind in whole else "not finite, so there is no picture"
                    for kind in KINDS
                },
            ),
        ]
        figure = stability_figures.step_figure(sizes, "‖Y‖ / ‖Y₀‖", first=1.0)
        return {
            **{self.pictures[kind]: pictures.get(kind) for kind in KINDS},
            self.legend: legend,
            self.words: table(rows, KINDS),
            self.figure: figure,
        }

    def _build(self, photo: gr.Image, task: gr.Radio, bounded: gr.Checkbox) -> None:
        gr.HTML(STRETCH_NOTE)
        with gr.Row(equal_height=True):
            step_size = gr.Slider(0.1, 20, 1, step=0.1, label="Step size h", elem_id="step-size")
            repeats = gr.Slider(1, 8, 1, step=1, label="Repeats of each step")
            run = gr.Button("Run", variant="primary", min_width=120, elem_id="stretch")
        with gr.Row():
            self.pictures = {k: picture(plots.LABELS[k], f"stretched-{k}") for k in KINDS}
        self.legend = gr.HTML(label="legend")
        self.words = gr.HTML(label="words", elem_id="stretched-words")
        self.figure = gr.Plot(label="norms", show_label=False, format="png")
        self.outputs = [*self.pictures.values(), self.legend, self.words, self.figure]
        asked: dict[str, Any] = {
            "fn": self.run,
            "inputs": [photo, task, step_size, repeats, bounded],
            "outputs": self.outputs,
            **COMPUTE,
        }
        self.runs = [on(**asked) for on in (run.click, step_size.release, repeats.release)]


def outputs_of(
    pair: Mapping[str, Network], x: Mapping[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    """Network → all its outputs for its own input."""
    with torch.inference_mode():
        return {kind: network(x[kind]) for kind, network in pair.items()}
