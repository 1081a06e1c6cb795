"""Norms of convolutions, from above: by Gram iteration over their frequencies, differentiable.

Delattre, Barthélemy, Araujo, Allauzen, "Efficient Bound of Lipschitz Constant for Convolutional
Layers by Gram Iteration", ICML 2023, arXiv 2305.16173.
"""

import math

import torch
from torch import Tensor

from imexnet.spectral.symbols import symbol

ITERATIONS = 7
"""Of C × C matrices with equal singular values the result is too large by a factor C^(1/128)."""

FREQUENCIES = 32
"""Along either axis, where the supremum over all frequencies is taken from samples."""


def periodic_norm_squared(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """‖K‖² = max_ω ‖K̂(ω)‖² of the periodic convolution by K on a grid, a scalar.

    From above: Gram iteration G ← GᴴG squares the singular values, and σ_max ≤ ‖G‖_F^(1/2ᵗ) after t
    of them, with equality as t grows. The gradient flows through the largest frequency.

    Args:
        kernel: K, (C_out, C_in, kh, kw), odd kh and kw, as `torch.nn.functional.conv2d` takes it.
        size: (H, W) of the grid.

    Raises:
        ValueError: for a shape or a type that does not fit.
    """
    with torch.no_grad():
        largest = _gram_iteration(_matrices(kernel, size)).argmax()
    return _gram_iteration(_matrices(kernel, size, largest)).squeeze(0)


def norm_squared_bound(kernel: Tensor, frequencies: int = FREQUENCIES) -> Tensor:
    """An upper bound of ‖K‖² on any grid, periodic or padded with zeros, a scalar.

    With zero padding K is a part of the convolution of the whole plane, whose norm is
    sup_ω ‖K̂(ω)‖. Re uᴴK̂(ω)v is a trigonometric polynomial of degree r = ⌊k / 2⌋ in either
    component of ω for any u and v, so that its supremum is at most 1 / cos(πr / n) times that of n
    equidistant samples along each (Ehlich & Zeller, "Schwankung von Polynomen zwischen
    Gitterpunkten", 1964).

    Args:
        kernel: K, (C_out, C_in, kh, kw), odd kh and kw.
        frequencies: n > 2r.
    """
    factors = [math.cos(math.pi * (k // 2) / frequencies) ** 2 for k in kernel.shape[-2:]]
    return periodic_norm_squared(kernel, (frequencies, frequencies)) / math.prod(factors)


def _matrices(kernel: Tensor, size: tuple[int, int], only: Tensor | None = None) -> Tensor:
    """K̂(ω), (frequencies, C_out, C_in): of half the grid, K being real, or of one of them."""
    half = symbol(kernel.flatten(0, 1), size)[..., : size[1] // 2 + 1].flatten(1)
    if only is not None:
        half = half.index_select(1, only.view(1))
    return half.T.unflatten(1, kernel.shape[:2])


def _gram_iteration(matrices: Tensor) -> Tensor:
    """σ_max² of each matrix (…, m, n) from above, (…)."""
    logarithm = matrices.real.new_zeros(())  # of the factors that were taken out, with their powers
    for _ in range(ITERATIONS):
        size = _frobenius(matrices).detach()  # the result does not depend on it
        matrices = matrices / size[..., None, None]
        matrices = matrices.mH @ matrices
        logarithm = 2 * (logarithm + size.log())
    return ((logarithm + _frobenius(matrices).log()) / 2 ** (ITERATIONS - 1)).exp()


def _frobenius(matrices: Tensor) -> Tensor:
    squares = (matrices.real.square() + matrices.imag.square()).sum((-2, -1))
    return squares.clamp_min(torch.finfo(squares.dtype).tiny).sqrt()
