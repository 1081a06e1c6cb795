"""What the implicit solve costs: ratios measured side by side in one run.

The candidates of a comparison take turns on the same input; their results are compared before
they are timed. A ratio is the median over the rounds of the ratios within a round, so that a
machine whose speed drifts disturbs it little.
"""

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from imexnet.benchmark import page as pages
from imexnet.models.checkpoints import load_pretrained
from imexnet.models.config import MODELS
from imexnet.models.folding import FOLDED, autocast, fold
from imexnet.models.networks import Network, build
from imexnet.models.spec import TRUNKS, ModelSpec
from imexnet.models.steps import ExplicitStep, IMEXStep
from imexnet.models.tasks import KINDS
from imexnet.places import install_command
from imexnet.sensitivity.field_of_view import field_of_view
from imexnet.spectral.solve import apply_filter, implicit_solve, resolvent
from imexnet.spectral.stages import implicit_solve_reference
from imexnet.spectral.symbols import gram_eigenvalues, zero_mean

SOLVE_SHAPE = (8, 64, 64, 64)
STEP_SHAPES = ((8, 64, 64, 64), (1, 64, 120, 160), (1, 64, 256, 256))
TRAINING_SHAPES = ((16, 96, 30, 40), (16, 128, 15, 20))
GLOBAL_SHAPE = (1, 64, 64, 64)
BATCH = 16  # pictures, in training
GROWTH_SIDES = (64, 128, 256, 512, 1024)
SHIPPED = ("qtips-resnet", "qtips-imexnet", "indoor-resnet", "indoor-imexnet")
ROOMS = tuple(ModelSpec("indoor", trunk, kind).name for trunk in TRUNKS for kind in KINDS)


@dataclass(frozen=True)
class Timing:
    """How, and how long to measure.

    Attributes:
        seconds: for each comparison.
        device: where everything lives.
    """

    seconds: float = 2.0
    device: str = "cpu"


def side_by_side(
    candidates: Mapping[str, Callable[[], object]], timing: Timing, rounds: int = 5
) -> dict[str, list[float]]:
    """Milliseconds of each candidate in each round, after one round that is not counted.

    Args:
        candidates: name → what to time; they take turns.
        timing: how long, and on which device.
        rounds: at least so many.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    started = None
    while (
        started is None
        or len(next(iter(times.values()))) < rounds
        or (time.perf_counter() - started < timing.seconds)
    ):
        for name, run in candidates.items():
            begin = time.perf_counter()
            run()
            if timing.device.startswith("cuda"):
                torch.cuda.synchronize()
            if started is not None:
                times[name].append(1000 * (time.perf_counter() - begin))
        started = started or time.perf_counter()
    return times


def ratio(times: Mapping[str, list[float]], upper: str, lower: str) -> float:
    """The median over the rounds of upper / lower."""
    pairs = zip(times[upper], times[lower], strict=True)
    return statistics.median(a / b for a, b in pairs)


def solve(timing: Timing) -> dict:
    """The solve against the textbook's way and against the limit of two real transforms.

    The stencil's spectrum is part of either way. `prepared` is the solve of a folded network, its
    resolvent at hand.
    """
    rhs, stencil = _random(SOLVE_SHAPE, timing), _stencil(SOLVE_SHAPE[1], timing)
    ready = resolvent(gram_eigenvalues(stencil, SOLVE_SHAPE[2:]), 1.0)
    ways = {
        "implicit_solve": lambda: implicit_solve(rhs, stencil, 1.0),
        "prepared": lambda: apply_filter(rhs, ready),
        "textbook": lambda: implicit_solve_reference(rhs, stencil, 1.0),
    }
    with torch.inference_mode():
        for way in ways.values():
            torch.testing.assert_close(way(), ways["textbook"](), rtol=0, atol=1e-5)
        forward = side_by_side(
            {**ways, "two rfft2": lambda: (torch.fft.rfft2(rhs), torch.fft.rfft2(rhs))}, timing
        )
    leaves = rhs.clone().requires_grad_(), stencil.clone().requires_grad_()

    def gradients(way: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(way(*leaves, 1.0), leaves, rhs)

    pair = gradients(implicit_solve), gradients(implicit_solve_reference)
    for own, expected in zip(*pair, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-3)
    both = side_by_side(
        {
            "implicit_solve": lambda: gradients(implicit_solve),
            "textbook": lambda: gradients(implicit_solve_reference),
        },
        timing,
    )
    return {
        "shape": SOLVE_SHAPE,
        "milliseconds": {name: statistics.median(t) for name, t in forward.items()},
        "textbook / solve, forward": ratio(forward, "textbook", "implicit_solve"),
        "textbook / prepared solve, forward": ratio(forward, "textbook", "prepared"),
        "textbook / solve, forward and backward": ratio(both, "textbook", "implicit_solve"),
        "solve / two rfft2, forward": ratio(forward, "implicit_solve", "two rfft2"),
        "prepared solve / two rfft2, forward": ratio(forward, "prepared", "two rfft2"),
    }


def scaling(timing: Timing) -> dict:
    """Exponent of the solve's time in the number of pixels, by a line through the logarithms."""
    pixels, medians = [], []
    for side in GROWTH_SIDES:
        rhs, stencil = _random((1, 8, side, side), timing), _stencil(8, timing)
        with torch.inference_mode():
            run = {"solve": lambda r=rhs, s=stencil: implicit_solve(r, s, 1.0)}
            medians.append(statistics.median(side_by_side(run, timing)["solve"]))
        pixels.append(side * side)
    slope = np.polyfit(np.log(pixels), np.log(medians), 1)[0]
    return {
        "milliseconds": dict(zip(map(str, GROWTH_SIDES), medians, strict=True)),
        "exponent": float(slope),
    }


def steps(timing: Timing) -> dict:
    """IMEX step / explicit step: forward in their folded form, and in training."""
    result = {}
    for shape in (*STEP_SHAPES, *TRAINING_SHAPES):
        name = " × ".join(map(str, shape))
        forms = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        if shape in TRAINING_SHAPES:
            del forms["float32"]
        for form, precision in forms.items():
            pair = {kind: _step(kind, shape, timing) for kind in (ExplicitStep, IMEXStep)}
            inference = {
                kind.__name__: _forward(FOLDED[kind](step.eval()), shape, precision, timing)
                for kind, step in pair.items()
            }
            with torch.inference_mode():
                times = side_by_side(inference, timing)
            result[f"forward, {name}, {form}"] = ratio(times, "IMEXStep", "ExplicitStep")
            training = {
                kind.__name__: _training(step.train(), shape, precision, timing)
                for kind, step in pair.items()
            }
            times = side_by_side(training, timing)
            result[f"training, {name}, {form}"] = ratio(times, "IMEXStep", "ExplicitStep")
    return result


def made_global(timing: Timing) -> dict:
    """Other ways to connect all pixels of 64 × 64 × 64 features, relative to the implicit solve."""
    channels, size = GLOBAL_SHAPE[1], GLOBAL_SHAPE[2:]
    x, stencil = _random(GLOBAL_SHAPE, timing), _stencil(channels, timing)
    ready = resolvent(gram_eigenvalues(stencil, size), 1.0)
    attention = nn.MultiheadAttention(channels, 4, batch_first=True, device=timing.device).eval()
    tokens = x.flatten(2).mT.contiguous()
    large = nn.Conv2d(channels, channels, 31, padding=15, groups=channels, device=timing.device)
    weight = torch.view_as_complex(_random((channels, size[0], size[1] // 2 + 1, 2), timing))
    candidates: dict[str, Callable[[], object]] = {
        "implicit solve": lambda: implicit_solve(x, stencil, 1.0),
        "implicit solve, prepared": lambda: apply_filter(x, ready),
        "self-attention over pixels, 4 heads": lambda: attention(
            tokens, tokens, tokens, need_weights=False
        ),
        "31 × 31 depthwise convolution": lambda: large(x),
        "learned global filter, one complex number per frequency": lambda: torch.fft.irfft2(
            torch.fft.rfft2(x) * weight, s=size
        ),
    }
    parameters = {
        "implicit solve": 9 * channels,
        "implicit solve, prepared": 9 * channels,
        "self-attention over pixels, 4 heads": _count(attention),
        "31 × 31 depthwise convolution": _count(large),
        "learned global filter, one complex number per frequency": 2 * weight.numel(),
    }
    result: dict = {}
    try:
        from neuralop.layers.spectral_convolution import (  # pyright: ignore[reportMissingImports]
            SpectralConv,
        )
    except ImportError:
        result["SpectralConv of neuraloperator"] = f"not installed: {install_command('bench')}"
    else:
        spectral = SpectralConv(channels, channels, size).to(timing.device).eval()
        name = "SpectralConv of neuraloperator, all modes"
        candidates[name] = lambda: spectral(x)
        parameters[name] = _count(spectral)
    with torch.inference_mode():
        times = side_by_side(candidates, timing)
    for name, count in parameters.items():
        result[name] = {"time / solve": ratio(times, name, "implicit solve"), "parameters": count}
    return result


def inference(timing: Timing) -> dict:
    """As trained / each form for inference, forward: what the page's networks gain by each.

    Folded; with channels last, too; with convolutions in bfloat16, too. In float32 all agree.
    """
    result = {}
    for name in ROOMS:
        network = load_pretrained(name, timing.device)
        x = torch.rand(1, network.config.channels, *network.config.size, device=timing.device)
        rows = fold(network)
        rows.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        forms = {"as trained": network, "folded": rows, "channels last": fold(network)}

        def forward(form: Network, precision: torch.dtype, x: Tensor = x) -> dict[str, Tensor]:
            with torch.inference_mode(), autocast(timing.device, precision):
                return form(x)

        expected = forward(network, torch.float32)["depth"]
        for form in forms.values():
            depth = forward(form, torch.float32)["depth"]
            torch.testing.assert_close(depth, expected, rtol=1e-3, atol=0)
        candidates = {n: partial(forward, form, torch.float32) for n, form in forms.items()}
        candidates["bfloat16"] = partial(forward, forms["channels last"], torch.bfloat16)
        times = side_by_side(candidates, timing)
        result[name] = {"as trained, ms": statistics.median(times["as trained"])} | {
            f"as trained / {form}": ratio(times, "as trained", form)
            for form in candidates
            if form != "as trained"
        }
    return result


def fields_of_view(timing: Timing) -> dict:
    """One click's field of view / one forward pass, of the shipped networks in folded form."""
    result = {}
    for name in SHIPPED:
        network = fold(load_pretrained(name, timing.device))
        task = network.config.heads[0][0]
        x = torch.rand(1, network.config.channels, *network.config.size, device=timing.device)
        pixel = (network.config.size[0] // 2, network.config.size[1] // 3)

        def forward(network: Network = network, x: Tensor = x) -> None:
            with torch.inference_mode():
                network(x)

        times = side_by_side(
            {
                "forward": forward,
                "click": lambda n=network, t=task, x=x, p=pixel: field_of_view(n, t, x, p),
            },
            timing,
        )
        result[name] = {
            "forward, ms": statistics.median(times["forward"]),
            "field of view / forward": ratio(times, "click", "forward"),
        }
    return result


def training(timing: Timing) -> dict:
    """Images per second in training on random pictures, without loading and augmenting them."""
    result: dict = {}
    for family in ("qtips", "indoor"):
        runs = {}
        for kind in ("resnet", "imexnet"):
            config = MODELS[ModelSpec(family, "plain", kind).name]
            network = build(config).to(timing.device)
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            x = torch.rand(BATCH, config.channels, *config.size, device=timing.device)
            x = x.contiguous(memory_format=torch.channels_last)

            def run(network: Network = network, x: Tensor = x) -> None:
                network.zero_grad()
                with autocast(timing.device, torch.bfloat16):
                    outputs = network(x)
                torch.stack([y.float().square().mean() for y in outputs.values()]).sum().backward()

            runs[kind] = run
        times = side_by_side(runs, timing)
        for kind, t in times.items():
            result[f"{family}-{kind}, images/s"] = 1000 * BATCH / statistics.median(t)
        result[f"{family}: imexnet / resnet, time"] = ratio(times, "imexnet", "resnet")
    return result


def page(timing: Timing) -> dict:
    """Requests over HTTP to both networks: the same answer, which is remembered, and new clicks."""
    threads = torch.get_num_threads()

    def asked(trunk: str) -> dict:
        return {
            "predict": pages.requests(
                server, pages.SMALL, "predict", lambda _: ("depth", trunk)
            ),
            "field_of_view": pages.requests(
                server, pages.SMALL, "field_of_view",
                lambda i: ("depth", 40 * i, 240, "answer", None, None, "inputs", "trained", trunk),
            ),
        }  # fmt: skip

    with pages.serve(threads) as server:
        small = {trunk: asked(trunk) for trunk in TRUNKS}
        before = server.memory()
        large = pages.requests(server, pages.LARGE, "predict", lambda _: ("depth",))
        peak = server.memory()
        ready = server.ready
    torch_alone, library = pages.seconds_to_run("import torch", "from imexnet import *")
    return {
        "640 × 480": small,
        "12 megapixels": large,
        "peak memory before and after 12 megapixels, MB": [before, peak],
        "import imexnet, s beyond import torch": library - torch_alone,
        "page ready, s beyond import torch": ready - torch_alone,
    }


def _random(shape: tuple[int, ...], timing: Timing) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(timing.device)


def _stencil(channels: int, timing: Timing) -> Tensor:
    return zero_mean(_random((channels, 3, 3), timing))


def _step(kind: type[ExplicitStep], shape: tuple[int, ...], timing: Timing) -> ExplicitStep:
    torch.manual_seed(0)
    return kind(shape[1]).to(timing.device)


def _forward(
    step: nn.Module, shape: tuple[int, ...], precision: torch.dtype, timing: Timing
) -> Callable[[], object]:
    y = _random(shape, timing)

    def run() -> Tensor:
        with autocast(timing.device, precision):
            return step(y)

    return run


def _training(
    step: nn.Module, shape: tuple[int, ...], precision: torch.dtype, timing: Timing
) -> Callable[[], object]:
    step = step.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    y = _random(shape, timing).contiguous(memory_format=torch.channels_last)
    leaf = y.clone().requires_grad_()

    def run() -> None:
        with autocast(timing.device, precision):
            out = step(leaf)
        out.backward(y)
        leaf.grad = None
        step.zero_grad()

    return run


def _count(module: nn.Module) -> int:
    return sum(p.numel() * (1 + p.is_complex()) for p in module.parameters())


SECTIONS = {
    "solve": solve,
    "growth": scaling,
    "steps": steps,
    "made global": made_global,
    "inference": inference,
    "fields of view": fields_of_view,
    "training": training,
    "page": page,
}


def run(only: Sequence[str], timing: Timing, threads: int | None = None) -> dict:
    """The sections asked for, all of them by default, and what they ran on.

    Raises:
        ValueError: for an unknown section, or a device that is not there.
    """
    for name in only:
        if name not in SECTIONS:
            raise ValueError(f"there is no section {name!r}; there are {', '.join(SECTIONS)}")
    if timing.device not in ("cpu", "cuda"):
        raise ValueError(f"--device must be cpu or cuda, got {timing.device!r}")
    if timing.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device here")
    if threads is not None:
        torch.set_num_threads(threads)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if timing.device == "cuda" else "cpu",
        "torch": torch.__version__,
    }
    chosen = [name for name in SECTIONS if not only or name in only]
    return {"machine": machine, **{name: SECTIONS[name](timing) for name in chosen}}
