"""The explicit window: the pixels that a network without its solves can use for an output pixel."""

import math
from dataclasses import dataclass
from functools import partial
from itertools import islice

from imexnet.models.backbone import padding_before
from imexnet.models.config import ModelConfig
from imexnet.models.networks import STEPS
from imexnet.sensitivity.measures import Region, region

ROUNDING = 1e-4  # of a cell


def explicit_window(config: ModelConfig, pixel: tuple[int, int], size: tuple[int, int]) -> Region:
    """Input pixels that the explicit part of a network can use for one output pixel.

    Interval arithmetic from the output back to the input, clipped at the borders: upsampling
    reads two neighbours, a time step widens by its `margin` to either side, an opening by 1, a
    block of the encoder by half its kernel. Where features are read twice, coarser and as they
    are, the window is the hull of both.

    Args:
        config: of the network; its solves by L are left out, and what else joins all pixels at once
            beside f: means, attention, free filters. The window of a θ-step, whose f is implicit,
            is the whole picture.
        pixel: (row, column) of the output.
        size: (H, W) of input and output.

    Returns:
        Rows and columns of the input.

    Raises:
        ValueError: if the pixel lies outside the picture.
    """
    region(size, pixel)
    rows, columns = (_window(config, p, n) for p, n in zip(pixel, size, strict=True))
    return rows, columns


def window_width(config: ModelConfig) -> int:
    """Side in input pixels of the explicit window of a pixel far from every border.

    Of a network with θ-steps, that of a picture of 10,000 cells of the coarsest grid.
    """
    size = 10_000 * config.coarsest
    window = _window(config, size // 2, size)
    return window.stop - window.start


@dataclass(frozen=True)
class _Reads:
    """Along one axis, output i of a layer reads inputs stride · i + first … stride · i + last.

    An upsampling reads the finer features besides: it undoes the last stride.
    """

    first: int
    last: int
    stride: int = 1
    enlarges: bool = False


def _reads(config: ModelConfig) -> list[_Reads]:
    """What each layer reads, from the input on."""
    opening = partial(_Reads, -1, 1)
    margins = [STEPS[config.step].margin(config, place) for place in config.places]
    steps = iter([_Reads(-margin, margin) for margin in margins])
    layers = []
    for block in config.blocks:
        before = padding_before(block.kernel, block.stride)
        layers.append(_Reads(-before, block.kernel - 1 - before, block.stride))
    for stage in config.stages:
        layers += [opening(stage.stride), *islice(steps, stage.steps)]
    for level in config.decoder:
        layers += [opening(enlarges=True), *islice(steps, level.steps)]
    return layers


def _window(config: ModelConfig, position: int, size: int) -> slice:
    layers, sizes, finer = _reads(config), [size], []  # of the grids along this axis
    for layer in layers:
        if layer.stride > 1:
            finer.append(sizes[-1])
        sizes.append(finer.pop() if layer.enlarges else -(-sizes[-1] // layer.stride))
    first, last = _before_upsampling(position, position, size, sizes[-1])
    joined: list[tuple[int, int]] = []  # windows on the finer features, finest first
    for layer, before, after in zip(
        reversed(layers), reversed(sizes[:-1]), reversed(sizes[1:]), strict=True
    ):
        n = after if layer.enlarges else before
        first = max(0, first * layer.stride + layer.first)
        last = min(n - 1, last * layer.stride + layer.last)
        if layer.enlarges:
            joined.append((first, last))
            first, last = _before_upsampling(first, last, after, before)
        elif joined and layer.stride > 1:
            other = joined.pop()
            first, last = min(first, other[0]), max(last, other[1])
    return slice(first, last + 1)


def _before_upsampling(first: int, last: int, fine: int, coarse: int) -> tuple[int, int]:
    """The cells of the coarse grid that bilinear upsampling to `fine` reads for first … last.

    In float32 torch also reads the neighbour of a cell that is met exactly, with a weight of 1e-7.
    """
    if fine == coarse:
        return first, last
    low, high = ((p + 0.5) * coarse / fine - 0.5 for p in (first, last))
    return max(0, math.floor(low - ROUNDING)), min(max(0, math.ceil(high + ROUNDING)), coarse - 1)
