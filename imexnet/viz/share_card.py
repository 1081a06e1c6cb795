"""A picture to share: the photo before and after a part was hidden, and what both networks said."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from imexnet.sensitivity.hiding import Answered
from imexnet.sensitivity.questions import in_words
from imexnet.viz import drawing
from imexnet.viz.plots import LABELS, SERIES

SIZE = 1200, 630  # width and height that pages show of a link
MARGIN, GAP, LINE = 30, 20, 44
TEXT, SMALL = 24, 20  # of letters, in pixels
PAPER, FAINT = "#ffffff", "#606870"


def share_card(
    before: np.ndarray,
    after: np.ndarray,
    pixel: tuple[int, int],
    answers: Mapping[str, Answered],
) -> np.ndarray:
    """Both pictures with the pixel marked, and each network's answers there.

    Args:
        before: (H, W) or (H, W, 3) uint8.
        after: of the same size, with a part hidden.
        pixel: (row, column) whose answers are given.
        answers: network → its answers before and after.

    Returns:
        (630, 1200, 3) uint8.
    """
    card = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(card)
    bottom = SIZE[1] - MARGIN - LINE * len(answers) - GAP
    wide, top = (SIZE[0] - 2 * MARGIN - GAP) // 2, MARGIN + LINE
    columns = MARGIN, MARGIN + wide + GAP
    for left, title, picture in zip(columns, ("Before", "After"), (before, after), strict=True):
        draw.text((left, MARGIN), title, FAINT, _font(SMALL))
        shown = _fitted(picture, pixel, (bottom - top, wide))
        card.paste(
            shown, (left + (wide - shown.width) // 2, top + (bottom - top - shown.height) // 2)
        )
    for number, (kind, answered) in enumerate(answers.items()):
        y = bottom + GAP // 2 + number * LINE
        same = answered.before == answered.after
        words = (in_words(answered.before), in_words(answered.after) + ", the same" * same)
        for left, text in zip(columns, words, strict=True):
            draw.text(
                (left, y),
                _shortened(f"{LABELS[kind]}: {text}", TEXT, wide),
                SERIES[kind],
                _font(TEXT),
            )
    return np.asarray(card)


def _fitted(picture: np.ndarray, pixel: tuple[int, int], room: tuple[int, int]) -> Image.Image:
    """The picture as large as the room (H, W) allows, the pixel marked."""
    height, width = picture.shape[:2]
    scale = min(room[0] / height, room[1] / width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    method = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    shown = Image.fromarray(picture).convert("RGB").resize((size[1], size[0]), method)
    row, column = ((p + 0.5) * n / m for p, n, m in zip(pixel, size, (height, width), strict=True))
    return Image.fromarray(drawing.mark(np.asarray(shown), row, column))


def _shortened(text: str, letters: int, width: int) -> str:
    """The text on one line, with … for its middle if it is wider than `width`."""
    text = " ".join(text.split())
    kept, shown = len(text), text
    while kept > 1 and _font(letters).getlength(shown) > width:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


@lru_cache(2)
def _font(letters: int) -> ImageFont.FreeTypeFont:
    """The one that comes with matplotlib, which has every sign that is needed."""
    return ImageFont.truetype(findfont("DejaVu Sans"), letters)
