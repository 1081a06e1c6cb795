"""Field of view: which input pixels an output pixel depends on, and how strongly.

The *input sensitivity* of a scalar q of the output is S(x) = Σ_c |∂q / ∂x_c|. Averaged over
pixels and pictures it is the effective receptive field (Luo et al., 2016, arXiv 1701.04128).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from imexnet.models.networks import Network
from imexnet.models.tasks import Task, task_named
from imexnet.sensitivity.attribution import Attribution, Target
from imexnet.sensitivity.measures import Measures, Region, measure, region
from imexnet.sensitivity.window import explicit_window
from imexnet.spectral.symbols import computing_type

Scalar = Callable[[Any], Tensor]
"""From a model's output to the scalar q whose sensitivity is asked for."""


@dataclass(frozen=True)
class Metres:
    """Depth at a pixel, or the mean over a box."""

    value: float


@dataclass(frozen=True)
class ClassReading:
    """A class at a pixel, or in a box.

    Attributes:
        number: of the class, the one that wins or that was asked for.
        name: of the same.
        probability: of the same; in a box, the mean.
    """

    number: int
    name: str
    probability: float


@dataclass(frozen=True)
class FieldOfView:
    """S of one output pixel or box; or of all outputs for one input pixel, see `influence`.

    Attributes:
        reading: what the network says there.
        sensitivity: (h, w) float32 on the network's grid, ≥ 0: Σ_c of the absolute derivative.
        derivative: (C, h, w), the signed ∂q / ∂x_c, or another attribution to x_c; or (1, h, w)
            of an occlusion or an `influence`.
        asked: rows and columns of the pixel or box on that grid.
        window: rows and columns of the explicit window.
        measures: how far it reaches.
    """

    reading: Metres | ClassReading
    sensitivity: np.ndarray
    derivative: np.ndarray
    asked: Region
    window: Region
    measures: Measures

    def to_dict(self) -> dict[str, float]:
        """The measures by name."""
        return asdict(self.measures)

    def scaled(self, factor: float) -> "FieldOfView":
        """That of factor · q, q a depth; the measures stay."""
        if factor == 1 or not isinstance(self.reading, Metres):
            return self
        return replace(
            self,
            reading=Metres(factor * self.reading.value),
            sensitivity=factor * self.sensitivity,
            derivative=factor * self.derivative,
        )


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
        ValueError: for a task or a class that is not there.
    """
    known = _checked(task, class_number)
    where = (0, slice(None), *asked)
    return lambda outputs: known.quantity(outputs[task][where], class_number).mean()


def _checked(task: str, class_number: int | None) -> Task:
    """The task, if it has such a class: before the network runs, not after."""
    known = task_named(task)
    if class_number is not None:
        known.logit(class_number)
    return known


def field_of_view(
    network: Network,
    task: str,
    x: Tensor,
    pixel: tuple[int, int],
    other: tuple[int, int] | None = None,
    class_number: int | None = None,
    attribute: Attribution | None = None,
) -> FieldOfView:
    """S of the output of `network` at `pixel` (row, column), with its measures.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, H, W).
        pixel: (row, column) of the output.
        other: the opposite corner, for the mean over a box.
        class_number: whose logit is asked for; see `ask`.
        attribute: in place of the gradient, which comes with the answer; see `METHODS`.

    Raises:
        ValueError: if the pixel lies outside the picture, or there is no such class.
    """
    size = (x.shape[-2], x.shape[-1])
    asked = region(size, pixel, other)
    window = _hull(network, asked, size)
    if attribute is None:
        derivative, outputs = _derivative_and_outputs(network, x, ask(task, asked, class_number))
    else:
        with differentiable(network, x) as leaf, torch.no_grad():
            outputs = network(leaf)
            q = _pinned(_checked(task, class_number), outputs, asked, class_number)
            derivative = attribute(Target(lambda pictures: q(network(pictures)), window), leaf)
        _check_finite(derivative)
    return _view(task_named(task), derivative, outputs, asked, window, class_number)


def _pinned(
    task: Task, outputs: dict[str, Tensor], asked: Region, class_number: int | None
) -> Scalar:
    """As `ask`, of each picture: winner and runner-up stay those of `outputs` in all of them."""
    where = (slice(None), slice(None), *asked)
    if task.classes and class_number is None:
        pair = outputs[task.name][where].topk(2, dim=1).indices

        def margin(others: dict[str, Tensor]) -> Tensor:
            y = others[task.name][where]
            first, second = y.gather(1, pair.expand(len(y), -1, -1, -1)).unbind(1)
            return (first - second).mean((1, 2))

        return margin
    return lambda others: task.quantity(others[task.name][where], class_number).mean((1, 2))


def influence(
    network: Network, task: str, x: Tensor, pixel: tuple[int, int], class_number: int | None = None
) -> FieldOfView:
    """R(p) = |Σ_c ∂q_p / ∂x_c| for every output p: what a brighter input pixel moves.

    The reverse of `field_of_view`, by one forward-mode pass (`torch.func.jvp`) along the grey
    direction at the pixel; q_p as in `ask`. The window holds all outputs whose explicit window
    holds the pixel.

    Args:
        network: in eval mode.
        task: one of its heads.
        x: (1, C, H, W).
        pixel: (row, column) of the input.
        class_number: whose logit is meant; by default the winner's minus the runner-up's.

    Returns:
        The `sensitivity` of it is R, the `derivative` its signed form, (1, H, W).

    Raises:
        ValueError: for a pixel, a task or a class that is not there, and as `input_sensitivity`.
    """
    size = (x.shape[-2], x.shape[-1])
    asked = region(size, pixel)
    known = _checked(task, class_number)

    def answered(picture: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        outputs = network(picture)
        return known.quantity(outputs[task][0], class_number), outputs

    with differentiable(network, x) as leaf, torch.no_grad():
        direction = torch.zeros_like(leaf)
        direction[..., pixel[0], pixel[1]] = 1
        found = torch.func.jvp(answered, (leaf.detach(),), (direction,), has_aux=True)
        _, change, outputs = cast(tuple[Tensor, Tensor, dict[str, Tensor]], found)
    _check_finite(change)
    derivative = change[None]
    window = _reaching(network, pixel, size)
    return _view(known, derivative, outputs, asked, window, class_number)


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
    task: Task,
    derivative: Tensor,
    outputs: dict[str, Tensor],
    asked: Region,
    window: Region,
    class_number: int | None,
) -> FieldOfView:
    signed = derivative.detach().to(computing_type(derivative)).cpu().numpy()
    s = np.abs(signed).sum(axis=0)
    reading = read_output(task, outputs[task.name][0][(slice(None), *asked)], class_number)
    return FieldOfView(reading, s, signed, asked, window, measure(s, asked, window))


def read_output(
    task: Task, values: Tensor, class_number: int | None = None
) -> Metres | ClassReading:
    """What outputs (C, h, w) say, in the mean over their pixels."""
    values = values.detach()
    if not task.classes:
        return Metres(values.mean().item())
    probabilities = values.softmax(0).mean(dim=(1, 2))
    if class_number is None:
        class_number = int(probabilities.argmax()) + task.first_class
    probability = probabilities[task.logit(class_number)].item()
    return ClassReading(class_number, task.classes[class_number], probability)


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
