"""A picture in, typed predictions with units out. The networks stay on their device."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from imexnet.models import ModelConfig, Network

TASKS = ("depth", "segmentation", "qtips")
FIRST_CLASS = {"segmentation": 1, "qtips": 0}  # number of the class that logit 0 stands for
SMALLEST_GRID = 8  # pixels of the last grid along either axis


@dataclass(frozen=True)
class Depth:
    """metres: (H, W) float32."""

    metres: np.ndarray


@dataclass(frozen=True)
class Classes:
    """The winning class per pixel and its probability.

    Attributes:
        classes: (H, W) uint8; rooms 1…13 (`data.nyu.CLASSES`), Q-tips 0…3.
        probability: (H, W) float32, softmax of the logits.
    """

    classes: np.ndarray
    probability: np.ndarray


def input_size(picture_size: tuple[int, int], config: ModelConfig) -> tuple[int, int]:
    """(H, W) at which a picture (H, W) is shown to the network.

    As many pixels as in training, the picture's aspect ratio, whole pixels of the last grid.
    """
    height, width = picture_size
    scale = math.sqrt(math.prod(config.size) / (height * width))
    longest = math.prod(config.size) // (SMALLEST_GRID * config.stride)

    def whole(side: int) -> int:
        cells = round(min(side * scale, longest) / config.stride)
        return max(SMALLEST_GRID, cells) * config.stride

    return whole(height), whole(width)


def resize(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at (H, W) by area averages: enlarged by a whole factor and back, it is itself."""
    return picture.resize((size[1], size[0]), Image.Resampling.BOX)


def to_input(picture: Image.Image, config: ModelConfig, device: torch.device | str) -> Tensor:
    """The picture as the network takes it: (1, C, h, w) float32 on [0, 1], on the device."""
    mode = "L" if config.channels == 1 else "RGB"
    height, width = input_size((picture.height, picture.width), config)
    resized = resize(picture.convert(mode), (height, width))
    array = np.array(resized, np.float32).reshape(height, width, config.channels) / 255
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).contiguous().to(device)


def predict(
    network: Network, task: str, x: Tensor, size: tuple[int, int] | None = None
) -> Depth | Classes:
    """The network's answer for one picture.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, h, w) from `to_input`, on the network's device.
        size: (H, W) of the answer, the input's by default; bilinear in metres or logits.
    """
    return predict_timed(network, task, x, size)[0]


def predict_timed(
    network: Network, task: str, x: Tensor, size: tuple[int, int] | None = None
) -> tuple[Depth | Classes, float]:
    """`predict`, and the seconds that the network itself took on its device."""
    with torch.inference_mode():
        _synchronise(x.device)
        start = time.perf_counter()
        y = network(x)[task]
        _synchronise(x.device)
        seconds = time.perf_counter() - start
        return _finish(task, y, size or (x.shape[-2], x.shape[-1])), seconds


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _finish(task: str, y: Tensor, size: tuple[int, int]) -> Depth | Classes:
    if task == "depth":
        return Depth(_resize(y, size)[0, 0].cpu().numpy())
    # Class by class, so that a photo of many megapixels never needs 13 planes of its size.
    best = total = _resize(y[:, :1], size)  # total: log Σ exp of the logits so far
    classes = torch.zeros_like(best, dtype=torch.uint8)
    for k in range(1, y.shape[1]):
        logit = _resize(y[:, k : k + 1], size)
        classes.masked_fill_(logit > best, k)
        best, total = torch.maximum(best, logit), torch.logaddexp(total, logit)
    classes += FIRST_CLASS[task]
    return Classes(classes[0, 0].cpu().numpy(), (best - total).exp()[0, 0].cpu().numpy())


def _resize(y: Tensor, size: tuple[int, int]) -> Tensor:
    if (y.shape[-2], y.shape[-1]) == size:
        return y
    return F.interpolate(y, size, mode="bilinear", align_corners=False)
