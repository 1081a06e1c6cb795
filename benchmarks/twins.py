"""The pair with a backbone over several seeds: what the solve is worth there, in pairs of photos.

python benchmarks/twins.py score NYU FOLDER   (every KIND-SEED.safetensors, on validation photos)
python benchmarks/twins.py table
python benchmarks/twins.py score NYU          (the shipped networks, both seeds)
python benchmarks/twins.py table --shipped

The photos come as they are, with noise, and cut to shapes and lenses unlike those of the training;
the cameras of the cuts are given, so that the scores are about more than scale. A folder's networks
are trained by:
python -m imexnet train indoor --trunk backbone --size 160x120 --epochs 12 --start-from ENCODER …
"""

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from compare_runs import summary
from pictures import interval, note, paired, per_picture
from uploads import as_rendered, fisheye, middle, portrait, tele

from imexnet.data.nyu import Room, read_rooms
from imexnet.inference import predict_input, to_input
from imexnet.io.camera import KINECT_FOCAL_LENGTH, camera_of
from imexnet.metrics import confusion_matrix, depth_scores, median_scaled, pixel_accuracy
from imexnet.models.checkpoints import load
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS
from imexnet.places import WEIGHTS
from imexnet.program import run
from imexnet.stability.corruptions import perturb

NOISE = 0.1  # σ
SHIPPED = r"indoor-backbone-(\w+?)(?:-seed(\d+))?"
SCORES = {"abs_rel": "AbsRel", "scaled_abs_rel": "AbsRel, scaled", "accuracy": "accuracy"}


def wide(room: Room) -> Room:
    """The middle, 8:3."""
    return middle(room, 0.5, 1)


PHOTOS: dict[str, Callable[[Room], Room]] = {
    "as they are": as_rendered,
    f"noise, σ = {NOISE:g}": as_rendered,
    "portrait, 3:4": portrait,
    "tele, 2×": tele,
    "wide, 8:3": wide,
    "fisheye": fisheye,
}


def of_photos(network: Network, rooms: list[Room]) -> dict[str, list[float]]:
    """Score and kind of photo → its value on each room; no crop."""
    found: dict[str, list[float]] = {}
    for words, change in PHOTOS.items():
        for index, room in enumerate(rooms):
            changed = change(room)
            shape = (changed.depth.shape[0], changed.depth.shape[1])
            cut = math.hypot(*room.depth.shape) / math.hypot(*shape)
            camera = camera_of(changed.photo, cut * KINECT_FOCAL_LENGTH)
            x = to_input(changed.photo, network.config, "cpu", camera)
            if words.startswith("noise"):
                x = perturb(x, "gaussian", NOISE, seed=index)
            metres = predict_input(network, "depth", x, shape, camera.depth_scale).values
            classes = predict_input(network, "segmentation", x, shape).values
            known = changed.labels > 0
            scaled = median_scaled(metres, changed.depth)
            values = (
                depth_scores(metres, changed.depth)["abs_rel"],
                depth_scores(scaled, changed.depth)["abs_rel"],
                pixel_accuracy(confusion_matrix(classes[known], changed.labels[known], 14)),
            )
            for score, value in zip(SCORES, values, strict=True):
                found.setdefault(f"{score}, {words}", []).append(value)
    return found


def command(kind: str, shipped: bool = False) -> str:
    """By which a kind's scores are known in pictures.csv."""
    return f"python benchmarks/twins.py score NYU{'' if shipped else ' FOLDER'}: {kind}"


def files(folder: Path | None) -> dict[Path, tuple[str, int]]:
    """The networks of a folder, or those shipped → kind and seed.

    Raises:
        ValueError: if there are none.
    """
    root, name = folder or WEIGHTS, r"(\w+)-(\d+)" if folder else SHIPPED
    found = {
        path: (match[1], int(match[2] or 0))
        for path in sorted(root.glob("*.safetensors"))
        if (match := re.fullmatch(name, path.stem)) and match[1] in KINDS
    }
    if not found:
        raise ValueError(f"there is no resnet-0.safetensors or the like in {root.name}")
    return found


def score(data: Path, folder: Path | None = None) -> None:
    """Notes the scores of all networks of a folder, or of those shipped, in pictures.csv."""
    rooms = read_rooms(data, "val")
    for path, (kind, seed) in files(folder).items():
        with torch.inference_mode():
            note(command(kind, folder is None), seed, of_photos(load(path, "cpu"), rooms))


def table(shipped: bool = False) -> str:
    """Markdown: of each kind of photo, both networks, and the difference with its interval."""
    commands = {kind: command(kind, shipped) for kind in KINDS}
    heads = ["validation photos", "score", "ResNet", "IMEXNet", "IMEXNet − ResNet"]
    lines = [heads, ["---"] * len(heads)]
    for words in PHOTOS:
        for name, title in SCORES.items():
            means = []
            for kind, of in commands.items():
                values = per_picture(of, f"{name}, {words}").values()
                if not values:
                    raise ValueError(f"there are no scores of {kind} yet; `score` notes them")
                means.append(summary([float(np.nanmean(v)) for v in values], 3))
            found = paired(commands["imexnet"], commands["resnet"], f"{name}, {words}")
            lines.append([words, title, *means, interval(found)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    scored = actions.add_parser("score")
    scored.add_argument("data", type=Path)
    scored.add_argument("folder", type=Path, nargs="?")
    actions.add_parser("table").add_argument("--shipped", action="store_true")
    given = parser.parse_args(arguments)
    if given.action == "score":
        score(given.data, given.folder)
    else:
        print(table(given.shipped))


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "twins")
