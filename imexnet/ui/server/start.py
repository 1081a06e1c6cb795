"""The whole page: built for those who import it, and served."""

import os
import sys
import warnings

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio: no call goes out
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nor for the tools of IMEXNET_MCP
os.environ.setdefault("PILLOW_BLOCK_SIZE", "1024m")  # large photos go back to the system whole
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # else it remembers 10,000

try:
    range(2**16).index(int(os.environ.get("GRADIO_SERVER_PORT", "7860")))
except ValueError:  # gradio would not say which setting is wrong
    raise ValueError(
        f"GRADIO_SERVER_PORT must be the number of a port, got {os.environ['GRADIO_SERVER_PORT']!r}"
    ) from None

try:
    import spaces  # pyright: ignore[reportMissingImports]  # of ZeroGPU; before torch
except ImportError:
    spaces = None

import gradio as gr

from imexnet.io.photos import CutShortWarning
from imexnet.models.checkpoints import default_device, load_whole
from imexnet.models.folding import fold
from imexnet.models.spec import shipped_names
from imexnet.ui.compare.tab import Compare
from imexnet.ui.components.style import LABORATORY, introduction, static, theme
from imexnet.ui.receptive.tab import Receptive
from imexnet.ui.server.page import Page
from imexnet.ui.solve.tab import Solve
from imexnet.ui.stability.tab import Stability
from imexnet.ui.story.tab import Story

ZERO_GPU = spaces is not None and bool(os.environ.get("SPACES_ZERO_GPU"))


def build() -> Page:
    """The page with all its chapters and networks; a network that is missing is named on stderr."""
    warnings.simplefilter("ignore", CutShortWarning)  # the page says so itself
    warnings.filterwarnings("ignore", module="PIL")  # what it says of broken files
    networks, faults = load_whole(shipped_names(), "cpu")
    compiled = os.environ.get("IMEXNET_COMPILE") == "1"
    # Before they move, the story is worked out and they are folded: a ZeroGPU Space has no GPU yet.
    story = Story(networks)
    folded = {name: fold(network, compiled) for name, network in networks.items()}
    for network in (*networks.values(), *folded.values()):
        network.to(default_device())
    for line in faults:
        print(f"imexnet: {line}", file=sys.stderr)

    with Page(
        title="ResNet and IMEXNet: what decided this pixel?",
        fill_width=True,
        analytics_enabled=False,
    ) as page:
        gr.HTML(introduction(story.titles), js_on_load=static("page.js"))
        with gr.Column(elem_id="your-photo"):
            compare = Compare(page, folded)
        story.build(compare.photo, compare.task, compare.angle)
        with gr.Column(elem_id="laboratory"):
            near = gr.HTML(LABORATORY, js_on_load=static("seen.js"))
            with gr.Tabs():
                with gr.Tab("Receptive field", elem_id="receptive-tab"):
                    Receptive(near, networks)
                with gr.Tab("Stability", elem_id="stability-tab") as tab:
                    Stability(tab, networks)
                with gr.Tab("Inside the solve", elem_id="solve-tab") as tab:
                    Solve(tab, networks)

    if not ZERO_GPU:
        compare.open_answered()
    page.decorate(spaces.GPU(duration=60) if spaces and ZERO_GPU else None)
    return page


def serve() -> None:
    """Runs the page until it is stopped; address and port from `GRADIO_SERVER_NAME`, `…_PORT`."""
    page = build()
    if not ZERO_GPU:
        page.warm()
    page.serve(theme=theme(), css=static("page.css"))
