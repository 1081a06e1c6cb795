"""Norms of convolutions against dense matrices: exact if periodic, else from above."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imexnet.spectral.norms import norm_squared_bound, periodic_norm_squared

SIZES = [(8, 8), (7, 10), (5, 3), (2, 4), (1, 1)]


def kernel(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def dense(k: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """The matrix of the convolution on a grid, column by column."""
    inputs = k.shape[1] * size[0] * size[1]
    basis = torch.eye(inputs, dtype=k.dtype).view(inputs, k.shape[1], *size)
    margins = [n // 2 for n in k.shape[-2:]]
    if mode == "periodic":  # by tiles, as a small grid may be wrapped round several times
        tiled = basis.repeat(1, 1, 3 + 2 * margins[0], 3 + 2 * margins[1])
        rows, columns = (1 + m for m in margins)
        full = F.conv2d(tiled, k, padding="same")
        start = (rows * size[0], columns * size[1])
        out = full[..., start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    else:
        out = F.conv2d(basis, k, padding="same")
    return out.flatten(1).T


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(4, 4, 3, 3), (2, 5, 3, 3), (3, 2, 5, 1)])
def test_the_norm_of_a_periodic_convolution_is_exact(shape, size):
    k = kernel(*shape)
    exact = torch.linalg.matrix_norm(dense(k, size, "periodic"), 2).square()
    found = periodic_norm_squared(k, size)
    assert exact * (1 - 1e-9) <= found <= 1.02 * exact  # Gram iteration comes from above


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["periodic", "zeros"])
def test_the_bound_holds_on_every_grid(mode, size):
    k = kernel(3, 3, 3, 3)
    exact = torch.linalg.matrix_norm(dense(k, size, mode), 2).square()
    assert exact <= norm_squared_bound(k) * (1 + 1e-12)


def test_the_bound_is_reached_on_large_grids():
    k = kernel(2, 2, 3, 3)
    exact = torch.linalg.matrix_norm(dense(k, (24, 24), "zeros"), 2).square()
    assert exact <= norm_squared_bound(k) <= 1.05 * exact


@pytest.mark.parametrize("frequencies", [6, 10, 30])
def test_the_supremum_between_the_samples_is_covered(frequencies):
    """K̂(ω) = 2i sin ω has its largest value half way between two samples, if n / 2 is odd."""
    k = torch.tensor([[[[1.0, 0, -1]]]], dtype=torch.float64)
    samples = periodic_norm_squared(k, (1, frequencies))
    assert samples.item() == pytest.approx(4 * math.cos(math.pi / frequencies) ** 2)
    assert norm_squared_bound(k, frequencies).item() == pytest.approx(4)


def test_a_single_tap_by_hand():
    """K = [[3, 0], [0, −2]] at the centre: ‖K‖² = 9 at all frequencies."""
    k = torch.zeros(2, 2, 3, 3, dtype=torch.float64)
    k[0, 0, 1, 1], k[1, 1, 1, 1] = 3, -2
    assert periodic_norm_squared(k, (6, 5)).item() == pytest.approx(9)
    assert norm_squared_bound(k).item() == pytest.approx(9 / math.cos(math.pi / 32) ** 4)
    assert norm_squared_bound(0 * k).item() == 0


def test_the_gradient_is_that_of_the_largest_singular_value():
    k = kernel(3, 4, 3, 3).requires_grad_()
    exact = torch.linalg.matrix_norm(dense(k, (6, 7), "periodic"), 2).square()
    (expected,) = torch.autograd.grad(exact, k)
    (found,) = torch.autograd.grad(periodic_norm_squared(k, (6, 7)), k)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02 * float(expected.abs().max()))
    assert torch.autograd.gradcheck(lambda w: periodic_norm_squared(w, (6, 7)), k)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_other_types_and_sizes_neither_overflow_nor_vanish(kind, scale):
    k = (scale * kernel(8, 8, 3, 3)).to(kind)
    expected = norm_squared_bound(k.double())
    with torch.autocast("cpu", torch.bfloat16):
        found = norm_squared_bound(k)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-3)
