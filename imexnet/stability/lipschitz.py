"""Local Lipschitz constants of a network by power iteration."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lipschitz:
    """The largest singular value of a Jacobian, from below.

    Attributes:
        constant: ‖J v‖ / ‖v‖ of the last v.
        iterations: of the power iteration.
        converged: whether the last one changed it by less than the tolerance.
    """

    constant: float
    iterations: int
    converged: bool


def local_lipschitz(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Lipschitz:
    """‖J‖₂ of a function's Jacobian J at x, by power iteration v ← JᵀJ v / ‖JᵀJ v‖.

    Jᵀu is one backward pass; it is linear in u, so that J v is one backward pass through it. The
    graph of the function is built once.

    Args:
        function: differentiable twice.
        x: where.
        iterations: at most.
        tolerance: relative change of ‖J v‖ at which to stop.
        seed: of the first v.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        y = function(x)
        u = torch.zeros_like(y, requires_grad=True)
        (adjoint,) = torch.autograd.grad(y, x, u, create_graph=True)  # Jᵀu
        generator = torch.Generator().manual_seed(seed)
        v = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        last, count, converged = 0.0, 0, False
        while count < iterations and not converged:
            v = v / v.norm().clamp_min(torch.finfo(v.dtype).tiny)
            (jv,) = torch.autograd.grad(adjoint, u, v, retain_graph=True)
            (v,) = torch.autograd.grad(y, x, jv.detach(), retain_graph=True)
            constant, count = float(jv.detach().norm()), count + 1
            converged = abs(constant - last) <= tolerance * constant
            last = constant
        return Lipschitz(last, count, converged)
