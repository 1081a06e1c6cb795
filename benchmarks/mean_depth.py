"""The floor of the depth table: predict each pixel's mean log-depth over the training photos."""

import json
import sys
from pathlib import Path

import numpy as np

from imexnet.data.nyu import read_rooms
from imexnet.metrics import depth_scores, eigen_crop, mean_depth_scores
from imexnet.program import run


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise ValueError("usage: python benchmarks/mean_depth.py NYU")
    folder = Path(arguments[0])
    logs = [np.log(room.depth) for room in read_rooms(folder, "train")]
    floor = np.exp(np.mean(logs, axis=0))
    crop = eigen_crop((floor.shape[0], floor.shape[1]))
    rooms = read_rooms(folder, "test")
    print(json.dumps(mean_depth_scores([depth_scores(floor[crop], r.depth[crop]) for r in rooms])))


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "mean_depth")
