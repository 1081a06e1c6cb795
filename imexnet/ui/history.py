"""What a visitor has looked at: small copies of the photos, in that visitor's state alone."""

import io

import gradio as gr
from PIL import Image

from imexnet.ui import examples
from imexnet.ui.parts import SHOWN

MOST = 12
THUMB = 120  # longer side in pixels


class History:
    """Builds the strip where it is made; hidden until there is something to go back to."""

    def __init__(self) -> None:
        self.kept = gr.State([])
        self.strip = gr.Gallery(
            label="Seen in this visit",
            columns=6,
            height="auto",
            allow_preview=False,
            format="png",
            object_fit="cover",
            buttons=[],
            visible=False,
            elem_id="history",
        )

    @staticmethod
    def remember(photo: Image.Image | None, kept: list[bytes]) -> tuple[list[bytes], dict]:
        """The photo in front of the others, once, and the strip that shows them."""
        if photo is not None:
            copy = small_copy(photo)
            kept = [copy, *(other for other in kept if other != copy)][:MOST]
        return kept, gr.update(value=[thumb(copy) for copy in kept], visible=len(kept) > 1)

    @staticmethod
    def recall(kept: list[bytes], event: gr.SelectData) -> Image.Image:
        """The chosen photo."""
        return Image.open(io.BytesIO(kept[event.index])).convert("RGB")


def small_copy(photo: Image.Image) -> bytes:
    """A JPEG of the page's size; lossless if its truth is known, as pixels tell that."""
    buffer = io.BytesIO()
    if examples.is_qtip(photo) or examples.true_values(photo, "depth") is not None:
        photo.save(buffer, "PNG")
    else:
        small = photo.copy()
        small.thumbnail((SHOWN, SHOWN))
        small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def thumb(copy: bytes) -> Image.Image:
    """A thumbnail of such a copy."""
    with Image.open(io.BytesIO(copy)) as picture:
        picture.thumbnail((THUMB, THUMB))
        return picture.convert("RGB")
