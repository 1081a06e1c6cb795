"""Field of view: which input pixels an output pixel depends on, and how strongly.

The *input sensitivity* of a scalar q of the output is S(x) = Σ_c |∂q / ∂x_c|. Averaged over
pixels and pictures it is the effective receptive field (Luo et al., 2016, arXiv 1701.04128).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imexnet.models.networks import Network
from imexnet.models.tasks import FIRST_CLASS
from imexnet.sensitivity.measures import Measures, Region, measure, region
from imexnet.sensitivity.window import explicit_window
from imexnet.spectral.symbols import computing_type

Scalar = Callable[[Any], Tensor]
"""From a model's output to the scalar q whose sensitivity is asked for."""


@dataclass(frozen=True)
class FieldOfView:
    """S of one output pixel or box; or of all outputs for one input pixel, see `influence`.

    Attributes:
        value: what the network says there: metres, or the number of the class that wins or that
            was asked for.
        probability: of that class; None for depth. In a box, value and probability are of means.
        sensitivity: (h, w) float32 on the network's grid, ≥ 0.
        derivative: (C, h, w), the signed ∂q / ∂x_c; or (1, h, w) of an `influence`.
        asked: rows and columns of the pixel or box on that grid.
        window: rows and columns of the explicit window.
        measures: how far it reaches.
    """

    value: float
    probability: float | None
    sensitivity: np.ndarray
    derivative: np.ndarray
    asked: Region
    window: Region
    measures: Measures

    def to_dict(self) -> dict[str, float]:
        """The measures by name."""
        return asdict(self.measures)


def input_sensitivity(model: nn.Module, x: Tensor, question: Scalar) -> Tensor:
    """S(x) = Σ_c |∂q / ∂x_c| for q = question(model(x)), by one backward pass.

    It works under `no_grad` and in inference mode, and leaves model and picture as they are.

    Args:
        model: any module with a dense output, in eval mode with all that it holds: batch
            statistics would leak information from everywhere.
        x: (1, C, H, W), of a floating point type.
        question: picks or reduces the model's output to a scalar.

    Returns:
        (H, W), on the device of x.

    Raises:
        ValueError: if the model is in training mode, the picture or the scalar is not what it
            should be, or the derivative does not exist.
    """
    return _derivative_and_outputs(model, x, question)[0].abs().sum(dim=0)


def ask(task: str, asked: Region, class_number: int | None = None) -> Scalar:
    """The mean over a region of depth in metres, or of logits.

    Args:
        task: one of the network's heads.
        asked: rows and columns of the output.
        class_number: whose logit is asked for; by default the winner's minus the runner-up's.

    Raises:
        ValueError: for a class of depth.
    """
    if class_number is not None and task == "depth":
        raise ValueError("depth has no classes to ask for")

    def question(outputs: dict[str, Tensor]) -> Tensor:
        values = outputs[task][0][(slice(None), *asked)]
        return _reduced(task, values, class_number).mean()

    return question


def field_of_view(
    network: Network,
    task: str,
    x: Tensor,
    pixel: tuple[int, int],
    other: tuple[int, int] | None = None,
    class_number: int | None = None,
) -> FieldOfView:
    """S of the output of `network` at `pixel` (row, column), with its measures.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, H, W).
        pixel: (row, column) of the output.
        other: the opposite corner, for the mean over a box.
        class_number: whose logit is asked for; see `ask`.

    Raises:
        ValueError: if the pixel lies outside the picture, or there is no such class.
    """
    size = (x.shape[-2], x.shape[-1])
    asked = region(size, pixel, other)
    _check_class(network, task, class_number)
    derivative, outputs = _derivative_and_outputs(network, x, ask(task, asked, class_number))
    window = _hull(network, asked, size)
    return _view(task, derivative, outputs, asked, window, class_number)


def influence(
    network: Network, task: str, x: Tensor, pixel: tuple[int, int], class_number: int | None = None
) -> FieldOfView:
    """R(p) = |Σ_c ∂q_p / ∂x_c| for every output p: what a brighter input pixel moves.

    The reverse of `field_of_view`, by one forward-mode pass (`torch.func.jvp`) along the grey
    direction at the pixel; q_p as in `ask`. The window holds all outputs whose explicit window
    holds the pixel.
    """
    size = (x.shape[-2], x.shape[-1])
    asked = region(size, pixel)
    _check_class(network, task, class_number)
    with differentiable(network, x) as leaf, torch.no_grad():
        direction = torch.zeros_like(leaf)
        direction[..., pixel[0], pixel[1]] = 1
        outputs, changes = torch.func.jvp(network, (leaf.detach(),), (direction,))[:2]
    if task == "depth":
        derivative = changes[task][0]
    elif class_number is not None:
        number = class_number - FIRST_CLASS[task]
        derivative = changes[task][0, number : number + 1]
    else:
        first = outputs[task].topk(2, dim=1).indices
        winner, runner_up = changes[task].gather(1, first)[0]
        derivative = (winner - runner_up)[None]
    _check_finite(derivative)
    window = _reaching(network, pixel, size)
    return _view(task, derivative, outputs, asked, window, class_number)


def _check_class(network: Network, task: str, class_number: int | None) -> None:
    if class_number is None or task == "depth":
        return
    first, count = FIRST_CLASS[task], dict(network.config.heads)[task]
    if not first <= class_number < first + count:
        raise ValueError(f"classes are {first} … {first + count - 1}, got {class_number}")


@contextmanager
def differentiable(model: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """A copy of a picture to differentiate by, in whatever mode the caller is.

    Args:
        model: what it will be given to, in eval mode.
        x: (1, C, H, W).

    Raises:
        ValueError: if a part of the model is in training mode, or for a picture that is not one.
    """
    if training := [name or "the whole" for name, part in model.named_modules() if part.training]:
        raise ValueError(
            f"the model must be in eval mode, its normalisation local; in training: {training[0]}"
        )
    if x.dim() != 4 or x.shape[0] != 1 or not x.is_floating_point():
        raise ValueError(
            "the picture must be one of (1, C, H, W) in floating point, "
            f"got {tuple(x.shape)} in {x.dtype}"
        )
    if any(weight.is_inference() for weight in (*model.parameters(), *model.buffers())):
        raise ValueError("the model was made in inference mode, where weights carry no gradients")
    with torch.inference_mode(False), torch.enable_grad():
        yield x.clone().detach().requires_grad_()


def _derivative_and_outputs(model: nn.Module, x: Tensor, question: Scalar) -> tuple[Tensor, Any]:
    with differentiable(model, x) as leaf:
        outputs = model(leaf.clone())  # a model may work in place
        return gradient(question(outputs), leaf)[0], outputs


def gradient(q: Tensor, x: Tensor, keep_graph: bool = False) -> Tensor:
    """∂q / ∂x, of the shape of x; the graph can be kept for another q.

    Raises:
        ValueError: if q is not one real number, does not depend on x, or one of both is not finite.
    """
    if not isinstance(q, Tensor) or q.numel() != 1 or not q.is_floating_point():
        found = f"{tuple(q.shape)} in {q.dtype}" if isinstance(q, Tensor) else type(q).__name__
        raise ValueError(f"the question must give one real number as a tensor, got {found}")
    _check_finite(q)
    found = None
    if q.requires_grad:
        (found,) = torch.autograd.grad(q.sum(), x, allow_unused=True, retain_graph=keep_graph)
    if found is None:
        raise ValueError(
            "the answer does not depend on the picture, or the model keeps gradients from it"
        )
    _check_finite(found)
    return found


def _check_finite(values: Tensor) -> None:
    if not values.is_meta and not values.isfinite().all():
        raise ValueError("the answer or its derivative is infinite or not a number")


def _view(
    task: str,
    derivative: Tensor,
    outputs: dict[str, Tensor],
    asked: Region,
    window: Region,
    class_number: int | None,
) -> FieldOfView:
    signed = derivative.detach().to(computing_type(derivative)).cpu().numpy()
    s = np.abs(signed).sum(axis=0)
    value, probability = _reading(task, outputs[task][0][(slice(None), *asked)], class_number)
    return FieldOfView(value, probability, s, signed, asked, window, measure(s, asked, window))


def _reduced(task: str, values: Tensor, class_number: int | None) -> Tensor:
    """What is asked of outputs (C, h, w), at each pixel: (h, w)."""
    if task == "depth":
        return values[0]
    if class_number is not None:
        return values[class_number - FIRST_CLASS[task]]
    winner, runner_up = values.topk(2, dim=0).values
    return winner - runner_up


def _reading(
    task: str, values: Tensor, class_number: int | None = None
) -> tuple[float, float | None]:
    values = values.detach()
    if task == "depth":
        return values.mean().item(), None
    probabilities = values.softmax(0).mean(dim=(1, 2))
    first = FIRST_CLASS[task]
    number = int(probabilities.argmax()) if class_number is None else class_number - first
    return float(number + first), probabilities[number].item()


def _hull(network: Network, asked: Region, size: tuple[int, int]) -> Region:
    """The explicit windows of all pixels asked for, from the first corner's to the last one's."""
    first = explicit_window(network.config, (asked[0].start, asked[1].start), size)
    last = explicit_window(network.config, (asked[0].stop - 1, asked[1].stop - 1), size)
    return slice(first[0].start, last[0].stop), slice(first[1].start, last[1].stop)


def _reaching(network: Network, pixel: tuple[int, int], size: tuple[int, int]) -> Region:
    """Outputs whose explicit window holds the pixel: rows and columns, each without a gap."""
    found = []
    for axis in (0, 1):
        held = []
        for position in range(size[axis]):
            at = (position, 0) if axis == 0 else (0, position)
            window = explicit_window(network.config, at, size)[axis]
            if window.start <= pixel[axis] < window.stop:
                held.append(position)
        found.append(slice(held[0], held[-1] + 1))
    return found[0], found[1]
