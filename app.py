"""The page: `python app.py`, port from GRADIO_SERVER_PORT (7860)."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio: no call goes out

import gradio as gr
from fastapi.routing import APIRoute

from imexnet.checkpoints import load_pretrained
from imexnet.inference import fold
from imexnet.memory import keep_freed_memory
from imexnet.predict import FAMILIES, KINDS, TRUNKS
from imexnet.ui.compare import Compare
from imexnet.ui.solve import Solve
from imexnet.ui.stability import Stability
from imexnet.ui.style import CSS, INTRODUCTION, PAGE, theme

keep_freed_memory()
COMPILED = os.environ.get("IMEXNET_COMPILE") == "1"
NETWORKS = {
    name: load_pretrained(name)
    for name in (
        f"{family}-{kind}"
        for family in sorted({*FAMILIES.values(), *TRUNKS.values()})
        for kind in KINDS
    )
}

with gr.Blocks(
    title="ResNet and IMEXNet: what decided this pixel?",
    fill_width=True,
    analytics_enabled=False,
    delete_cache=(300, 900),
) as demo:
    gr.HTML(INTRODUCTION, js_on_load=PAGE)
    with gr.Tabs():
        with gr.Tab("Compare"):
            Compare(demo, {name: fold(network, COMPILED) for name, network in NETWORKS.items()})
        with gr.Tab("Stability", elem_id="stability-tab") as tab:
            Stability(tab, NETWORKS)
        with gr.Tab("Inside the solve", elem_id="solve-tab") as tab:
            Solve(tab, NETWORKS)

demo.queue(max_size=32, api_open=False)

if __name__ == "__main__":
    demo.launch(
        theme=theme(),
        css=CSS,
        show_error=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        max_file_size="40mb",
        footer_links=["api", "settings"],
        app_kwargs={
            "routes": [APIRoute("/healthz", lambda: {"status": "ok"})],
            "openapi_url": None,
        },
    )
