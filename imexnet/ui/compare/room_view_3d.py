"""The room in 3-D: both networks, and the truth, side by side; and files of each."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
import numpy as np

from imexnet.inference import answer, in_metres
from imexnet.io import files, point_cloud
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import pair_and_input
from imexnet.ui.components.kept import forward
from imexnet.ui.components.parts import (
    DEVICE,
    DOWNLOAD,
    ON_DEVICE,
    PRIVATE,
    Folder,
    as_user_error,
    user_error,
)
from imexnet.ui.components.style import static
from imexnet.viz import drawing, plots

GRID = 160  # points along the longer side: about as many as the networks tell apart
NAMES = plots.LABELS | {"truth": "Truth"}
SOURCES = [(label, name) for name, label in NAMES.items()]
ROOM = (
    '<div class="room">'
    + "".join(
        f'<figure class="{name}" hidden><canvas tabindex="0" role="application" '
        f'aria-label="{label}: the room in space; arrow keys turn it, plus and minus zoom">'
        f"</canvas><figcaption>{label}</figcaption></figure>"
        for name, label in NAMES.items()
    )
    + '</div><p class="words note" data-how="One camera for all: drag to turn it, or use the arrow '
    "keys, + and −. The line goes to the point that was clicked. Depth alone does not determine "
    "the shape: the camera's field of view is that of the photo, or the one in the settings.\" "
    'data-none="Choose the task Depth and a photo of a room."></p>'
)


class RoomView3D:
    """Builds its tab where it is called and answers its events; `room.js` draws.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        folder: for the files.
    """

    def __init__(self, networks: Mapping[str, Network], folder: Folder) -> None:
        self.networks = networks
        self.folder = folder
        gr.HTML("", html_template=ROOM, js_on_load=static("room.js"), elem_id="room")
        self.source = gr.Radio(SOURCES, value="imexnet", label="File of", elem_id="source")
        with gr.Row():
            self.build = gr.Button("Save the mesh (GLB)", size="sm", elem_id="build")
            self.scan = gr.Button("Save the points (PLY)", size="sm", elem_id="scan")
        self.model = gr.File(
            label="The room in metres", interactive=False, visible="hidden", elem_id="mesh"
        )

    def answer_clicks(self, photo: gr.Image, angle: gr.Slider, trunk: gr.Radio) -> None:
        """Writes a file when a button is pressed, and downloads it."""
        asked = [photo, self.source, angle, trunk]
        built = self.build.click(self.room, asked, self.model, **ON_DEVICE, api_name="room")
        scanned = self.scan.click(self.points, asked, self.model, **ON_DEVICE, **PRIVATE)
        self.runs = [built, scanned]
        for made in self.runs:
            made.success(None, self.model, None, js=DOWNLOAD, **PRIVATE)

    def sources(self, photo: Photo) -> dict[str, Any]:
        """Whose depth can be built for a photo: the truth only where it is known."""
        known = examples.true_values(photo, "depth") is not None
        return gr.update(choices=SOURCES if known else SOURCES[:-1], value="imexnet")

    def room(
        self,
        photo: Photo | None,
        source: str = "imexnet",
        angle: float = 0.0,
        trunk: str = "plain",
    ) -> str:
        """The photo as a surface in space, a GLB file in metres.

        Args:
            photo: a picture of a room.
            source: whose depth: resnet, imexnet, or truth for a rendered kitchen.
            angle: of view along the photo's longer side, in degrees; 0: as the photo says.
            trunk: of the networks, plain or backbone.
        """
        return self._written("glb", point_cloud.mesh, photo, source, angle, trunk)

    def points(self, *asked: Any) -> str:
        """The same as coloured points, a PLY file."""
        return self._written("ply", point_cloud.ply, *asked)

    def _written(
        self,
        ending: str,
        content: Callable[[Photo, np.ndarray, float], bytes],
        photo: Photo | None,
        source: str,
        angle: float,
        trunk: str,
    ) -> str:
        photo, pair, x, camera = pair_and_input(self.networks, photo, "depth", trunk, angle)
        if examples.drawn_task(photo):
            raise user_error("A drawing has no depth. Choose a photo of a room.")
        size = drawing.display_size(photo.shape, GRID)
        if source == "truth":
            metres = examples.true_values(photo, "depth")
            if metres is None:
                raise user_error("The true depth is known only for the rendered kitchens.")
        elif source in pair:
            with DEVICE:
                outputs = in_metres(forward(pair[source], x)[0], camera.depth_scale)
                metres = answer("depth", outputs, size).values
        else:
            raise user_error("There is no such depth; choose resnet, imexnet or truth.")
        with as_user_error():
            data = content(photo, metres, camera.angle)
        return str(files.write_bytes(self.folder.new() / f"{source}-room.{ending}", data))
