"""Random changes of training pictures: light, blur and noise."""

import torch
from torch import Tensor

BRIGHTNESS, CONTRAST = 0.1, 0.2


def relit(pictures: Tensor) -> Tensor:
    """c (x − x̄) + x̄ + b: contrast c in 1 ± 0.2 about the mean x̄, brightness b in ± 0.1.

    Each picture of (B, C, H, W) has its own, from the global generator.
    """
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    contrast = _per_picture(pictures, 1 - CONTRAST, 1 + CONTRAST)
    return mean + contrast * (pictures - mean) + _per_picture(pictures, -BRIGHTNESS, BRIGHTNESS)


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Every other picture of (B, C, H, W) smoothed by a Gaussian of 0.1 … `sigma` pixels."""
    if sigma == 0:
        return pictures
    from kornia.augmentation import RandomGaussianBlur

    return RandomGaussianBlur((9, 9), (0.1, sigma), p=0.5)(pictures)


def noisy(pictures: Tensor, sigma: float) -> Tensor:
    """Pictures (B, C, H, W) with Gaussian noise of 0 … `sigma` each, clipped to [0, 1]."""
    if sigma > 0:
        pictures = pictures + _per_picture(pictures, 0, sigma) * torch.randn_like(pictures)
    return pictures.clamp(0, 1)


def _per_picture(pictures: Tensor, low: float, high: float) -> Tensor:
    return pictures.new_empty(len(pictures), 1, 1, 1).uniform_(low, high)
