"""The field of view of networks that are not ours: a module of one's own, and a public package's.

    python examples/any_network.py OUT

writes a picture and an .npy of the sensitivity for each, and prints its measures. The second is
DexiNed, an edge detector of kornia (`pip install -e '.[train]'`), here with random weights: a
network's reach is that of its architecture before it is that of its training.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imexnet.io import files
from imexnet.program import run
from imexnet.sensitivity.field_of_view import input_sensitivity
from imexnet.sensitivity.measures import measure, region
from imexnet.viz import colours

SIZE, PIXEL = (96, 128), (40, 50)


class DilatedNet(nn.Module):
    """Four 3×3 convolutions, dilated 1, 2, 4 and 8: a window of 31 pixels with 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for dilation in (1, 2, 4, 8):
            conv = nn.Conv2d(channels, 8, 3, padding=dilation, dilation=dilation)
            layers += [conv, nn.BatchNorm2d(8), nn.ReLU()]
            channels = 8
        self.layers = nn.Sequential(*layers, nn.Conv2d(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def dexined() -> nn.Module:
    """Photo in, logits of edges out, at the same size."""
    from kornia.models.dexined import DexiNed

    return DexiNed(pretrained=False)


NETWORKS: dict[str, Callable[[], nn.Module]] = {"dilated": DilatedNet, "dexined": dexined}


def question(y: Tensor) -> Tensor:
    """The scalar that is asked for: any function of the output that autograd knows will do."""
    return y[0, 0, PIXEL[0], PIXEL[1]]


def main(out: Path) -> None:
    """Asks all networks about the same random picture."""
    torch.manual_seed(0)
    x = torch.rand(1, 3, *SIZE)
    for name, make in NETWORKS.items():
        s = input_sensitivity(make().eval(), x, question).numpy()
        heat = colours.heat_values(s, float(s.max()))
        files.write_picture(colours.colour(heat, colours.HEAT_COLOURS), out / f"{name}.png")
        files.write_array(s, out / f"{name}.npy")
        found = measure(s, region(SIZE, PIXEL))
        print(f"{name}: 95 % in {100 * found.area95:.1f} % of the picture, RMS radius", end=" ")
        print(f"{found.rms_radius:.1f} px, S > 0 at {100 * np.mean(s > 0):.1f} %")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python examples/any_network.py OUT")
    run(lambda: main(Path(sys.argv[1])), "any_network")
