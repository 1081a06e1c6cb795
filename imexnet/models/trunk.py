"""What a network is strung on: layers one after the other, with or without the way back up."""

from collections import deque
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imexnet.models.steps import Opening


class Upsampling(nn.Module):
    """Y⁺ = σ(N(K [E Y, S])): E enlarges bilinearly to the size of finer features S, [ ] stacks.

    (B, C_in, h, w) and S (B, C_finer, H, W) → (B, C_out, H, W).
    """

    def __init__(self, channels_in: int, channels_finer: int, channels_out: int) -> None:
        super().__init__()
        self.opening = Opening(channels_in + channels_finer, channels_out)

    def forward(self, y: Tensor, finer: Tensor) -> Tensor:
        size = (finer.shape[-2], finer.shape[-1])
        y = F.interpolate(y, size, mode="bilinear", align_corners=False)
        return self.opening(torch.cat((y, finer), dim=1))


class Trunk(nn.Sequential):
    """Layers in the order of their execution; an upsampling joins what an opening made coarser.

    It takes the features before the last opening with a stride that is not yet undone.
    """

    def walk(self, y: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
        """Each layer with the features after it."""
        upsamplings = sum(isinstance(layer, Upsampling) for layer in self)
        finer: deque[Tensor] = deque(maxlen=upsamplings)  # older ones are never asked for
        for layer in self:
            if isinstance(layer, Upsampling):
                y = layer(y, finer.pop())
            else:
                if getattr(layer, "stride", 1) != 1:  # folded or not
                    finer.append(y)
                y = layer(y)
            yield layer, y

    def forward(self, input: Tensor) -> Tensor:
        y = input
        for _, after in self.walk(y):
            y = after
        return y
