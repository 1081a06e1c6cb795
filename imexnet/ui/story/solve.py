"""The chapter "One solve": a dot of light, and how far one implicit solve spreads it."""

from typing import Any

import numpy as np

from imexnet.models.networks import Network, time_steps
from imexnet.models.steps import IMEXStep
from imexnet.sensitivity.green import Green, farthest, green
from imexnet.ui.story.chapter import Chapter, data_uri
from imexnet.viz import colours

GRID = (64, 64)  # the features of a Q-tip
TRAINED = 1.0  # the h of the shipped networks
STEP_SIZES = (0.0, *np.geomspace(0.1, 100, 25).round(3).tolist())
DECADES = 4  # of brightness; spread evenly, the light would be at 1 / 4096
START = STEP_SIZES.index(TRAINED)

CHAPTER = Chapter(
    "solve",
    "One solve",
    "<p>One solve spreads a single dot of light over the whole grid, though most cells get too "
    "little to be seen here. The larger the step size <i>h</i>, the farther it spreads.</p>",
    '<div class="sprite" role="img" aria-label="A dot of light on a dark grid after one solve">'
    '</div><p class="about note"></p>',
    f'<input type="range" min="0" max="{len(STEP_SIZES) - 1}" step="1" value="{START}" '
    'aria-label="Step size h"><p class="words"></p>',
)


def data(network: Network) -> dict[str, Any]:
    """The pictures, one below the other, the words for each h, and what the pictures are.

    Args:
        network: IMEXNet of Q-tips; of its layers and channels, the one that reaches farthest.
    """
    layers = [layer for layer in time_steps(network) if isinstance(layer, IMEXStep)]
    number, channel = farthest(layers, TRAINED, GRID)
    found = [green(layers[number - 1], channel, h, GRID) for h in STEP_SIZES]
    light = [colours.heat_values(np.abs(g.response), 1.0, decades=DECADES) for g in found]
    sprite = colours.colour(np.concatenate(light), colours.HEAT_COLOURS)
    words = [_said(h, g) for h, g in zip(STEP_SIZES, found, strict=True)]
    about = (
        f"Layer {number}, channel {channel} of the IMEXNet for Q-tips: its farthest reach. "
        f"Brightness is logarithmic, over {DECADES} powers of ten."
    )
    return {"sprite": data_uri(sprite), "words": words, "about": about}


def _said(h: float, found: Green) -> str:
    if h == 0:
        return "h = 0: no solve, and the dot stays where it is."
    about = ", as trained" if h == TRAINED else ""
    return (
        f"h = {h:.3g}{about}: decay length {found.decay_length:.1f} cells. Over that distance, in "
        "the brightest direction, the light falls to 37 %."
    )
