"""Hide a part of a picture and see what becomes of the answers: the causal question."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from imexnet.data.drawn import BACKGROUND
from imexnet.inference import forward, in_metres, to_grid, to_input
from imexnet.io.camera import Camera
from imexnet.models.networks import Network
from imexnet.models.tasks import Task, task_named
from imexnet.sensitivity.field_of_view import ClassReading, Metres, read_output

GREY = 128
BLUR = 1 / 8  # standard deviation, of the shorter side
GRAIN = 1 / 64  # side of a square of noise, of the shorter side
SEED = 0  # of the noise


@dataclass(frozen=True)
class Answered:
    """A network's answers to a picture before and after a part of it was hidden.

    Attributes:
        before, after: at the pixel.
        change: (h, w) float32 on the network's grid: metres after minus before; or the change of
            the probability of the class that won before.
        flipped: (h, w) bool, where another class wins; nowhere for depth.
    """

    before: Metres | ClassReading
    after: Metres | ClassReading
    change: np.ndarray
    flipped: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Both answers, the largest change of either sign, and the share that flipped."""
        before, after = (
            read.value if isinstance(read, Metres) else read.name
            for read in (self.before, self.after)
        )
        extreme = self.change.flat[np.abs(self.change).argmax()]
        found = {"before": before, "after": after, "largest_change": float(extreme)}
        if isinstance(self.before, ClassReading):
            found["flipped"] = float(self.flipped.mean())
        return found


def hidden(
    picture: np.ndarray, mask: np.ndarray, filling: str = "grey", grey: int = GREY
) -> np.ndarray:
    """The picture, filled where the mask is true.

    Args:
        picture: (H, W) or (H, W, C) uint8.
        mask: (H, W) bool.
        filling: grey; blur, of all that is there; or noise, the same every time.
        grey: that value, on 0 … 255.

    Raises:
        ValueError: for a mask of another size or type, or another filling.
    """
    if filling not in FILLINGS:
        raise ValueError(f"the filling must be one of {', '.join(FILLINGS)}, got {filling!r}")
    if mask.dtype != bool or mask.shape != picture.shape[:2]:
        raise ValueError(
            f"the mask must be true or false for each of {picture.shape[:2]} pixels, "
            f"got {mask.shape} of {mask.dtype}"
        )
    found = picture.copy()
    found[mask] = FILLINGS[filling](picture, grey)[mask]
    return found


def box(size: tuple[int, int], corner: tuple[int, int], other: tuple[int, int]) -> np.ndarray:
    """A mask of `size` (H, W), true between two corners (row, column), both included.

    Raises:
        ValueError: for a corner outside.
    """
    mask = np.zeros(size, bool)
    for point in (corner, other):
        to_grid(point, size, size)
    rows, columns = (slice(min(ends), max(ends) + 1) for ends in zip(corner, other, strict=True))
    mask[rows, columns] = True
    return mask


def hide_and_see(
    networks: Mapping[str, Network],
    task: str,
    picture: np.ndarray,
    mask: np.ndarray,
    pixel: tuple[int, int],
    filling: str = "grey",
    camera: Camera | None = None,
    ask: Callable[[Network, Tensor], tuple[dict[str, Tensor], Any]] = forward,
) -> tuple[np.ndarray, dict[str, Answered]]:
    """The picture with a part hidden, and network → its answers before and after.

    Args:
        networks: by name, in eval mode.
        task: one of their heads.
        picture: (H, W) or (H, W, 3) uint8.
        mask: (H, W) bool, true where the picture is hidden.
        pixel: (row, column) of the picture.
        filling: see `hidden`.
        camera: of the picture; by default the networks' own.
        ask: a network's outputs for an input, as `forward` gives them; one that remembers saves
            half the time of the next stroke.

    Raises:
        ValueError: for a pixel outside the picture, and as `hidden`.
    """
    known = task_named(task)
    # Rods and curves are middle grey themselves, so a drawing gets its background.
    covered = hidden(picture, mask, filling, BACKGROUND if known.drawn else GREY)
    found = {}
    for kind, network in networks.items():
        before, after = (
            _output(ask(network, _input(network, shown, camera))[0], task, camera)
            for shown in (picture, covered)
        )
        cell = to_grid(pixel, (mask.shape[0], mask.shape[1]), (before.shape[-2], before.shape[-1]))
        found[kind] = _answered(known, before, after, cell)
    return covered, found


def _input(network: Network, picture: np.ndarray, camera: Camera | None) -> Tensor:
    return to_input(Image.fromarray(picture), network.config, network.mean.device, camera)


def _output(outputs: dict[str, Tensor], task: str, camera: Camera | None) -> Tensor:
    """(C, h, w)."""
    return in_metres(outputs, camera.depth_scale if camera else 1.0)[task][0].float()


def _answered(task: Task, before: Tensor, after: Tensor, cell: tuple[int, int]) -> Answered:
    here = (slice(None), *(slice(i, i + 1) for i in cell))
    if task.classes:
        winner = before.argmax(0, keepdim=True)
        first, second = (y.softmax(0).gather(0, winner)[0] for y in (before, after))
        flipped = after.argmax(0) != winner[0]
    else:
        first, second = before[0], after[0]
        flipped = torch.zeros_like(first, dtype=torch.bool)
    return Answered(
        read_output(task, before[here]),
        read_output(task, after[here]),
        (second - first).cpu().numpy(),
        flipped.cpu().numpy(),
    )


def _grey(picture: np.ndarray, grey: int) -> np.ndarray:
    return np.full_like(picture, grey)


def _blur(picture: np.ndarray, _: int) -> np.ndarray:
    radius = BLUR * min(picture.shape[:2])
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def _noise(picture: np.ndarray, _: int) -> np.ndarray:
    side = max(1, round(GRAIN * min(picture.shape[:2])))
    rows, columns = (-(-n // side) for n in picture.shape[:2])
    random = np.random.default_rng(SEED)
    grains = random.integers(0, 256, (rows, columns, *picture.shape[2:]), np.uint8)
    whole = grains.repeat(side, axis=0).repeat(side, axis=1)
    return whole[: picture.shape[0], : picture.shape[1]]


FILLINGS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "grey": _grey,
    "blur": _blur,
    "noise": _noise,
}
