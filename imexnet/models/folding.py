"""Networks rewritten for inference: the same function in fewer passes over memory.

Batch normalisation is folded into the convolution before it, the step size, the bound and the sign
of f(Y) = −Kᵀ σ(N(K Y)) into Kᵀ, and (I + hL)⁻¹ is prepared once for every size of input. Weights
lie with their channels last, and `precision` is what the hardware is quickest in.
"""

import copy
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from imexnet.models.backbone import ConvNorm
from imexnet.models.controls import ControlStep
from imexnet.models.networks import Network
from imexnet.models.newton import Layer
from imexnet.models.schemes import RungeKuttaStep, ThetaStep, theta_step
from imexnet.models.steps import DiffusionReactionStep, ExplicitStep, IMEXStep, Opening
from imexnet.spectral.solve import apply_filter, resolvent

SIZES_KEPT = 4  # resolvents a step keeps: pictures come upright, lying and square


def fold(network: Network, compiled: bool = False) -> Network:
    """A copy of the network in eval mode for inference: equal outputs up to rounding.

    Its weights are frozen; gradients go to its input alone, at about the cost of one more
    forward pass. Each implicit step keeps the resolvents of the last few sizes that it met.

    Args:
        network: as trained.
        compiled: whether `torch.compile` rewrites it, anew for each size of input: on CUDA with
            CUDA graphs. That needs a compiler on the machine, and the first picture waits for it.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for name, layer in list(folded.named_modules()):
        if isinstance(layer, ConvNorm):
            layer.fold()
        elif isinstance(layer, Opening):
            folded.set_submodule(name, FoldedOpening(layer))
        elif isinstance(layer, ExplicitStep):
            kind = next(kind for kind in type(layer).__mro__ if kind in FOLDED)
            folded.set_submodule(name, FOLDED[kind](layer))
    folded.eval().requires_grad_(False)
    folded.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    folded.precision = torch.bfloat16 if has_bfloat16() else torch.float32
    if compiled:
        _prepare_outside()
        folded.compile(mode="reduce-overhead")
    return folded


@cache
def _prepare_outside() -> None:
    """Keeps `prepared` out of compiled code: a plain tensor, whatever mode the first picture has.

    Only where something is compiled, as a decorator would load all of the compiler on import.
    """
    outside = torch.compiler.disable(FoldedIMEXStep.prepared)
    FoldedIMEXStep.prepared = outside  # pyright: ignore[reportAttributeAccessIssue]


def has_bfloat16(device: torch.device | str = "cpu") -> bool:
    """Whether the hardware itself computes in bfloat16."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported()
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # not in every build
    return bool(supported and supported())


def autocast(device: torch.device | str, precision: torch.dtype) -> AbstractContextManager:
    """Convolutions in that precision on the device; solves and states stay float32."""
    kind = torch.device(device).type
    if precision == torch.float32 or not torch.amp.is_autocast_available(kind):
        return nullcontext()
    return torch.autocast(kind, dtype=precision)


class FoldedOpening(nn.Module):
    """Y⁺ = σ(K Y + c)."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.stride = opening.stride
        self.conv = fuse_conv_bn_eval(opening.conv, opening.norm)

    def forward(self, y: Tensor) -> Tensor:
        return F.relu_(self.conv(y)).to(self.conv.weight.dtype)


class FoldedExplicitStep(nn.Module):
    """Y⁺ = Y + K₂ σ(K₁ Y + c): K₁, c with the normalisation in them, K₂ = −hKᵀ."""

    minus_transpose: Tensor

    def __init__(self, step: ExplicitStep) -> None:
        super().__init__()
        self.conv = fuse_conv_bn_eval(step.conv, step.norm)
        scale = self.scale(step) / step.excess
        minus_transpose = -scale * step.conv.weight.transpose(0, 1).flip(2, 3)
        self.register_buffer("minus_transpose", minus_transpose.detach().contiguous())

    @staticmethod
    def scale(step: ExplicitStep) -> float | Tensor:
        """h, of every channel that Kᵀ gives."""
        return step.h.reshape(-1, 1, 1, 1) if isinstance(step.h, Tensor) else step.h

    def update(self, y: Tensor) -> Tensor:
        """h f(Y) in the type of Y, whatever the autocast mode."""
        padding, dilation = self.conv.padding, self.conv.dilation
        z = F.relu_(self.conv(y))
        return F.conv2d(z, self.minus_transpose, None, 1, padding, dilation).to(y.dtype)

    def forward(self, y: Tensor) -> Tensor:
        return y + self.update(y)


class FoldedIMEXStep(FoldedExplicitStep):
    """Y⁺ = Y + (I + hL)⁻¹ K₂ σ(K₁ Y + c), after (I + hL)^(−½) where a stage is entered."""

    def __init__(self, step: IMEXStep) -> None:
        super().__init__(step)
        self.step = step
        self.resolvents: dict[tuple, Tensor] = {}

    def prepared(self, r: Tensor) -> Tensor:
        """(I + hL)⁻¹ for the size of R, from memory where it has been met."""
        key = (r.shape[1:], r.dtype, r.device)
        if key not in self.resolvents:
            if len(self.resolvents) == SIZES_KEPT:
                del self.resolvents[next(iter(self.resolvents))]
            with torch.inference_mode(False), torch.no_grad():  # usable under gradients, too
                eigenvalues = self.step.eigenvalues(torch.empty_like(r))
                self.resolvents[key] = resolvent(eigenvalues, self.step.h)
        return self.resolvents[key]

    def solve(self, r: Tensor) -> Tensor:
        """(I + hL)⁻¹ R."""
        grid = self.step.grid(r)
        return apply_filter(grid, self.prepared(grid))[..., : r.shape[-2], : r.shape[-1]]

    def forward(self, y: Tensor) -> Tensor:
        y = apply_filter(y, self.prepared(y).sqrt()) if self.step.enters else y
        return y + self.solve(self.update(y))


class FoldedDiffusionReactionStep(FoldedIMEXStep):
    """Y⁺ = (I + hL)⁻¹ (Y + K₂ σ(K₁ Y + c))."""

    def forward(self, y: Tensor) -> Tensor:
        return self.solve(y + self.update(y))


class FoldedControlStep(FoldedExplicitStep):
    """Y⁺ = Y + h S(K₂ σ(K₁ Y + c)), K₂ = −Kᵀ: h stays apart, as S need not be linear."""

    def __init__(self, step: ControlStep) -> None:
        super().__init__(step)
        self.step = step

    @staticmethod
    def scale(step: ExplicitStep) -> float | Tensor:
        return 1.0

    def forward(self, y: Tensor) -> Tensor:
        return y + self.step.h * self.step.spread(self.update(y))


class FoldedRungeKuttaStep(FoldedExplicitStep):
    """The scheme of the step for h f(Y) = K₂ σ(K₁ Y + c)."""

    def __init__(self, step: RungeKuttaStep) -> None:
        super().__init__(step)
        self.advance = step.advance

    def forward(self, y: Tensor) -> Tensor:
        return self.advance(self.update, y)


class FoldedThetaStep(nn.Module):
    """The step with the numbers of its implicit equation at hand."""

    kernel: Tensor
    scale: Tensor
    shift: Tensor
    units: Tensor

    def __init__(self, step: ThetaStep) -> None:
        super().__init__()
        layer, units = step.prepared()
        self.theta, self.dilation = step.theta, layer.dilation
        numbers = {"kernel": layer.kernel, "scale": layer.scale, "shift": layer.shift}
        for name, number in {**numbers, "units": torch.as_tensor(units)}.items():
            self.register_buffer(name, number.detach().clone())

    def forward(self, y: Tensor) -> Tensor:
        layer = Layer(self.kernel, self.scale, self.shift, self.dilation)
        return theta_step(y, layer, self.units, self.theta, training=False)


FOLDED = {
    ExplicitStep: FoldedExplicitStep,
    ControlStep: FoldedControlStep,
    RungeKuttaStep: FoldedRungeKuttaStep,
    ThetaStep: FoldedThetaStep,
    IMEXStep: FoldedIMEXStep,
    DiffusionReactionStep: FoldedDiffusionReactionStep,
}
