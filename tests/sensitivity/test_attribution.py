"""Attributions: exact for linear networks, complete, zero outside windows, and on the markers."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from imexnet.data import qtips
from imexnet.inference import predict_input, to_input
from imexnet.models.checkpoints import WEIGHTS, load_pretrained
from imexnet.models.config import MODELS
from imexnet.models.networks import Network, build
from imexnet.sensitivity import attribution
from imexnet.sensitivity.attribution import (
    METHODS,
    Target,
    blurred,
    flat,
    gradient_times_difference,
    input_gradient,
    integrated_gradients,
    mean,
    occlusion,
)
from imexnet.sensitivity.field_of_view import (
    ClassReading,
    Metres,
    field_of_view,
    input_sensitivity,
)
from imexnet.sensitivity.questions import Question, arrays, ask_all

SHIPPED = pytest.mark.skipif(
    not (WEIGHTS / "qtips-imexnet.safetensors").exists(), reason="weights are not there"
)


def picture(size: tuple[int, int] = (9, 12), channels: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, channels, *size, dtype=torch.float64, generator=generator)


def linear(seed: int = 0) -> tuple[nn.Conv2d, Target]:
    """A convolution of 5 × 5, and its output at row 4, column 6."""
    torch.manual_seed(seed)
    conv = nn.Conv2d(2, 1, 5, padding=2, dtype=torch.float64)
    return conv, Target(lambda x: conv(x)[:, 0, 4, 6])


def bent() -> Target:
    """A smooth function with products across the whole picture."""
    torch.manual_seed(2)
    first = nn.Conv2d(2, 4, 5, padding=2, dtype=torch.float64)
    second = nn.Conv2d(4, 1, 5, padding=2, dtype=torch.float64)
    return Target(lambda x: second(torch.tanh(3 * first(x)) + x.mean((1, 2, 3), True))[:, 0, 4, 6])


def network(name: str) -> Network:
    """At its random start but for the head, which starts at zero; float32, in eval mode."""
    torch.manual_seed(0)
    built = build(MODELS[name])
    for head in built.heads.values():
        assert isinstance(head, nn.Conv2d)
        nn.init.normal_(head.weight, std=0.3)
    return built.eval()


def test_a_linear_network_has_exact_values():
    conv, q = linear()
    x = picture()
    stencil = torch.zeros(2, 9, 12, dtype=torch.float64)
    stencil[:, 2:7, 4:9] = conv.weight[0].detach()
    torch.testing.assert_close(input_gradient(q, x), stencil)
    for baseline in (flat, blurred, mean):
        expected = stencil * (x - baseline(x))[0]
        torch.testing.assert_close(gradient_times_difference(q, x, baseline), expected)
        for steps in (1, 3):
            found = integrated_gradients(q, x, baseline, steps)
            torch.testing.assert_close(found, expected)
        single = occlusion(q, x, baseline, side=1, stride=1)
        torch.testing.assert_close(single, expected.sum(0, keepdim=True))


def test_an_occlusion_is_the_mean_over_the_patches_that_cover_a_pixel():
    conv, q = linear()
    x = picture()
    weight = torch.zeros(2, 9, 12, dtype=torch.float64)
    weight[:, 2:7, 4:9] = conv.weight[0].detach()
    change = (weight * (x - mean(x))[0]).sum(0)
    expected, count = torch.zeros(2, 9, 12, dtype=torch.float64)
    for row in (0, 2, 4, 6):  # the last one begins where it fits: 9 − 3
        for column in (0, 2, 4, 6, 8, 9):
            patch = slice(row, row + 3), slice(column, column + 3)
            expected[patch] += change[patch].sum()
            count[patch] += 1
    torch.testing.assert_close(occlusion(q, x, side=3, stride=2)[0], expected / count)


def test_no_patch_straddles_the_edge_of_the_window():
    _, q = linear()
    window = slice(2, 7), slice(4, 9)
    a = occlusion(Target(q.of, window), picture(), side=4, stride=2)[0]
    inside = torch.zeros(9, 12, dtype=torch.bool)
    inside[window] = True
    assert not a[~inside].any() and a[inside].all()
    assert occlusion(q, picture(), side=4, stride=2)[0][~inside].any()


@pytest.mark.parametrize("baseline", [flat, blurred])
def test_integrated_gradients_are_complete(baseline):
    """ΣA = q(x) − q(x′): to 1e-6 of q's change with 64 steps, for a smooth q."""
    q, x = bent(), picture()
    change = (q.of(x) - q.of(baseline(x))).item()
    assert integrated_gradients(q, x, baseline, 64).sum().item() == pytest.approx(change, rel=1e-6)
    rough = integrated_gradients(q, x, baseline, 1).sum().item()
    assert abs(rough - change) > 1e-3 * abs(change)


def test_one_that_is_not_linear_along_the_path():
    """q = Σ x³: A = (x − x′)(x² + x x′ + x′²) = x³ − x′³, by two steps in √α."""
    x = picture()
    q = Target(lambda pictures: (pictures**3).sum((1, 2, 3)))
    expected = (x**3 - flat(x) ** 3)[0]
    torch.testing.assert_close(integrated_gradients(q, x, flat, 3), expected)


@pytest.mark.parametrize("method", METHODS)
def test_pictures_go_through_in_small_batches(method, monkeypatch):
    conv, _ = linear()
    sizes = []

    def of(pictures: Tensor) -> Tensor:
        sizes.append(len(pictures))
        return conv(pictures)[:, 0, 4, 6]

    x = picture()
    whole = METHODS[method].attribute(Target(of), x)
    together = max(sizes)
    monkeypatch.setattr(attribution, "PIXELS", 5 * 9 * 12)
    sizes.clear()
    torch.testing.assert_close(METHODS[method].attribute(Target(of), x), whole)
    assert max(sizes) == min(5, together)
    monkeypatch.setattr(attribution, "PIXELS", 1)
    torch.testing.assert_close(METHODS[method].attribute(Target(of), x), whole)


@pytest.mark.parametrize(
    ("name", "where", "method"),
    [*(("qtips", (5, 20), method) for method in METHODS), ("indoor", (30, 3), "occlusion-blur")],
)
def test_outside_its_window_a_resnet_gets_nothing(name, where, method):
    """Bit for bit; an IMEXNet does."""
    for kind in ("resnet", "imexnet"):
        own = network(f"{name}-{kind}")
        task = own.config.heads[-1][0]
        x = picture((44, 60), own.config.channels).float()
        view = field_of_view(own, task, x, where, attribute=METHODS[method].attribute)
        inside = np.zeros((44, 60), bool)
        inside[view.window] = True
        assert view.derivative[:, inside].any()
        assert view.derivative[:, ~inside].any() == (kind == "imexnet")
        assert (view.measures.outside_window > 0) == (kind == "imexnet")


def test_the_classes_that_are_compared_stay_those_of_the_picture():
    own = network("qtips-imexnet")
    x = picture((16, 20), 1).float()
    with torch.no_grad():
        first, second = own(x)["qtips"][0, :, 7, 9].topk(2).indices.tolist()
    attribute = METHODS["integrated-flat"].attribute
    views = [
        field_of_view(own, "qtips", x, (7, 9), class_number=k, attribute=attribute).derivative
        for k in (first, second)
    ]
    margin = field_of_view(own, "qtips", x, (7, 9), attribute=attribute)
    np.testing.assert_allclose(margin.derivative, views[0] - views[1], rtol=1e-4, atol=1e-6)


def test_the_gradient_as_a_method_is_the_field_of_view():
    own = network("indoor-imexnet")
    x = picture((32, 40), 3).float()
    given = {"x": x, "pixel": (7, 9), "other": (9, 12)}
    for task in ("depth", "segmentation"):
        plain = field_of_view(own, task, **given)
        asked = field_of_view(own, task, **given, attribute=METHODS["gradient"].attribute)
        np.testing.assert_allclose(asked.derivative, plain.derivative, rtol=1e-4, atol=1e-7)
        assert asked.reading == plain.reading


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("method", ["integrated-blur", "occlusion-mean"])
def test_the_mode_of_the_caller_changes_nothing(mode, method):
    own, x = network("qtips-imexnet"), picture((16, 20), 1).float()
    attribute = METHODS[method].attribute
    expected = field_of_view(own, "qtips", x, (7, 9), attribute=attribute)
    before = x.clone()
    with mode():
        again = field_of_view(own, "qtips", x.clone(), (7, 9), attribute=attribute)
    np.testing.assert_array_equal(again.derivative, expected.derivative)
    assert torch.equal(x, before) and all(p.grad is None for p in own.parameters())


def test_a_picture_that_is_its_own_baseline_has_nothing_to_show():
    own, x = network("qtips-imexnet"), torch.full((1, 1, 16, 20), 0.25)
    for name, method in METHODS.items():
        view = field_of_view(own, "qtips", x, (7, 9), attribute=method.attribute)
        assert view.sensitivity.any() == (name == "gradient"), name
        assert (view.measures.area95 > 0) == (name == "gradient"), name


@SHIPPED
def test_integrated_gradients_of_qtips_are_complete_and_on_the_markers():
    """ΣA is q(x) − q(x′) to 3 % of Σ|A| with the 64 steps of the page."""
    nets = {kind: load_pretrained(f"qtips-{kind}", "cpu") for kind in ("resnet", "imexnet")}
    pixels, label = qtips.qtip(26, 0)
    photo = Image.fromarray(pixels)
    x = to_input(photo, nets["imexnet"].config, "cpu")
    markers = (pixels == qtips.WHITE) | (pixels == qtips.BLACK)
    assert label[32, 32] > 0
    shares = {}
    for method in ("usual", "gradient", "integrated-flat"):
        question = Question("qtips", (32, 32), method=method)
        view = ask_all({"imexnet": nets["imexnet"]}, photo, x, question)["imexnet"]
        shares[method] = view.sensitivity[markers].sum() / view.sensitivity.sum()
    assert shares["usual"] == shares["integrated-flat"] > 0.4
    assert shares["gradient"] < shares["usual"] / 5
    for own in nets.values():
        with torch.no_grad():
            first, second = own(x)["qtips"][0, :, 32, 32].topk(2).indices
        q = Target(lambda y, n=own, a=first, b=second: _margin(n(y)["qtips"], a, b))
        a = integrated_gradients(q, x, flat)
        with torch.no_grad():
            change = (q.of(x) - q.of(flat(x))).item()
        assert abs(a.sum().item() - change) < 0.03 * a.abs().sum().item()


def _margin(y: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return y[:, first, 32, 32] - y[:, second, 32, 32]


def test_each_task_has_its_usual_method():
    assert Question("qtips", (1, 2)).asked_by == "integrated-flat"
    assert Question("depth", (1, 2)).asked_by == Question("segmentation", (1, 2)).asked_by
    assert Question("depth", (1, 2)).asked_by == "gradient"
    assert Question("qtips", (1, 2), direction="outputs").asked_by == "gradient"
    assert Question("qtips", (1, 2), method="gradient").asked_by == "gradient"


def test_a_file_says_how_was_asked():
    own, photo = network("qtips-resnet"), Image.new("L", (16, 16), 50)
    x = to_input(photo, own.config, "cpu")
    question = Question("qtips", (7, 9), method="occlusion-mean")
    found = arrays(question, ask_all({"resnet": own}, photo, x, question))
    assert found["method"] == "occlusion-mean"
    assert found["resnet_derivative"].shape == (1, *found["resnet_sensitivity"].shape)


@pytest.mark.parametrize("direction", ["inputs", "outputs"])
@pytest.mark.parametrize("task", ["depth", "segmentation"])
def test_what_is_read_is_what_predict_answers(task, direction):
    """To the last bit, though convolutions are in bfloat16 there and never in a derivative."""
    own = network("indoor-imexnet")
    own.precision = torch.bfloat16
    photo = np.random.default_rng(0).integers(0, 256, (72, 96, 3), np.uint8)
    x = to_input(photo, own.config, "cpu")
    scale = x.shape[-1] / 96
    view = ask_all({"own": own}, photo, x, Question(task, (30, 40), direction=direction))["own"]
    rows, columns = view.asked
    assert columns.start == int(40.5 * scale)
    answered = np.asarray(predict_input(own, task, x))[rows, columns].item()
    in_float32 = field_of_view(own, task, x, (rows.start, columns.start)).reading
    if isinstance(view.reading, Metres):
        assert view.reading.value == answered
        assert isinstance(in_float32, Metres) and in_float32.value != answered
    else:
        assert view.reading.number == answered
        assert isinstance(in_float32, ClassReading)
        assert in_float32.probability != view.reading.probability


def test_what_cannot_be_asked_is_said_in_a_sentence():
    _, q = linear()
    with pytest.raises(ValueError, match=r"the method must be one of usual, gradient, .*'magic'"):
        Question("depth", (1, 2), method="magic")
    with pytest.raises(ValueError, match="what an input moves is a gradient"):
        Question("depth", (1, 2), direction="outputs", method="occlusion-mean")
    with pytest.raises(ValueError, match="at least one step, got 0"):
        integrated_gradients(q, picture(), steps=0)
    for side, stride in ((0, 1), (3, 0), (3, 4)):
        with pytest.raises(ValueError, match=f"got {side}, {stride}"):
            occlusion(q, picture(), side=side, stride=stride)
    with pytest.raises(ValueError, match="does not depend on the picture"):
        input_gradient(Target(lambda x: x.detach().sum((1, 2, 3))), picture())
    with pytest.raises(ValueError, match="in eval mode"):
        field_of_view(
            network("qtips-resnet").train(), "qtips", picture((16, 16), 1), (3, 4),
            attribute=METHODS["occlusion-mean"].attribute,
        )  # fmt: skip


def test_input_sensitivity_is_the_gradients_absolute_sum():
    conv, q = linear()
    x = picture()
    s = input_sensitivity(conv.eval(), x, lambda y: y[0, 0, 4, 6])
    torch.testing.assert_close(s, input_gradient(q, x).abs().sum(0))
