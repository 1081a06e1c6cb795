"""The photos of a visit: small copies, whose paths only that visitor knows."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import gradio as gr
from PIL import Image

from imexnet.io.files import write_bytes
from imexnet.io.photos import Photo
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import read
from imexnet.ui.components.parts import NOT_KEPT, SHOWN, Folder, user_error
from imexnet.ui.server.gradio_internals import begin_with, keep_files

MOST = 12
THUMB = 120  # longer side in pixels


class History:
    """Builds the strip where it is made; hidden until there is an earlier photo.

    Args:
        folder: for the copies, which go with the visitor's other files: none stays in memory.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.kept = gr.State([])
        self.strip = gr.Gallery(
            label="Seen in this visit, as small copies",
            columns=6,
            height="auto",
            allow_preview=False,
            format="png",
            object_fit="cover",
            buttons=[],
            visible=False,
            elem_id="history",
        )

    def begin(self, photo: Photo) -> None:
        """Lets every visit begin with a photo."""
        kept, _ = self.remember(photo, [])
        begin_with(self.kept, kept)
        keep_files(self.strip, kept)

    def remember(self, photo: Photo | None, kept: list[str]) -> tuple[list[str], dict]:
        """The photo before the others, each once, and the strip that shows them."""
        kept = [path for path in kept if Path(path).exists()]
        if photo is not None:
            copy = small_copy(photo)
            name = sha256(copy).hexdigest()
            others = [path for path in kept if Path(path).name != name]
            kept = [str(write_bytes(self.folder.new() / name, copy)), *others][:MOST]
        return kept, gr.update(value=[thumb(path) for path in kept], visible=len(kept) > 1)

    @staticmethod
    def recall(kept: list[str], event: gr.SelectData) -> Photo:
        """The chosen photo."""
        if event.index >= len(kept):
            raise user_error(NOT_KEPT)
        return read(kept[event.index])


def small_copy(photo: Photo) -> bytes:
    """A JPEG of the page's size; a PNG if its truth is known, which is found by its pixels."""
    if examples.drawn_task(photo) or examples.true_values(photo, "depth") is not None:
        return photo.encoded("PNG")
    small = photo.picture.copy()
    small.thumbnail((SHOWN, SHOWN))
    return replace(photo, picture=small).encoded("JPEG", quality=90)


def thumb(path: str) -> Image.Image:
    """A thumbnail of such a copy."""
    with Image.open(path) as picture:
        picture.thumbnail((THUMB, THUMB))
        return picture.convert("RGB")
