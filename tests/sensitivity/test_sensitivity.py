"""Field of view: exact maps of known networks, exact zeros outside windows, measures by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from imexnet.data import nyu, qtips
from imexnet.models.config import MODELS
from imexnet.models.folding import fold
from imexnet.models.networks import Network, build
from imexnet.sensitivity.field_of_view import (
    ClassReading,
    FieldOfView,
    Metres,
    ask,
    field_of_view,
    influence,
    input_sensitivity,
)
from imexnet.sensitivity.measures import measure, region
from imexnet.sensitivity.questions import Question, arrays, reading
from imexnet.sensitivity.receptive_field import reach_per_step
from imexnet.sensitivity.window import explicit_window, window_width
from imexnet.stability.growth import stretched


def randomised(name: str, seed: int = 0) -> Network:
    """A network with heads and norms away from their start, in float64 and eval mode."""
    torch.manual_seed(seed)
    network = build(MODELS[name])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, 0.1, 0.5)
    for head in network.heads.values():
        assert isinstance(head, nn.Conv2d)
        nn.init.normal_(head.weight, std=0.3)
    return network.double().eval()


def picture(size: tuple[int, int], channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, channels, *size, dtype=torch.float64, generator=generator)


def test_map_of_a_convolution_is_its_stencil():
    conv = nn.Conv2d(2, 1, 3, padding=1, bias=False, dtype=torch.float64).eval()
    s = input_sensitivity(conv, picture((7, 9), 2), lambda y: y[0, 0, 3, 4])
    expected = torch.zeros(7, 9, dtype=torch.float64)
    expected[2:5, 3:6] = conv.weight[0].detach().abs().sum(0)
    torch.testing.assert_close(s, expected)


def test_map_of_a_sum_is_the_sum_of_the_maps_where_signs_agree():
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False, dtype=torch.float64).eval()
    nn.init.uniform_(conv.weight, 0.1, 1)
    x = picture((8, 8), 1)
    both = input_sensitivity(conv, x, lambda y: y[0, 0, 2, 2] + y[0, 0, 5, 4])
    one = input_sensitivity(conv, x, lambda y: y[0, 0, 2, 2])
    other = input_sensitivity(conv, x, lambda y: y[0, 0, 5, 4])
    torch.testing.assert_close(both, one + other)


@pytest.mark.parametrize("name", ["qtips-imexnet", "indoor-imexnet", "indoor-resnet"])
@pytest.mark.parametrize("task_index", [0, -1])
def test_finite_differences_agree_at_20_pixels(name, task_index):
    network = randomised(name)
    task = network.config.heads[task_index][0]
    x = picture((32, 40), network.config.channels)
    question = ask(task, region((32, 40), (13, 21)))
    s = input_sensitivity(network, x, question)
    generator = torch.Generator().manual_seed(0)
    for index in torch.randint(0, 32 * 40, (20,), generator=generator).tolist():
        row, column = divmod(index, 40)
        total = 0.0
        for channel in range(x.shape[1]):
            plus, minus = x.clone(), x.clone()
            plus[0, channel, row, column] += 1e-6
            minus[0, channel, row, column] -= 1e-6
            with torch.no_grad():
                difference = question(network(plus)) - question(network(minus))
            total += abs(difference.item()) / 2e-6
        assert s[row, column].item() == pytest.approx(total, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("qtips-resnet", (64, 64)),
        ("indoor-resnet", (120, 160)),
        ("indoor-resnet", (117, 165)),
        ("indoor-backbone-resnet", (400, 480)),
    ],
)
@pytest.mark.parametrize("where", [(0.5, 0.5), (0.0, 0.0), (0.999, 0.3), (0.2, 0.999)])
def test_resnet_is_exactly_zero_outside_its_window_and_reaches_its_edges(name, size, where):
    network = randomised(name)
    task = network.config.heads[0][0]
    pixel = int(where[0] * size[0]), int(where[1] * size[1])
    view = field_of_view(network, task, picture(size, network.config.channels), pixel)
    inside = np.zeros(size, bool)
    inside[view.window] = True
    assert not view.sensitivity[~inside].any()
    assert view.measures.outside_window == 0
    assert view.measures.wrap_around == 0
    rows, columns = np.nonzero(view.sensitivity)
    assert (rows.min(), rows.max() + 1) == (view.window[0].start, view.window[0].stop)
    assert (columns.min(), columns.max() + 1) == (view.window[1].start, view.window[1].stop)


@pytest.mark.parametrize(("height", "row"), [(182, 45), (217, 108), (153, 25)])
def test_window_holds_what_float32_reads_beside_a_cell_that_is_met_exactly(height, row):
    network = randomised("indoor-resnet").float()
    x = picture((height, 64), 3).float()
    assert field_of_view(network, "depth", x, (row, 32)).measures.outside_window == 0


@pytest.mark.parametrize("name", ["qtips-imexnet", "indoor-imexnet"])
def test_imexnet_reaches_the_far_corner(name):
    network = randomised(name)
    task = network.config.heads[0][0]
    view = field_of_view(network, task, picture((120, 160), network.config.channels), (3, 5))
    assert view.sensitivity[-1, -1] > 0
    assert view.sensitivity[60, 159] > 0
    assert view.measures.outside_window > view.measures.wrap_around > 0


def test_window_widths():
    widths = {name: window_width(config) for name, config in MODELS.items()}
    assert widths["qtips-resnet"] == widths["qtips-imexnet"] == 27
    assert widths["qtips-resnet-deep"] == 127
    # 2 cells that are enlarged, 4 more a step and 2 for an opening: 20. An opening with stride 2
    # makes 2n + 1 of n.
    assert widths["indoor-resnet"] == 2 * (2 * 20 + 1) + 1
    assert widths["indoor-backbone-resnet"] == widths["indoor-backbone-imexnet"] == 643
    assert explicit_window(MODELS["qtips-resnet"], (0, 63), (64, 64)) == (
        slice(0, 14),
        slice(50, 64),
    )


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match="eval mode"):
        input_sensitivity(nn.Conv2d(1, 1, 3).train(), picture((5, 5), 1), lambda y: y.sum())


def test_pixel_outside_is_refused():
    network = randomised("qtips-resnet")
    with pytest.raises(ValueError, match="row 64, column 3"):
        field_of_view(network, "qtips", picture((64, 64), 1), (64, 3))


def test_reading_is_the_prediction():
    network = randomised("indoor-resnet")
    x = picture((32, 40))
    with torch.no_grad():
        outputs = network(x)
    depth = field_of_view(network, "depth", x, (7, 9))
    assert isinstance(depth.reading, Metres)
    assert depth.reading.value == pytest.approx(outputs["depth"][0, 0, 7, 9].item())
    classes = field_of_view(network, "segmentation", x, (7, 9))
    logits = outputs["segmentation"][0, :, 7, 9]
    number = logits.argmax().item() + 1
    assert isinstance(classes.reading, ClassReading)
    assert (classes.reading.number, classes.reading.name) == (number, nyu.CLASSES[number])
    assert classes.reading.probability == pytest.approx(logits.softmax(0).max().item())


def test_files_hold_the_number_that_was_read_and_words_say_what_it_is():
    rng = np.zeros((2, 2), np.float32)
    sides = (slice(0, 1), slice(0, 1))
    none = measure(rng, sides)
    for task, read, value, words in (
        ("depth", Metres(2.345), 2.345, "2.35 m"),
        ("qtips", ClassReading(3, "black-black", 0.875), 3.0, "black-black, p = 0.88"),
    ):
        view = FieldOfView(read, rng, rng[None], sides, sides, none)
        kept = arrays(Question(task, (0, 0)), {"resnet": view})["resnet_value"]
        assert (kept.dtype, kept.shape, kept.item()) == (np.float64, (), value)
        assert reading(view) == words


@pytest.mark.parametrize("name", ["qtips-imexnet", "indoor-resnet"])
def test_box_is_the_mean_of_its_pixels_and_its_window_their_union(name):
    network = randomised(name)
    task = network.config.heads[-1][0]
    x = picture((64, 64), network.config.channels)
    box = field_of_view(network, task, x, (30, 22), other=(29, 20), class_number=1)
    assert box.asked == (slice(29, 31), slice(20, 23))
    pixels = [
        field_of_view(network, task, x, (row, column), class_number=1)
        for row in (29, 30)
        for column in (20, 21, 22)
    ]
    mean = np.mean([view.derivative for view in pixels], axis=0)
    np.testing.assert_allclose(box.derivative, mean, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(box.sensitivity, np.abs(mean).sum(0), rtol=1e-9, atol=1e-14)
    for axis in (0, 1):
        assert box.window[axis].start == min(view.window[axis].start for view in pixels)
        assert box.window[axis].stop == max(view.window[axis].stop for view in pixels)
    if name == "indoor-resnet":
        assert box.measures.outside_window == 0


def test_logit_of_a_class_and_margin():
    network = randomised("qtips-resnet")
    x = picture((16, 16), 1)
    views = [field_of_view(network, "qtips", x, (5, 9), class_number=k) for k in range(4)]
    with torch.no_grad():
        logits = network(x)["qtips"][0, :, 5, 9]
    first, second = logits.topk(2).indices.tolist()
    margin = field_of_view(network, "qtips", x, (5, 9))
    expected = views[first].derivative - views[second].derivative
    np.testing.assert_allclose(margin.derivative, expected, rtol=1e-9, atol=1e-14)
    readings = [view.reading for view in views if isinstance(view.reading, ClassReading)]
    assert [read.number for read in readings] == [0, 1, 2, 3]
    assert [read.name for read in readings] == list(qtips.CLASSES)
    assert sum(read.probability for read in readings) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "class_number"),
    [("indoor-imexnet", None), ("indoor-resnet", None), ("qtips-imexnet", None),
     ("qtips-imexnet", 2), ("indoor-backbone-imexnet", None)],
)  # fmt: skip
@pytest.mark.parametrize("folded", [False, True])
def test_influence_is_the_transposed_field_of_view(name, class_number, folded):
    network = randomised(name)
    network = fold(network) if folded else network
    task = network.config.heads[0][0]
    x = picture((64, 80), network.config.channels)
    r = influence(network, task, x, (30, 40), class_number)
    assert r.derivative.shape == (1, 64, 80)
    for row, column in ((30, 40), (36, 33), (3, 77)):
        view = field_of_view(network, task, x, (row, column), class_number=class_number)
        derivative = view.derivative[:, 30, 40].sum()
        assert r.derivative[0, row, column] == pytest.approx(derivative, rel=1e-7, abs=1e-14)
        inside = all(
            span.start <= p < span.stop for span, p in zip(r.window, (row, column), strict=True)
        )
        seen = all(
            span.start <= p < span.stop for span, p in zip(view.window, (30, 40), strict=True)
        )
        assert inside == seen


def test_influence_of_a_resnet_is_exactly_zero_outside_its_window():
    network = randomised("indoor-resnet")
    r = influence(network, "segmentation", picture((117, 163)), (4, 80))
    assert r.measures.outside_window == 0
    assert r.sensitivity[r.window].any()
    everywhere = influence(randomised("indoor-imexnet"), "depth", picture((117, 163)), (4, 80))
    assert everywhere.sensitivity[-1, 0] > 0


def test_nothing_depends_on_the_scale_of_the_gradient():
    network = randomised("indoor-imexnet")
    x = picture((64, 80))
    asked = region((64, 80), (20, 30))
    question = ask("segmentation", asked)
    s = input_sensitivity(network, x, question).numpy()
    tiny = input_sensitivity(network, x, lambda y: 2.0**-80 * question(y)).numpy()
    window = slice(10, 40), slice(20, 50)
    assert measure(tiny, asked, window) == measure(s, asked, window)


def test_questions_that_make_no_sense():
    network, x = randomised("indoor-resnet"), picture((32, 40))
    for look in (field_of_view, influence):
        with pytest.raises(ValueError, match="depth has no classes"):
            look(network, "depth", x, (3, 4), class_number=2)
        for number in (0, 14, -1):
            with pytest.raises(ValueError, match=f"classes are 1 … 13, got {number}"):
                look(network, "segmentation", x, (3, 4), class_number=number)
        with pytest.raises(ValueError, match="the task must be one of depth, segmentation, qtips"):
            look(network, "colour", x, (3, 4))
    with pytest.raises(ValueError, match="row 32, column 4"):
        field_of_view(network, "depth", x, (3, 4), other=(32, 4))
    with pytest.raises(ValueError, match="eval mode"):
        influence(network.train(), "depth", x, (3, 4))


class Changing(nn.Module):
    """Works in place on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.mul_(2).sub_(1))


def middle(y: torch.Tensor) -> torch.Tensor:
    return y[0, 1, 3, 4]


def convolution() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(2, 3, 3, padding=1, dtype=torch.float64).eval()


MODES = [torch.inference_mode, torch.no_grad, torch.enable_grad]


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_of_the_caller_changes_nothing(mode):
    network, x = randomised("indoor-imexnet"), picture((32, 40))
    question = ask("depth", region((32, 40), (5, 6)))
    expected = input_sensitivity(network, x, question)
    views = [ask_(network, "depth", x, (5, 6)) for ask_ in (field_of_view, influence)]
    reached = reach_per_step(network, x, (5, 6))
    with mode():
        for given in (x, x.clone()):  # the latter an inference tensor
            assert torch.equal(input_sensitivity(network, given, question), expected)
            for ask_, view in zip((field_of_view, influence), views, strict=True):
                again = ask_(network, "depth", given, (5, 6))
                np.testing.assert_array_equal(again.derivative, view.derivative)
            for own, other in zip(reach_per_step(network, given, (5, 6)), reached, strict=True):
                np.testing.assert_array_equal(own.sensitivity, other.sensitivity)


def test_weights_made_in_inference_mode_are_refused():
    with torch.inference_mode():
        model = convolution()
    with pytest.raises(ValueError, match="made in inference mode"):
        input_sensitivity(model, picture((7, 9), 2), middle)


def test_pictures_that_belong_to_a_graph_are_left_alone():
    model, x = convolution(), picture((7, 9), 2)
    expected = input_sensitivity(model, x, middle)
    leaf = x.clone().requires_grad_()
    before = x.clone()
    for given in (leaf, 1 * leaf, x):
        assert torch.equal(input_sensitivity(model, given, middle), expected)
    assert leaf.grad is None
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(x, before) and not x.requires_grad


def test_a_module_may_work_in_place_on_its_input():
    torch.manual_seed(0)
    model, x = Changing().eval(), picture((7, 9), 2)
    before = x.clone()
    s = input_sensitivity(model, x, middle)
    torch.testing.assert_close(s, 2 * input_sensitivity(model.conv, 2 * x - 1, middle))
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.rand(2, 2, 7, 9, dtype=torch.float64), r"one of \(1, C, H, W\).*\(2, 2, 7, 9\)"),
        (torch.rand(0, 2, 7, 9, dtype=torch.float64), r"\(0, 2, 7, 9\)"),
        (torch.rand(2, 7, 9, dtype=torch.float64), r"\(1, C, H, W\).*\(2, 7, 9\)"),
        (torch.ones(1, 2, 7, 9, dtype=torch.uint8), "floating point.*uint8"),
        (torch.ones(1, 2, 7, 9, dtype=torch.int64), "floating point.*int64"),
        (torch.ones(1, 2, 7, 9, dtype=torch.complex64), "floating point.*complex64"),
    ],
)
def test_what_is_no_picture_is_refused(x, words):
    with pytest.raises(ValueError, match=words):
        input_sensitivity(convolution(), x, lambda y: y.sum())
    network = randomised("indoor-imexnet")
    for way in (field_of_view, influence):
        with pytest.raises(ValueError, match=r"\(1, C, H, W\)"):
            way(network, "depth", x, (3, 4))
    with pytest.raises(ValueError, match=r"\(1, C, H, W\)"):
        reach_per_step(network, x, (3, 4))


@pytest.mark.parametrize("part", ["layers.2.norm", "layers", "heads.depth", ""])
def test_any_part_left_in_training_is_noticed(part):
    network, x = randomised("indoor-imexnet"), picture((32, 40))
    module = network.get_submodule(part)
    module.training = True
    norm = network.get_submodule("layers.2.norm")
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    for way in (
        lambda: input_sensitivity(network, x, lambda y: y["depth"][0, 0, 3, 4]),
        lambda: field_of_view(network, "depth", x, (3, 4)),
        lambda: influence(network, "depth", x, (3, 4)),
        lambda: reach_per_step(network, x, (3, 4)),
    ):
        with pytest.raises(ValueError, match=f"eval mode.*in training: {part or 'the whole'}$"):
            way()
    assert all(torch.equal(norm.state_dict()[name], value) for name, value in before.items())
    assert module.training


def test_dropout_in_training_is_noticed():
    model = nn.Sequential(convolution(), nn.Dropout(0.5))
    model[0].eval()
    model.training = False
    with pytest.raises(ValueError, match="in training: 1"):
        input_sensitivity(model, picture((7, 9), 2), middle)


@pytest.mark.parametrize("name", ["indoor-imexnet", "indoor-backbone-imexnet", "indoor-resnet"])
def test_rewritten_networks_are_in_eval_mode_throughout(name):
    network = randomised(name)
    for changed in (fold(network), stretched(network, 0.5, 2)):
        assert not [part for part in changed.modules() if part.training]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (lambda y: y[0, :, 3, 4], r"one real number as a tensor, got \(3,\)"),
        (lambda y: y[0, :, 3, 4].argmax(), "one real number.*int64"),
        (lambda y: y[0, 1, 3, 4].item(), "one real number.*float"),
        (lambda y: torch.fft.fft(y[0, :, 3, 4])[1], "one real number.*complex128"),
        (lambda y: None, "one real number.*NoneType"),
        (lambda y: torch.tensor(1.0), "does not depend on the picture"),
        (lambda y: y[0, 1, 3, 4].detach(), "does not depend on the picture"),
        (lambda y: y[0, 1, 3, 4] * torch.nan, "not a number"),
        (lambda y: y[0, 1, 3, 4] / 0, "infinite"),
        (lambda y: (y[0, 1, 3, 4] * 0).sqrt(), "derivative is infinite"),
    ],
)
def test_questions_without_a_derivative_are_refused(question, words):
    with pytest.raises(ValueError, match=words):
        input_sensitivity(convolution(), picture((7, 9), 2), question)


def test_a_number_may_come_in_any_shape_and_from_any_output():
    class Pair(nn.Module):
        def forward(self, x):
            return x.sum(1), [{"a": x * 2}]

    x = picture((4, 5), 2)
    s = input_sensitivity(Pair().eval(), x, lambda y: y[1][0]["a"][:, :1, 2:3, 3:4])
    assert s.nonzero().tolist() == [[2, 3]] and s[2, 3] == 2


class Frozen(nn.Module):
    """An encoder without gradients before a head with them."""

    def __init__(self, mode) -> None:
        super().__init__()
        self.mode, self.first, self.second = mode, convolution(), nn.Conv2d(3, 3, 1).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with self.mode():
            y = self.first(x)
        return self.second(y.clone())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_model_that_keeps_gradients_back_is_refused(mode):
    with pytest.raises(ValueError, match="keeps gradients from it"):
        input_sensitivity(Frozen(mode).eval(), picture((7, 9), 2), middle)


def test_answers_that_are_not_finite_are_refused():
    network, x = randomised("indoor-imexnet"), picture((32, 40))
    x[0, 0, 9, 9] = torch.nan
    for way in (field_of_view, influence):
        with pytest.raises(ValueError, match="not a number"):
            way(network, "depth", x, (10, 10))
    with pytest.raises(ValueError, match="not a number"):
        reach_per_step(network, x, (10, 10))


@pytest.mark.parametrize("pixel", [(-1, 3), (3, -1), (32, 3), (3, 40)])
def test_pixels_outside_are_refused_by_every_question(pixel):
    network, x = randomised("indoor-resnet"), picture((32, 40))
    for way in (field_of_view, influence):
        with pytest.raises(ValueError, match="outside"):
            way(network, "depth", x, pixel)
    with pytest.raises(ValueError, match="outside"):
        reach_per_step(network, x, pixel)


@pytest.mark.parametrize(("kind", "most"), [(torch.float16, 0.05), (torch.bfloat16, 0.15)])
@pytest.mark.parametrize("name", ["indoor-imexnet", "indoor-resnet"])
def test_networks_in_half_precision_have_their_fields_of_view(kind, most, name):
    """Those of the rounded weights in float64, up to features whose sign the rounding turns."""
    network, x = randomised(name).to(kind), picture((32, 40))
    exact = copy.deepcopy(network).double()
    for given in (x.to(kind), x.float()):
        for way, limit in ((field_of_view, most), (influence, 3 * most)):
            view, expected = (way(n, "depth", given, (20, 30)) for n in (network, exact))
            assert view.sensitivity.dtype == np.float32
            error = np.linalg.norm(view.derivative - expected.derivative)
            assert error < limit * np.linalg.norm(expected.derivative)


def test_on_its_device():
    with torch.device("meta"):
        model = nn.Conv2d(2, 3, 3, padding=1).eval()
        s = input_sensitivity(model, torch.empty(1, 2, 7, 9), middle)
    assert (s.device.type, s.shape) == ("meta", (7, 9))
