"""The recipe's stages against the library's own solve, and its residual in space."""

import numpy as np
import pytest
import torch

from imexnet.spectral.operators import BOUNDARIES, OPERATORS
from imexnet.spectral.solve import implicit_solve, solve_eigenvalues
from imexnet.spectral.stages import apply, classical_solve, implicit_solve_reference
from imexnet.spectral.symbols import LAPLACIAN, symbol

SIZES = [(8, 8), (7, 10), (9, 5)]


def draw(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(size)
    return random.standard_normal(size), random.standard_normal((3, 3))


@pytest.mark.parametrize("size", SIZES)
def test_learned_is_the_implicit_solve(size):
    r, stencil = draw(size)
    found = classical_solve(r, 0.7, "learned", stencil)
    expected = implicit_solve(torch.from_numpy(r)[None, None], torch.from_numpy(stencil)[None], 0.7)
    np.testing.assert_allclose(found.result, expected[0, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_laplacian_and_identity(size):
    r, _ = draw(size)
    spectrum = symbol(torch.tensor(LAPLACIAN, dtype=torch.float64)[None], size).real
    expected = solve_eigenvalues(torch.from_numpy(r)[None, None], spectrum, 2.0)[0, 0]
    np.testing.assert_allclose(classical_solve(r, 2.0, "laplacian").result, expected, atol=1e-12)
    np.testing.assert_allclose(
        classical_solve(r, 2.0, "identity", alpha=3.0).result, r / 7, atol=1e-12
    )


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", SIZES)
def test_residual_is_rounding_and_every_stage_follows_from_the_last(operator, boundary, size):
    r, stencil = draw(size)
    found = classical_solve(r, 1.3, operator, stencil, boundary=boundary)
    assert found.residual < 1e-13
    assert found.shifted[0, 0] == found.stencil[1, 1]
    assert found.padded.sum() == pytest.approx(found.shifted.sum())
    np.testing.assert_allclose(found.multiplier, 1 / (1 + 1.3 * found.eigenvalues))
    np.testing.assert_allclose(found.product, found.rhs_spectrum * found.multiplier)
    assert found.eigenvalues.min() > -1e-12
    assert found.result.shape == size


def test_mirrored_solve_does_not_wrap_round():
    r = np.zeros((16, 16))
    r[0, 8] = 1
    stencil = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], float)
    periodic = classical_solve(r, 1.0, "learned", stencil).result
    mirrored = classical_solve(r, 1.0, "learned", stencil, boundary="mirrored").result
    assert abs(periodic[-1, 8]) > 100 * abs(mirrored[-1, 8])
    assert mirrored.sum() == pytest.approx(periodic.sum()) == pytest.approx(1)


def test_application_in_space_is_the_transposed_pair():
    _, stencil = draw((8, 8))
    random = np.random.default_rng(3)
    u, v = random.standard_normal((2, 6, 7))
    assert (u * apply(stencil, v, gram=True)).sum() == pytest.approx(
        (apply(stencil, u, gram=False) * apply(stencil, v, gram=False)).sum()
    )


@pytest.mark.parametrize(("size", "kernel"), [((2, 2), (3, 3)), ((9, 4), (1, 5))])
def test_the_reference_refuses_a_stencil_larger_than_the_picture(size, kernel):
    with pytest.raises(ValueError, match="larger than the picture"):
        implicit_solve_reference(torch.ones(1, 2, *size), torch.ones(2, *kernel), 1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"operator": "learned"}, "needs a stencil"),
        ({"operator": "learned", "stencil": np.ones((2, 3))}, "odd sides"),
        ({"operator": "learned", "stencil": np.ones((9, 9))}, "larger than the picture"),
        ({"operator": "wavelet"}, "one of learned, .* got 'wavelet'"),
        ({"boundary": "open"}, "one of periodic, .* got 'open'"),
        ({"step_size": -1.0}, "not negative, got -1"),
        ({"step_size": np.inf}, "finite"),
        ({"operator": "identity", "alpha": -1.0}, "alpha must be finite and not negative"),
        ({"operator": "identity", "alpha": np.nan}, "got nan"),
    ],
)
def test_bad_choices_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        classical_solve(np.ones((8, 8)), **{"step_size": 1.0, **options})
