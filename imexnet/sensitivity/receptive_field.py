"""The effective receptive field of a whole network, and how its window grows from step to step.

Averages of S / ΣS over pixels and pictures (Luo et al., 2016, arXiv 1701.04128), each map moved so
that the asked pixel lies in the middle.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imexnet.data.sequences import DRAW
from imexnet.inference import to_grid, to_input
from imexnet.models.networks import Network, states
from imexnet.models.tasks import TASKS
from imexnet.sensitivity.field_of_view import differentiable, field_of_view, gradient
from imexnet.sensitivity.measures import Measures, measure, region
from imexnet.spectral.symbols import computing_type

DRAWN_SEED = 8  # of pictures that no network was trained on


@dataclass(frozen=True)
class Average:
    """Of many fields of view.

    Attributes:
        count: how many.
        map: (2H − 1, 2W − 1), mean S / ΣS at each offset from the asked pixel, which is in the
            middle; over the pixels that have such a neighbour, 0 where none has.
        mean, std: of each measure.
    """

    count: int
    map: np.ndarray
    mean: Measures
    std: Measures

    def to_dict(self) -> dict:
        """The measures by name: {"mean": …, "std": …}; and the count."""
        mean, std = asdict(self.mean), asdict(self.std)
        return {"count": self.count} | {k: {"mean": mean[k], "std": std[k]} for k in mean}

    @property
    def middle(self) -> np.ndarray:
        """The map's offsets up to half the picture, (H, W)."""
        height, width = ((n + 1) // 2 for n in self.map.shape)
        top, left = height - 1 - height // 2, width - 1 - width // 2
        return self.map[top : top + height, left : left + width]


def effective(
    network: Network, task: str, pictures: Iterable[Tensor], pixels: int, seed: int = 0
) -> Iterator[Average]:
    """The average after each picture, over random pixels of it, the same for every network.

    Args:
        network: in eval mode.
        task: one of its heads.
        pictures: (1, C, H, W), all of one size.
        pixels: how many per picture.
        seed: of the pixels.

    Raises:
        ValueError: for pictures of two sizes.
    """
    random = np.random.default_rng(seed)
    found: list[Measures] = []
    total = seen = np.zeros(0)
    for x in pictures:
        height, width = x.shape[-2:]
        if not found:
            total, seen = np.zeros((2, 2 * height - 1, 2 * width - 1))
        elif total.shape != (2 * height - 1, 2 * width - 1):
            raise ValueError("the pictures must all be of one shape")
        for _ in range(pixels):
            row, column = int(random.integers(height)), int(random.integers(width))
            view = field_of_view(network, task, x, (row, column))
            s = view.sensitivity.astype(np.float64)
            here = slice(height - 1 - row, 2 * height - 1 - row)
            there = slice(width - 1 - column, 2 * width - 1 - column)
            total[here, there] += s / max(s.sum(), 1e-300)
            seen[here, there] += 1
            found.append(view.measures)
        numbers = np.array([list(asdict(m).values()) for m in found])
        yield Average(
            len(found),
            total / np.maximum(seen, 1),
            Measures(*numbers.mean(axis=0).tolist()),
            Measures(*numbers.std(axis=0).tolist()),
        )


def pictures(network: Network, task: str, files: Iterable[Path], count: int) -> Iterator[Tensor]:
    """The first `count` photos as the network takes them; those of a drawn task need no files."""
    device = network.mean.device
    if TASKS[task].drawn:
        for index in range(count):
            picture = DRAW[TASKS[task].family](DRAWN_SEED, index, network.config.size[0]).picture
            yield torch.from_numpy(picture[None, None] / np.float32(255)).to(device)
        return
    for path in [*files][:count]:
        yield to_input(path, network.config, device)


@dataclass(frozen=True)
class Reach:
    """What the features at one place depend on, after some time step.

    Attributes:
        sensitivity: (H, W), S of q = ½ ‖Y_j(p)‖².
        rows, columns: how many of the input have S > 0 from the first to the last.
        area95: share of the picture in the smallest set that holds 95 % of ΣS.
    """

    sensitivity: np.ndarray
    rows: int
    columns: int
    area95: float


def reach_per_step(network: Network, x: Tensor, pixel: tuple[int, int]) -> list[Reach]:
    """S of ½ ‖Y_j(p)‖² before the first time step and after each, by one backward pass per map.

    Args:
        network: in eval mode, not folded.
        x: (1, C, H, W).
        pixel: (row, column) of the input; p is the cell that holds it on the grid of Y_j.

    Raises:
        ValueError: if the pixel lies outside, or as `input_sensitivity`.
    """
    size = (x.shape[-2], x.shape[-1])
    asked = region(size, pixel)
    with differentiable(network, x) as leaf:
        reaches = []
        for features in states(network, leaf):
            row, column = to_grid(pixel, size, (features.shape[-2], features.shape[-1]))
            q = features[0, :, row, column].square().sum() / 2
            s = gradient(q, leaf, keep_graph=True)[0].abs().sum(dim=0)
            s = s.to(computing_type(s)).cpu().numpy()
            rows, columns = (np.flatnonzero(s.any(axis=axis)) for axis in (1, 0))
            spans = [int(n[-1] - n[0] + 1) if len(n) else 0 for n in (rows, columns)]
            reaches.append(Reach(s, spans[0], spans[1], measure(s, asked).area95))
    return reaches
