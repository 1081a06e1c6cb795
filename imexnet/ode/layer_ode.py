"""One layer seen as an ordinary differential equation Ẏ = f(Y), and what its Jacobian says."""

import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from imexnet.models.steps import ExplicitStep, IMEXStep
from imexnet.ode.integrators import Problem
from imexnet.spectral.solve import check_step_size, solve_eigenvalues
from imexnet.spectral.symbols import laplacian_eigenvalues

DENSE = 1024  # unknowns of a dense Jacobian: seconds on one core


def crop(y: Tensor, unknowns: int = DENSE) -> Tensor:
    """The centre of feature maps (1, C, H, W), at most so many numbers, in float64 on the CPU."""
    side = max(3, int((unknowns / y.shape[1]) ** 0.5))
    rows, columns = (slice((n - min(n, side)) // 2, (n + min(n, side)) // 2) for n in y.shape[2:])
    return y[..., rows, columns].double().cpu().contiguous()


def in_double(layer: ExplicitStep) -> ExplicitStep:
    """A copy of a layer on the CPU in float64, in eval mode."""
    return copy.deepcopy(layer).cpu().double().eval().requires_grad_(False)


def untied(layer: ExplicitStep, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """f(Y) = K₂ σ(N(K Y)) with a random K₂ of the norm of Kᵀ, in the place of −Kᵀ."""
    weight = layer.conv.weight.transpose(0, 1)
    generator = torch.Generator().manual_seed(seed)
    second = torch.randn(weight.shape, generator=generator, dtype=weight.dtype).to(weight.device)
    second = second * (weight.norm() / second.norm())

    def rhs(y: Tensor) -> Tensor:
        z = F.relu(layer.norm(layer.conv(y)))
        return F.conv2d(z, second, None, 1, layer.conv.padding, layer.conv.dilation)

    return rhs


def jacobian(function: Callable[[Tensor], Tensor], y: Tensor) -> np.ndarray:
    """∂f/∂Y at Y, dense: (N, N) for the N numbers of Y (1, C, H, W)."""
    with torch.inference_mode(False), torch.no_grad():
        dense = torch.func.jacrev(function)(y.clone())
    return dense.reshape(y.numel(), y.numel()).numpy()


def eigenvalues(matrix: np.ndarray) -> NDArray[np.complex128]:
    """All eigenvalues, complex; from the symmetric algorithm where the matrix is symmetric."""
    if np.abs(matrix - matrix.T).max() <= 1e-12 * max(np.abs(matrix).max(), 1e-300):
        return np.linalg.eigvalsh(matrix).astype(complex)
    return np.linalg.eigvals(matrix).astype(complex)


@torch.inference_mode()
def propagate(
    layer: ExplicitStep, y: Tensor, step_size: float, steps: int, implicit: bool
) -> list[Tensor]:
    """Y_0 … Y_n of one layer taken n times: explicit steps, or IMEX steps with L of the layer.

    Args:
        layer: gives f, and L if it has one, else L is the fixed Laplacian.
        y: (1, C, H, W).
        step_size: h.
        steps: n.
        implicit: whether f passes (I + hL)⁻¹.
    """
    check_step_size(step_size)
    spectrum = linear_part(layer, y)
    found = [y]
    for _ in range(steps):
        f = layer.rhs(y)
        f = solve_eigenvalues(f, spectrum, step_size) if implicit else f
        y = y + step_size * f
        found.append(y)
    return found


def linear_part(layer: ExplicitStep, y: Tensor) -> Tensor:
    """λ of the layer's L on the grid of Y; of the fixed Laplacian for an explicit layer."""
    if isinstance(layer, IMEXStep):
        return layer.eigenvalues(y)
    return laplacian_eigenvalues(y)


def layer_problem(layer: ExplicitStep, y: Tensor) -> Problem:
    """ẏ = f(y) − Ly of a layer, in float64 numpy, for the steppers of `integrators`.

    Args:
        layer: any.
        y: (1, C, H, W) in whose grid L lives.
    """
    double = in_double(layer)

    def reaction(values: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return double.rhs(torch.from_numpy(values)).numpy()

    with torch.inference_mode():
        return Problem(reaction, linear_part(double, y.double().cpu()).numpy())
