"""Builds the four chapters below the photo, and answers the one that asks about it."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS
from imexnet.sensitivity.window import window_width
from imexnet.ui.components.parts import ANNOUNCE, COMPUTE, PRIVATE
from imexnet.ui.components.style import static
from imexnet.ui.story import guess, layers, scores, solve
from imexnet.ui.story.chapter import Chapter


class Story:
    """What the chapters show that is the same for all visitors; built where `build` is called.

    Attributes:
        chapters: those whose networks are there.

    Args:
        networks: those of all tasks by name, not folded, in eval mode, on their device.
    """

    def __init__(self, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self.chapters: list[Chapter] = [layers.CHAPTER, scores.CHAPTER]
        self._data: dict[str, Any] = {}
        pair = {kind: networks.get(f"qtips-{kind}") for kind in KINDS}
        known = {kind: network for kind, network in pair.items() if network is not None}
        if len(known) == len(KINDS):
            self.chapters.insert(0, guess.chapter(window_width(known["resnet"].config)))
            self._data["guess"] = guess.data(known)
        if "imexnet" in known:
            self.chapters.insert(-1, solve.CHAPTER)
            self._data["solve"] = solve.data(known["imexnet"])

    @property
    def titles(self) -> dict[str, str]:
        """Of all chapters of the page, those before and after the story, too, by name."""
        own = {chapter.name: chapter.title for chapter in self.chapters}
        return {"your-photo": "Your photo", **own, "laboratory": "Laboratory"}

    def build(self, photo: gr.Image, task: gr.Radio, angle: gr.Slider) -> None:
        """The chapters, and what "Layer by layer" asks when it comes into view.

        Args:
            photo: of the visitor.
            task: that they chose for it.
            angle: the camera's field of view.
        """
        story = gr.HTML(
            "",
            html_template="".join(chapter.html for chapter in self.chapters),
            js_on_load=static("story.js"),
            elem_id="story",
            **self._data,
        )
        asked: dict[str, Any] = {**COMPUTE, "show_progress": "hidden"}
        run = story.submit(self.film, [photo, task, angle], story, **asked)  # pyright: ignore[reportAttributeAccessIssue]
        run.failure(None, js=ANNOUNCE.format("imexnet:no-film"), **PRIVATE)
        photo.change(None, cancels=run, **PRIVATE)

    def film(self, photo: Photo | None, task: str, angle: float) -> str:
        """What "Layer by layer" shows of the visitor's photo."""
        return layers.film(self.networks, photo, task, angle)
