"""Parameters, multiply-adds of the convolutions, and explicit window of every network."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from imexnet.models.config import MODELS, ModelConfig
from imexnet.models.networks import build, parameter_count
from imexnet.program import run
from imexnet.sensitivity.window import window_width


def multiply_adds(config: ModelConfig) -> int:
    """Of all convolutions for one picture of the training size; the FFTs are not counted."""
    with torch.device("meta"):
        network = build(config).eval()
        picture = torch.empty(1, config.channels, *config.size)
    with FlopCounterMode(display=False) as counter:
        network(picture)
    return counter.get_total_flops() // 2


def main() -> None:
    print(f"{'network':24}{'input':>10}{'parameters':>12}{'MMAC':>8}{'window':>8}")
    for name, config in MODELS.items():
        size = f"{config.size[1]} × {config.size[0]}"
        parameters, window = parameter_count(build(config)), window_width(config)
        mega = multiply_adds(config) / 1e6
        print(f"{name:24}{size:>10}{parameters:>12,}{mega:>8.0f}{window:>8}")


if __name__ == "__main__":
    run(main, "sizes")
