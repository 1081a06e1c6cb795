"""The classical recipe of the implicit solve, picture by picture, for one channel.

Solves (I + hL) y = r on a periodic or mirrored grid: stencil → zero-padded → centre shifted to the
corner → spectrum → 1 / (1 + hλ) → times the picture's spectrum → back (Hansen, Nagy, O'Leary,
"Deblurring Images", 2006, ch. 4). `spectral` does the same without the padded stencil.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import convolve
from torch import Tensor

from imexnet.spectral.operators import check_operator
from imexnet.spectral.solve import check_step_size
from imexnet.spectral.symbols import LAPLACIAN


@dataclass(frozen=True)
class Recipe:
    """Each stage as an array; on the mirrored grid of twice the size if so chosen.

    Attributes:
        stencil: B for L = BᵀB, or L itself.
        padded: the stencil on the grid, in its corner.
        shifted: its centre on pixel (0, 0).
        eigenvalues: λ of L, the zero frequency at [0, 0].
        multiplier: 1 / (1 + hλ).
        rhs: r on the grid.
        rhs_spectrum: its transform, complex.
        product: multiplier times that.
        result: y, of the shape of the given r.
        residual: ‖(I + hL) y − r‖ / ‖r‖, L applied in space.
    """

    stencil: np.ndarray
    padded: np.ndarray
    shifted: np.ndarray
    eigenvalues: np.ndarray
    multiplier: np.ndarray
    rhs: np.ndarray
    rhs_spectrum: np.ndarray
    product: np.ndarray
    result: np.ndarray
    residual: float


def classical_solve(
    rhs: np.ndarray,
    step_size: float,
    operator: str = "laplacian",
    stencil: np.ndarray | None = None,
    alpha: float = 1.0,
    boundary: str = "periodic",
) -> Recipe:
    """All stages of the solve of (I + hL) y = r.

    Args:
        rhs: r, (H, W) real, not smaller than the stencil.
        step_size: h ≥ 0.
        operator: "learned", L = BᵀB with B the stencil; "laplacian"; or "identity", L = αI.
        stencil: B, (kh, kw), odd sides; only for "learned".
        alpha: α ≥ 0 of "identity".
        boundary: "periodic", or "mirrored": the solve on the even extension.

    Raises:
        ValueError: for an unknown choice, a missing or too large stencil, a negative h or α.
    """
    check_operator(operator, boundary, alpha)
    check_step_size(step_size)
    kernel = _kernel(operator, stencil, alpha)
    _check_fits(kernel.shape, rhs.shape)
    rhs = rhs.astype(np.float64)
    grid = _mirror(rhs) if boundary == "mirrored" else rhs
    padded = np.zeros_like(grid)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    shifted = np.roll(padded, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), (0, 1))
    symbol = np.fft.fft2(shifted)
    eigenvalues = np.abs(symbol) ** 2 if operator == "learned" else symbol.real
    multiplier = 1 / (1 + step_size * eigenvalues)
    spectrum = np.fft.fft2(grid)
    solved = np.fft.ifft2(spectrum * multiplier).real
    applied = solved + step_size * apply(kernel, solved, gram=operator == "learned")
    return Recipe(
        stencil=kernel,
        padded=padded,
        shifted=shifted,
        eigenvalues=eigenvalues,
        multiplier=multiplier,
        rhs=grid,
        rhs_spectrum=spectrum,
        product=spectrum * multiplier,
        result=solved[: rhs.shape[0], : rhs.shape[1]],
        residual=float(np.linalg.norm(applied - grid) / max(float(np.linalg.norm(grid)), 1e-300)),
    )


def implicit_solve_reference(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> Tensor:
    """`spectral.implicit_solve` by the same recipe, on tensors: to test and to time against.

    Args:
        rhs: (B, C, H, W), float32 or float64.
        stencil: B, (C, kh, kw), odd kh and kw, not larger than the image.
        step_size: h ≥ 0 and finite.

    Raises:
        ValueError: for a larger stencil or another h.
    """
    check_step_size(step_size)
    (height, width), (kh, kw) = rhs.shape[-2:], stencil.shape[-2:]
    _check_fits((kh, kw), (height, width))
    padded = torch.nn.functional.pad(stencil, (0, width - kw, 0, height - kh))
    centred = torch.roll(padded, (-(kh // 2), -(kw // 2)), dims=(-2, -1))
    eigenvalues = torch.fft.fft2(centred).abs().square()
    return torch.fft.ifft2(torch.fft.fft2(rhs) / (1 + step_size * eigenvalues)).real


def apply(stencil: np.ndarray, y: np.ndarray, gram: bool) -> np.ndarray:
    """Ly in space, periodic: L the stencil itself, or BᵀB for `gram`; no Fourier transform."""
    once = convolve(y, stencil, mode="wrap")
    return convolve(once, stencil[::-1, ::-1], mode="wrap") if gram else once


def _kernel(operator: str, stencil: np.ndarray | None, alpha: float) -> np.ndarray:
    if operator == "laplacian":
        return np.array(LAPLACIAN)
    if operator == "identity":
        return np.array([[0, 0, 0], [0, alpha, 0], [0, 0, 0]], float)
    if stencil is None or stencil.ndim != 2 or not all(k % 2 for k in stencil.shape):
        raise ValueError("the learned operator needs a stencil with odd sides")
    return stencil.astype(np.float64)


def _check_fits(stencil: tuple[int, ...], picture: tuple[int, ...]) -> None:
    if any(k > n for k, n in zip(stencil, picture, strict=True)):
        raise ValueError(f"the stencil {stencil} is larger than the picture {picture}")


def _mirror(y: np.ndarray) -> np.ndarray:
    """The even extension (2H, 2W), on which a periodic solve has mirrored boundaries."""
    rows = np.concatenate([y, y[::-1]])
    return np.concatenate([rows, rows[:, ::-1]], axis=1)
