"""Linear operators on the periodic grid, applied and inverted in Fourier space.

A circular convolution is diagonal in the Fourier basis; its eigenvalues are the *symbol* of its
stencil (Hansen, Nagy, O'Leary, "Deblurring Images", 2006, ch. 3-4). Everything here is a pure
function of tensors: nothing knows modules, devices or files.

Tensors may be float16, bfloat16, float32 or float64, also mixed. Transforms and products are done
in float64 if one of them is float64, else in float32, with autocast or without; the result has the
type of the right-hand side.
"""

import math

import torch
from torch import Tensor

LAPLACIAN = ((-1 / 6, -4 / 6, -1 / 6), (-4 / 6, 20 / 6, -4 / 6), (-1 / 6, -4 / 6, -1 / 6))
"""The nine-point stencil of -Δ, used as L itself; its symbol is real and not negative."""

LARGEST_STEP = torch.finfo(torch.float32).max  # beyond it h is infinite, and 0 · h is not 0
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


def resolvent(eigenvalues: Tensor, step_size: float | Tensor) -> Tensor:
    """1 / (1 + hλ): (I + hL)⁻¹ as a multiplier for `apply_filter`, L given by its eigenvalues.

    Without gradients it may be computed once and applied to any number of right-hand sides.

    Args:
        eigenvalues: λ ≥ 0 in the layout of `symbol`.
        step_size: h ≥ 0.
    """
    if isinstance(step_size, Tensor):
        step_size = step_size.to(eigenvalues.dtype)
    return (1 + step_size * eigenvalues).reciprocal()


def apply_filter(y: Tensor, multiplier: Tensor) -> Tensor:
    """F⁻¹ m F y, (…, H, W) → same; differentiable in both, to any order.

    Args:
        y: maps.
        multiplier: m, real and even (m(−ω) = m(ω)), in the layout of `symbol`; broadcast.

    Raises:
        ValueError: for a type that has no transform.
    """
    kind = computing_type(y, multiplier)
    if y.numel() == 0:  # no library transforms nothing
        return y * multiplier.to(y.dtype)
    half = multiplier[..., : y.shape[-1] // 2 + 1].to(kind)
    spectrum = torch.fft.rfft2(y.to(kind).contiguous())
    return torch.fft.irfft2(spectrum * half, s=y.shape[-2:]).to(y.dtype)


def solve_eigenvalues(rhs: Tensor, eigenvalues: Tensor, step_size: float | Tensor) -> Tensor:
    """Solves (I + hL) y = rhs for y, L given by its eigenvalues λ ≥ 0 as in `symbol`.

    The operator is self-adjoint and, for h ≥ 0, a contraction. Arguments as in `resolvent` and
    `apply_filter`.
    """
    return apply_filter(rhs, resolvent(eigenvalues, step_size))


def even_extension(y: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 2H, 2W), mirrored at its last row and column, edges repeated.

    A periodic operator on it sees no jump at the edges of the picture, and nothing of the other
    side: round an edge lies the picture's own mirror image.
    """
    y = torch.cat((y, y.flip(-1)), dim=-1)
    return torch.cat((y, y.flip(-2)), dim=-2)


def implicit_solve(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> Tensor:
    """Solves (I + h BᵀB) y = rhs for y, B a periodic depthwise convolution.

    Two Fourier transforms; differentiable in all three arguments, to any order.
    The linear half of the IMEX step of Haber et al., "IMEXnet", ICML 2019, section 3.

    Args:
        rhs: (B, C, H, W); B or C may be 0.
        stencil: B, (C, kh, kw), odd kh and kw; one that is larger than the image wraps round it.
        step_size: h ≥ 0 and finite: a number, a tensor of one, or one that broadcasts to
            (B, C, 1, 1). The sign of a tensor is checked wherever its values can be read: not
            inside `torch.vmap`, `torch.compile` or on "meta".

    Returns:
        y, (B, C, H, W), in the type of rhs. Constants pass unchanged if each channel's stencil
        sums to zero.

    Raises:
        ValueError: for shapes, types or a step size that do not fit; the message names them.
    """
    _check_rhs(rhs, stencil)
    check_step_size(step_size)
    if isinstance(step_size, Tensor):
        _check_step_shape(step_size, rhs)
    size = (rhs.shape[-2], rhs.shape[-1])
    stencil = stencil.to(computing_type(rhs, stencil))
    return solve_eigenvalues(rhs, gram_eigenvalues(stencil, size), step_size)


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
    _check_stencil(stencil)
    rhs = impulse(size, stencil).expand(1, stencil.shape[0], *size)
    return implicit_solve(rhs, stencil, step_size)[0]


def impulse(size: tuple[int, int], like: Tensor) -> Tensor:
    """δ: 1 at (H // 2, W // 2) and 0 elsewhere, (H, W)."""
    height, width = size
    grid = like.new_zeros(size)
    grid[height // 2, width // 2] = 1
    return grid


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


def check_step_size(step_size: float | Tensor, positive: bool = False) -> None:
    """Refuses a step size h that is infinite, not a number or negative.

    Args:
        step_size: h; of a tensor every number, wherever they can be read.
        positive: whether 0 is refused, too.

    Raises:
        ValueError: with the first number that is refused.
    """
    for h in _numbers(step_size):
        if not (h > 0 if positive else h >= 0) or h > LARGEST_STEP:
            least = "above 0" if positive else "not negative"
            raise ValueError(f"the step size h must be finite in float32 and {least}, got {h:g}")


def _numbers(step_size: float | Tensor) -> list[float]:
    if not isinstance(step_size, Tensor):
        return [step_size]
    if step_size.is_complex():
        raise ValueError(f"the step size h must be real, got {step_size.dtype}")
    if torch.compiler.is_compiling() or step_size.is_meta:
        return []
    try:
        return [float(h) for h in step_size.detach().flatten()]
    except RuntimeError:  # inside `torch.vmap` nothing can be read
        return []


def _check_step_shape(step_size: Tensor, rhs: Tensor) -> None:
    allowed = (*rhs.shape[:2], 1, 1)
    found = tuple(step_size.shape)
    aligned = zip(reversed(found), reversed(allowed), strict=False)
    if len(found) > 4 or any(n not in (1, m) for n, m in aligned):
        raise ValueError(f"the step size h must broadcast to {allowed}, got {found}")


def _waves(length: int, width: int, like: Tensor) -> Tensor:
    """Columns 1 and d_t = exp(−2πi k t / n) − 1, t = −(width // 2) … width // 2: (n, 1 + width).

    exp(−iθ) − 1 = −2 sin ½θ (sin ½θ + i cos ½θ), without cancellation near 0.
    """
    k = torch.fft.fftfreq(length, dtype=like.dtype, device=like.device)
    t = torch.arange(-(width // 2), width // 2 + 1, dtype=like.dtype, device=like.device)
    half = math.pi * torch.outer(k, t)
    sine = -2 * half.sin()
    waves = torch.complex(sine * half.sin(), sine * half.cos())
    return torch.nn.functional.pad(waves, (1, 0), value=1.0)


def _check_stencil(stencil: Tensor) -> None:
    if stencil.dim() != 3 or stencil.shape[-2] % 2 == 0 or stencil.shape[-1] % 2 == 0:
        raise ValueError(f"the stencil must be (C, kh, kw), odd kh, kw; got {tuple(stencil.shape)}")


def _check_rhs(rhs: Tensor, stencil: Tensor) -> None:
    if rhs.dim() != 4:
        raise ValueError(f"the right-hand side must be (B, C, H, W), got {tuple(rhs.shape)}")
    _check_stencil(stencil)
    if stencil.shape[0] != rhs.shape[1]:
        raise ValueError(
            f"right-hand side {tuple(rhs.shape)} and stencil {tuple(stencil.shape)} "
            "differ in their number of channels"
        )
