"""Part of the tab "Stability": how far no change of the picture can change a pixel's class."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gradio as gr
import numpy as np

from imexnet.inference import to_input
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS
from imexnet.stability.attacks import smallest_flip
from imexnet.stability.bounds import certified_radius, lipschitz_bound
from imexnet.ui.components.inputs import pair_of, require_photo
from imexnet.ui.components.parts import (
    COMPUTE,
    DEVICE,
    SHOWN,
    Changes,
    colour_bar,
    picture,
    table,
)
from imexnet.viz import colours, drawing, plots

TASK = "qtips"  # of rooms the radii are too small to say anything
NOTE = (
    '<div class="note">These are the networks for Q-tips, whatever the task. Two were trained with '
    "bounded weights: no time step of theirs can amplify. So each pixel has a certified radius: a "
    "change of the whole picture whose Euclidean norm is smaller cannot change that pixel's class. "
    "The two without the bound have radii, too, but far smaller ones. A local bound could be "
    "tighter; this one is global, from the weights alone.</div>"
)


class Certificate:
    """Builds its tab where it is called and answers its events.

    Args:
        networks: all by name, in eval mode, not folded, on the device where they stay.
        photo: the component with the picture.
    """

    def __init__(self, networks: Mapping[str, Network], photo: gr.Image) -> None:
        self.networks = networks
        self._build(photo)

    def certify(self, photo: Photo | None) -> Changes:
        """Radii of all pixels, and for the middle one a change that does flip its class."""
        photo = require_photo(photo)
        pairs = [pair_of(self.networks, TASK, bounded=bound) for bound in (True, False)]
        with DEVICE:
            bounded, free = (
                {kind: _certified(network, photo) for kind, network in pair.items()}
                for pair in pairs
            )
        peak = max(float(found.radius.max()) for found in bounded.values())
        maps = {}
        for kind, found in bounded.items():
            heat = colours.colour(found.radius / max(peak, 1e-12), colours.HEAT_COLOURS)
            size = drawing.display_size(found.radius.shape, SHOWN)
            maps[kind] = drawing.enlarge(heat, size, smooth=False)
        ticks = [f"{value:.2g}" for value in np.linspace(0, peak, 5)]
        bar = colour_bar(colours.HEAT_COLOURS, ticks, "Certified radius on the scale 0 … 1")
        rows = [
            (f"{name}{what}", {kind: words(found[kind]) for kind in KINDS})
            for name, found in (("Bounded: ", bounded), ("Without the bound: ", free))
            for what, words in ROWS.items()
        ]
        return {
            **{self.maps[kind]: maps[kind] for kind in KINDS},
            self.words: bar + table(rows, KINDS),
        }

    def _build(self, photo: gr.Image) -> None:
        gr.HTML(NOTE)
        run = gr.Button("Certify", variant="primary", min_width=120, elem_id="certify")
        with gr.Row():
            self.maps = {
                kind: picture(f"Bounded {plots.LABELS[kind]}: radius", f"radius-{kind}")
                for kind in KINDS
            }
        self.words = gr.HTML(label="certificate", elem_id="certificate")
        self.outputs = [*self.maps.values(), self.words]
        self.runs = [run.click(self.certify, photo, self.outputs, **COMPUTE)]


@dataclass(frozen=True)
class Certified:
    """What is known of one network and one picture.

    Attributes:
        radius: (H, W), see `certified_radius`.
        flip: norm of a change with which the middle pixel's class changes, None if none was found.
        constant: `lipschitz_bound`.
    """

    radius: np.ndarray
    flip: float | None
    constant: float

    @property
    def middle(self) -> float:
        """The radius of the middle pixel."""
        return float(self.radius[self.radius.shape[0] // 2, self.radius.shape[1] // 2])


ROWS: dict[str, Callable[[Certified], str]] = {
    "no change smaller than this flips the middle pixel": lambda found: f"{found.middle:.2g}",
    "the smallest one found that does": lambda found: (
        "none found" if found.flip is None else f"{found.flip:.2g}"
    ),
    "Lipschitz constant at most": lambda found: f"{found.constant:.3g}",
}


def _certified(network: Network, photo: Photo) -> Certified:
    x = to_input(photo, network.config, network.mean.device)
    flip = smallest_flip(network, TASK, x, (x.shape[-2] // 2, x.shape[-1] // 2))
    return Certified(
        certified_radius(network, x)[0].cpu().numpy(),
        None if flip is None else float(flip.norm()),
        lipschitz_bound(network),
    )
