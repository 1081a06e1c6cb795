"""Linear operators on the periodic grid, applied and inverted in Fourier space.

A circular convolution is diagonal in the Fourier basis; its eigenvalues are the *symbol* of its
stencil (Hansen, Nagy, O'Leary, "Deblurring Images", 2006, ch. 3-4). Everything here is a pure
function of tensors: nothing knows modules, devices or files.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

LAPLACIAN = ((-1 / 6, -4 / 6, -1 / 6), (-4 / 6, 20 / 6, -4 / 6), (-1 / 6, -4 / 6, -1 / 6))
"""The nine-point stencil of -Δ, used as L itself; its symbol is real and not negative."""


def zero_mean(stencil: Tensor) -> Tensor:
    """B − mean(B) per channel: then B̂(0) = 0 and the implicit solve leaves constants unchanged."""
    return stencil - stencil.mean(dim=(-2, -1), keepdim=True)


def symbol(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """B̂(ω) = Σ_ab B[a, b] exp(−i(ω_y (a − a₀) + ω_x (b − b₀))), centre (a₀, b₀) at the origin.

    The eigenvalues of the circular convolution by B (those of the cross-correlation, which
    `torch.nn.functional.conv2d` computes, are the conjugates; |B̂|² is the same). Two tiny DFT
    matrices suffice, no FFT of a padded kernel is needed.

    Args:
        stencil: (C, kh, kw), odd kh and kw, float32 or float64.
        size: (H, W) of the periodic grid.

    Returns:
        (C, H, W), complex, in the layout of `torch.fft.fft2`.
    """
    return torch.complex(*_symbol(stencil, size))


def gram_eigenvalues(stencil: Tensor, size: tuple[int, int]) -> Tensor:
    """λ = |B̂|² ≥ 0, the eigenvalues of L = BᵀB: (C, kh, kw) → real (C, H, W)."""
    real, imaginary = _symbol(stencil, size)
    return real.square() + imaginary.square()


def laplacian_eigenvalues(y: Tensor) -> Tensor:
    """λ ≥ 0 of the fixed −Δ on the grid of y (B, C, H, W), in its type: (1, H, W)."""
    return symbol(y.new_tensor(LAPLACIAN).unsqueeze(0), (y.shape[-2], y.shape[-1])).real


class Resolvent(NamedTuple):
    """(I + hL)⁻¹ on one grid and device, ready to be applied: see `resolvent`.

    Attributes:
        multiplier: of the half spectrum, (C, H, W // 2 + 1); or a, that of Z in the packed form,
            (C, H, W), each value twice.
        mirror: b, that of i Z* at the mirrored frequency, of the same shape; packed form only.
    """

    multiplier: Tensor
    mirror: Tensor | None


def resolvent(eigenvalues: Tensor, step_size: float | Tensor, rhs: Tensor) -> Resolvent:
    """(I + hL)⁻¹ as multipliers in Fourier space, L given by its eigenvalues λ ≥ 0.

    Without gradients it may be computed once and applied to any number of right-hand sides of
    this size.

    Args:
        eigenvalues: real, broadcastable to (C, H, W), in the layout of `symbol`.
        step_size: h ≥ 0, a number or a tensor that broadcasts against the eigenvalues.
        rhs: (B, C, H, W); only size and device count.
    """
    multiplier = (1 + step_size * eigenvalues).reciprocal().expand(rhs.shape[-3:])
    # On processors `irfft2` takes two to three times as long as `rfft2`: it copies twice for the
    # columns alone. Two complex transforms of half the size take as long as two `rfft2`.
    if rhs.device.type == "cpu" and rhs.shape[-1] % 2 == 0:
        return _packed(multiplier)
    return Resolvent(multiplier[..., : rhs.shape[-1] // 2 + 1], None)


def apply_resolvent(rhs: Tensor, operator: Resolvent) -> Tensor:
    """y = (I + hL)⁻¹ rhs, (B, C, H, W) → same; differentiable in both, to any order.

    Half spectrum: y = irfft2(m rfft2(rhs)), m = 1 / (1 + hλ). Packed: columns 2j and 2j + 1 are
    real and imaginary part of z, Z = fft2(z), and z is replaced by ifft2(a Z + i b Z*(−k)).
    """
    multiplier, mirror = operator
    if mirror is None:
        return cast(Tensor, _SelfAdjointFilter.apply(rhs, multiplier))
    spectrum = _as_real(torch.fft.fft2(_as_complex(rhs.contiguous())))
    product = cast(Tensor, _MirrorFilter.apply(spectrum, multiplier, mirror))
    y = _as_real(torch.fft.ifft2(_as_complex(product)))
    return cast(Tensor, _ContiguousGradient.apply(y))


def solve_eigenvalues(rhs: Tensor, eigenvalues: Tensor, step_size: float | Tensor) -> Tensor:
    """Solves (I + hL) y = rhs for y, L given by its eigenvalues λ ≥ 0 as in `symbol`.

    The operator is self-adjoint and, for h ≥ 0, a contraction. Arguments as in `resolvent`.
    """
    return apply_resolvent(rhs, resolvent(eigenvalues, step_size, rhs))


def even_extension(y: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 2H, 2W), mirrored at its last row and column, edges repeated.

    A periodic operator on it sees no jump at the edges of the picture, and nothing of the other
    side: round an edge lies the picture's own mirror image.
    """
    y = torch.cat((y, y.flip(-1)), dim=-1)
    return torch.cat((y, y.flip(-2)), dim=-2)


def implicit_solve(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> Tensor:
    """Solves (I + h BᵀB) y = rhs for y, B a periodic depthwise convolution.

    Two Fourier transforms; differentiable in all three arguments, to any order.
    The linear half of the IMEX step of Haber et al., "IMEXnet", ICML 2019, section 3.

    Args:
        rhs: (B, C, H, W), float32 or float64.
        stencil: B, (C, kh, kw) of the same type, odd kh and kw, not larger than the image.
        step_size: h ≥ 0.

    Returns:
        y, (B, C, H, W). Constants pass unchanged if each channel's stencil sums to zero.

    Raises:
        ValueError: for shapes, types or a step size that do not fit; the message names them.
    """
    _check_rhs(rhs, stencil, step_size)
    size = (rhs.shape[-2], rhs.shape[-1])
    return solve_eigenvalues(rhs, gram_eigenvalues(stencil, size), step_size)


def implicit_solve_reference(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> Tensor:
    """The same solve by the classical recipe, to read and to test against.

    Zero-pad the stencil to the image, shift its centre to the corner, take full complex FFTs,
    divide, transform back (Hansen, Nagy, O'Leary 2006, ch. 4).
    """
    _check_rhs(rhs, stencil, step_size)
    height, width = rhs.shape[-2:]
    kh, kw = stencil.shape[-2:]
    padded = torch.nn.functional.pad(stencil, (0, width - kw, 0, height - kh))
    centred = torch.roll(padded, (-(kh // 2), -(kw // 2)), dims=(-2, -1))
    eigenvalues = torch.fft.fft2(centred).abs().square()
    return torch.fft.ifft2(torch.fft.fft2(rhs) / (1 + step_size * eigenvalues)).real


def green_function(stencil: Tensor, step_size: float | Tensor, size: tuple[int, int]) -> Tensor:
    """G = (I + h BᵀB)⁻¹ δ: how one implicit solve spreads a unit impulse at (H // 2, W // 2).

    It reaches every pixel and decays exponentially with distance.

    Args:
        stencil: B, (C, kh, kw).
        step_size: h ≥ 0.
        size: (H, W).

    Returns:
        (C, H, W).
    """
    impulse = stencil.new_zeros((1, stencil.shape[0], *size))
    impulse[..., size[0] // 2, size[1] // 2] = 1
    return implicit_solve(impulse, stencil, step_size)[0]


class _SelfAdjointFilter(torch.autograd.Function):
    """y = F⁻¹ m F r with a real multiplier m on the half spectrum.

    m is real, so the filter is its own adjoint: ∂L/∂r is the filter applied to the incoming
    gradient g. ∂L/∂m_k = w_k Re(conj(r̂_k) ĝ_k) / HW, where w_k counts how often frequency k
    stands in the full spectrum. Neither needs autograd through an inverse transform, and both
    consist of differentiable operations on the saved inputs, so higher derivatives are right too.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(rhs: Tensor, multiplier: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(rhs) * multiplier, s=rhs.shape[-2:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (gradient,) = grad_outputs
        rhs, multiplier = ctx.saved_tensors
        size = rhs.shape[-2:]
        spectrum = torch.fft.rfft2(gradient)
        for_rhs = for_multiplier = None
        if ctx.needs_input_grad[0]:
            for_rhs = torch.fft.irfft2(spectrum * multiplier, s=size)
        if ctx.needs_input_grad[1]:
            products = (torch.fft.rfft2(rhs).conj() * spectrum).real.sum(dim=0)
            for_multiplier = products * _multiplicity(size[1], products) / math.prod(size)
        return for_rhs, for_multiplier

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor | None) -> Tensor:
        rhs, multiplier = ctx.saved_tensors
        of_rhs, of_multiplier = grad_inputs
        change = torch.zeros_like(rhs)
        if of_rhs is not None:
            change = change + _SelfAdjointFilter.forward(of_rhs, multiplier)
        if of_multiplier is not None:
            change = change + _SelfAdjointFilter.forward(rhs, of_multiplier)
        return change


class _MirrorFilter(torch.autograd.Function):
    """a R + b P R, with P R the real view (re, im, re, im, …) of i Z*(−k) for R that of Z.

    P is an orthogonal involution and P b = b for the b of `_packed`, so the operator's adjoint is
    a G + b P G: the same function. It is linear in R and in (a, b), which gives its derivatives.
    """

    @staticmethod
    def forward(spectrum: Tensor, a: Tensor, b: Tensor) -> Tensor:
        mirrored, shift = _mirror(spectrum)
        product = (spectrum * a).flatten(-2)
        b = b.reshape(*b.shape[:-2], -1)
        end = mirrored.shape[-1] - shift
        product[..., shift:].addcmul_(b[..., shift:], mirrored[..., :end])
        product[..., :shift].addcmul_(b[..., :shift], mirrored[..., end:])
        return product.unflatten(-1, spectrum.shape[-2:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = grad_outputs
        spectrum, a, b = ctx.saved_tensors
        for_spectrum = for_a = for_b = None
        if ctx.needs_input_grad[0]:
            for_spectrum = _MirrorFilter.apply(gradient, a, b)
        if ctx.needs_input_grad[1]:
            for_a = (gradient * spectrum).sum_to_size(a.shape)
        if ctx.needs_input_grad[2]:
            mirrored, shift = _mirror(spectrum)
            mirrored = mirrored.roll(shift, -1).unflatten(-1, spectrum.shape[-2:])
            for_b = (gradient * mirrored).sum_to_size(b.shape)
        return for_spectrum, for_a, for_b

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor | None) -> Tensor:
        spectrum, a, b = ctx.saved_tensors
        of_spectrum, of_a, of_b = grad_inputs
        change = torch.zeros_like(spectrum)
        if of_spectrum is not None:
            change = change + _MirrorFilter.apply(of_spectrum, a, b)
        if of_a is not None or of_b is not None:
            of_a = torch.zeros_like(a) if of_a is None else of_a
            of_b = torch.zeros_like(b) if of_b is None else of_b
            change = change + _MirrorFilter.apply(spectrum, of_a, of_b)
        return change

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        spectrum, a, b = (
            x.unsqueeze(0) if dim is None else x.movedim(dim, 0)
            for x, dim in zip(inputs, in_dims, strict=True)
        )
        a, b = (x if x.dim() == spectrum.dim() else x.unsqueeze(1) for x in (a, b))
        shape = (info.batch_size, *spectrum.shape[1:])
        return cast(Tensor, _MirrorFilter.apply(spectrum.expand(shape), a, b)), 0


def _mirror(spectrum: Tensor) -> tuple[Tensor, int]:
    """P R of `_MirrorFilter` in flattened planes, but for a cyclic shift, and that shift.

    A flip gives R at −k − 1 in either direction. P R lies a row and a complex column further on:
    one shift of the flattened plane, if the column k_x = 0 is first moved by a row.
    """
    mirrored = spectrum.flip(-2, -1)
    mirrored[..., -2:] = mirrored[..., -2:].roll(-1, -2)
    mirrored = mirrored.flatten(-2)
    return mirrored, (spectrum.shape[-1] + 2) % mirrored.shape[-1]


class _ContiguousGradient(torch.autograd.Function):
    """The identity, whose gradient arrives contiguous: the transforms are slow on others."""

    generate_vmap_rule = True

    @staticmethod
    def forward(maps: Tensor) -> Tensor:
        return maps.view_as(maps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0].contiguous()

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> Tensor:
        return grad_inputs[0].view_as(grad_inputs[0])


def _packed(multiplier: Tensor) -> Resolvent:
    """From m on the spectrum (C, H, W) of real maps to a, b on that of their packed form.

    z = even columns + i odd columns, of real maps with spectrum R. Since R(k) = E(k) + w O(k) and
    R(k + π) = E(k) − w O(k), w = exp(−iθ), θ = 2π k_x / W, multiplying R by a real m with
    m(−k) = m(k) turns Z = E + iO into a Z + i b Z*(−k), with
    a = s − d sin θ, b = d cos θ, s and d half the sum and the difference of m(k) and m(k + π).
    """
    width = multiplier.shape[-1]
    here, opposite = multiplier[..., : width // 2], multiplier[..., width // 2 :]
    s, d = here + opposite, here - opposite
    cosine, sine = (wave[:, 0] / 2 for wave in _waves(multiplier, width // 2, width, (1,)))
    a, b = s / 2 - d * sine, d * cosine
    return Resolvent(_twice(a), _twice(b))


def _twice(values: Tensor) -> Tensor:
    """Each value for the real and the imaginary part: (…, n) → (…, 2n)."""
    return _as_real(torch.complex(values, values))  # eight times as fast as stacking them


def _as_complex(maps: Tensor) -> Tensor:
    """Columns 2j and 2j + 1 of real (…, H, W) as one complex column: (…, H, W / 2), a view."""
    return torch.view_as_complex(maps.unflatten(-1, (-1, 2)))


def _as_real(maps: Tensor) -> Tensor:
    """The inverse of `_as_complex`."""
    return torch.view_as_real(maps).flatten(-2)


def _symbol(stencil: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of B̂, each (C, H, W), in real arithmetic: one product for both."""
    _check_stencil(stencil, size)
    (height, width), (kh, kw) = size, stencil.shape[-2:]
    cosine, sine = _waves(stencil, height, height, range(-(kh // 2), kh // 2 + 1))
    rows = torch.cat((cosine @ stencil, -sine @ stencil), dim=-1)  # (C, H, 2 kw): re, im
    cosine, sine = _waves(stencil, width, width, range(-(kw // 2), kw // 2 + 1))
    real, imaginary = torch.cat((cosine, sine), -1), torch.cat((-sine, cosine), -1)
    both = rows @ torch.cat((real, imaginary)).mT  # (C, H, 2 W)
    return both[..., :width], both[..., width:]


def _waves(
    like: Tensor, frequencies: int, length: int, positions: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """cos and sin of 2π k t / length for frequencies k and positions t, each (k, t)."""
    k = torch.arange(frequencies, device=like.device, dtype=like.dtype)
    t = torch.tensor(positions, device=like.device, dtype=like.dtype)
    angle = 2 * math.pi / length * torch.outer(k, t)
    return angle.cos(), angle.sin()


def _multiplicity(width: int, like: Tensor) -> Tensor:
    """How often each column of the half spectrum occurs in the full one: 2 but for k = −k."""
    weights = like.new_full((width // 2 + 1,), 2.0)
    weights[0] = 1
    if width % 2 == 0:
        weights[-1] = 1
    return weights


def _check_stencil(stencil: Tensor, size: tuple[int, int]) -> None:
    if stencil.dim() != 3 or stencil.shape[-2] % 2 == 0 or stencil.shape[-1] % 2 == 0:
        raise ValueError(f"the stencil must be (C, kh, kw), odd kh, kw; got {tuple(stencil.shape)}")
    if stencil.shape[-2] > size[0] or stencil.shape[-1] > size[1]:
        raise ValueError(f"stencil {tuple(stencil.shape)} is larger than the image {tuple(size)}")


def _check_rhs(rhs: Tensor, stencil: Tensor, step_size: float | Tensor) -> None:
    if rhs.dim() != 4:
        raise ValueError(f"the right-hand side must be (B, C, H, W), got {tuple(rhs.shape)}")
    if rhs.dtype not in (torch.float32, torch.float64) or stencil.dtype != rhs.dtype:
        raise ValueError(
            "right-hand side and stencil must both be float32 or both float64, "
            f"got {rhs.dtype} {tuple(rhs.shape)} and {stencil.dtype} {tuple(stencil.shape)}"
        )
    _check_stencil(stencil, (rhs.shape[-2], rhs.shape[-1]))
    if stencil.shape[0] != rhs.shape[1]:
        raise ValueError(
            f"right-hand side {tuple(rhs.shape)} and stencil {tuple(stencil.shape)} "
            "differ in their number of channels"
        )
    if not isinstance(step_size, Tensor) and not step_size >= 0:
        raise ValueError(f"the step size must not be negative, got {step_size}")
