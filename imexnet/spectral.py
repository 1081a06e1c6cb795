"""Linear operators on the periodic grid, applied and inverted in Fourier space.

A circular convolution is diagonal in the Fourier basis; its eigenvalues are the *symbol* of its
stencil (Hansen, Nagy, O'Leary, "Deblurring Images", 2006, ch. 3-4). Everything here is a pure
function of tensors: nothing knows modules, devices or files.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor

LAPLACIAN = ((-1 / 6, -4 / 6, -1 / 6), (-4 / 6, 20 / 6, -4 / 6), (-1 / 6, -4 / 6, -1 / 6))
"""The nine-point stencil of -Δ, used as L itself; its symbol is real and not negative."""


def zero_mean(stencil: Tensor) -> Tensor:
    """B − mean(B) per channel: then B̂(0) = 0 and the implicit solve leaves constants unchanged."""
    return stencil - stencil.mean(dim=(-2, -1), keepdim=True)


def symbol(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """B̂(ω) = Σ_ab B[a, b] exp(−i(ω_y (a − a₀) + ω_x (b − b₀))), centre (a₀, b₀) at the origin.

    The eigenvalues of the circular convolution by B (those of the cross-correlation, which
    `torch.nn.functional.conv2d` computes, are the conjugates; |B̂|² is the same). Two tiny DFT
    matrices suffice, no FFT of a padded kernel is needed.

    Args:
        stencil: (C, kh, kw), odd kh and kw, float32 or float64.
        size: (H, W) of the periodic grid.

    Returns:
        (C, H, W // 2 + 1), complex: the half spectrum in the layout of `torch.fft.rfft2`.
    """
    _check_stencil(stencil, size)
    height, width = size
    rows = _fourier_matrix(stencil, height, height, stencil.shape[-2])  # (H, kh)
    columns = _fourier_matrix(stencil, width // 2 + 1, width, stencil.shape[-1])  # (W//2+1, kw)
    return rows @ stencil.to(rows.dtype) @ columns.mT


def gram_eigenvalues(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """λ = |B̂|² ≥ 0, the eigenvalues of L = BᵀB: (C, kh, kw) → real (C, H, W // 2 + 1)."""
    b = symbol(stencil, size)
    return b.real.square() + b.imag.square()


def solve_eigenvalues(rhs: Tensor, eigenvalues: Tensor, step_size: float | Tensor) -> Tensor:
    """Solves (I + hL) y = rhs for y, L given by its eigenvalues λ ≥ 0 on the half spectrum.

    y = irfft2(rfft2(rhs) / (1 + hλ)). The operator is self-adjoint and, for h ≥ 0, a contraction.

    Args:
        rhs: (B, C, H, W), float32 or float64.
        eigenvalues: real, broadcastable to (C, H, W // 2 + 1).
        step_size: h ≥ 0, a number or a tensor that broadcasts against the eigenvalues.
    """
    multiplier = (1 + step_size * eigenvalues).reciprocal()
    shape = (*rhs.shape[-3:-1], rhs.shape[-1] // 2 + 1)
    return cast(Tensor, _SelfAdjointFilter.apply(rhs, multiplier.expand(shape)))


def implicit_solve(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> Tensor:
    """Solves (I + h BᵀB) y = rhs for y, B a periodic depthwise convolution.

    One rfft2, one division, one irfft2; differentiable in all three arguments, to any order.
    The linear half of the IMEX step of Haber et al., "IMEXnet", ICML 2019, section 3.

    Args:
        rhs: (B, C, H, W), float32 or float64.
        stencil: B, (C, kh, kw) of the same type, odd kh and kw, not larger than the image.
        step_size: h ≥ 0.

    Returns:
        y, (B, C, H, W). Constants pass unchanged if each channel's stencil sums to zero.

    Raises:
        ValueError: for shapes, types or a step size that do not fit; the message names them.
    """
    _check_rhs(rhs, stencil, step_size)
    size = (rhs.shape[-2], rhs.shape[-1])
    return solve_eigenvalues(rhs, gram_eigenvalues(stencil, size), step_size)


def implicit_solve_reference(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> Tensor:
    """The same solve by the classical recipe, to read and to test against.

    Zero-pad the stencil to the image, shift its centre to the corner, take full complex FFTs,
    divide, transform back (Hansen, Nagy, O'Leary 2006, ch. 4).
    """
    _check_rhs(rhs, stencil, step_size)
    height, width = rhs.shape[-2:]
    kh, kw = stencil.shape[-2:]
    padded = torch.nn.functional.pad(stencil, (0, width - kw, 0, height - kh))
    centred = torch.roll(padded, (-(kh // 2), -(kw // 2)), dims=(-2, -1))
    eigenvalues = torch.fft.fft2(centred).abs().square()
    return torch.fft.ifft2(torch.fft.fft2(rhs) / (1 + step_size * eigenvalues)).real


def green_function(stencil: Tensor, step_size: float | Tensor, size: tuple[int, int]) -> Tensor:
    """G = (I + h BᵀB)⁻¹ δ: how one implicit solve spreads a unit impulse at (H // 2, W // 2).

    It reaches every pixel and decays exponentially with distance.

    Args:
        stencil: B, (C, kh, kw).
        step_size: h ≥ 0.
        size: (H, W).

    Returns:
        (C, H, W).
    """
    impulse = stencil.new_zeros((1, stencil.shape[0], *size))
    impulse[..., size[0] // 2, size[1] // 2] = 1
    return implicit_solve(impulse, stencil, step_size)[0]


class _SelfAdjointFilter(torch.autograd.Function):
    """y = F⁻¹ m F r with a real multiplier m on the half spectrum.

    m is real, so the filter is its own adjoint: ∂L/∂r is the filter applied to the incoming
    gradient g. ∂L/∂m_k = w_k Re(conj(r̂_k) ĝ_k) / HW, where w_k counts how often frequency k
    stands in the full spectrum. Neither needs autograd through an inverse transform, and both
    consist of differentiable operations on the saved inputs, so higher derivatives are right too.
    """

    @staticmethod
    def forward(ctx: Any, rhs: Tensor, multiplier: Tensor) -> Tensor:
        ctx.save_for_backward(rhs, multiplier)
        return torch.fft.irfft2(torch.fft.rfft2(rhs) * multiplier, s=rhs.shape[-2:])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (gradient,) = grad_outputs
        rhs, multiplier = ctx.saved_tensors
        size = rhs.shape[-2:]
        spectrum = torch.fft.rfft2(gradient)
        for_rhs = for_multiplier = None
        if ctx.needs_input_grad[0]:
            for_rhs = torch.fft.irfft2(spectrum * multiplier, s=size)
        if ctx.needs_input_grad[1]:
            products = (torch.fft.rfft2(rhs).conj() * spectrum).real.sum(dim=0)
            for_multiplier = products * _multiplicity(size[1], products) / math.prod(size)
        return for_rhs, for_multiplier


def _fourier_matrix(like: Tensor, frequencies: int, length: int, taps: int) -> Tensor:
    """exp(−2πi k (t − t₀) / length) for frequencies k and stencil taps t centred at t₀."""
    k = torch.arange(frequencies, device=like.device, dtype=like.dtype)
    t = torch.arange(taps, device=like.device, dtype=like.dtype) - taps // 2
    angle = -2 * math.pi / length * torch.outer(k, t)
    return torch.polar(torch.ones_like(angle), angle)


def _multiplicity(width: int, like: Tensor) -> Tensor:
    """How often each column of the half spectrum occurs in the full one: 2 but for k = −k."""
    weights = like.new_full((width // 2 + 1,), 2.0)
    weights[0] = 1
    if width % 2 == 0:
        weights[-1] = 1
    return weights


def _check_stencil(stencil: Tensor, size: tuple[int, int]) -> None:
    if stencil.dim() != 3 or stencil.shape[-2] % 2 == 0 or stencil.shape[-1] % 2 == 0:
        raise ValueError(f"the stencil must be (C, kh, kw), odd kh, kw; got {tuple(stencil.shape)}")
    if stencil.shape[-2] > size[0] or stencil.shape[-1] > size[1]:
        raise ValueError(f"stencil {tuple(stencil.shape)} is larger than the image {tuple(size)}")


def _check_rhs(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> None:
    if rhs.dim() != 4:
        raise ValueError(f"the right-hand side must be (B, C, H, W), got {tuple(rhs.shape)}")
    if rhs.dtype not in (torch.float32, torch.float64) or stencil.dtype != rhs.dtype:
        raise ValueError(
            "right-hand side and stencil must both be float32 or both float64, "
            f"got {rhs.dtype} {tuple(rhs.shape)} and {stencil.dtype} {tuple(stencil.shape)}"
        )
    _check_stencil(stencil, (rhs.shape[-2], rhs.shape[-1]))
    if stencil.shape[0] != rhs.shape[1]:
        raise ValueError(
            f"right-hand side {tuple(rhs.shape)} and stencil {tuple(stencil.shape)} "
            "differ in their number of channels"
        )
    if not isinstance(step_size, Tensor) and not step_size >= 0:
        raise ValueError(f"the step size must not be negative, got {step_size}")
