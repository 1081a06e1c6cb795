"""Other schemes for Ẏ = f(Y): explicit Runge-Kutta and θ-schemes, with the ResNet's parameters.

A step has one affine N in all its stages and in its implicit equation, so that f is one function
over the step: in training that of the batch's statistics of K Y where the step begins, which the
running ones take note of once; in eval mode that of the running statistics.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from imexnet.models.config import ModelConfig, Place
from imexnet.models.newton import Layer, solve
from imexnet.models.steps import ExplicitStep, Magnitude, scale_of
from imexnet.spectral.symbols import computing_type

TRAINING_TOLERANCE = 5e-3
"""Of the implicit equation and of its gradients in training, see `newton.solve`."""

EVERYWHERE = 10**9
"""Cells to either side, more than any picture has."""

Update = Callable[[Tensor], Tensor]
"""Y → h f(Y)."""


def layer_at(step: ExplicitStep, y: Tensor | None = None) -> Layer:
    """K, D and b of f(Y) = −Kᵀ σ(D K Y + b), in training those of the step that begins at Y."""
    norm, kernel = step.norm, step.conv.weight
    if norm.training:
        assert y is not None
        x = step.conv(y)
        variance, mean = torch.var_mean(x.to(computing_type(x)), (0, 2, 3), correction=0)
        with torch.no_grad():
            norm(x)  # takes note of the statistics
        scale = norm.weight * (variance + norm.eps).rsqrt()
    else:
        mean, scale = norm.running_mean, scale_of(norm)
        assert mean is not None
    kind = computing_type(kernel)
    shift = norm.bias - scale * mean
    return Layer(kernel.to(kind), scale.to(kind), shift.to(kind), step.conv.dilation[0])


class RungeKuttaStep(ExplicitStep):
    """Explicit stages k of h f, then Y⁺ = Y plus their weighted sum. (B, C, H, W) → same."""

    STAGES: ClassVar[int]

    @classmethod
    def margin(cls, config: ModelConfig, place: Place) -> int:
        return cls.STAGES * super().margin(config, place)

    @staticmethod
    def advance(update: Update, y: Tensor) -> Tensor:
        """Y⁺ from Y by h f."""
        raise NotImplementedError

    def forward(self, y: Tensor) -> Tensor:
        layer, h = layer_at(self, y), self.h / self.excess
        kind = self.conv.weight.dtype
        return self.advance(lambda z: (-h * layer(z.to(layer.kernel.dtype))).to(kind), y)


class MidpointStep(RungeKuttaStep):
    """Y⁺ = Y + h f(Y + h/2 f(Y)): the explicit midpoint rule, of order 2."""

    STAGES = 2
    boundable = False

    @staticmethod
    def advance(update: Update, y: Tensor) -> Tensor:
        return y + update(y + update(y) / 2)


class RK4Step(RungeKuttaStep):
    """Y⁺ = Y + (k₁ + 2k₂ + 2k₃ + k₄) / 6: the classical Runge-Kutta scheme, of order 4."""

    STAGES = 4

    @staticmethod
    def advance(update: Update, y: Tensor) -> Tensor:
        k1 = update(y)
        k2 = update(y + k1 / 2)
        k3 = update(y + k2 / 2)
        k4 = update(y + k3)
        return y + (k1 + 2 * k2 + 2 * k3 + k4) / 6


class ThetaStep(ExplicitStep):
    """Y⁺ = Y + h ((1 − θ) f(Y) + θ f(Y⁺)): Reshniak & Webster, arXiv 1905.10479. Same shapes.

    Y⁺ is found by `newton.solve`, to `TRAINING_TOLERANCE` of h‖f(Y)‖ in training and to ε^(2/3) in
    eval mode, ε the rounding unit. Its linear systems need D ≥ 0: the scales of N are |γ|.

    Raises:
        ArithmeticError: in eval mode, if Y⁺ is not found to that tolerance.
    """

    theta: ClassVar[float]

    def __init__(self, channels: int, *arguments: Any, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        if not self.bound:
            parametrize.register_parametrization(self.norm, "weight", Magnitude())

    @classmethod
    def margin(cls, config: ModelConfig, place: Place) -> int:
        """The whole picture: each pixel of Y⁺ depends on all of Y, less and less with distance."""
        return EVERYWHERE

    @property
    def explicit_share(self) -> float:
        return 1 - self.theta

    def prepared(self, y: Tensor | None = None) -> tuple[Layer, float | Tensor]:
        """K, D and b of the implicit equation for h^(−½) Y, and h^½.

        In these units a diagonal h is part of K, and the equation remains self-adjoint.
        """
        layer = layer_at(self, y)
        units = (self.h / self.excess) ** 0.5
        root = self.theta**0.5
        return Layer(
            root * layer.kernel * units, layer.scale, root * layer.shift, layer.dilation
        ), units

    def forward(self, y: Tensor) -> Tensor:
        return theta_step(y, *self.prepared(y), self.theta, self.training)


class TrapezoidalStep(ThetaStep):
    """θ = ½: the trapezoidal rule, of order 2."""

    theta = 0.5


class BackwardEulerStep(ThetaStep):
    """θ = 1: backward Euler, of order 1; it amplifies nothing, whatever h is."""

    theta = 1.0


def theta_step(
    y: Tensor, layer: Layer, units: float | Tensor, theta: float, training: bool
) -> Tensor:
    """Y⁺ of a `ThetaStep` from what it prepared; in the type of Y, whatever the autocast mode."""
    kind = layer.kernel.dtype
    tolerance = TRAINING_TOLERANCE if training else torch.finfo(kind).eps ** (2 / 3)
    with in_full_precision(y.device):
        u = y.to(kind) / units
        r = u if theta == 1 else u - (1 - theta) / theta * layer(u)
        return (units * solve(layer, r, u, tolerance, strict=not training)).to(y.dtype)


def in_full_precision(device: torch.device) -> AbstractContextManager:
    """No autocast: bfloat16 has too few digits for the tolerance."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


SCHEMES: dict[str, type[ExplicitStep]] = {
    "midpoint": MidpointStep,
    "rk4": RK4Step,
    "trapezoidal": TrapezoidalStep,
    "backward-euler": BackwardEulerStep,
}
"""Schemes by name."""
