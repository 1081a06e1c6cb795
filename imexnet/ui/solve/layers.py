"""One trained time step and its features for a photo, shared by the views of "Inside the solve"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from imexnet.io.photos import Photo
from imexnet.models.networks import Network, walk
from imexnet.models.steps import ExplicitStep
from imexnet.models.tasks import KINDS
from imexnet.ui.components.inputs import MOST_STEPS, chosen_step, pair_and_input
from imexnet.viz import plots


@dataclass(frozen=True)
class Layer:
    """A time step, and what the photo makes of its input.

    Attributes:
        step: the trained layer.
        features: Y before it, (1, C, H, W).
        place: which of the network's steps it is, in words.
    """

    step: ExplicitStep
    features: Tensor
    place: str


def choice(photo: gr.Image, task: gr.Radio) -> dict[str, Any]:
    """Builds the components that choose a layer; parameter of `find` → component."""
    kind = gr.Radio(
        [(plots.LABELS[kind], kind) for kind in KINDS],
        value="imexnet",
        label="Network",
        elem_id="layer-network",
    )
    number = gr.Slider(1, MOST_STEPS, 3, step=1, label="Time step", elem_id="layer-number")
    return {"photo": photo, "task": task, "kind": kind, "number": number}


def find(
    networks: Mapping[str, Network], photo: Photo | None, task: str, kind: str, number: float
) -> Layer:
    """The chosen time step of the chosen network, the last one if there are not so many."""
    asked = pair_and_input(networks, photo, task)
    with torch.inference_mode():
        steps = list(walk(asked.pair[kind], asked.x))
    layers = [
        Layer(step, before, f"time step {place} of {len(steps)}")
        for place, (step, before, _) in enumerate(steps, start=1)
    ]
    return chosen_step(layers, number)
