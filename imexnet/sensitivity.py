"""Field of view: which input pixels an output pixel depends on, and how strongly.

The *input sensitivity* of a scalar q of the output is S(x) = Σ_c |∂q / ∂x_c|. Averaged over
pixels and pictures it is the effective receptive field (Luo et al., 2016, arXiv 1701.04128). All
measures are taken on the linear map; none depends on the scale of the gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imexnet.models import FIRST_CLASS, Network, explicit_window

Question = Callable[[Any], Tensor]
"""From a model's output to the scalar whose sensitivity is asked for."""


@dataclass(frozen=True)
class Measures:
    """How far a sensitivity map reaches.

    Attributes:
        area50, area95, area99: share of the picture taken by the smallest set of pixels that
            holds 50, 95, 99 % of ΣS.
        rms_radius: √(Σ S d² / Σ S), d the distance to the asked pixel in input pixels.
        outside_window: share of ΣS outside the explicit window; exactly 0 for a ResNet.
        wrap_around: share of ΣS outside the explicit window at pixels that lie nearer to the
            asked one across an edge of the periodic grid than within the picture.
    """

    area50: float
    area95: float
    area99: float
    rms_radius: float
    outside_window: float
    wrap_around: float


@dataclass(frozen=True)
class FieldOfView:
    """S of one output pixel.

    Attributes:
        value: what the network says there: metres, or the number of the winning class.
        probability: of the winning class; None for depth.
        sensitivity: (h, w) float32 on the network's input grid, ≥ 0.
        pixel: (row, column) asked, on that grid.
        window: rows and columns of the explicit window.
        measures: how far it reaches.
    """

    value: float
    probability: float | None
    sensitivity: np.ndarray
    pixel: tuple[int, int]
    window: tuple[slice, slice]
    measures: Measures

    def to_dict(self) -> dict[str, float]:
        """The measures by name."""
        return asdict(self.measures)


def input_sensitivity(model: nn.Module, x: Tensor, question: Question) -> Tensor:
    """S(x) = Σ_c |∂q / ∂x_c| for q = question(model(x)), by one backward pass.

    Args:
        model: any module with a dense output, in eval mode: batch statistics would leak
            information from everywhere.
        x: (1, C, H, W).
        question: picks or reduces the model's output to a scalar.

    Returns:
        (H, W), on the device of x.

    Raises:
        ValueError: if the model is in training mode.
    """
    return _sensitivity_and_outputs(model, x, question)[0]


def ask(task: str, row: int, column: int) -> Question:
    """The question of a click: depth in metres, or the winner's logit minus the runner-up's."""

    def question(outputs: dict[str, Tensor]) -> Tensor:
        values = outputs[task][0, :, row, column]
        if task == "depth":
            return values[0]
        winner, runner_up = values.topk(2).values
        return winner - runner_up

    return question


def field_of_view(network: Network, task: str, x: Tensor, pixel: tuple[int, int]) -> FieldOfView:
    """S of the output of `network` at `pixel` (row, column), with its measures.

    Raises:
        ValueError: if the pixel lies outside the picture.
    """
    size = (x.shape[-2], x.shape[-1])
    if not (0 <= pixel[0] < size[0] and 0 <= pixel[1] < size[1]):
        raise ValueError(f"row {pixel[0]}, column {pixel[1]} is outside the {size} grid")
    on_device, outputs = _sensitivity_and_outputs(network, x, ask(task, *pixel))
    s = on_device.cpu().numpy()
    window = explicit_window(network.config, pixel, size)
    value, probability = _reading(task, outputs[task][0, :, pixel[0], pixel[1]])
    return FieldOfView(value, probability, s, pixel, window, measure(s, pixel, window))


def _sensitivity_and_outputs(model: nn.Module, x: Tensor, question: Question) -> tuple[Tensor, Any]:
    if model.training:
        raise ValueError("the model must be in eval mode, its normalisation local")
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        outputs = model(x)
        (gradient,) = torch.autograd.grad(question(outputs), x)
    return gradient.abs().sum(dim=1)[0], outputs


def _reading(task: str, values: Tensor) -> tuple[float, float | None]:
    values = values.detach()
    if task == "depth":
        return values.item(), None
    probability, winner = values.softmax(0).max(0)
    return float(winner.item() + FIRST_CLASS[task]), probability.item()


def measure(s: np.ndarray, pixel: tuple[int, int], window: tuple[slice, slice]) -> Measures:
    """The measures of a map S ≥ 0 (H, W); all are 0 where S vanishes everywhere."""
    s = s.astype(np.float64)
    total = s.sum()
    if total == 0:
        return Measures(0, 0, 0, 0, 0, 0)
    rows, columns = distances(s.shape[0], pixel[0]), distances(s.shape[1], pixel[1])
    d2 = rows[:, None] ** 2 + columns**2
    outside = s.copy()
    outside[window] = 0
    across = (rows > s.shape[0] / 2)[:, None] | (columns > s.shape[1] / 2)
    return Measures(
        *smallest_areas(s, (0.5, 0.95, 0.99)),
        rms_radius=float(np.sqrt((s * d2).sum() / total)),
        outside_window=float(outside.sum() / total),
        wrap_around=float(outside[across].sum() / total),
    )


def smallest_areas(s: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Share of the pixels in the smallest set that holds each of `shares` of ΣS."""
    cumulative = np.cumsum(np.sort(s, axis=None)[::-1])
    counts = np.searchsorted(cumulative, np.multiply(shares, cumulative[-1])) + 1
    return [float(count / s.size) for count in counts]


def radial_profile(s: np.ndarray, pixel: tuple[int, int]) -> np.ndarray:
    """Mean of S over the pixels at rounded distance 0, 1, 2, … from `pixel`; NaN for no pixel."""
    rows, columns = distances(s.shape[0], pixel[0]), distances(s.shape[1], pixel[1])
    ring = np.rint(np.hypot(rows[:, None], columns)).astype(int).ravel()
    counts = np.bincount(ring)
    sums = np.bincount(ring, weights=s.ravel())
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def distances(length: int, position: int) -> np.ndarray:
    """|i − position| for i = 0 … length − 1, not periodic."""
    return np.abs(np.arange(length) - float(position))
