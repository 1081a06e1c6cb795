"""Look and words of the page that no tab owns."""

from pathlib import Path

from gradio import themes

from imexnet.ui.components.words import term

STATIC = Path(__file__).parents[1] / "static"
VISIT = (STATIC / "visit.js").read_text("utf-8")
ORANGE = "#c2410c"
INTRODUCTION = f"""
<div class="intro">
<h1>What decided this pixel?</h1>
<p>Two networks, {term("ResNet")} and {term("IMEXNet")}, read the same photo. They are twins but for
one step in each layer that lets the IMEXNet connect the whole picture. See what either answers,
and where it looked. <button class="tour-start">Show me how in five steps</button></p>
</div>
"""

INVITATION = """
<p class="invitation"><b>Click any picture.</b> Below, you see what each network looked at
to answer there.</p>
"""

EMPTY = """
<div class="empty"><h2>No photo yet</h2>
<p>Upload one, drop it on the frame, or choose an example.</p></div>
"""

CITE = """
<div class="note"><p>The method: E. Haber, K. Lensink, E. Treister, L. Ruthotto,
<a href="https://arxiv.org/abs/1903.02639">IMEXnet: A Forward Stable Deep Neural Network</a>,
ICML 2019. These networks and this page are a work of their own.</p>
<pre tabindex="0">@inproceedings{haber2019imexnet,
  title     = {{IMEXnet}: A Forward Stable Deep Neural Network},
  author    = {Haber, Eldad and Lensink, Keegan and Treister, Eran and Ruthotto, Lars},
  booktitle = {International Conference on Machine Learning},
  year      = {2019}
}</pre></div>
"""

# Gradio puts its own class before every comma: no list inside `:is()`.
CSS = """
.gradio-container { --body-text-color-subdued: #52525b; --block-label-text-color: #52525b;
  --block-info-text-color: #52525b; --link-text-color: #1d4ed8; --link-text-color-hover: #1e40af; }
.dark .gradio-container, .gradio-container.dark { --color-accent: #fb923c;
  --body-text-color-subdued: #b4b4bd;
  --block-label-text-color: #d4d4d8; --block-info-text-color: #b4b4bd;
  --link-text-color: #93c5fd; --link-text-color-hover: #bfdbfe; }
.intro h1 { margin: 0 0 .1em; font-size: 1.6rem; line-height: 1.2; }
.intro p { margin: 0; max-width: 70em; line-height: 1.4; }
.pic img { max-height: 46vh; }
#compare, #answered, #answers, #more, #given { gap: 12px; }
#answers .tabs { gap: 4px; }
#answers .html-container { padding: 0; }
#answers .tabitem { padding: 0; border: none; }
#pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px;
  align-items: start; }
#pair .pic img { max-height: 38vh; }
#legend-row { align-items: flex-start; gap: 6px 24px; }
#legend { flex-grow: 3; }
#invitation { flex-grow: 2; }
.invitation { margin: 0; padding: .35em .7em; border-left: 3px solid var(--color-accent);
  line-height: 1.35; }
.readout { margin: 0; min-height: 1.5em; }
.pointer-tip { position: fixed; z-index: 70; top: 0; left: 0; padding: .3em .6em;
  white-space: pre; font-size: .85rem; line-height: 1.35; pointer-events: none;
  font-variant-numeric: tabular-nums; color: #f4f4f5; background: #27272aee; border-radius: 6px; }
.pointer-tip[hidden] { display: none; }
.tour { position: fixed; z-index: 80; right: 16px; bottom: 16px; width: min(340px, 92vw);
  padding: .9em 1em; color: #f4f4f5; background: #27272a; border: 1px solid #52525b;
  border-radius: 10px; box-shadow: 0 6px 24px #0006; line-height: 1.4; }
.tour p { margin: 0 0 .7em; }
.tour div { display: flex; gap: .6em; align-items: center; }
.tour span { flex-grow: 1; font-size: .85rem; }
.tour button { padding: .3em .9em; border-radius: 6px; color: #f4f4f5; border: 1px solid #a1a1aa; }
.tour .tour-next { background: #c2410c; border-color: #c2410c; }
.toured { outline: 3px solid var(--color-accent) !important; outline-offset: 3px; }
.intro .tour-start { background: none; border: none; padding: 0; font-size: inherit;
  color: var(--link-text-color); text-decoration: underline; }
.note pre { overflow-x: auto; margin: .4em 0 0; white-space: pre; font-size: .8rem; }
.empty { text-align: center; padding: 12vh 1em; border-radius: var(--block-radius);
  border: 1px dashed var(--border-color-primary); }
.empty h2 { margin: 0 0 .3em; }
#task .wrap { gap: 6px; flex-wrap: wrap; }
#task label { padding: 5px 9px; }
#given .gallery { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 4px;
  border: none; }
#given .gallery-item { width: 100%; min-width: 0; overflow: hidden; }
#given .gallery-item span, #given .gallery-item .container, #given .gallery-item img {
  display: block; width: 100%; height: auto; max-width: none; max-height: none; border: none; }
#given .gallery-item img { aspect-ratio: 4 / 3; object-fit: cover; }
#history { min-height: 0 !important; }
#history .grid-wrap { min-height: 0; height: auto !important; max-height: none; padding-top: 28px; }
#history .grid-container { grid-template-columns: repeat(6, minmax(0, 1fr)) !important;
  gap: 4px; padding: 0; }
#history .thumbnail-lg { aspect-ratio: 4 / 3; }
#several-pictures .grid-wrap { min-height: 0; max-height: none; padding-top: 30px; }
#several-pictures .thumbnail-lg { aspect-ratio: auto; }
.maps .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important; }
@media (min-width: 641px) { #empty { flex: 3 1 0% !important; } }
@media (max-width: 640px) {
  .stages .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)) !important; }
  .maps .caption-label { display: none; }
  #compare { flex-direction: column; flex-wrap: nowrap; }
  #given, #answered { display: contents; }
  #compare > *, #given > *, #answered > * { width: 100%; order: 5; }
  #photo { order: 1 !important; } #upload { order: 2; } #answers { order: 4; } #empty { order: 4; }
  .form:has(> #task) { order: 3; }
  #more { order: 6; }
  #legend-row { flex-direction: column; }
}
.note { color: var(--body-text-color-subdued); font-size: .9rem; line-height: 1.45; }
.note ul { margin: .2em 0; padding-left: 1.2em; list-style: disc; }
.bar { max-width: 34em; }
.bar-title { font-size: .9rem; color: var(--body-text-color-subdued); }
.bar-colours { height: 14px; border-radius: 3px; }
.bar-ticks { display: flex; justify-content: space-between; font-size: .85rem; }
.chips { display: flex; flex-wrap: wrap; gap: .3em 1em; font-size: .95rem; }
.chip i { display: inline-block; width: 1em; height: 1em; margin-right: .4em; border-radius: 3px;
  vertical-align: -.12em; border: 1px solid var(--border-color-primary); }
table.measures { border: none; border-collapse: collapse; width: 100%;
  font-variant-numeric: tabular-nums; }
.prose table.measures th, .prose table.measures td, .prose table.measures tr {
  padding: .25em .6em; text-align: right;
  border: none !important;  border-bottom: 1px solid var(--border-color-primary) !important; }
.prose table.measures td:first-child { text-align: left !important; }
.term { position: relative; cursor: help; }
.term u { text-decoration: underline dotted; text-underline-offset: .2em; }
.term .tip { display: none; position: absolute; z-index: 60; top: 1.6em; left: 0; width: 19em;
  max-width: 72vw; padding: .5em .7em; font-weight: 400; font-size: .85rem; line-height: 1.35;
  text-align: left; white-space: normal; color: #f4f4f5; background: #27272a; border-radius: 6px; }
.term:hover .tip, .term:focus .tip { display: block; }
.prose:has(.term:hover), .prose:has(.term:focus), .block:has(.term:hover),
.block:has(.term:focus) { overflow: visible !important; }
*:focus-visible { outline: 2px solid var(--color-accent) !important; outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation-duration: .01ms !important; transition: none !important;
    scroll-behavior: auto !important; }
}
"""


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
