"""What the rooms of a folder are like: depths, shares of the classes, brightness.

python benchmarks/rooms.py FOLDER [SPLIT …]; the kitchens of the splits (train and val) alone, each
photo without its outer 4 %, which NYU's white frame covers.
"""

import json
import sys
from pathlib import Path

import numpy as np

from imexnet.data.nyu import CLASSES, Room, read_rooms
from imexnet.program import run


def statistics(rooms: list[Room]) -> dict:
    """Mean and deciles of depth (m), shares of the labelled pixels, photos that show them."""
    inner = [_inner(room.depth) for room in rooms]
    depth = np.concatenate([d[d > 0] for d in inner])
    counts = np.array([np.bincount(_inner(room.labels), minlength=14)[1:] for room in rooms])
    shares = counts.sum(0) / counts.sum()
    bright = np.concatenate([_inner(room.photo.mean(2))[::7] for room in rooms])
    return {
        "images": len(rooms),
        "mean_depth": round(float(depth.mean()), 3),
        "depth_deciles": np.percentile(depth, range(10, 100, 10)).round(3).tolist(),
        "classes": {n: round(float(s), 4) for n, s in zip(CLASSES[1:], shares, strict=True)},
        "seen_in": {
            n: round(float(s), 2) for n, s in zip(CLASSES[1:], (counts > 0).mean(0), strict=True)
        },
        "brightness_deciles": np.percentile(bright, range(10, 100, 10)).round().tolist(),
    }


def _inner(plane: np.ndarray) -> np.ndarray:
    height, width = plane.shape
    y, x = round(0.04 * height), round(0.04 * width)
    return plane[y : height - y, x : width - x].ravel()


def main(arguments: list[str]) -> None:
    """Print them."""
    if not arguments:
        raise ValueError("usage: python benchmarks/rooms.py FOLDER [SPLIT ...]")
    folder, splits = Path(arguments[0]), arguments[1:] or ["train", "val"]
    rooms = []
    for split in splits:
        rooms += [room for room in read_rooms(folder, split) if room.scene_type == "kitchen"]
    print(json.dumps(statistics(rooms), indent=2))


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "rooms")
