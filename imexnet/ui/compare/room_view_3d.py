"""The room in 3-D: a surface through the depths of either network, or the true ones."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from imexnet.inference import predict_input
from imexnet.io import files, point_cloud
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import pair_and_input
from imexnet.ui.components.parts import (
    DEVICE,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    Folder,
    as_user_error,
    user_error,
)
from imexnet.viz import drawing, plots

GRID = 160  # points along the longer side: about as many as the networks tell apart
SOURCES = [*((plots.LABELS[kind], kind) for kind in KINDS), ("Truth", "truth")]
NOTE = (
    "<div class='note'>Depth alone does not determine the shape: the camera's field of view is "
    "that of the photo, or the one in the settings. Drag to turn, scroll to zoom.</div>"
)


class RoomView3D:
    """Builds its tab where it is called and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        folder: for the files.
    """

    def __init__(self, networks: Mapping[str, Network], folder: Folder) -> None:
        self.networks = networks
        self.folder = folder
        with gr.Row(equal_height=True):
            self.source = gr.Radio(
                SOURCES, value="imexnet", label="Depth of", elem_id="source", min_width=220
            )
            self.build = gr.Button("Build the room", elem_id="build", min_width=140)
        self.model = gr.Model3D(
            label="The room in metres (GLB)",
            height=330,
            camera_position=(90, 90, 4.5),
            clear_color=(0.5, 0.5, 0.5, 0),
            interactive=False,
            elem_id="room",
        )
        gr.HTML(NOTE)

    def answer_clicks(self, photo: gr.Image, angle: gr.Slider, trunk: gr.Radio) -> None:
        """Builds the room when the button is pressed or a setting changes."""
        asked = [photo, self.source, angle, trunk]
        self.build.click(self.room, asked, self.model, **ON_DEVICE, api_name="room")
        self.source.input(self.room, asked, self.model, **ON_DEVICE, **PRIVATE)
        angle.release(self.anew, [self.model, *asked], self.model, **ON_DEVICE, **PRIVATE, **LATEST)

    def anew(self, built: str | None, *asked: Any) -> Any:
        """The room for another camera, if there is one already."""
        return gr.skip() if built is None else self.room(*asked)

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
        photo, pair, x, camera = pair_and_input(self.networks, photo, "depth", trunk, angle)
        if examples.is_qtip(photo):
            raise user_error("A Q-tip has no depth. Choose a photo of a room.")
        size = drawing.display_size(photo.shape, GRID)
        if source == "truth":
            metres = examples.true_values(photo, "depth")
            if metres is None:
                raise user_error("The true depth is known only for the rendered kitchens.")
        elif source in pair:
            with DEVICE:
                metres = predict_input(pair[source], "depth", x, size, camera.depth_scale).values
        else:
            raise user_error("There is no such depth; choose resnet, imexnet or truth.")
        with as_user_error():
            content = point_cloud.mesh(photo, metres, camera.angle)
        return str(files.write_bytes(self.folder.new() / f"{source}-room.glb", content))
