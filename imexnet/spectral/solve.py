"""The implicit solve (I + hL)⁻¹ r by two Fourier transforms, and its Green's function.

Everything here is a pure function of tensors: nothing knows modules, devices or files.
"""

import torch
from torch import Tensor

from imexnet.spectral.symbols import _check_stencil, computing_type, gram_eigenvalues

LARGEST_STEP = torch.finfo(torch.float32).max  # beyond it h is infinite, and 0 · h is not 0


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
        multiplier: m, real and even (m(−ω) = m(ω)), in the layout of `symbol`: (…, H, W) or
            (…, 1, 1).

    Raises:
        ValueError: for a type that has no transform, and for a multiplier of another grid.
    """
    kind = computing_type(y, multiplier)
    grid = tuple(multiplier.shape[-2:])
    if grid != (1, 1) and grid != tuple(y.shape[-2:]):
        raise ValueError(f"a multiplier of {grid} does not fit maps of {tuple(y.shape[-2:])}")
    if y.numel() == 0:  # no library transforms nothing
        return y * multiplier.to(y.dtype)
    half, width = multiplier.to(kind), y.shape[-1] // 2 + 1
    if grid != (1, 1) and torch.compiler.is_compiling():  # slower, but for any width
        half = half.index_select(-1, torch.arange(width, device=y.device))
    else:
        half = half[..., :width]
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
        size: (H, W), at least 1 each.

    Returns:
        (C, H, W).

    Raises:
        ValueError: for a stencil, a step size or a grid that does not fit; see `implicit_solve`.
    """
    _check_stencil(stencil)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"a grid is (H, W), at least 1 each, got {size}")
    rhs = impulse(size, stencil).expand(1, stencil.shape[0], *size)
    return implicit_solve(rhs, stencil, step_size)[0]


def impulse(size: tuple[int, int], like: Tensor) -> Tensor:
    """δ: 1 at (H // 2, W // 2) and 0 elsewhere, (H, W)."""
    height, width = size
    grid = like.new_zeros(size)
    grid[height // 2, width // 2] = 1
    return grid


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


def _check_rhs(rhs: Tensor, stencil: Tensor) -> None:
    if rhs.dim() != 4:
        raise ValueError(f"the right-hand side must be (B, C, H, W), got {tuple(rhs.shape)}")
    _check_stencil(stencil)
    if stencil.shape[0] != rhs.shape[1]:
        raise ValueError(
            f"right-hand side {tuple(rhs.shape)} and stencil {tuple(stencil.shape)} "
            "differ in their number of channels"
        )
