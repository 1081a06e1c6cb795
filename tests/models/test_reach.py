"""How far one implicit step spreads, and in which directions: several stencils, diagonal h."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from imexnet.models.config import MODELS
from imexnet.models.folding import fold
from imexnet.models.networks import build, parameter_count
from imexnet.models.steps import DiffusionReactionStep, ExplicitStep, IMEXStep, log_spaced
from imexnet.ode.integrators import Problem
from imexnet.spectral.stages import implicit_solve_reference
from imexnet.spectral.symbols import laplacian_eigenvalues

OPTIONS: list[dict[str, Any]] = [
    {"stencils": 2},
    {"stencils": 3, "stencil_size": 5},
    {"stencil_size": 5, "reach": (0.5, 4.0)},
    {"step_size_range": (0.25, 8.0)},
    {"stencils": 2, "stencil_size": 5, "reach": (0.5, 4.0), "step_size_range": (0.5, 16.0)},
]


def dense_operator(stencils: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Σ_k B_kᵀB_k of one channel's stencils (K, kh, kw) as a matrix, periodic, tap by tap."""
    height, width = size
    total = np.zeros((height * width,) * 2)
    for stencil in stencils - stencils.mean((1, 2), keepdims=True):
        matrix = np.zeros_like(total)
        middle = [n // 2 for n in stencil.shape]
        for row in range(height):
            for column in range(width):
                for (a, b), tap in np.ndenumerate(stencil):
                    y, x = (row + a - middle[0]) % height, (column + b - middle[1]) % width
                    matrix[row * width + column, y * width + x] += tap
        total += matrix.T @ matrix
    return total


def channel(step: IMEXStep, c: int) -> np.ndarray:
    """Its stencils, (K, kh, kw)."""
    stencil = step.stencil[c].detach().numpy()
    return stencil if stencil.ndim == 3 else stencil[None]


def step_sizes(step: ExplicitStep, channels: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(step.h, float).reshape(-1), channels)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_the_solve_is_that_of_the_dense_matrix(options, size):
    torch.manual_seed(0)
    step = IMEXStep(3, 0.7, **options).double().requires_grad_(False)
    r = torch.randn(2, 3, *size, dtype=torch.float64)
    for c, h in enumerate(step_sizes(step, 3)):
        matrix = np.eye(np.prod(size)) + h * dense_operator(channel(step, c), size)
        expected = np.linalg.solve(matrix, r[:, c].reshape(2, -1).numpy().T).T
        np.testing.assert_allclose(step.solve(r)[:, c].reshape(2, -1), expected, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_literal_update_with_a_diagonal_h(options):
    """(I + HL) Y⁺ = Y + HLY + H f(Y), H diagonal over the channels, by a dense solve."""
    torch.manual_seed(0)
    step = IMEXStep(3, 0.7, **options).double().eval().requires_grad_(False)
    literal = DiffusionReactionStep(3, 0.7, **options).double().eval().requires_grad_(False)
    literal.load_state_dict(step.state_dict())
    y = torch.randn(1, 3, 6, 7, dtype=torch.float64)
    found, reaction, f = step(y), literal(y), step.rhs(y)
    for c, h in enumerate(step_sizes(step, 3)):
        operator = dense_operator(channel(step, c), (6, 7))
        start, force = (t[0, c].flatten().numpy() for t in (y, f))
        for answer, damped in ((found, start + h * operator @ start), (reaction, start)):
            expected = np.linalg.solve(np.eye(42) + h * operator, damped + h * force)
            np.testing.assert_allclose(answer[0, c].flatten(), expected, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("boundary", ["periodic", "mirrored"])
def test_gradients_of_input_stencils_and_step_sizes(options, learned, boundary):
    torch.manual_seed(0)
    step = IMEXStep(2, 0.7, learned, boundary=boundary, **options).double().eval()
    r = torch.randn(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in step.named_parameters() if "stencil" in name or "size" in name]
    parameters = [step.get_parameter(name).detach().clone().requires_grad_() for name in names]

    def solved(r, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(step, given, (r,))

    step.forward = lambda y: step.h * step.solve(y)
    assert torch.autograd.gradcheck(solved, (r, *parameters))
    assert len(names) == 1 + learned


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("learned", [False, True])
def test_folded_it_is_the_same_network(options, learned):
    config = replace(MODELS["qtips-imexnet"], learned_step_size=learned, **options)
    torch.manual_seed(0)
    network = build(config).double().eval()
    x = torch.rand(2, 1, 17, 24, dtype=torch.float64)
    torch.testing.assert_close(fold(network)(x)["qtips"], network(x)["qtips"], atol=1e-10, rtol=0)


def moments(step: IMEXStep, c: int, side: int = 257) -> np.ndarray:
    """Σ G x xᵀ of a channel's Green's function, (2, 2), x from the impulse."""
    impulse = torch.zeros(1, step.conv.in_channels, side, side, dtype=torch.float64)
    impulse[..., side // 2, side // 2] = 1
    response = step.solve(impulse)[0, c].detach().numpy()
    at = np.indices((side, side)).reshape(2, -1) - side // 2
    return (at * response.ravel()) @ at.T


def first_moment(stencil: np.ndarray) -> np.ndarray:
    """c = Σ t B[t] of a zero-mean stencil."""
    at = np.indices(stencil.shape) - np.array(stencil.shape).reshape(2, 1, 1) // 2
    return (at * (stencil - stencil.mean())).sum((1, 2))


@pytest.mark.parametrize("stencil_size", [3, 5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_stencils_spread_in_all_directions_and_one_along_a_line(seed, stencil_size):
    """The second moment of G is 2h Σ_k c_k c_kᵀ: of rank one for one stencil."""
    h = 0.4
    for stencils in (1, 2, 4):
        torch.manual_seed(seed)
        step = IMEXStep(3, h, stencils=stencils, stencil_size=stencil_size).double()
        for c in range(3):
            firsts = [first_moment(stencil) for stencil in channel(step, c)]
            expected = 2 * h * np.sum([np.outer(first, first) for first in firsts], axis=0)
            found = moments(step, c)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.max(expected))
            across, along = np.linalg.eigvalsh(found)
            if stencils == 1:
                assert abs(across) < 1e-6 * along
            else:
                assert across == pytest.approx(along, rel=1e-6)


def test_trained_apart_two_stencils_need_not_stay_alike():
    torch.manual_seed(0)
    step = IMEXStep(1, 0.4, stencils=2).double()
    step.stencil.data[:, 1] *= 0.5
    across, along = np.linalg.eigvalsh(moments(step, 0))
    assert across / along == pytest.approx(0.25, rel=1e-6)


@pytest.mark.parametrize("size", [(9, 12), (16, 16)])
def test_two_stencils_hold_the_laplacian_and_one_does_not(size):
    """λ = s_x (1 − s_y / 12) + s_y (1 − s_x / 12), s = 2 − 2 cos ω; 1 − s / 12 = |a + b e^iω|²."""
    a, b = (1 + np.sqrt(2 / 3)) / 2, (1 - np.sqrt(2 / 3)) / 2
    stencil = np.zeros((3, 3))
    stencil[1:, 1:] = np.outer([a, b], [1, -1])
    step = IMEXStep(1, stencils=2).double()
    step.stencil.data[0] = torch.from_numpy(np.stack([stencil, stencil.T]))
    grid = torch.zeros(1, 1, *size, dtype=torch.float64)
    expected = laplacian_eigenvalues(grid)
    torch.testing.assert_close(step.eigenvalues(grid), expected, rtol=0, atol=1e-12)
    # One zero-mean stencil has a direction in which it is blind to slow waves.
    single = IMEXStep(1).double()
    single.stencil.data[0] = step.stencil.data[0, 0]
    assert single.eigenvalues(grid)[0, 1:, 0].abs().max() < 1e-12 < expected[0, 1:, 0].min()


def test_parameters_of_the_options():
    base = MODELS["qtips-imexnet"]
    plain = parameter_count(build(base))
    for changes, more in (
        ({"reach": (0.5, 16.0)}, 0),
        ({"step_size_range": (0.25, 64.0)}, 0),
        ({"stencils": 2}, 9),
        ({"stencil_size": 5}, 16),
        ({"stencils": 2, "stencil_size": 5}, 41),
    ):
        assert parameter_count(build(replace(base, **changes))) == plain + 6 * 16 * more
    learned = replace(base, learned_step_size=True, step_size_range=(0.25, 64.0))
    assert parameter_count(build(learned)) == plain + 6 * 16


def test_one_stencil_starts_as_ever_and_is_the_first_of_two():
    torch.manual_seed(3)
    one = IMEXStep(4, reach=(0.5, 16.0))
    torch.manual_seed(3)
    two = IMEXStep(4, reach=(0.5, 16.0), stencils=2)
    assert one.stencil.shape == (4, 3, 3) and two.stencil.shape == (4, 2, 3, 3)
    assert torch.equal(one.stencil, two.stencil[:, 0])
    assert torch.equal(one.stencil.rot90(1, (1, 2)), two.stencil[:, 1])
    assert torch.equal(one.conv.weight, two.conv.weight)
    assert one.stencil[0].max() < 0.5 and one.stencil[3].max() > 4


@pytest.mark.parametrize("step", [ExplicitStep, IMEXStep, DiffusionReactionStep])
def test_step_sizes_of_the_channels_are_log_spaced_about_h(step):
    layer = step(5, 0.5, step_size_range=(0.25, 64.0))
    expected = 0.5 * np.array([0.25, 1, 4, 16, 64]).reshape(-1, 1, 1)
    np.testing.assert_allclose(layer.h, expected, rtol=1e-6)
    learned = step(5, 0.5, True, step_size_range=(0.25, 64.0))
    np.testing.assert_allclose(learned.h.detach(), expected, rtol=1e-6)
    learned(torch.rand(2, 5, 6, 6)).square().sum().backward()
    assert (learned.log_step_size.grad != 0).all()
    with torch.device("meta"):
        blank = step(5, 0.5, step_size_range=(0.25, 64.0))
    blank.to_empty(device="cpu").load_state_dict(layer.state_dict())
    y = torch.rand(2, 5, 6, 6)
    assert torch.equal(blank.eval()(y), layer.eval()(y))


def test_decay_lengths_span_one_to_forty_cells():
    """At h = 1, √(2h) |c| along the stencil: with factors of h or of B, log-spaced."""
    both: list[dict[str, Any]] = [{"reach": (0.5, 20.0)}, {"step_size_range": (0.25, 400.0)}]
    for options in both:
        torch.manual_seed(1)
        step = IMEXStep(16, **options).double()
        lengths = [
            np.sqrt(2 * h) * np.linalg.norm(first_moment(channel(step, c)[0]))
            for c, h in enumerate(step_sizes(step, 16))
        ]
        assert min(lengths) < 1.5 and max(lengths) > 20


@pytest.mark.parametrize(
    ("operator", "stencils"), [("learned", 1), ("learned", 2), ("laplacian", 1)]
)
@pytest.mark.parametrize("h", [1.0, 1e8, 1e30])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (60, 80)])
def test_constants_pass_at_every_step_size_in_float32(stencils, operator, h, size):
    """Frequency 0 has λ = 0 exactly, whatever h and however many stencils."""
    torch.manual_seed(0)
    step = IMEXStep(4, h, operator=operator, stencils=stencils)
    r = torch.full((1, 4, *size), 3.0)
    assert (step.solve(r) - r).abs().max() <= 3 * 2**-21
    grid = step.eigenvalues(r)
    assert not grid[..., 0, 0].any()
    wide = IMEXStep(4, h, operator=operator, step_size_range=(1e-3, 1e3), stencils=stencils)
    assert (wide.solve(r) - r).abs().max() <= 3 * 2**-21


BAD = [float("inf"), float("nan"), -1.0, 1e39, torch.tensor(-1.0), torch.tensor([1.0, torch.inf])]


@pytest.mark.parametrize("h", BAD)
def test_every_solve_refuses_a_step_size_that_is_none(h):
    rhs = torch.zeros(1, 2, 5, 5)
    h = h.view(-1, 1, 1) if isinstance(h, torch.Tensor) and h.dim() else h
    with pytest.raises(ValueError, match="the step size h must be finite"):
        implicit_solve_reference(rhs, torch.zeros(2, 3, 3), h)
    if not isinstance(h, torch.Tensor):
        problem = Problem(lambda y: -y, np.ones((5, 5)))
        with pytest.raises(ValueError, match="the step size h must be finite"):
            problem.solve(np.zeros((5, 5)), h)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-1.0, 1.0), (1.0, float("inf")), (float("nan"), 1)])
def test_a_range_that_is_none_is_refused(ends):
    for make in (
        lambda: log_spaced(ends, 4),
        lambda: IMEXStep(4, reach=ends),
        lambda: ExplicitStep(4, step_size_range=ends),
    ):
        with pytest.raises(ValueError, match="a range over the channels is positive and finite"):
            make()
    with pytest.raises(ValueError, match="finite in float32 and above 0, got inf"):
        ExplicitStep(4, 1e30, step_size_range=(1.0, 1e30))
    with pytest.raises(ValueError, match="stencils must be at least 1, got 0"):
        IMEXStep(4, stencils=0)
