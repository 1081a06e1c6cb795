"""The chapter "Layer by layer": how far both networks see, on the visitor's own photo."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from imexnet.inference import to_grid
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.sensitivity.receptive_field import Reach, reach_per_step
from imexnet.ui.components.inputs import pair_and_input
from imexnet.ui.components.parts import DEVICE, SHOWN, as_user_error
from imexnet.ui.story.chapter import Chapter, data_uri
from imexnet.viz import drawing, plots, spotlight

CHAPTER = Chapter(
    "layers",
    "Layer by layer",
    "<p>Each layer lets the ResNet see a little further around the middle of your photo; the "
    "IMEXNet sees the whole photo after one layer. Of a photo, these are always the plain "
    "networks: behind a backbone both see nearly all of it from the start.</p>",
    "".join(
        f'<figure class="{kind}"><div class="frame"><canvas role="img" '
        f'aria-label="{label}: the photo, lit as far as the layer sees"></canvas></div>'
        f"<figcaption>{label}</figcaption></figure>"
        for kind, label in plots.LABELS.items()
    ),
    '<input type="range" min="0" max="1" step="1" value="0" aria-label="Layer" disabled>'
    '<p class="words"></p>',
)


def film(
    networks: Mapping[str, Network], photo: Photo | None, task: str, angle: float = 0.0
) -> str:
    """JSON for the script: the photo, and for each layer the light of both networks and words.

    Args:
        networks: those of all tasks by name, not folded.
        photo: of which the middle is asked about.
        task: depth, segmentation, qtips, rods or paths.
        angle: of view along the photo's longer side, in degrees; 0: as the photo says.
    """
    photo, pair, x, _ = pair_and_input(networks, photo, task, angle=angle)
    grid = (x.shape[-2], x.shape[-1])
    with as_user_error(), DEVICE:
        cell = to_grid((photo.shape[0] // 2, photo.shape[1] // 2), photo.shape, grid)
        found = {kind: reach_per_step(network, x, cell) for kind, network in pair.items()}
    height, width = drawing.display_size((photo.picture.height, photo.picture.width), SHOWN)
    frames = {
        kind: [data_uri(spotlight.shade(reach.sensitivity)) for reach in reaches]
        for kind, reaches in found.items()
    }
    steps = zip(found["resnet"], found["imexnet"], strict=True)
    return json.dumps(
        {
            "photo": data_uri(np.asarray(photo.picture.resize((width, height))), "JPEG"),
            "frames": frames,
            "words": [_said(number, pair, grid) for number, pair in enumerate(steps)],
        }
    )


def _said(number: int, pair: Sequence[Reach], grid: tuple[int, int]) -> str:
    """How far both see after a layer."""
    first, second = pair
    if number == 0:
        return f"Before the first layer, both see {_seen(first, grid)}."
    if (first.rows, first.columns) == (second.rows, second.columns):  # on a small picture
        return f"After layer {number}, both see {_seen(first, grid)}."
    return (
        f"After layer {number}, the ResNet sees {_seen(first, grid)}. "
        f"The IMEXNet sees {_seen(second, grid)}; 95 % of its "
        f"sensitivity lies in {100 * second.area95:.0f} % of the photo."
    )


def _seen(reach: Reach, grid: tuple[int, int]) -> str:
    seen, whole = f"{reach.columns} × {reach.rows}", f"{grid[1]} × {grid[0]} pixels"
    return f"all {whole}" if (reach.rows, reach.columns) == grid else f"{seen} of {whole}"
