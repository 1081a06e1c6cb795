"""The chapter "Guess the rod": a Q-tip through the ResNet's window, then all of it."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np
import torch

from imexnet.data import qtips
from imexnet.data.drawn import Drawn
from imexnet.models.networks import Network
from imexnet.sensitivity.window import window_width
from imexnet.ui.story.chapter import Chapter, data_uri
from imexnet.viz import colours, plots

SEED = 27  # a sequence of its own: neither the examples nor the training
EACH = 4  # rods of each class
SHORTEST = 52  # pixels: no window of 27 × 27 holds a part of both markers
COLOURS = colours.PALETTES["qtips"]


def chapter(width: int) -> Chapter:
    """The section.

    Args:
        width: of the window in pixels.
    """
    buttons = "".join(
        f'<button data-kind="{kind}"><i style="background:{COLOURS[kind]}"></i>{name}</button>'
        for kind, name in enumerate(map(in_words, range(4)))
        if kind
    )
    answers = "".join(
        f'<figure class="{kind}"><div class="frame"><img alt="" hidden></div>'
        f"<figcaption>{label}</figcaption></figure>"
        for kind, label in plots.LABELS.items()
    )
    return Chapter(
        "guess",
        "Guess the rod",
        "<p>A rod has a white or a black marker at either end. You see it through a window of "
        f"{width}&nbsp;×&nbsp;{width} pixels, which you can move. The ResNet has to answer at "
        "each point from the window around that point alone.</p>",
        '<canvas class="stage" width="64" height="64" tabindex="0" role="application" '
        'aria-label="A rod behind a window: arrow keys move it"></canvas>'
        f'<div class="answers">{answers}</div><p class="unseen" aria-live="polite"></p>',
        f'<div class="choices"><div role="group" aria-label="Which markers?">{buttons}</div>'
        '<button class="next" hidden>Another rod</button></div>'
        '<p class="count" role="status">Move the window, then choose.</p>',
    )


def rods(pair: Mapping[str, Network]) -> list[dict[str, Any]]:
    """The rods in their order: picture, class, and each network's picture, class and share of it.

    A network's class is the one that it gives to most pixels of the rod.

    Args:
        pair: network of Q-tips by kind.
    """
    drawn = list(_chosen())
    x = torch.from_numpy(np.stack([d.picture for d in drawn])[:, None] / np.float32(255))
    found = [{"picture": data_uri(d.picture), "kind": int(d.label.max())} for d in drawn]
    for kind, network in pair.items():
        with torch.inference_mode():
            classes = network(x.to(network.mean.device))["qtips"].argmax(1).cpu().numpy()
        for rod, d, given in zip(found, drawn, classes, strict=True):
            votes = np.bincount(given[d.label > 0], minlength=len(qtips.CLASSES))
            most = int(votes[1:].argmax()) + 1
            rod[kind] = {
                "picture": data_uri(colours.class_picture(given, COLOURS)),
                "kind": most,
                "share": round(100 * votes[most] / votes.sum()),
            }
    return found


def data(pair: Mapping[str, Network]) -> dict[str, Any]:
    """What the script needs."""
    return {
        "rods": rods(pair),
        "window": window_width(pair["resnet"].config),
        "kinds": [in_words(kind) for kind in range(len(qtips.CLASSES))],
        "networks": plots.LABELS,
    }


def in_words(kind: int) -> str:
    """The name of a class, as it is printed."""
    return qtips.CLASSES[kind].replace("-", "–")


def _chosen() -> Iterator[Drawn]:
    """The first rods of each class that are long enough."""
    left = [0, EACH, EACH, EACH]
    for index in count():
        if not any(left):
            return
        drawn = qtips.draw(SEED, index)
        kind = int(drawn.label.max())
        if left[kind] and drawn.lengths[0] >= SHORTEST:
            left[kind] -= 1
            yield drawn
