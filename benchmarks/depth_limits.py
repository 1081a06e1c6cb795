"""Floor and ceiling of the depth table: the mean depth, and the truth on a network's coarser grid.

    python benchmarks/depth_limits.py NYU

The mean depth is each pixel's mean log-depth over the training photos. The truth is read at every
second, fourth or eighth pixel and enlarged as networks' answers are: no network that answers on
that grid can be expected to do better.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imexnet.data.nyu import Room, read_rooms
from imexnet.metrics import boundary_f1, depth_scores, eigen_crop, mean_depth_scores
from imexnet.program import run

COARSER = (2, 4, 8)


def scores(predictions: list[np.ndarray], rooms: list[Room]) -> dict[str, Any]:
    """Of depths, as `evaluate` prints them."""
    crop = eigen_crop(rooms[0].depth.shape)
    pairs = [(p[crop], room.depth[crop]) for p, room in zip(predictions, rooms, strict=True)]
    found = dict[str, Any](mean_depth_scores([depth_scores(*pair) for pair in pairs]))
    return found | {"boundary_f1": float(np.mean([boundary_f1(*pair) for pair in pairs]))}


def enlarged(depth: np.ndarray, coarser: int) -> np.ndarray:
    """Log-depth at every `coarser`-th pixel, bilinearly enlarged to the size that it had."""
    log = torch.from_numpy(np.log(depth))[None, None]
    small = F.interpolate(log, scale_factor=1 / coarser, mode="nearest-exact")
    back = F.interpolate(small, depth.shape, mode="bilinear", align_corners=False)
    return back.exp()[0, 0].numpy()


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise ValueError("usage: python benchmarks/depth_limits.py NYU")
    folder = Path(arguments[0])
    logs = [np.log(room.depth) for room in read_rooms(folder, "train")]
    rooms = read_rooms(folder, "test")
    found = {"mean_depth": scores([np.exp(np.mean(logs, axis=0))] * len(rooms), rooms)}
    for coarser in COARSER:
        rows, columns = (n // coarser for n in rooms[0].depth.shape)
        truths = [enlarged(room.depth, coarser) for room in rooms]
        found[f"truth_at_{columns}x{rows}"] = scores(truths, rooms)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "depth_limits")
