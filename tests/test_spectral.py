"""The implicit solve against dense matrices, its residual, its gradients and its properties."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from imexnet.spectral import (
    LAPLACIAN,
    Resolvent,
    apply_resolvent,
    gram_eigenvalues,
    green_function,
    implicit_solve,
    implicit_solve_reference,
    resolvent,
    solve_eigenvalues,
    symbol,
    zero_mean,
)

SIZES = [(8, 8), (7, 9), (8, 5), (5, 12), (9, 7)]
STENCILS = [(3, 3), (5, 5), (3, 5)]


def draw(
    size: tuple[int, int], kernel: tuple[int, int] = (3, 3), channels: int = 3, batch: int = 2
):
    generator = torch.Generator().manual_seed(size[0] * 100 + size[1] * 10 + kernel[0])
    rhs = torch.randn(batch, channels, *size, dtype=torch.float64, generator=generator)
    stencil = torch.randn(channels, *kernel, dtype=torch.float64, generator=generator)
    return rhs, stencil


def circular_matrix(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """The BCCB matrix (HW, HW) of the periodic convolution by one (kh, kw) stencil, entrywise."""
    height, width = size
    kh, kw = stencil.shape
    matrix = torch.zeros(height * width, height * width, dtype=stencil.dtype)
    for row in range(height):
        for column in range(width):
            for a in range(kh):
                for b in range(kw):
                    source = ((row - (a - kh // 2)) % height) * width
                    source += (column - (b - kw // 2)) % width
                    matrix[row * width + column, source] += stencil[a, b]
    return matrix


def spatial_gram(y: Tensor, stencil: Tensor) -> Tensor:
    """BᵀB y by two circular correlations in space: no Fourier transform anywhere."""
    channels, kh, kw = stencil.shape
    for kernel in (stencil, stencil.flip(1, 2)):
        padded = F.pad(y, (kw // 2, kw // 2, kh // 2, kh // 2), mode="circular")
        y = F.conv2d(padded, kernel.unsqueeze(1), groups=channels)
    return y


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", STENCILS)
def test_equals_dense_solve(size, kernel):
    rhs, stencil = draw(size, kernel)
    y = implicit_solve(rhs, stencil, 0.7)
    identity = torch.eye(math.prod(size), dtype=torch.float64)
    for channel in range(rhs.shape[1]):
        b = circular_matrix(stencil[channel], size)
        dense = torch.linalg.solve(identity + 0.7 * b.T @ b, rhs[:, channel].flatten(1).T).T
        torch.testing.assert_close(y[:, channel].flatten(1), dense, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", STENCILS)
def test_residual_in_space(size, kernel):
    rhs, stencil = draw(size, kernel)
    y = implicit_solve(rhs, stencil, 2.5)
    torch.testing.assert_close(y + 2.5 * spatial_gram(y, stencil), rhs, rtol=0, atol=1e-11)


@given(st.integers(5, 14), st.integers(5, 14), st.floats(0, 50))
@settings(max_examples=30, deadline=None)
def test_equals_classical_recipe(height, width, h):
    rhs, stencil = draw((height, width), (5, 3))
    expected = implicit_solve_reference(rhs, stencil, h)
    torch.testing.assert_close(implicit_solve(rhs, stencil, h), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
def test_symbol_is_the_fourier_transform_of_the_centred_stencil(size):
    _, stencil = draw(size, (3, 5))
    padded = torch.zeros(3, *size, dtype=torch.float64)
    for a in range(3):
        for b in range(5):
            padded[:, (a - 1) % size[0], (b - 2) % size[1]] += stencil[:, a, b]
    torch.testing.assert_close(symbol(stencil, size), torch.fft.fft2(padded))


def test_symbol_of_the_laplacian_is_real_and_not_negative():
    stencil = torch.tensor(LAPLACIAN, dtype=torch.float64).unsqueeze(0)
    values = symbol(stencil, (10, 7))
    assert values.imag.abs().max() < 1e-14
    assert values.real.min() > -1e-14
    assert values.real[0, 0, 0].abs() < 1e-14
    # -Δ cos(ωx) = ω² cos(ωx) to second order in ω.
    fine = symbol(stencil, (400, 400)).real
    assert fine[0, 0, 1].item() == pytest.approx((2 * math.pi / 400) ** 2, rel=1e-3)


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (3, 6)])
def test_gradients_by_finite_differences(size):
    rhs, stencil = draw(size, channels=2)
    h = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    inputs = (rhs.requires_grad_(), stencil.requires_grad_(), h)
    assert torch.autograd.gradcheck(implicit_solve, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(implicit_solve, inputs)


@pytest.mark.parametrize("size", SIZES)
def test_forward_mode_of_the_linear_operator_is_the_solve_itself(size):
    rhs, stencil = draw(size)
    change = torch.randn_like(rhs)
    moved = torch.func.jvp(lambda r: implicit_solve(r, stencil, 1.1), (rhs,), (change,))[1]
    torch.testing.assert_close(moved, implicit_solve(change, stencil, 1.1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", SIZES)
def test_vectorised_over_right_hand_sides(size):
    rhs, stencil = draw(size)
    several = torch.stack([rhs, 2 * rhs, rhs.flip(2)])
    together = torch.func.vmap(lambda r: implicit_solve(r, stencil, 1.1))(several)
    for one, y in zip(several, together, strict=True):
        torch.testing.assert_close(y, implicit_solve(one, stencil, 1.1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [(4, 4), (4, 3)])
def test_jacobians_for_both_arguments_by_three_ways(size):
    inputs = draw(size, channels=2)

    def solve(rhs: Tensor, stencil: Tensor) -> Tensor:
        return implicit_solve(rhs, stencil, 1.1)

    one_by_one = torch.autograd.functional.jacobian(solve, inputs)
    for vectorised in (torch.func.jacrev, torch.func.jacfwd):
        for own, expected in zip(vectorised(solve, (0, 1))(*inputs), one_by_one, strict=True):
            torch.testing.assert_close(own, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (3, 2), (1, 1), (6, 1)])
def test_smallest_grids(size):
    rhs, stencil = draw(size, (1, 1))
    torch.testing.assert_close(
        implicit_solve(rhs, stencil, 0.6), rhs / (1 + 0.6 * stencil.square()), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize(
    ("size", "kernel"),
    [((1, 4), (1, 3)), ((1, 6), (1, 5)), ((1, 9), (1, 3)), ((6, 1), (3, 1)), ((2, 4), (1, 3)),
     ((2, 2), (1, 1)), ((4, 2), (3, 1)), ((3, 4), (3, 3))],
)  # fmt: skip
def test_grids_of_few_rows_or_columns(size, kernel):
    rhs, stencil = (given.requires_grad_() for given in draw(size, kernel))
    own, expected = (f(rhs, stencil, 0.6) for f in (implicit_solve, implicit_solve_reference))
    torch.testing.assert_close(own, expected, rtol=0, atol=1e-13)
    assert torch.autograd.gradcheck(lambda r, b: implicit_solve(r, b, 0.6), (rhs, stencil))


@pytest.mark.parametrize("size", SIZES)
def test_the_half_spectrum_and_the_packed_form_agree(size):
    """The packed form serves processors and even widths, the other all the rest."""
    rhs, stencil = draw(size, (3, 5))
    eigenvalues = gram_eigenvalues(stencil, size)
    half = eigenvalues[..., : size[1] // 2 + 1]
    plain = Resolvent((1 + 0.9 * half).reciprocal(), None)
    chosen = resolvent(eigenvalues, 0.9, rhs)
    assert (chosen.mirror is None) == (size[1] % 2 == 1)
    torch.testing.assert_close(
        apply_resolvent(rhs, chosen), apply_resolvent(rhs, plain), rtol=0, atol=1e-13
    )


def test_gradients_equal_those_of_the_classical_recipe():
    rhs, stencil = draw((6, 7))
    gradients = []
    for solve in (implicit_solve, implicit_solve_reference):
        r, b = rhs.clone().requires_grad_(), stencil.clone().requires_grad_()
        gradients.append(torch.autograd.grad(solve(r, b, 1.3).pow(3).sum(), (r, b)))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
def test_self_adjoint(size):
    rhs, stencil = draw(size)
    other = torch.randn_like(rhs)
    left = (implicit_solve(rhs, stencil, 1.0) * other).sum()
    right = (rhs * implicit_solve(other, stencil, 1.0)).sum()
    assert left.item() == pytest.approx(right.item(), abs=1e-11)


def test_contraction_and_monotone_in_h():
    rhs, stencil = draw((9, 8))
    norms = [implicit_solve(rhs, stencil, h).norm().item() for h in (0, 0.1, 1, 10, 100)]
    assert norms[0] == pytest.approx(rhs.norm().item(), abs=1e-12)
    assert all(later < earlier for earlier, later in itertools.pairwise(norms))


def test_constants_pass_unchanged_for_zero_mean_stencils():
    _, stencil = draw((9, 8))
    constant = (
        torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64).view(1, 3, 1, 1).expand(2, 3, 9, 8)
    )
    y = implicit_solve(constant, zero_mean(stencil), 5.0)
    torch.testing.assert_close(y, constant, rtol=0, atol=1e-13)
    assert (implicit_solve(constant, stencil, 5.0) - constant).abs().max() > 0.1


def test_zero_step_is_the_identity():
    rhs, stencil = draw((7, 6))
    torch.testing.assert_close(implicit_solve(rhs, stencil, 0.0), rhs, rtol=0, atol=1e-14)


def test_green_function_is_a_column_of_the_inverse():
    _, stencil = draw((6, 7))
    green = green_function(stencil, 1.5, (6, 7))
    identity = torch.eye(42, dtype=torch.float64)
    for channel in range(3):
        b = circular_matrix(stencil[channel], (6, 7))
        column = torch.linalg.inv(identity + 1.5 * b.T @ b)[:, 3 * 7 + 3]
        torch.testing.assert_close(green[channel].flatten(), column, rtol=0, atol=1e-12)


def test_scaled_identity_as_operator():
    rhs, _ = draw((5, 6))
    y = solve_eigenvalues(rhs, torch.full((1, 1, 1), 3.0, dtype=torch.float64), 0.5)
    torch.testing.assert_close(y, rhs / 2.5)


@pytest.mark.parametrize("size", [(64, 64), (30, 40), (61, 47)])
def test_float32_error_is_a_few_units_of_rounding(size):
    """Relative to the largest value, 20 units of 2⁻²³ suffice at every size of the networks."""
    rhs, stencil = draw(size, channels=16)
    exact = implicit_solve(rhs, stencil, 1.0)
    single = implicit_solve(rhs.float(), stencil.float(), 1.0).double()
    assert (single - exact).abs().max() / exact.abs().max() < 20 * 2**-23


@pytest.mark.parametrize(
    ("rhs", "stencil", "h", "words"),
    [
        ((2, 3, 4, 4), (3, 5, 5), 1.0, ["(3, 5, 5)", "larger than the image (4, 4)"]),
        ((2, 3, 8, 8), (3, 2, 3), 1.0, ["odd", "(3, 2, 3)"]),
        ((2, 3, 8, 8), (4, 3, 3), 1.0, ["(2, 3, 8, 8)", "(4, 3, 3)", "channels"]),
        ((3, 8, 8), (3, 3, 3), 1.0, ["(B, C, H, W)", "(3, 8, 8)"]),
        ((2, 3, 8, 8), (3, 1, 3, 3), 1.0, ["(C, kh, kw)", "(3, 1, 3, 3)"]),
        ((2, 3, 8, 8), (3, 3, 3), -1.0, ["negative", "-1"]),
        ((2, 3, 8, 8), (3, 3, 3), math.nan, ["negative", "nan"]),
    ],
)
def test_bad_shapes_are_named(rhs, stencil, h, words):
    with pytest.raises(ValueError) as error:
        implicit_solve(torch.zeros(rhs), torch.zeros(stencil), h)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    ("rhs", "stencil"),
    [(torch.float16, torch.float16), (torch.float32, torch.float64), (torch.int64, torch.int64)],
)
def test_bad_types_are_named(rhs, stencil):
    with pytest.raises(ValueError, match=r"float32 or both float64.*\(1, 1, 4, 4\)"):
        implicit_solve(torch.zeros(1, 1, 4, 4, dtype=rhs), torch.zeros(1, 3, 3, dtype=stencil), 1.0)


def test_eigenvalues_are_not_negative_and_vanish_at_zero_for_zero_mean():
    _, stencil = draw((8, 8))
    values = gram_eigenvalues(zero_mean(stencil), (8, 8))
    assert values.min() >= 0
    assert values[:, 0, 0].abs().max() < 1e-28
