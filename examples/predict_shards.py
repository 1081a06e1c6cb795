"""Depth of every photo in tar shards (WebDataset), each process taking its share of the shards.

    torchrun --nproc-per-node 2 examples/predict_shards.py 'photos-{000..999}.tar' OUT

runs on one machine; with `--nnodes`, `--node-rank` and a shared folder on several. A shard of
photos (NAME.jpg, NAME.png, NAME.heic, …) becomes one of depth maps, NAME.depth.png, 16-bit
millimetres at the photo's own size, scaled by the focal length that its EXIF names. A shard is
complete or not there: a run that was stopped goes on where it was.
"""

import io
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from braceexpand import braceexpand
from PIL import Image
from torch import Tensor
from webdataset.compat import WebDataset
from webdataset.writer import TarWriter

from imexnet.inference import answer, forward, in_metres, to_input
from imexnet.io.camera import Camera, camera_of
from imexnet.io.files import replacing
from imexnet.io.photos import Photo, endings, read_photo
from imexnet.models.checkpoints import load_pretrained
from imexnet.models.folding import fold
from imexnet.models.networks import Network
from imexnet.program import run

PHOTOS = [ending.removeprefix(".") for ending in sorted(endings())]
BATCH = 16


def photos(shard: str) -> Iterator[tuple[str, Photo]]:
    """Name and photo of each sample; one that cannot be read is named on stderr and left out.

    Of several photos with one name (NAME.jpg, NAME.png) each keeps its ending (NAME.jpg).
    """
    for sample in WebDataset(shard, nodesplitter=None, shardshuffle=False):
        # WebDataset ends a name at its first dot: of IMG.2024.jpg the suffix is 2024.jpg.
        files = {f"{sample['__key__']}.{suffix}": content for suffix, content in sample.items()}
        pictures = [file for file in files if file.rpartition(".")[2] in PHOTOS]
        namesakes = Counter(file.rpartition(".")[0] for file in pictures)
        for file in pictures:
            name = file.rpartition(".")[0]
            name = name if namesakes[name] == 1 else file
            try:
                yield name, read_photo(io.BytesIO(files[file]))
            except ValueError as error:
                print(f"{shard}: {name}: {error}", file=sys.stderr)


def batches(
    samples: Iterable[tuple[str, Photo]], network: Network
) -> Iterator[tuple[list[str], list[Camera], Tensor]]:
    """Names, cameras and inputs of consecutive photos that the network sees at one size."""
    device = network.mean.device
    seen = ((name, camera_of(photo), photo) for name, photo in samples)
    inputs = ((name, c, to_input(photo, network.config, device, c)) for name, c, photo in seen)
    for _, group in itertools.groupby(inputs, key=lambda item: item[2].shape):
        while batch := list(itertools.islice(group, BATCH)):
            names, cameras, x = zip(*batch, strict=True)
            yield list(names), list(cameras), torch.cat(x)


def predict_shard(network: Network, shard: str, out: Path) -> int:
    """Writes the depth maps of one shard; how many."""
    count = 0
    with replacing(out) as temporary, TarWriter(str(temporary)) as writer:
        for names, cameras, x in batches(photos(shard), network):
            depths = forward(network, x)[0]["depth"].split(1)
            for name, camera, depth in zip(names, cameras, depths, strict=True):
                own = in_metres({"depth": depth}, camera.depth_scale)
                metres = answer("depth", own, (camera.size[1], camera.size[0])).values
                millimetres = (metres * 1000).round().clip(0, np.iinfo(np.uint16).max)
                png = io.BytesIO()
                Image.fromarray(millimetres.astype(np.uint16)).save(png, "PNG")
                writer.write({"__key__": name, "depth.png": png.getvalue()})
                count += 1
    return count


def main(pattern: str, folder: str) -> None:
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = f"cuda:{local}" if torch.cuda.is_available() else "cpu"
    shards = list(braceexpand(pattern))
    outs = [Path(folder) / f"{Path(shard).stem}-depth.tar" for shard in shards]
    if len({*outs}) < len(shards):
        raise ValueError("two shards have one name: give each folder an OUT of its own")
    network = fold(load_pretrained("indoor-imexnet", device))
    count, begin = 0, time.perf_counter()
    for shard, out in list(zip(shards, outs, strict=True))[rank::processes]:
        if not out.exists():
            count += predict_shard(network, shard, out)
    seconds = time.perf_counter() - begin
    print(f"process {rank}: {count} photos in {seconds:.1f} s, {count / seconds:.1f} photos/s")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: predict_shards.py 'SHARDS-{000..999}.tar' OUT")
    run(lambda: main(*sys.argv[1:]), "predict_shards")
