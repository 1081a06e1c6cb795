"""One time step of Ẏ = f(Y): explicit, IMEX, diffusion-reaction; and the openings between them.

All steps share the right-hand side f(Y) = −Kᵀ σ(N(K Y)) of Ruthotto & Haber (2018): K a 3×3
convolution with zero padding, N batch normalisation (local at inference), σ = ReLU. K maps to as
many channels or to several times as many. With
`bound="nonexpansive"` no step amplifies a difference of two inputs, see docs/stability.md.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from numbers import Real
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from imexnet.models.config import ModelConfig, Place
from imexnet.spectral.norms import norm_squared_bound
from imexnet.spectral.operators import check_operator
from imexnet.spectral.solve import (
    apply_filter,
    check_step_size,
    even_extension,
    resolvent,
    solve_eigenvalues,
)
from imexnet.spectral.symbols import (
    computing_type,
    gram_eigenvalues,
    laplacian_eigenvalues,
    zero_mean,
)

BOUNDS = (None, "nonexpansive")
LARGEST = 2.0  # h‖D^½K‖² up to which a step cannot amplify
ROUNDING = 1e-5  # bounded steps stay below it by that much


class Opening(nn.Module):
    """Y⁺ = σ(N(K Y)), K from C_in to C_out channels: changes width, and resolution by its stride.

    (B, C_in, H, W) → (B, C_out, ⌈H / stride⌉, ⌈W / stride⌉).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, y: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(y))).to(self.conv.weight.dtype)


def scale_of(norm: nn.BatchNorm2d) -> Tensor:
    """D = γ / √(variance + ε) per channel of N(X) = D X + b in eval mode."""
    variance = norm.running_var
    assert variance is not None
    return norm.weight * (variance + norm.eps).rsqrt()


class Magnitude(nn.Module):
    """|γ|: the scales of a norm whose signs are not free."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.abs()


class ExplicitStep(nn.Module):
    """Y⁺ = Y + h f(Y): forward Euler, a ResNet block. (B, C, H, W) → same.

    Each step widens the window of a pixel by 4: two 3×3 convolutions.

    Args:
        channels: C.
        step_size: h > 0.
        learned_step_size: whether log h is trained, from log `step_size` on.
        step_size_range: (low, high) by which h is scaled, log-spaced over the channels: then h is
            diagonal, and a learned one has a number per channel.
        dilation: cells between the taps of K.
        inner: channels of K Y for each of Y.
        bound: "nonexpansive": the scales of N are kept positive and f is divided by `excess`, so
            that ‖Y₁⁺ − Y₂⁺‖ ≤ ‖Y₁ − Y₂‖ in eval mode, whatever the weights. One h for all channels.

    Raises:
        ValueError: for an invalid option, or two that exclude each other.
    """

    boundable = True  # whether a bound is derived for the step
    explicit_share = 1.0  # of f that is taken at Y
    _known: tuple[Tensor, float] | None = None  # |D|^½ K, and its ‖D^½ K‖² from above

    def __init__(
        self,
        channels: int,
        step_size: float = 1.0,
        learned_step_size: bool = False,
        step_size_range: tuple[float, float] = (1.0, 1.0),
        dilation: int = 1,
        inner: int = 1,
        bound: str | None = None,
    ) -> None:
        super().__init__()
        if inner < 1:
            raise ValueError(f"inner must be at least 1, got {inner}")
        if not isinstance(step_size, Real):
            raise ValueError(
                f"the step size h of a step is a number, got {type(step_size).__name__}; "
                "learned_step_size and step_size_range train it and vary it over the channels"
            )
        check_step_size(float(step_size), positive=True)
        scales = log_spaced(step_size_range, channels)
        check_step_size(float(step_size) * scales, positive=True)
        uniform = tuple(step_size_range) == (1, 1)
        if bound not in BOUNDS:
            raise ValueError(f"the bound must be {' or '.join(map(str, BOUNDS))}, got {bound!r}")
        if bound and not self.boundable:
            raise ValueError(f"no bound is derived for a {type(self).__name__}, got {bound!r}")
        if bound and not uniform:
            raise ValueError(f"a bounded step has one h for all channels, got {step_size_range}")
        self.bound = bound
        self.step_size = float(step_size)
        self.step_size_range = step_size_range
        start = torch.full(() if uniform else scales.shape, math.log(step_size))
        self.log_step_size = nn.Parameter(start) if learned_step_size else None
        self.conv = nn.Conv2d(
            channels, inner * channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.norm = nn.BatchNorm2d(inner * channels)
        if bound:
            parametrize.register_parametrization(self.norm, "weight", Magnitude())

    @classmethod
    def from_config(cls, config: ModelConfig, channels: int, place: Place) -> "ExplicitStep":
        """The step of a configuration that stands at this place of the network."""
        return cls(channels, config.step_size, **cls.options(config, place))

    @classmethod
    def options(cls, config: ModelConfig, place: Place) -> dict[str, Any]:
        """What the constructor takes of a configuration, besides the step size."""
        return {
            "learned_step_size": config.learned_step_size,
            "step_size_range": config.step_size_range,
            "inner": config.inner,
            "bound": config.bound,
        }

    @classmethod
    def margin(cls, config: ModelConfig, place: Place) -> int:
        """Cells by which the step widens the window of a pixel to either side."""
        return 2

    @property
    def h(self) -> float | Tensor:
        """The step size, as set or as learned; (C, 1, 1) if each channel has its own."""
        log_h, scales = self.log_step_size, self.step_scales
        # Not in half precision, where it would be coarse, or infinite.
        h = self.step_size if log_h is None else log_h.to(computing_type(log_h)).exp()
        return h if scales is None else h * scales

    @property
    def step_scales(self) -> Tensor | None:
        """The factors of h, (C, 1, 1); None if all channels have the same h."""
        if tuple(self.step_size_range) == (1, 1):
            return None
        weight = self.conv.weight
        scales = log_spaced(self.step_size_range, self.conv.in_channels)
        return scales.to(weight.device, computing_type(weight))

    @property
    def scale(self) -> Tensor:
        """D of N(X) = D X + b in eval mode, (inner · C,)."""
        return scale_of(self.norm)

    @property
    def scaled_kernel(self) -> Tensor:
        """|D|^½ K, (inner · C, C, 3, 3), in the type that transforms have."""
        kind = computing_type(self.conv.weight)
        root = self.scale.to(kind).abs().clamp_min(torch.finfo(kind).tiny).sqrt()
        return root.view(-1, 1, 1, 1) * self.conv.weight

    @property
    def excess(self) -> float | Tensor:
        """max(1, s h‖D^½ K‖² / 2) of a bounded step, s the explicit share of f, which it divides.

        It is K that is divided, by the root: √c Kᵀ σ(√c (D K Y + b)) = c Kᵀ σ(D K Y + b).
        """
        if self.bound is None:
            return 1.0
        largest = LARGEST * (1 - ROUNDING)
        return (self.explicit_share * self.h * self._norm_squared() / largest).clamp_min(1)

    def _norm_squared(self) -> Tensor:
        """‖D^½ K‖² from above; that of frozen weights is kept, as it takes longer than the step."""
        kernel, known = self.scaled_kernel, self._known
        if kernel.requires_grad or kernel.is_meta or torch.compiler.is_compiling():
            return norm_squared_bound(kernel, self.frequencies)
        if not (known and known[0].type() == kernel.type() and torch.equal(known[0], kernel)):
            known = kernel, float(norm_squared_bound(kernel, self.frequencies))
            self._known = known
        return kernel.new_tensor(known[1])

    @property
    def frequencies(self) -> int:
        """Samples along either axis for `excess`; fewer of a wide K, which takes long."""
        return 32 if self.conv.in_channels <= 32 else 16

    def rhs(self, y: Tensor) -> Tensor:
        """f(Y) = −Kᵀ σ(N(K Y)), shape of Y and type of K whatever the autocast mode."""
        padding, dilation = self.conv.padding, self.conv.dilation
        minus_transpose = -self.conv.weight.transpose(0, 1).flip(2, 3)  # −Kᵀ as a convolution
        z = F.relu(self.norm(self.conv(y)))
        f = F.conv2d(z, minus_transpose, None, 1, padding, dilation)
        return (f if self.bound is None else f / self.excess).to(self.conv.weight.dtype)

    def euler(self, y: Tensor, f: Tensor) -> Tensor:
        """Y + hF; hF is rounded once, to the type of F."""
        h = self.h
        if isinstance(h, Tensor):  # with dimensions, so that the type of h counts
            h = h.view(-1, 1, 1)
        return y + (h * f).to(f.dtype)

    def forward(self, y: Tensor) -> Tensor:
        return self.euler(y, self.rhs(y))

    def extra_repr(self) -> str:
        """The options, as far as they are not in the modules that are printed below it."""
        said = [f"step_size={self.step_size!r}"]
        if self.log_step_size is not None:
            said.append("learned_step_size=True")
        if tuple(self.step_size_range) != (1, 1):
            said.append(f"step_size_range={tuple(self.step_size_range)!r}")
        if self.bound:
            said.append(f"bound={self.bound!r}")
        return ", ".join(said)


class IMEXStep(ExplicitStep):
    """(I + hL) Y⁺ = Y + hLY + h f(Y), in its one-solve form Y⁺ = Y + h (I + hL)⁻¹ f(Y).

    The two are equal because (I + hL)⁻¹ (I + hL) Y = Y. Haber et al., "IMEXnet", ICML 2019.

    Args:
        channels: C.
        step_size: h > 0.
        learned_step_size: as for the explicit step.
        operator: L ⪰ 0, depthwise: "learned" is BᵀB with a trainable zero-mean stencil B per
            channel, "laplacian" the fixed nine-point −Δ, "identity" is αI.
        boundary: "periodic", or "mirrored": the solve on the even extension of R.
        stencil_size: rows and columns of B, odd.
        alpha: α ≥ 0 of the "identity" operator.
        reach: (low, high), scales of the learned stencils' random start on [0, 1), log-spaced over
            the channels.
        stencils: K ≥ 1; with more than one stencil per channel L = Σ_k B_kᵀB_k, still one solve.
            Every other one starts as the one before turned by 90°: a pair spreads in all
            directions alike.
        step_size_range, inner: as for the explicit step.
        bound: "nonexpansive": as for the explicit step, but in the norm ‖(I + hL)^½ Y‖. Steps one
            after the other have it in common after `one_stage`. Periodic boundary alone.

    Raises:
        ValueError: for an invalid option, one of another operator, or two that exclude each other.
    """

    enters = False  # whether Y first passes (I + hL)^(−½), see `one_stage`

    def __init__(
        self,
        channels: int,
        step_size: float = 1.0,
        learned_step_size: bool = False,
        operator: str = "learned",
        boundary: str = "periodic",
        stencil_size: int = 3,
        alpha: float = 1.0,
        reach: tuple[float, float] = (1.0, 1.0),
        stencils: int = 1,
        step_size_range: tuple[float, float] = (1.0, 1.0),
        inner: int = 1,
        bound: str | None = None,
    ) -> None:
        super().__init__(
            channels, step_size, learned_step_size, step_size_range, inner=inner, bound=bound
        )
        check_operator(operator, boundary, alpha)
        if bound and boundary != "periodic":
            raise ValueError(f"a bounded step has the periodic boundary alone, got {boundary!r}")
        if stencil_size < 1 or stencil_size % 2 != 1:
            raise ValueError(f"stencil_size must be odd and at least 1, got {stencil_size}")
        if stencils < 1:
            raise ValueError(f"stencils must be at least 1, got {stencils}")
        if operator != "learned" and (stencil_size, tuple(reach), stencils) != (3, (1, 1), 1):
            raise ValueError(
                "stencil_size, reach and stencils are of the learned operator, "
                f"got {stencil_size}, {tuple(reach)} and {stencils} with the {operator}"
            )
        if operator != "identity" and alpha != 1:
            raise ValueError(f"alpha is of the identity, got {alpha} with the {operator} operator")
        self.operator = operator
        self.boundary = boundary
        self.alpha = alpha
        if operator == "learned":
            with own_generator():
                drawn = torch.rand(math.ceil(stencils / 2), channels, stencil_size, stencil_size)
            turned = torch.stack((drawn, drawn.rot90(1, (-2, -1))), dim=1).flatten(0, 1)[:stencils]
            start = log_spaced(reach, channels) * turned  # (K, C, kh, kw)
            self.stencil = nn.Parameter(start[0] if stencils == 1 else start.transpose(0, 1))

    @classmethod
    def options(cls, config: ModelConfig, place: Place) -> dict[str, Any]:
        names = ("operator", "boundary")
        if config.operator == "learned":
            names += ("stencil_size", "reach", "stencils")
        return super().options(config, place) | {name: getattr(config, name) for name in names}

    def eigenvalues(self, y: Tensor) -> Tensor:
        """λ ≥ 0 of L on the grid of Y (B, C, H, W), broadcastable to (C, H, W)."""
        if self.operator == "identity":
            return y.new_full((1, 1, 1), self.alpha, dtype=computing_type(y))
        if self.operator == "laplacian":
            return laplacian_eigenvalues(y)
        stencil, size = zero_mean(self.stencil), (y.shape[-2], y.shape[-1])
        several = stencil.unbind(1) if stencil.dim() == 4 else [stencil]
        return reduce(torch.add, (gram_eigenvalues(one, size) for one in several))

    def solve(self, r: Tensor) -> Tensor:
        """(I + hL)⁻¹ R in the type of R, whatever the autocast mode."""
        grid = self.grid(r)
        solved = solve_eigenvalues(grid, self.eigenvalues(grid), self.h)
        return solved[..., : r.shape[-2], : r.shape[-1]]

    def grid(self, r: Tensor) -> Tensor:
        """R on the periodic grid where L acts: itself, or its even extension."""
        return even_extension(r) if self.boundary == "mirrored" else r

    def half_solve(self, y: Tensor) -> Tensor:
        """(I + hL)^(−½) Y, on the periodic grid."""
        return apply_filter(y, resolvent(self.eigenvalues(y), self.h).sqrt())

    def forward(self, y: Tensor) -> Tensor:
        y = self.half_solve(y) if self.enters else y
        return self.euler(y, self.solve(self.rhs(y)))

    def extra_repr(self) -> str:
        stencil = f", stencil={tuple(self.stencil.shape)}" if self.operator == "learned" else ""
        alpha = f", alpha={self.alpha!r}" if self.operator == "identity" else ""
        said = f"{super().extra_repr()}, operator={self.operator!r}"
        return f"{said}{alpha}{stencil}, boundary={self.boundary!r}"


class DiffusionReactionStep(IMEXStep):
    """(I + hL) Y⁺ = Y + h f(Y): backward Euler for Ẏ = −LY, forward Euler for f; Y is smoothed."""

    def forward(self, y: Tensor) -> Tensor:
        return self.solve(self.euler(y, self.rhs(y)))


def log_spaced(ends: tuple[float, float], channels: int) -> Tensor:
    """Factors from low to high, (C, 1, 1), equal ratios from channel to channel.

    Raises:
        ValueError: for ends that are not positive and finite.
    """
    if not isinstance(ends, Sequence) or len(ends) != 2:
        raise ValueError(f"a range over the channels is (low, high), got {ends!r}")
    if not all(0 < end < math.inf for end in ends):
        raise ValueError(f"a range over the channels is positive and finite, got {ends}")
    low, high = map(math.log2, ends)
    return torch.logspace(low, high, channels, base=2).view(-1, 1, 1)


@contextmanager
def own_generator() -> Iterator[None]:
    """Random numbers that leave later kernels as in the ResNet of that seed, not copies of them."""
    with torch.random.fork_rng(devices=[]):
        # Of the CPU alone: `torch.manual_seed` would seed other devices, too, and for good.
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), device="cpu")))
        yield


def one_stage(steps: Sequence[IMEXStep]) -> None:
    """Makes IMEX steps one after the other share h and L, and enter through S = (I + hL)^(−½).

    All have the h and the stencil of the first. With Y₀ = S X and Z = S⁻¹ Y, bounded steps have
    ‖δY_n‖ ≤ ‖δZ_n‖ ≤ … ≤ ‖δZ₀‖ = ‖δX‖: nothing is amplified from X to any Y_j.

    Raises:
        ValueError: for steps that differ in channels, operator or boundary.
    """
    if len({(s.conv.in_channels, s.operator, s.alpha, s.boundary) for s in steps}) > 1:
        raise ValueError("the steps of a stage have the same channels, operator and boundary")
    for step in steps[1:]:
        step.step_size, step.log_step_size = steps[0].step_size, steps[0].log_step_size
        if step.operator == "learned":
            step.stencil = steps[0].stencil
    for step in steps[:1]:
        step.enters = True
