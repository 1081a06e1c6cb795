"""Look and words of the page that no tab owns."""

from gradio import themes

INTRODUCTION = """
<div class="intro">
<h1>What decided this pixel?</h1>
<p>A <b>ResNet</b> is forward Euler for Ẏ = f(Y): each layer sees a few pixels further. An
<b>IMEXNet</b> treats a linear part implicitly, one FFT solve of (I + hBᵀB) Y = R a layer, and so
connects every pixel of a channel. The two networks here differ in that solve and its 9 numbers a
channel, in nothing else. Upload a photo of a room, click a pixel, and see where each of them
looked. <a href="https://arxiv.org/abs/1903.02639">Haber et al., ICML 2019</a></p>
</div>
"""

CSS = """
.intro h1 { margin: 0 0 .2em; font-size: 1.7rem; }
.intro p { margin: 0; max-width: 75em; line-height: 1.45; }
.pic img { max-height: 46vh; }
.maps .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important; }
@media (max-width: 640px) {
  .stages .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)) !important; }
  .maps .caption-label { display: none; }
}
.note { opacity: .75; font-size: .9rem; line-height: 1.45; }
.bar { max-width: 34em; }
.bar-title { font-size: .9rem; opacity: .75; }
.bar-colours { height: 14px; border-radius: 3px; }
.bar-ticks { display: flex; justify-content: space-between; font-size: .85rem; }
.chips { display: flex; flex-wrap: wrap; gap: .3em 1em; font-size: .95rem; }
.chip i { display: inline-block; width: 1em; height: 1em; margin-right: .4em; border-radius: 3px;
  vertical-align: -.12em; border: 1px solid var(--border-color-primary); }
table.measures { border: none; border-collapse: collapse; width: 100%;
  font-variant-numeric: tabular-nums; }
.prose table.measures :is(th, td, tr) { padding: .25em .6em; text-align: right;
  border: none !important;  border-bottom: 1px solid var(--border-color-primary) !important; }
.prose table.measures td:first-child { text-align: left !important; }
"""


def theme() -> themes.Base:
    """Gradio's default with the weights of its fonts that are whole in this release."""
    text = [themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"]
    mono = [themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"]
    return themes.Default(font=text, font_mono=mono)
