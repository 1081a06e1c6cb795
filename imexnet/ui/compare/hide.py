"""Hide a part of the photo and see what becomes of both networks' answers."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS
from imexnet.sensitivity.hiding import FILLINGS, Answered, hide_and_see
from imexnet.sensitivity.questions import in_words
from imexnet.ui.components.inputs import Inputs, pair_and_input
from imexnet.ui.components.kept import forward
from imexnet.ui.components.parts import (
    COMPUTE,
    DEVICE,
    DOWNLOAD,
    SHOWN,
    Changes,
    Folder,
    as_user_error,
    colour_bar,
    picture,
    user_error,
)
from imexnet.ui.components.style import static
from imexnet.viz import colours, drawing, plots
from imexnet.viz.share_card import share_card

NOTE = (
    '<div class="note">Paint over a part of the photo, or press the arrow keys and Enter. Both '
    "networks then answer again. What lies outside the ResNet's window cannot change its answer "
    "at the point.</div>"
)
BRUSH = (
    '<div class="brush"><canvas tabindex="0" role="application" aria-label="Photo to paint over: '
    'arrow keys move the brush, Enter puts it down"></canvas><button>Show all again</button></div>'
)
MOST_POINTS = 10_000  # of all strokes; a hand makes some hundred
CHANGE_COLOURS = "RdBu_r"  # less is blue, more is red


class Hide:
    """Builds its tab where it is called and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        folder: for the pictures.
    """

    def __init__(self, networks: Mapping[str, Network], folder: Folder) -> None:
        self.networks, self.folder = networks, folder
        gr.HTML(NOTE)
        with gr.Row(elem_id="hidden"):
            self.brush = gr.HTML(
                "", html_template=BRUSH, js_on_load=static("brush.js"), elem_id="brush"
            )
            self.changes = [
                picture(f"{plots.LABELS[kind]}: change", f"change-{kind}", min_width=150)
                for kind in KINDS
            ]
        self.filling = gr.Radio(list(FILLINGS), value="grey", label="Hide by", elem_id="filling")
        self.words = gr.HTML(label="hidden", elem_id="hidden-words")
        self.card = gr.Button("Save a card to share", size="sm", elem_id="card")
        self.outputs = [*self.changes, self.words]
        self.file = gr.DownloadButton(visible="hidden")

    def answer_events(
        self, chosen: Inputs, pixel: list[gr.Number], trunk: gr.Radio, angle: gr.Slider
    ) -> None:
        """Asks both networks again after each stroke, and makes the card when it is asked for."""
        asked: dict[str, Any] = {
            "inputs": [chosen.photo, chosen.task, *pixel, self.brush, self.filling, trunk, angle],
            "show_progress": "hidden",
            **COMPUTE,
        }
        changed: dict[str, Any] = {
            "fn": self.hide,
            "outputs": self.outputs,
        }
        made = self.card.click(self.share, outputs=self.file, **asked)
        made.success(None, self.file, None, js=DOWNLOAD)
        self.runs = [
            self.brush.submit(**asked, **changed),  # pyright: ignore[reportAttributeAccessIssue]
            self.filling.input(**asked, **changed),
            made,
        ]

    def hide(self, photo: Photo | None, task: str, *asked: Any) -> Changes:
        """How the answers at the point, and over the whole picture, change.

        Args:
            photo: of the visitor.
            task: depth, segmentation, qtips, rods or paths.
            asked: column, row, strokes of the brush, filling, trunk, and the camera's angle.
        """
        if not asked[2]:
            return dict.fromkeys(self.outputs)
        photo, _, _, found = self._ask(photo, task, *asked)
        size = drawing.display_size(photo.shape, SHOWN)
        paths = self.folder.pictures(
            {
                f"{kind}-change": drawing.enlarge(
                    colours.colour(0.5 + answered.change / 2, CHANGE_COLOURS), size
                )
                for kind, answered in found.items()
            }
        )
        return {
            **dict(zip(self.changes, paths.values(), strict=True)),
            self.words: _said(task, found),
        }

    def share(self, *asked: Any) -> str:
        """The same as a picture to share."""
        photo, covered, point, found = self._ask(*asked)
        card = share_card(np.asarray(photo.picture), covered, point, found)
        return self.folder.pictures({"hide-and-see": card})["hide-and-see"]

    def _ask(
        self,
        photo: Photo | None,
        task: str,
        column: float | None,
        row: float | None,
        strokes: str,
        filling: str,
        trunk: str,
        angle: float = 0.0,
    ) -> tuple[Photo, np.ndarray, tuple[int, int], dict[str, Answered]]:
        """The photo, what is left of it, the point in it, and each network's answers."""
        photo, pair, _, camera = pair_and_input(self.networks, photo, task, trunk, angle)
        if column is None or row is None:
            raise user_error("Give a column and a row, or click a picture.")
        if not strokes:
            raise user_error("Draw over a part of the photo first.")
        shown = photo.picture
        scale = shown.width / photo.full_size[0]
        point = int((row + 0.5) * scale), int((column + 0.5) * scale)
        with as_user_error():
            mask = painted(strokes, shown.size)
        with as_user_error(), DEVICE:
            covered, found = hide_and_see(
                pair, task, np.asarray(shown), mask, point, filling, camera, forward
            )
        return photo, covered, point, found


def painted(strokes: str, size: tuple[int, int]) -> np.ndarray:
    """The mask, (H, W) bool, of what `brush.js` drew on a picture of `size` (width, height).

    Raises:
        ValueError: if it is nothing that the brush writes.
    """
    mask = Image.new("1", size)
    pen = ImageDraw.Draw(mask)
    try:
        drawn = json.loads(strokes)
        radius = float(drawn["radius"]) * max(size)
        if not 0 < radius <= max(size) or sum(map(len, drawn["strokes"])) > MOST_POINTS:
            raise ValueError
        for stroke in drawn["strokes"]:
            shares = np.array([(float(x), float(y)) for x, y in stroke])
            if not np.isfinite(shares).all():
                raise ValueError
            points = [tuple(at) for at in (shares.clip(-1, 2) * size).tolist()]
            if len(points) > 1:
                pen.line(points, fill=1, width=round(2 * radius))
            for x, y in points:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("the strokes of the brush could not be read") from error
    return np.asarray(mask)


def _said(task: str, found: Mapping[str, Answered]) -> str:
    """HTML: both answers at the point before and after, and the scale of the pictures."""
    lines = []
    for kind, answered in found.items():
        before, after = in_words(answered.before), in_words(answered.after)
        same = answered.before == answered.after
        words = f"still {before}, exactly as before" if same else f"{before} → <b>{after}</b>"
        lines.append(f"<p>{plots.LABELS[kind]} at the point: {words}.</p>")
    if task == "depth":
        ticks, title = ["1 m nearer", "0", "1 m farther"], "Change of depth"
    else:
        ticks, title = ["−1", "0", "+1"], "Change of the probability of the class that won before"
    return f'<div class="sentence">{"".join(lines)}</div>' + colour_bar(
        CHANGE_COLOURS, ticks, title
    )
