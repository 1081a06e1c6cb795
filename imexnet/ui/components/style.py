"""Theme, scripts and words of the page that no chapter owns."""

from collections.abc import Mapping
from pathlib import Path

from gradio import themes

from imexnet.ui.components.words import term


def static(name: str) -> str:
    """A script or a style sheet of the page."""
    return (Path(__file__).parents[1] / "static" / name).read_text("utf-8")


ORANGE = "#c2410c"
INTRODUCTION = f"""
<div class="intro">
<h1>What decided this pixel?</h1>
<p>Two networks, {term("ResNet")} and {term("IMEXNet")}, read the same photo. They are
identical except for one step in each layer, which lets the IMEXNet connect the whole picture.
See what each of them answers, and where it looked.</p>
</div>
"""
HERE = '<h2 class="unseen">Your photo</h2>'
LABORATORY = """
<div class="intro"><h2>Laboratory</h2><p>Every part of the method on a photo of your own: the reach
of whole networks and of single steps, noise and attacks, and each stage of the solve.</p></div>
"""

INVITATION = """
<p class="invitation"><b>Click any picture.</b> The photo lights up where each network looked
to answer there. Arrow keys move the point.</p>
"""

EMPTY = """
<div class="empty"><h2>No photo yet</h2>
<p>Upload one, drop it on the frame, paste it, or choose an example.</p></div>
"""

CITE = """
<div class="note"><p>The method: E. Haber, K. Lensink, E. Treister, L. Ruthotto,
<a href="https://arxiv.org/abs/1903.02639">IMEXnet: A Forward Stable Deep Neural Network</a>,
ICML 2019. The authors of the paper were not involved in these networks or this page.</p>
<pre tabindex="0">@inproceedings{haber2019imexnet,
  title     = {{IMEXnet}: A Forward Stable Deep Neural Network},
  author    = {Haber, Eldad and Lensink, Keegan and Treister, Eran and Ruthotto, Lars},
  booktitle = {International Conference on Machine Learning},
  year      = {2019}
}</pre></div>
"""


def introduction(chapters: Mapping[str, str]) -> str:
    """The heading, and a line of links to the chapters: name → title."""
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title in chapters.items())
    return f'{INTRODUCTION}<nav class="chapters" aria-label="Chapters">{links}</nav>{HERE}'


def theme() -> themes.Base:
    """Gradio's default with the weights of its fonts that are whole in this release."""
    text = [themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"]
    mono = [themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"]
    look = themes.Default(font=text, font_mono=mono)
    return look.set(  # white on Gradio's own orange has a contrast of 2.8; AA asks for 4.5
        button_primary_background_fill=ORANGE,
        button_primary_background_fill_dark=ORANGE,
        button_primary_background_fill_hover="#9a3412",
        button_primary_background_fill_hover_dark="#9a3412",
        color_accent=ORANGE,
    )
