"""Controls of the IMEX step: other ways to see far, and damping alone, on the same f(Y).

Each is Y⁺ = Y + h S f(Y) with f, K and N of the explicit step, S in the place of (I + hL)⁻¹. Where
the numbers that S adds are 0, S is the identity and the step is the explicit one, bit for bit.
Numbers that are drawn at random leave the kernels as in the ResNet of that seed.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imexnet.models.config import ModelConfig, Place
from imexnet.models.steps import ExplicitStep, IMEXStep, own_generator
from imexnet.spectral.symbols import computing_type


class DilatedStep(ExplicitStep):
    """The explicit step with 3×3 kernels whose taps lie d cells apart; no further number.

    Over the steps of a network d is 1, 2, 4, 8, … (Yu & Koltun, arXiv 1511.07122): each widens the
    window of a pixel by 4d.
    """

    @classmethod
    def options(cls, config: ModelConfig, place: Place) -> dict[str, Any]:
        return super().options(config, place) | {"dilation": cls._dilation(config, place)}

    @classmethod
    def margin(cls, config: ModelConfig, place: Place) -> int:
        return 2 * cls._dilation(config, place)

    @staticmethod
    def _dilation(config: ModelConfig, place: Place) -> int:
        return config.dilations[place.number % len(config.dilations)]


class ControlStep(ExplicitStep):
    """Y⁺ = Y + h S f(Y). (B, C, H, W) → same; S as in the classes below."""

    boundable = False

    def spread(self, f: Tensor) -> Tensor:
        """S f, (B, C, H, W) → same."""
        raise NotImplementedError

    def forward(self, y: Tensor) -> Tensor:
        return self.euler(y, self.spread(self.rhs(y)))


class MeanStep(ControlStep):
    """S f = f + w mean f, the mean over all cells: one number w per channel, 1 at the start."""

    def __init__(self, channels: int, *arguments: Any, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def spread(self, f: Tensor) -> Tensor:
        return f + self.weight * f.mean((-2, -1), keepdim=True)


class SqueezeExcitationStep(ControlStep):
    """S f = 2 sigmoid(W₂ σ(W₁ mean f)) ∘ f: squeeze-and-excitation (Hu et al., arXiv 1709.01507).

    With `WIDTH` numbers between the two matrices, 8 per channel. The factor 2 makes S the identity
    where the matrices are 0.
    """

    WIDTH = 4

    def __init__(self, channels: int, *arguments: Any, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        with own_generator():
            self.squeeze = nn.Conv2d(channels, self.WIDTH, 1, bias=False)
            self.excite = nn.Conv2d(self.WIDTH, channels, 1, bias=False)

    def spread(self, f: Tensor) -> Tensor:
        squeezed = F.relu(self.squeeze(f.mean((-2, -1), keepdim=True)))
        return (2 * self.excite(squeezed).sigmoid() * f).to(f.dtype)


class LargeKernelStep(ControlStep):
    """S f = f + D f, D depthwise `SIDE`×`SIDE` with zero padding (Ding et al., arXiv 2203.06717).

    961 numbers per channel; widens the window of a pixel by 4 + 30.
    """

    SIDE = 31

    def __init__(self, channels: int, *arguments: Any, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        with own_generator():
            self.depthwise = nn.Conv2d(
                channels, channels, self.SIDE, padding=self.SIDE // 2, groups=channels, bias=False
            )

    @classmethod
    def margin(cls, config: ModelConfig, place: Place) -> int:
        return super().margin(config, place) + cls.SIDE // 2

    def spread(self, f: Tensor) -> Tensor:
        return f + self.depthwise(f).to(f.dtype)


class GlobalFilterStep(ControlStep):
    """S f = f + F⁻¹ W F f, W free and complex (GFNet: Rao et al., arXiv 2107.00645).

    W has a number per frequency and channel of the grid of training, H × (W // 2 + 1). It is one
    periodic convolution by a kernel as large as that grid; on another grid the kernel is the same,
    with zeros round it or wrapped.

    Args:
        grid: (H, W) of training.
    """

    START = 0.02  # standard deviation, as in GFNet

    def __init__(
        self, channels: int, *arguments: Any, grid: tuple[int, int] = (64, 64), **options: Any
    ) -> None:
        super().__init__(channels, *arguments, **options)
        self.trained_on = grid
        with own_generator():
            start = self.START * torch.randn(channels, grid[0], grid[1] // 2 + 1, 2)
        self.multiplier = nn.Parameter(start)  # real and imaginary parts

    @classmethod
    def options(cls, config: ModelConfig, place: Place) -> dict[str, Any]:
        height, width = (math.ceil(n / place.stride) for n in config.size)
        return super().options(config, place) | {"grid": (height, width)}

    def spectrum(self, grid: tuple[int, int]) -> Tensor:
        """W on a grid (H, W): complex (C, H, W // 2 + 1)."""
        kind = computing_type(self.multiplier)
        multiplier = torch.view_as_complex(self.multiplier.to(kind).contiguous())
        if grid == self.trained_on:
            return multiplier
        kernel = torch.fft.irfft2(multiplier, s=self.trained_on)
        for axis, (size, trained) in enumerate(zip(grid, self.trained_on, strict=True), start=1):
            centred = kernel.roll(trained // 2, axis)
            places = (torch.arange(trained, device=kernel.device) - trained // 2) % size
            shape = [*kernel.shape[:axis], size, *kernel.shape[axis + 1 :]]
            kernel = kernel.new_zeros(shape).index_add(axis, places, centred)
        return torch.fft.rfft2(kernel)

    def spread(self, f: Tensor) -> Tensor:
        if f.numel() == 0:  # no library transforms nothing
            return f + 0 * self.multiplier.sum()
        size = (f.shape[-2], f.shape[-1])
        spectrum = torch.fft.rfft2(f.to(computing_type(f)).contiguous()) * self.spectrum(size)
        return f + torch.fft.irfft2(spectrum, s=size).to(f.dtype)


class AttentionStep(ControlStep):
    """S f = f + E P V softmax(KᵀQ / √d): self-attention of cells of `CELL` pixels of the input.

    Q, K, V ∈ (d, N) are made of the means of f over these N cells, normalised over the channels,
    Q and K also of the waves of `positions`; P projects back to C channels, E enlarges bilinearly.
    d = max(4, C / 8), one head.

    Args:
        pooling: cells of f along either axis per cell of the attention.
    """

    CELL = 8
    WAVELENGTHS = (8, 64)  # of the positions, in cells of the attention

    def __init__(self, channels: int, *arguments: Any, pooling: int = CELL, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        self.pooling, self.width = pooling, max(4, channels // 8)
        waves = 4 * len(self.WAVELENGTHS)
        with own_generator():
            self.query = nn.Conv2d(channels + waves, self.width, 1, bias=False)
            self.key = nn.Conv2d(channels + waves, self.width, 1, bias=False)
            self.value = nn.Conv2d(channels, self.width, 1, bias=False)
            self.project = nn.Conv2d(self.width, channels, 1, bias=False)

    @classmethod
    def options(cls, config: ModelConfig, place: Place) -> dict[str, Any]:
        return super().options(config, place) | {"pooling": max(1, cls.CELL // place.stride)}

    def positions(self, tokens: Tensor) -> Tensor:
        """Sines and cosines of row and column, of each wavelength: (B, waves, h, w)."""
        batch, _, height, width = tokens.shape
        planes = []
        for wavelength in self.WAVELENGTHS:
            for n, shape in ((height, (-1, 1)), (width, (1, -1))):
                at = 2 * math.pi / wavelength * torch.arange(n, device=tokens.device).view(shape)
                planes += [wave.expand(height, width) for wave in (at.sin(), at.cos())]
        return torch.stack(planes).to(tokens.dtype).expand(batch, -1, -1, -1)

    def spread(self, f: Tensor) -> Tensor:
        pooled = F.avg_pool2d(f, self.pooling, ceil_mode=True)
        tokens = F.layer_norm(pooled.movedim(1, -1), pooled.shape[1:2]).movedim(-1, 1)
        placed = torch.cat((tokens, self.positions(tokens)), dim=1)
        q, k, v = (
            make(x).flatten(2)
            for make, x in ((self.query, placed), (self.key, placed), (self.value, tokens))
        )
        weights = (q.mT @ k / math.sqrt(self.width)).softmax(-1)  # (B, N, N)
        found = self.project((v @ weights.mT).unflatten(2, tokens.shape[2:])).to(f.dtype)
        size = (f.shape[-2], f.shape[-1])
        return f + F.interpolate(found, size, mode="bilinear", align_corners=False)


class DampedStep(ControlStep):
    """S = (I + hL)⁻¹ with L = αI, α = w² ≥ 0 trained per channel: stability without reach.

    w is 1 at the start. It is the IMEX step with a 1×1 stencil that is not made zero-mean; no
    transform is needed, and the window is that of the explicit step.
    """

    def __init__(self, channels: int, *arguments: Any, **options: Any) -> None:
        super().__init__(channels, *arguments, **options)
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def spread(self, f: Tensor) -> Tensor:
        return (f / (1 + self.h * self.weight.square())).to(f.dtype)


class LaplaciansStep(IMEXStep):
    """The IMEX step with L = −ℓ²Δ, ℓ fixed per channel: isotropic, no further number.

    At h = 1 a channel's Green's function decays over ℓ cells.

    Args:
        lengths: ℓ, channel by channel and over again.
    """

    squares: Tensor

    def __init__(
        self,
        channels: int,
        *arguments: Any,
        lengths: tuple[float, ...] = (1.0, 4.0, 16.0),
        **options: Any,
    ) -> None:
        super().__init__(channels, *arguments, **{**options, "operator": "laplacian"})
        if not lengths or not all(0 <= length < math.inf for length in lengths):
            raise ValueError(f"lengths must be finite and not negative, got {lengths}")
        repeated = [lengths[channel % len(lengths)] ** 2 for channel in range(channels)]
        self.register_buffer("squares", torch.tensor(repeated).view(-1, 1, 1), persistent=False)

    @classmethod
    def options(cls, config: ModelConfig, place: Place) -> dict[str, Any]:
        return super().options(config, place) | {"lengths": config.lengths}

    def eigenvalues(self, y: Tensor) -> Tensor:
        eigenvalues = super().eigenvalues(y)
        return self.squares.to(eigenvalues.dtype) * eigenvalues


CONTROLS: dict[str, type[ExplicitStep]] = {
    "dilated": DilatedStep,
    "mean": MeanStep,
    "squeeze-excitation": SqueezeExcitationStep,
    "large-kernel": LargeKernelStep,
    "global-filter": GlobalFilterStep,
    "attention": AttentionStep,
    "damped": DampedStep,
    "laplacians": LaplaciansStep,
}
"""Kinds of control step by name."""
