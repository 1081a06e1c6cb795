"""The implicit solve against dense matrices, its residual, its gradients and its properties."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from imexnet.spectral.solve import (
    apply_filter,
    green_function,
    implicit_solve,
    solve_eigenvalues,
)
from imexnet.spectral.stages import implicit_solve_reference
from imexnet.spectral.symbols import (
    LAPLACIAN,
    gram_eigenvalues,
    laplacian_eigenvalues,
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
        ((2, 3, 8, 8), (3, 2, 3), 1.0, ["odd", "(3, 2, 3)"]),
        ((2, 3, 8, 8), (4, 3, 3), 1.0, ["(2, 3, 8, 8)", "(4, 3, 3)", "channels"]),
        ((3, 8, 8), (3, 3, 3), 1.0, ["(B, C, H, W)", "(3, 8, 8)"]),
        ((2, 3, 8, 8), (3, 1, 3, 3), 1.0, ["(C, kh, kw)", "(3, 1, 3, 3)"]),
        ((2, 3, 8, 8), (3, 3, 3), -1.0, ["negative", "-1"]),
        ((2, 3, 8, 8), (3, 3, 3), math.nan, ["negative", "nan"]),
        ((2, 3, 8, 8), (3, 3, 3), math.inf, ["finite", "inf"]),
        ((2, 3, 8, 8), (3, 3, 3), 1e39, ["finite in float32", "1e+39"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.tensor(-1.0), ["negative", "-1"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.tensor(-1), ["negative", "-1"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.tensor(math.inf), ["finite", "inf"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.tensor([1, math.nan, 1]).view(3, 1, 1), ["nan"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.nn.Parameter(torch.tensor(-0.5)), ["negative", "-0.5"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.tensor(1j), ["real", "complex64"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.ones(3), ["(2, 3, 1, 1)", "(3,)"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.ones(8), ["(2, 3, 1, 1)", "(8,)"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.ones(2, 1, 1), ["(2, 3, 1, 1)", "(2, 1, 1)"]),
        ((2, 3, 8, 8), (3, 3, 3), torch.ones(1, 1, 1, 1, 1), ["(2, 3, 1, 1)"]),
    ],
)
def test_bad_shapes_are_named(rhs, stencil, h, words):
    with pytest.raises(ValueError) as error:
        implicit_solve(torch.zeros(rhs), torch.zeros(stencil), h)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("bad", [torch.int64, torch.uint8, torch.bool, torch.complex64])
@pytest.mark.parametrize(
    "call",
    [
        lambda maps, stencil: implicit_solve(maps, stencil.float(), 1.0),
        lambda maps, stencil: implicit_solve(maps.float(), stencil, 1.0),
        lambda maps, stencil: green_function(stencil, 1.0, (4, 4)),
        lambda maps, stencil: gram_eigenvalues(stencil, (4, 4)),
        lambda maps, stencil: symbol(stencil, (4, 4)),
        lambda maps, stencil: zero_mean(stencil),
        lambda maps, stencil: laplacian_eigenvalues(maps),
        lambda maps, stencil: solve_eigenvalues(maps, torch.ones(1, 1, 1), 1.0),
    ],
)
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_types_without_a_solve_are_named(bad, call):
    maps, stencil = torch.zeros(1, 1, 4, 4, dtype=bad), torch.zeros(1, 3, 3, dtype=bad)
    with pytest.raises(ValueError, match=f"must be one of float16, .*, float64, got {bad}"):
        call(maps, stencil)


HALF = [torch.float16, torch.bfloat16]


def gradients(rhs: Tensor, stencil: Tensor, h: Tensor) -> list[Tensor]:
    """The solve and its gradients for all three arguments."""
    leaves = [x.detach().clone().requires_grad_() for x in (rhs, stencil, h)]
    y = implicit_solve(*leaves)
    return [y, *torch.autograd.grad(y.sum() + y.float().square().sum(), leaves)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", HALF)
def test_autocast_changes_nothing_for_float32(size, kind):
    """Nor in a backward pass that is run under it."""
    rhs, stencil = (x.float() for x in draw(size))
    arguments = rhs, stencil, torch.tensor(0.8)
    expected = gradients(*arguments)
    green, eigenvalues = green_function(stencil, 0.8, size), gram_eigenvalues(stencil, size)
    with torch.autocast("cpu", kind):
        found = gradients(*arguments)
        assert torch.equal(green_function(stencil, 0.8, size), green)
        assert torch.equal(gram_eigenvalues(stencil, size), eigenvalues)
        assert torch.equal(laplacian_eigenvalues(rhs), laplacian_eigenvalues(rhs.float()))
    for own, other in zip(found, expected, strict=True):
        assert torch.equal(own, other)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(
    "types", [*[(k, k, k) for k in HALF], *itertools.permutations((torch.float32, *HALF), 3)]
)
def test_half_precision_is_solved_in_float32_and_rounded_once(size, autocast, types):
    """As if the rounded arguments were exact, to the rounding of each argument's own type."""
    arguments = [
        x.to(kind) for x, kind in zip((*draw(size), torch.tensor(0.8)), types, strict=True)
    ]
    exact = gradients(*(x.double() for x in arguments))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = gradients(*arguments)
    assert [x.dtype for x in found] == [types[0], *types]
    y, expected = found[0], exact[0]
    rounding = torch.finfo(y.dtype).eps / 2 * expected.abs()
    assert ((y.double() - expected).abs() <= rounding + 20 * 2**-23 * expected.abs().max()).all()
    for own, other in zip(found[1:], exact[1:], strict=True):
        assert (own.double() - other).abs().max() <= 0.01 * other.abs().max()


@pytest.mark.parametrize("kind", [*HALF, torch.float32])
def test_mixed_with_float64_the_solve_is_float64(kind):
    rhs, stencil = draw((7, 6))
    expected = implicit_solve(rhs, stencil.to(kind).double(), 0.7)
    torch.testing.assert_close(implicit_solve(rhs, stencil.to(kind), 0.7), expected)
    rounded = implicit_solve(rhs.to(kind), stencil, torch.tensor([0.7], dtype=kind))
    assert rounded.dtype == kind
    assert (rounded.double() - implicit_solve(rhs, stencil, 0.7)).abs().max() < 0.05


@pytest.mark.parametrize("size", SIZES)
def test_a_step_size_may_differ_per_channel_and_picture(size):
    rhs, stencil = draw(size)
    h = torch.rand(2, 3, 1, 1, dtype=torch.float64)
    y = implicit_solve(rhs, stencil, h)
    for b, c in itertools.product(range(2), range(3)):
        alone = implicit_solve(rhs[b : b + 1, c : c + 1], stencil[c : c + 1], h[b, c].item())
        torch.testing.assert_close(y[b, c], alone[0, 0], rtol=0, atol=1e-13)
    per_channel = implicit_solve(rhs, stencil, h[0])
    torch.testing.assert_close(per_channel[0], y[0], rtol=0, atol=1e-13)


def test_a_negative_tensor_is_refused_wherever_it_can_be_read():
    rhs, stencil = draw((5, 6))
    bad = torch.tensor(-0.5, dtype=torch.float64)

    def solve(h: Tensor) -> Tensor:
        return implicit_solve(rhs, stencil, h).sum()

    for way in (solve, torch.func.grad(solve), torch.func.jacrev(solve), torch.func.jacfwd(solve)):
        with pytest.raises(ValueError, match=r"not negative, got -0\.5"):
            way(bad)
    several = torch.tensor([0.5, 2.0], dtype=torch.float64)
    found = torch.func.vmap(solve)(several)
    torch.testing.assert_close(found, torch.stack([solve(h) for h in several]))


@pytest.mark.parametrize("size", SIZES)
def test_results_may_be_changed_in_place(size):
    inputs = rhs, stencil = [x.requires_grad_() for x in draw(size)]
    expected = torch.autograd.grad((3 * implicit_solve(rhs, stencil, 1.1) + 1).relu().sum(), inputs)
    y = implicit_solve(rhs, stencil, 1.1)
    y *= 3
    y.add_(1).relu_()
    for own, other in zip(torch.autograd.grad(y.sum(), inputs), expected, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("size", [(4, 4), (4, 3), (3, 6)])
def test_batched_gradients_are_those_one_by_one(size):
    inputs = rhs, stencil = [x.requires_grad_() for x in draw(size, channels=2)]
    y = implicit_solve(rhs, stencil, 1.1)
    directions = torch.randn(5, *y.shape, dtype=y.dtype)
    together = torch.autograd.grad(y, inputs, directions, is_grads_batched=True, retain_graph=True)
    for k, direction in enumerate(directions):
        alone = torch.autograd.grad(y, inputs, direction, retain_graph=True)
        for own, other in zip(together, alone, strict=True):
            torch.testing.assert_close(own[k], other)
    one_by_one, vectorised, forward = (
        torch.autograd.functional.jacobian(
            lambda r, b: implicit_solve(r, b, 1.1), (rhs, stencil), vectorize=batched, strategy=mode
        )
        for batched, mode in (
            (False, "reverse-mode"),
            (True, "reverse-mode"),
            (True, "forward-mode"),
        )
    )
    for expected, *others in zip(one_by_one, vectorised, forward, strict=True):
        for own in others:
            torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("size", [(4, 4), (4, 3)])
def test_second_derivatives_by_three_ways(size):
    rhs, stencil = draw(size, channels=1, batch=1)

    def energy(b: Tensor) -> Tensor:
        return implicit_solve(rhs, b, 1.1).pow(3).sum()

    expected = torch.autograd.functional.hessian(energy, stencil)
    for outer, inner in itertools.product((torch.func.jacfwd, torch.func.jacrev), repeat=2):
        torch.testing.assert_close(outer(inner(energy))(stencil), expected)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (0, 3, 7, 5), (2, 0, 8, 8), (2, 0, 5, 7)])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.float64])
def test_nothing_is_solved_for_no_picture_or_no_channel(shape, kind):
    rhs = torch.zeros(shape, dtype=kind)
    y, *found = gradients(rhs, torch.ones(shape[1], 3, 3, dtype=kind), torch.tensor(0.5))
    assert (y.shape, y.dtype) == (shape, kind)
    assert [x.shape for x in found] == [shape, (shape[1], 3, 3), ()]
    assert not any(x.any() for x in found)
    assert green_function(torch.ones(0, 3, 3), 0.5, (8, 8)).shape == (0, 8, 8)


@pytest.mark.parametrize(
    ("size", "kernel"),
    [((4, 4), (5, 5)), ((3, 4), (9, 7)), ((1, 1), (3, 3)), ((1, 6), (5, 3)), ((2, 5), (3, 11))],
)
def test_a_stencil_larger_than_the_grid_wraps_round_it(size, kernel):
    rhs, stencil = (x.requires_grad_() for x in draw(size, kernel, channels=2))
    y = implicit_solve(rhs, stencil, 0.7)
    identity = torch.eye(math.prod(size), dtype=torch.float64)
    for channel in range(2):
        b = circular_matrix(stencil[channel].detach(), size)
        dense = torch.linalg.solve(identity + 0.7 * b.T @ b, rhs[:, channel].flatten(1).T).T
        torch.testing.assert_close(y[:, channel].flatten(1), dense, rtol=0, atol=1e-12)
    assert torch.autograd.gradcheck(lambda r, b: implicit_solve(r, b, 0.7), (rhs, stencil))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("side", [1, 3, 5, 31])
@pytest.mark.parametrize("offset", [0, 0.5, 1e4])
@pytest.mark.parametrize("size", [(64, 48), (7, 9), (30, 40)])
def test_constants_pass_exactly_whatever_the_step_size(kind, side, offset, size):
    torch.manual_seed(side)
    stencil = zero_mean(torch.rand(8, side, side, dtype=kind) + offset)
    assert not symbol(stencil, size)[:, 0, 0].any()
    constant = torch.full((1, 8, *size), 3.0, dtype=kind)
    for h in (1.0, 1e8, 1e30):
        y = implicit_solve(constant, stencil, h)
        assert (y - 3).abs().max() <= 8 * torch.finfo(kind).eps


def test_the_laplacian_leaves_constants_alone_in_every_type():
    for kind in (*HALF, torch.float32, torch.float64):
        assert laplacian_eigenvalues(torch.zeros(1, 1, 6, 8, dtype=kind))[0, 0, 0] == 0


def test_a_sum_beyond_rounding_is_kept():
    """Of 3 · 10⁻⁶ relative to the largest entry, 25 units of float32."""
    stencil = zero_mean(torch.rand(1, 3, 3))
    stencil[0, 1, 1] += 3e-6
    total = stencil.double().sum()
    assert symbol(stencil, (8, 8))[0, 0, 0].real.item() == pytest.approx(total.item(), rel=0.2)


def test_the_symbol_of_a_zero_mean_stencil_has_its_derivative():
    """Also at frequency 0, where its value is rounding and is taken as 0."""
    stencil = zero_mean(torch.rand(1, 3, 3, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(symbol(stencil, (4, 5))[0, 0, 0].real, stencil)
    assert torch.equal(gradient, torch.ones_like(gradient))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("size", [(8, 8), (8, 7)])
def test_compiled_without_a_break(backend, size):
    inputs = [x.requires_grad_() for x in (*draw(size), torch.tensor(0.8, dtype=torch.float64))]
    expected = implicit_solve(*inputs)
    found = torch.compile(implicit_solve, backend=backend, fullgraph=True)(*inputs)
    torch.testing.assert_close(found, expected)
    pair = (torch.autograd.grad(y.pow(2).sum(), inputs) for y in (found, expected))
    for own, other in zip(*pair, strict=True):
        torch.testing.assert_close(own, other)


def test_eigenvalues_are_not_negative_and_vanish_at_zero_for_zero_mean():
    _, stencil = draw((8, 8))
    values = gram_eigenvalues(zero_mean(stencil), (8, 8))
    assert values.min() >= 0
    assert not values[:, 0, 0].any()


def test_a_multiplier_of_another_grid_is_refused():
    y = torch.rand(1, 2, 6, 9)
    for size in ((6, 8), (6, 5), (9, 6), (1, 9)):
        with pytest.raises(ValueError, match=r"does not fit maps of \(6, 9\)"):
            apply_filter(y, torch.ones(2, *size))
    torch.testing.assert_close(apply_filter(y, torch.full((1, 1, 1), 0.5)), y / 2)


@pytest.mark.parametrize("size", [(0, 4), (-4, 4), (4,)])
def test_a_green_function_needs_a_grid(size):
    with pytest.raises(ValueError, match="at least 1 each"):
        green_function(torch.rand(2, 3, 3), 1.0, size)
