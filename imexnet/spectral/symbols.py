"""Symbols: the eigenvalues of circular convolutions, and of L = BᵀB, on the periodic grid.

A circular convolution is diagonal in the Fourier basis; its eigenvalues are the *symbol* of its
stencil (Hansen, Nagy, O'Leary, "Deblurring Images", 2006, ch. 3-4).
"""

import math

import torch
from torch import Tensor

LAPLACIAN = ((-1 / 6, -4 / 6, -1 / 6), (-4 / 6, 20 / 6, -4 / 6), (-1 / 6, -4 / 6, -1 / 6))
"""The nine-point stencil of -Δ, used as L itself; its symbol is real and not negative."""

TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def zero_mean(stencil: Tensor) -> Tensor:
    """B − mean(B) per channel: then B̂(0) = 0 and the implicit solve leaves constants unchanged.

    Half precision comes back as float32, in which the mean can be taken off.
    """
    stencil = stencil.to(computing_type(stencil))
    for _ in range(2):  # the first leaves the rounding of a large mean
        stencil = stencil - stencil.mean(dim=(-2, -1), keepdim=True)
    return stencil


def symbol(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """B̂(ω) = Σ_ab B[a, b] exp(−i(ω_y (a − a₀) + ω_x (b − b₀))), centre (a₀, b₀) at the origin.

    The eigenvalues of the circular convolution by B (those of the cross-correlation, which
    `torch.nn.functional.conv2d` computes, are the conjugates; |B̂|² is the same). Two tiny DFT
    matrices suffice, no FFT of a padded kernel is needed. A stencil that is larger than the grid
    wraps round it.

    Args:
        stencil: (C, kh, kw), odd kh and kw.
        size: (H, W) of the periodic grid.

    Returns:
        (C, H, W), complex, in the layout of `torch.fft.fft2`; exactly 0 at frequency 0 if the
        stencil's sum is 0 up to rounding.

    Raises:
        ValueError: for a shape or a type that does not fit.
    """
    _check_stencil(stencil)
    stencil = stencil.to(computing_type(stencil))
    total = stencil.sum(dim=(-2, -1), keepdim=True)
    rounding = 4 * torch.finfo(stencil.dtype).eps * stencil.abs().sum(dim=(-2, -1), keepdim=True)
    total = total - torch.where(total.abs() <= rounding, total, 0).detach()
    # With each wave as 1 + d, d = 0 at frequency 0, all but ΣB vanishes there: [1 d] [ΣB …; … B].
    above = torch.cat((total, stencil.sum(dim=-2, keepdim=True)), dim=-1)
    below = torch.cat((stencil.sum(dim=-1, keepdim=True), stencil), dim=-1)
    rows, columns = (_waves(n, k, stencil) for n, k in zip(size, stencil.shape[-2:], strict=True))
    # Autocast would round real matrix products, also those of a backward pass; not complex ones.
    return rows @ torch.cat((above, below), dim=-2).to(rows.dtype) @ columns.mT


def gram_eigenvalues(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """λ = |B̂|² ≥ 0, the eigenvalues of L = BᵀB: (C, kh, kw) → real (C, H, W)."""
    values = symbol(stencil, size)
    return values.real.square() + values.imag.square()


def laplacian_eigenvalues(y: Tensor) -> Tensor:
    """λ ≥ 0 of the fixed −Δ on the grid of y (B, C, H, W): (1, H, W)."""
    stencil = torch.tensor([LAPLACIAN], dtype=computing_type(y), device=y.device)
    return symbol(stencil, (y.shape[-2], y.shape[-1])).real


def computing_type(*tensors: Tensor) -> torch.dtype:
    """float64 if one of the tensors is, else float32: half precision has no transform.

    Raises:
        ValueError: for integers and complex numbers.
    """
    for tensor in tensors:
        if tensor.dtype not in TYPES:
            names = ", ".join(str(kind).removeprefix("torch.") for kind in TYPES)
            raise ValueError(f"the type must be one of {names}, got {tensor.dtype}")
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def _waves(length: int, width: int, like: Tensor) -> Tensor:
    """Columns 1 and d_t = exp(−2πi k t / n) − 1, t = −(width // 2) … width // 2: (n, 1 + width).

    exp(−iθ) − 1 = −2 sin ½θ (sin ½θ + i cos ½θ), without cancellation near 0.
    """
    # As `torch.fft.fftfreq`, which `torch.export` knows only for one length.
    i = torch.arange(length, device=like.device)
    k = torch.where(2 * i < length, i, i - length).to(like.dtype) * (1 / length)
    t = torch.arange(-(width // 2), width // 2 + 1, dtype=like.dtype, device=like.device)
    half = math.pi * torch.outer(k, t)
    sine = -2 * half.sin()
    waves = torch.complex(sine * half.sin(), sine * half.cos())
    return torch.nn.functional.pad(waves, (1, 0), value=1.0)


def _check_stencil(stencil: Tensor) -> None:
    if stencil.dim() != 3 or stencil.shape[-2] % 2 == 0 or stencil.shape[-1] % 2 == 0:
        raise ValueError(f"the stencil must be (C, kh, kw), odd kh, kw; got {tuple(stencil.shape)}")
