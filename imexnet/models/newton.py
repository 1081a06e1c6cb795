"""Solves Z + Kᵀσ(D K Z + b) = R with D ≥ 0, σ = ReLU: the implicit half of a time step.

The left side is the gradient of a strongly convex function, so Z exists and is unique. A
semismooth Newton method finds it; the gradients are those of the implicit function theorem.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

NEWTON, CG = 200, 400
"""Iterations at most."""

TYPICAL = 4, 6
"""Of Newton and of conjugate gradients within, on "meta", where nothing can be read."""

FORCING = 0.1
"""Of the residual is what conjugate gradients leave of each Newton step."""


@dataclass(frozen=True)
class Layer:
    """Kᵀσ(D K Z + b), zero padding.

    Attributes:
        kernel: K, (C, C, 3, 3), of the type to compute in.
        scale: D ≥ 0, (C,).
        shift: b, (C,).
        dilation: cells between the taps of K.
    """

    kernel: Tensor
    scale: Tensor
    shift: Tensor
    dilation: int = 1

    def activations(self, x: Tensor) -> Tensor:
        """D X + b."""
        return torch.addcmul(self.shift.view(-1, 1, 1), self.scale.view(-1, 1, 1), x)

    def detached(self) -> "Layer":
        """Without gradients."""
        kernel, scale, shift = (t.detach() for t in (self.kernel, self.scale, self.shift))
        return Layer(kernel, scale, shift, self.dilation)

    def __call__(self, z: Tensor) -> Tensor:
        scaled = self.scale.view(-1, 1, 1, 1) * self.kernel
        inner = F.conv2d(z, scaled, self.shift, 1, self.dilation, self.dilation)
        return transposed(F.relu(inner), self.kernel, self.dilation)


def convolved(z: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """K Z."""
    return F.conv2d(z, kernel, None, 1, dilation, dilation)


def transposed(x: Tensor, kernel: Tensor, dilation: int) -> Tensor:
    """Kᵀ X."""
    return F.conv2d(x, kernel.transpose(0, 1).flip(2, 3), None, 1, dilation, dilation)


def solve(layer: Layer, r: Tensor, start: Tensor, tolerance: float, strict: bool) -> Tensor:
    """Z with ‖Z + Kᵀσ(D K Z + b) − R‖ ≤ tolerance times the same of the start, picture by picture.

    The error ‖Z − Z*‖ is no larger than that residual, as the Jacobian J is at least I. By the
    implicit function theorem ∂Z = J⁻¹ (∂R − ∂(Kᵀσ(D K Z + b))) with Z fixed on the right: one more
    solve, to the same tolerance, for gradients, for `torch.func.jvp` and for `torch.func.jacrev`.
    `torch.vmap` over the solve does not work; second derivatives take J and Z for constants.

    Args:
        layer: K, D and b.
        r: R, (B, C, H, W).
        start: where the iteration begins, of the same shape.
        tolerance: above rounding.
        strict: whether it is an error not to get there.

    Returns:
        Z; not a number for a picture whose residual is not finite.

    Raises:
        ArithmeticError: if strict, for a residual that is larger still after `NEWTON` iterations.
    """
    fixed = layer.detached()
    with torch.no_grad():
        z, active = _newton(fixed, r.detach(), start.detach(), tolerance, strict)
    if torch.is_inference_mode_enabled():
        return z
    residual = z + layer(z) - r
    return z + _Differential.apply(residual, active, fixed.kernel, fixed.dilation, tolerance)


def conjugate_gradients(apply: Callable[[Tensor], Tensor], u: Tensor, tolerance: Tensor) -> Tensor:
    """X with ‖A X − U‖ ≤ tolerance · ‖U‖ for a symmetric A ⪰ I, each picture with its own numbers.

    After `CG` iterations it is what has been reached, still a descent direction.

    Args:
        apply: X → A X, (B, C, H, W) → same.
        u: U.
        tolerance: (B, 1, 1, 1), or of one number.
    """
    x, r, p, squared = torch.zeros_like(u), u.clone(), u.clone(), _dot(u, u)
    limit = tolerance**2 * squared
    for _ in range(TYPICAL[1] if u.is_meta else CG):
        unfinished = squared > limit
        if not _any(unfinished):
            break
        q = apply(p)
        step = torch.where(unfinished, squared / _dot(p, q), 0)
        x.addcmul_(step, p)
        before, squared = squared, _dot(r.addcmul_(-step, q), r)
        p.mul_(torch.where(unfinished, squared / before, 0)).add_(r)
    return x


def _newton(
    layer: Layer, r: Tensor, z: Tensor, tolerance: float, strict: bool
) -> tuple[Tensor, Tensor]:
    """Z, and D σ′ there, of which J = I + Kᵀ D σ′ K."""
    x, count, limit = convolved(z, layer.kernel, layer.dilation), 0, None
    while True:
        u = layer.activations(x)
        active = layer.scale.view(-1, 1, 1) * (u > 0)
        residual = z - r + transposed(F.relu(u), layer.kernel, layer.dilation)
        size = _dot(residual, residual).sqrt()
        if limit is None:
            limit = tolerance * size + _rounding(layer, r, u)
        unfinished = size > limit
        if not _any(unfinished) or count == (TYPICAL[0] if z.is_meta else NEWTON):
            break
        forcing = torch.where(unfinished, (0.5 * limit / size).clamp_min(FORCING), 1)
        jacobian = _jacobian(active, layer.kernel, layer.dilation)
        p = conjugate_gradients(jacobian, -residual, forcing)
        moved = z + p
        beyond = convolved(moved, layer.kernel, layer.dilation)
        t = _step_length(layer, u, residual, p, beyond - x)
        if not t.is_meta and bool((t < 1).any()):
            moved = torch.addcmul(z, t, p)
            beyond = convolved(moved, layer.kernel, layer.dilation)
        z, x, count = moved, beyond, count + 1
    if strict and not z.is_meta and _any(unfinished):
        found = tolerance * float((size / limit)[unfinished].max())
        raise ArithmeticError(
            f"the implicit step has no solution after {count} Newton iterations: the residual is "
            f"{found:.1g} of the update, {tolerance:.1g} was asked for"
        )
    return torch.where(limit.isfinite(), z, torch.nan), active


def _step_length(layer: Layer, u: Tensor, residual: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """1, or halved until the slope along P is not steeper upward than half as it began downward.

    The slope at t is ⟨P, G(Z + tP)⟩, G the residual; it needs no convolution, as K P = Q is known.
    """
    begun, squared, before = _dot(p, residual), _dot(p, p), F.relu(u)
    moved = layer.scale.view(-1, 1, 1) * q
    t = torch.ones_like(begun)
    for _ in range(1 if u.is_meta else 30):
        change = F.relu(torch.addcmul(u, t, moved)) - before
        too_far = begun + t * squared + _dot(q, change) > -0.5 * begun
        if not _any(too_far):
            break
        t = torch.where(too_far, t / 2, t)
    return t


def _jacobian(active: Tensor, kernel: Tensor, dilation: int) -> Callable[[Tensor], Tensor]:
    """V → V + Kᵀ D σ′ K V."""
    return lambda v: transposed(convolved(v, kernel, dilation).mul_(active), kernel, dilation).add_(
        v
    )


def _rounding(layer: Layer, r: Tensor, u: Tensor) -> Tensor:
    """What the residual cannot fall below."""
    largest = layer.kernel.square().sum().sqrt() * _dot(F.relu(u), F.relu(u)).sqrt()
    return 2 * torch.finfo(r.dtype).eps * (_dot(r, r).sqrt() + largest)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """⟨A, B⟩ of each picture, (B, 1, 1, 1)."""
    return (a * b).sum((1, 2, 3), keepdim=True)


def _any(conditions: Tensor) -> bool:
    return conditions.is_meta or bool(conditions.any())


class _Inverse(torch.autograd.Function):
    """J⁻¹ U; J is self-adjoint and taken for a constant, so that all derivatives are J⁻¹, too."""

    @staticmethod
    def forward(u: Tensor, active: Tensor, kernel: Tensor, dilation: int, tolerance: float):
        with torch.no_grad():
            wanted = torch.full_like(u[:1, :1, :1, :1], tolerance)
            return conjugate_gradients(_jacobian(active, kernel, dilation), u, wanted)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _, active, kernel, *ctx.rest = inputs
        ctx.save_for_backward(active, kernel)
        ctx.save_for_forward(active, kernel)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        return _Inverse.apply(*gradients, *ctx.saved_tensors, *ctx.rest), None, None, None, None

    @staticmethod
    def jvp(ctx, *tangents: Tensor):
        return _Inverse.apply(tangents[0], *ctx.saved_tensors, *ctx.rest)

    @staticmethod
    def vmap(info, in_dims, *inputs):
        """Many right-hand sides of one J are more pictures."""
        if in_dims[0] is None or any(d is not None for d in in_dims[1:]):
            raise RuntimeError("only the right-hand sides of an implicit step can be vectorised")
        u, active, kernel, *rest = inputs
        u = u.movedim(in_dims[0], 0)
        many = active.expand(len(u), *active.shape).flatten(0, 1)
        return _Inverse.apply(u.flatten(0, 1), many, kernel, *rest).unflatten(0, u.shape[:2]), 0


class _Differential(torch.autograd.Function):
    """0, for a residual that is 0; its derivatives are those of −J⁻¹ times the residual."""

    @staticmethod
    def forward(residual: Tensor, active: Tensor, kernel: Tensor, dilation: int, tolerance: float):
        return torch.zeros_like(residual)

    setup_context = _Inverse.setup_context

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        return -_Inverse.apply(*gradients, *ctx.saved_tensors, *ctx.rest), None, None, None, None

    @staticmethod
    def jvp(ctx, *tangents: Tensor):
        return -_Inverse.apply(tangents[0], *ctx.saved_tensors, *ctx.rest)
