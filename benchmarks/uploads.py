"""Photos unlike those of the training set: the rendered kitchens, cropped, dark, bent, turned.

python benchmarks/uploads.py               (scores of the four networks over 12 kitchens)
python benchmarks/uploads.py FILE.jpg      (pictures of one kitchen besides)
"""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates

from imexnet.data.nyu import Room, read_rooms
from imexnet.evaluation import predict_room
from imexnet.inference import predict_input, to_input
from imexnet.io.camera import KINECT_FOCAL_LENGTH, camera_of
from imexnet.io.files import write_bytes
from imexnet.metrics import depth_scores, mean_depth_scores
from imexnet.models.checkpoints import load_pretrained
from imexnet.models.networks import Network
from imexnet.places import KITCHENS
from imexnet.program import run
from imexnet.viz import colours

NETWORKS = {
    "indoor-resnet": "ResNet",
    "indoor-imexnet": "IMEXNet",
    "indoor-backbone-resnet": "backbone ResNet",
    "indoor-backbone-imexnet": "backbone IMEXNet",
}
SHOWN, HEIGHT = 3, 120  # the page's first kitchen; rows of each of its photos in the picture
LENSES = {"tele, 2×": 2.0}
"""Kind of photo → focal length that is given besides, in those of the networks' own camera."""

HALF_ANGLE = 1.0  # of the bent photo's diagonal, in radians


def as_rendered(room: Room) -> Room:
    """The room itself."""
    return room


def portrait(room: Room) -> Room:
    """The middle, upright 3:4."""
    height, width = room.depth.shape
    return middle(room, 1, height * 3 / 4 / width)


def tele(room: Room) -> Room:
    """The middle half of either side, as if the lens were twice as long: depth stays as it is."""
    return middle(room, 0.5, 0.5)


def dark(room: Room) -> Room:
    """A tenth of the light, in whole grey values."""
    light = (room.photo / 255) ** 2.2 * 0.1
    return replace(room, photo=(light ** (1 / 2.2) * 255).astype(np.uint8))


def grey(room: Room) -> Room:
    """Without colour."""
    photo = np.asarray(Image.fromarray(room.photo).convert("L").convert("RGB"))
    return replace(room, photo=photo)


def fisheye(room: Room) -> Room:
    """Equidistant projection: the angle to the axis grows with the distance to the centre."""
    return _each(room, _bend)


def upside_down(room: Room) -> Room:
    """Turned by half a turn, as from a phone held the wrong way without its EXIF tag."""
    return _each(room, lambda plane: plane[::-1, ::-1])


UPLOADS: dict[str, Callable[[Room], Room]] = {
    "as rendered": as_rendered,
    "portrait 3:4": portrait,
    "tele, 2×": tele,
    "dark, a tenth of the light": dark,
    "grey": grey,
    "fisheye": fisheye,
    "upside down": upside_down,
}


def middle(room: Room, rows: float, columns: float) -> Room:
    """The middle of a room's photo and truth, these shares of its rows and columns."""
    return _each(room, lambda plane: _part(plane, rows, columns))


def _each(room: Room, change: Callable[[np.ndarray], np.ndarray]) -> Room:
    photo, depth, labels = map(change, (room.photo, room.depth, room.labels))
    return replace(room, photo=photo.copy(), depth=depth.copy(), labels=labels.copy())


def _part(plane: np.ndarray, rows: float, columns: float) -> np.ndarray:
    height, width = plane.shape[:2]
    kept = round(height * rows), round(width * columns)
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    return plane[top : top + kept[0], left : left + kept[1]]


def _bend(plane: np.ndarray) -> np.ndarray:
    """Photos bilinearly, truth by the nearest pixel."""
    height, width = plane.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    y, x = y - height / 2, x - width / 2
    radius = np.hypot(y, x) / np.hypot(height / 2, width / 2)  # 1 in the corners
    scale = np.tan(radius * HALF_ANGLE) / np.tan(HALF_ANGLE) / np.maximum(radius, 1e-9)
    where = [scale * y + height / 2 - 0.5, scale * x + width / 2 - 0.5]
    if plane.ndim == 2:
        return map_coordinates(plane, where, order=0, mode="nearest")
    bent = [map_coordinates(plane[..., c], where, order=1, mode="nearest") for c in range(3)]
    return np.stack(bent, axis=-1)


def scores(network: Network, rooms: list[Room], lens: float = 1.0) -> str:
    """AbsRel and δ1, no crop, for a focal length in those of the networks' own camera."""
    found = []
    for room in rooms:
        camera = camera_of(room.photo, lens * KINECT_FOCAL_LENGTH)
        x = to_input(room.photo, network.config, network.mean.device, camera)
        size = (room.depth.shape[0], room.depth.shape[1])
        metres = predict_input(network, "depth", x, size, camera.depth_scale).values
        found.append(depth_scores(metres, room.depth))
    mean = mean_depth_scores(found)
    return f"{mean['abs_rel']:.3f} / {mean['delta1']:.3f}"


def table(rooms: list[Room]) -> str:
    """Markdown: AbsRel and δ1 of every network for every kind of photo, no crop."""
    networks = {name: load_pretrained(name) for name in NETWORKS}
    lines = [["AbsRel / δ1", *NETWORKS.values()], ["---"] * (1 + len(NETWORKS))]
    for words, change in UPLOADS.items():
        changed = [change(room) for room in rooms]
        lines.append([words, *(scores(network, changed) for network in networks.values())])
        if lens := LENSES.get(words):
            told = [scores(network, changed, lens) for network in networks.values()]
            lines.append([f"{words}, focal length given", *told])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(room: Room) -> Image.Image:
    """One row per kind of photo: photo, truth, the depth of every network, one scale per row."""
    networks = {name: load_pretrained(name) for name in NETWORKS}
    strips = []
    for change in UPLOADS.values():
        changed = change(room)
        metres = {"truth": changed.depth}
        metres |= {name: predict_room(network, changed)[0] for name, network in networks.items()}
        row = [changed.photo, *colours.pictures("depth", metres).values()]
        size = (HEIGHT, HEIGHT * 4 // 3)
        strips.append(np.concatenate([_fitted(plane, size) for plane in row], axis=1))
    return Image.fromarray(np.concatenate(strips))


def _fitted(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whole, centred on white."""
    image = Image.fromarray(plane)
    image.thumbnail((size[1] - 4, size[0] - 4))
    sheet = Image.new("RGB", (size[1], size[0]), "white")
    sheet.paste(image, ((size[1] - image.width) // 2, (size[0] - image.height) // 2))
    return np.asarray(sheet)


def main(arguments: list[str]) -> None:
    rooms = read_rooms(KITCHENS, "test")
    print(table(rooms))
    for name in arguments:
        file = io.BytesIO()
        picture(rooms[SHOWN]).save(file, "JPEG", quality=88)
        write_bytes(Path(name), file.getvalue())


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "uploads")
