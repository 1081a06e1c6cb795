"""What every chapter is made of."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Chapter:
    """A section of the page with an address of its own.

    Attributes:
        name: the id of the section, and what a link to it ends in.
        title: its heading.
        said: HTML of the sentence below the heading.
        shown: of its picture.
        controls: of what there is to drag or click, and of the words that follow it.
    """

    name: str
    title: str
    said: str
    shown: str
    controls: str = ""

    @property
    def html(self) -> str:
        """The section; `story.js` looks for its parts by their classes."""
        head = f'<h2 id="{self.name}-title">{self.title}</h2>'
        return (
            f'<section id="{self.name}" class="chapter" aria-labelledby="{self.name}-title">'
            f'<div class="said">{head}{self.said}</div><div class="shown">{self.shown}</div>'
            f'<div class="controls">{self.controls}</div></section>'
        )


def data_uri(picture: np.ndarray, kind: str = "PNG") -> str:
    """A picture, (H, W) or (H, W, 3) uint8, as an address that needs no request."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, optimize=True)
    content = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{content}"
