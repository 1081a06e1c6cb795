"""A picture in, typed predictions with units out. The networks stay on their device."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from imexnet.io.camera import Camera, camera_of
from imexnet.io.photos import Photo, PhotoLike
from imexnet.models.config import ModelConfig
from imexnet.models.folding import autocast
from imexnet.models.networks import Network
from imexnet.models.tasks import TASKS, task_named

SMALLEST_GRID = 8  # pixels of the last grid along either axis, at least
SMALLEST_COARSE_GRID = 4  # and of the coarsest


class Answer:
    """What a network says of every pixel; `numpy.asarray` of it gives `values`."""

    @property
    def values(self) -> np.ndarray:
        """The raw values that are written to files."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.values.astype(dtype or self.values.dtype, copy=bool(copy))


@dataclass(frozen=True)
class Depth(Answer):
    """metres: (H, W) float32."""

    metres: np.ndarray

    @property
    def values(self) -> np.ndarray:
        return self.metres


@dataclass(frozen=True)
class Classes(Answer):
    """The winning class per pixel and its probability.

    Attributes:
        classes: (H, W) uint8; rooms 1…13 (`data.nyu.CLASSES`), Q-tips and rods 0…3, paths 0…2.
        probability: (H, W) float32, softmax of the logits.
    """

    classes: np.ndarray
    probability: np.ndarray

    @property
    def values(self) -> np.ndarray:
        return self.classes


def input_size(
    picture_size: tuple[int, int], config: ModelConfig, shown: float = 1.0
) -> tuple[int, int]:
    """(H, W) at which a picture (H, W) is shown to the network.

    As many pixels along the diagonal as in training, so that a camera's focal length in pixels does
    not depend on the aspect ratio, which is kept; whole pixels of the last grid. Or the picture's
    own size, if it is not larger than the configuration's `largest`.

    Args:
        picture_size: (H, W).
        config: of the network.
        shown: factor along either side, that of the picture's `Camera`.
    """
    height, width = picture_size
    if max(picture_size) <= config.largest:
        return picture_size
    scale = shown * math.hypot(*config.size) / math.hypot(height, width)
    shortest = max(SMALLEST_GRID * config.stride, SMALLEST_COARSE_GRID * config.coarsest)
    longest = math.prod(config.size) // shortest

    def whole(side: int) -> int:
        return max(shortest, round(min(side * scale, longest) / config.stride) * config.stride)

    return whole(height), whole(width)


def resize(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at (H, W) by area averages: enlarged by a whole factor and back, it is itself."""
    return picture.resize((size[1], size[0]), Image.Resampling.BOX)


def to_input(
    photo: PhotoLike,
    config: ModelConfig,
    device: torch.device | str,
    camera: Camera | None = None,
) -> Tensor:
    """The photo as the network takes it: (1, C, h, w) float32 on [0, 1], on the device.

    Args:
        photo: any that `Photo.of` takes.
        config: of the network.
        device: where it is.
        camera: of the photo; by default the networks' own. It counts for rooms alone.
    """
    photo = Photo.of(photo)
    mode = "L" if config.channels == 1 else "RGB"
    shown = 1.0 if camera is None or "depth" not in dict(config.heads) else camera.shown
    height, width = input_size(photo.shape, config, shown)
    resized = resize(photo.shrunk().picture.convert(mode), (height, width))
    array = np.array(resized, np.float32).reshape(height, width, config.channels) / 255
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).contiguous().to(device)


def to_grid(
    pixel: tuple[int, int], size: tuple[int, int], grid: tuple[int, int]
) -> tuple[int, int]:
    """The cell of an (h, w) grid that holds the centre of a picture's pixel (row, column).

    Raises:
        ValueError: if the pixel lies outside the picture, which has `size` (H, W).
    """
    row, column = pixel
    if not (0 <= row < size[0] and 0 <= column < size[1]):
        raise ValueError(
            f"column {column}, row {row} lies outside the picture of {size[1]} × {size[0]} pixels"
        )
    return int((row + 0.5) * grid[0] / size[0]), int((column + 0.5) * grid[1] / size[1])


def forward(network: Network, x: Tensor) -> tuple[dict[str, Tensor], Callable[[], float]]:
    """All heads' outputs for one input, and a callable that returns the seconds it took.

    On a processor, convolutions run in the network's `precision`. On CUDA they run in bfloat16, and
    nothing waits: the seconds lie between two events, and asking for them waits for the second. Ask
    when the outputs have been used.
    """
    precision = torch.bfloat16 if x.is_cuda else network.precision
    with torch.inference_mode(), autocast(x.device, precision):
        if x.is_cuda:
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            outputs = network(x)
            last.record()
            return outputs, lambda: _between(first, last)
        start = time.perf_counter()
        outputs = network(x)
        taken = time.perf_counter() - start
        return outputs, lambda: taken


def in_metres(outputs: dict[str, Tensor], depth_scale: float) -> dict[str, Tensor]:
    """The outputs with depth in metres for a photo's own camera.

    Args:
        outputs: of a network, whose metres are those of the Kinect: see `io.camera`.
        depth_scale: of the photo's `Camera`.
    """
    if depth_scale == 1 or "depth" not in outputs:
        return outputs
    with torch.inference_mode():
        return outputs | {"depth": outputs["depth"] * depth_scale}


def answer(task: str, outputs: dict[str, Tensor], size: tuple[int, int]) -> Depth | Classes:
    """The outputs of one task at (H, W), bilinear in metres or in logits."""
    with torch.inference_mode():
        y = outputs[task]
        if not TASKS[task].classes:
            return Depth(_resize(y, size)[0, 0].cpu().numpy())
        # Class by class, so that a photo of many megapixels never needs 13 planes of its size.
        best = total = _resize(y[:, :1], size)  # total: log Σ exp of the logits so far
        classes = torch.zeros_like(best, dtype=torch.uint8)
        for k in range(1, y.shape[1]):
            logit = _resize(y[:, k : k + 1], size)
            classes.masked_fill_(logit > best, k)
            best, total = torch.maximum(best, logit), torch.logaddexp(total, logit)
        classes += TASKS[task].first_class
        return Classes(classes[0, 0].cpu().numpy(), (best - total).exp()[0, 0].cpu().numpy())


@overload
def predict(
    photo: PhotoLike, network: Network, task: Literal["depth"], focal_length: float | None = None
) -> Depth: ...
@overload
def predict(
    photo: PhotoLike,
    network: Network,
    task: Literal["segmentation", "qtips", "rods", "paths"],
    focal_length: float | None = None,
) -> Classes: ...
@overload
def predict(
    photo: PhotoLike, network: Network, task: str, focal_length: float | None = None
) -> Depth | Classes: ...
def predict(
    photo: PhotoLike, network: Network, task: str, focal_length: float | None = None
) -> Depth | Classes:
    """A network's answer for a photo, at the photo's own size: depth in metres, or classes.

    The photo is shown to the network upright, in sRGB and on white, with the diagonal of the
    training pictures: see `io.photos` and `input_size`. Depth is that of the photo's own camera:
    see `io.camera`.

    Args:
        photo: a path, a Pillow picture, or an array: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA,
            of bytes, or in floating point on [0, 1]; or what `read_photo` made of a file.
        network: in eval mode, as `load_pretrained` gives it; all is worked out on its device.
        task: one of the network's: "depth" and "segmentation", or "qtips", "rods" or "paths".
        focal_length: of the camera, 35 mm equivalent in mm; by default as the photo's EXIF says,
            or where it does not, that of the Kinect.

    Returns:
        `Depth` or `Classes`, whose arrays are (H, W) as the upright photo.

    Raises:
        TypeError: if the photo or the network is something else.
        ValueError: for a file that cannot be read, a picture that is too large or too narrow, an
            array of other values, a network in training mode, a task that it does not have, or a
            focal length that no camera has.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"the network must be one that load_pretrained gives, got {type(network).__name__}"
        )
    if any(part.training for part in network.modules()):
        raise ValueError("the network must be in eval mode: network.eval()")
    if task_named(task).name not in network.heads:
        heads = " and ".join(network.heads)
        raise ValueError(f"this network answers {heads}, not {task}")
    photo = Photo.of(photo)
    camera = camera_of(photo, focal_length)
    x = to_input(photo, network.config, network.mean.device, camera)
    return predict_input(network, task, x, photo.shape, camera.depth_scale)


def predict_input(
    network: Network,
    task: str,
    x: Tensor,
    size: tuple[int, int] | None = None,
    depth_scale: float = 1.0,
) -> Depth | Classes:
    """The network's answer for one picture that is its input already.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, h, w) from `to_input`, on the network's device.
        size: (H, W) of the answer, the input's by default.
        depth_scale: of the photo's `Camera`.
    """
    outputs = in_metres(forward(network, x)[0], depth_scale)
    return answer(task, outputs, size or (x.shape[-2], x.shape[-1]))


def _between(first: torch.cuda.Event, last: torch.cuda.Event) -> float:
    last.synchronize()
    return first.elapsed_time(last) / 1000


def _resize(y: Tensor, size: tuple[int, int]) -> Tensor:
    if (y.shape[-2], y.shape[-1]) == size:
        return y
    return F.interpolate(y, size, mode="bilinear", align_corners=False)
