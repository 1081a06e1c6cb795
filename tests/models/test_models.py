"""The networks: one architecture in two kinds, local or global, on any size and device."""

import json
from dataclasses import replace

import pytest
import torch

from imexnet.models.config import MODELS, Level, ModelConfig, Stage
from imexnet.models.folding import fold
from imexnet.models.networks import build, parameter_count, with_boundary
from imexnet.models.steps import IMEXStep
from imexnet.sensitivity.window import explicit_window, window_width

PAIRS = sorted(name for name in MODELS if name.replace("imexnet", "resnet") != name)
SMALL = {  # the real ones with fewer channels: quick, and of the same windows
    task: replace(
        MODELS[f"{task}-resnet"],
        stages=tuple(replace(s, channels=6) for s in MODELS[f"{task}-resnet"].stages),
    )
    for task in ("qtips", "indoor")
}
DECODED = replace(  # of a window smaller than the pictures below
    SMALL["indoor"],
    stages=(Stage(4, stride=2, steps=0), Stage(5, stride=2, steps=1), Stage(6, stride=2, steps=1)),
    decoder=(Level(5, steps=1), Level(6, steps=0)),
)


def network(config, seed=0):
    """In float64 and eval mode, with batch norm statistics unlike 0 and 1."""
    torch.manual_seed(seed)
    net = build(config)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return net.double().eval()


def picture(config, *size, batch=1):
    return torch.rand(batch, config.channels, *size, dtype=torch.float64)


def test_parameter_counts():
    names = ("qtips-resnet", "qtips-imexnet", "qtips-resnet-deep")
    assert [parameter_count(build(MODELS[name])) for name in names] == [14_260, 15_124, 72_660]


@pytest.mark.parametrize("name", PAIRS)
def test_the_two_kinds_differ_in_nine_numbers_per_stencil(name):
    implicit, explicit = MODELS[name], MODELS[name.replace("imexnet", "resnet")]
    of_the_solve = {"reach": explicit.reach, "stencils": explicit.stencils}
    assert replace(implicit, step="explicit", **of_the_solve) == explicit
    parts = implicit.stages + implicit.decoder  # a bounded one has a stencil per stage
    counts = [min(part.steps, 1) if implicit.bound else part.steps for part in parts]
    each = 9 * implicit.stencils
    stencils = sum(each * p.channels * n for p, n in zip(parts, counts, strict=True))
    assert stencils > 0
    torch.manual_seed(5)
    shared = build(explicit).state_dict()
    torch.manual_seed(5)
    state = build(implicit).state_dict()
    extra = {key: value for key, value in state.items() if key not in shared}
    assert all(key.endswith(".stencil") for key in extra)
    different = {value.data_ptr(): value.numel() for value in extra.values()}
    assert sum(different.values()) == stencils
    assert parameter_count(build(implicit)) - parameter_count(build(explicit)) == stencils
    assert all(torch.equal(state[key], value) for key, value in shared.items())


@pytest.mark.parametrize("name", MODELS)
def test_configurations_survive_json(name):
    config = MODELS[name]
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(37, 53), (64, 48)])
def test_outputs_are_float32_of_the_full_size_whatever_the_autocast(name, size):
    net = build(MODELS[name]).eval()
    x = picture(net.config, *size, batch=2).float()
    for enabled in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = net(x)
        assert {task: y.shape for task, y in outputs.items()} == {
            task: (2, channels, *size) for task, channels in net.config.heads
        }
        assert all(y.dtype == torch.float32 and y.isfinite().all() for y in outputs.values())


UNLIKE = [
    name for name in MODELS if not name.startswith(("paths", "rods-resnet", "qtips-resnet-d"))
]
"""Networks that differ in more than their classes and the number of their steps."""


@pytest.mark.parametrize("name", UNLIKE)
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_types_give_nearly_the_same(name, folded, kind):
    """Half precision comes out as float32; pictures may be of any type."""
    torch.manual_seed(0)
    net = build(MODELS[name]).eval()
    x = picture(net.config, 13, 18).float()
    with torch.no_grad():
        expected = net(x)
        net = fold(net) if folded else net
        for given in (x, x.to(kind)):
            outputs = net.to(kind)(given)
            for task, y in outputs.items():
                assert y.dtype == (torch.float64 if kind == torch.float64 else torch.float32)
                error = (y.double() - expected[task].double()).norm()
                assert error <= 0.05 * expected[task].norm()


@pytest.mark.parametrize("name", ["qtips-imexnet", "indoor-imexnet", "indoor-backbone-imexnet"])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 4)])
def test_pictures_of_few_pixels(name, size):
    net = build(MODELS[name]).eval()
    x = picture(net.config, *size).float()
    with torch.no_grad():
        for outputs in (net(x), fold(net)(x)):
            for y in outputs.values():
                assert y.shape[-2:] == size and y.isfinite().all()


def test_depth_is_the_exponential_of_the_head_and_stays_finite():
    net = network(SMALL["indoor"])
    head, x = net.heads["depth"], picture(net.config, 40, 56)
    assert isinstance(head, torch.nn.Conv2d) and head.bias is not None
    torch.nn.init.zeros_(head.weight)
    for bias, metres in ((0.7, 2.0137527), (-50, 0.01), (50, 100)):
        torch.nn.init.constant_(head.bias, bias)
        depth = net(x)["depth"]
        assert depth.min().item() == pytest.approx(metres)
        assert depth.max().item() == pytest.approx(metres)


@pytest.mark.parametrize("task", SMALL)
@pytest.mark.parametrize("step", ["explicit", "imex"])
def test_images_of_a_batch_do_not_see_each_other(task, step):
    net = network(replace(SMALL[task], step=step))
    one, other = picture(net.config, 32, 40, batch=2), picture(net.config, 32, 40, batch=2)
    other[0] = one[0]
    with torch.no_grad():
        first, second = net(one), net(other)
    for key in first:
        assert torch.equal(first[key][0], second[key][0])
        assert not torch.equal(first[key][1], second[key][1])


@pytest.mark.parametrize("task", SMALL)
@pytest.mark.parametrize("pixel", [(0, 0), (50, 57)])
def test_the_resnet_is_local_and_the_imexnet_global(task, pixel):
    """One input pixel changes; who notices?"""
    config, size = SMALL[task], (92, 116)
    rows, columns = (  # of the outputs whose explicit window holds the pixel
        torch.tensor([q in range(n)[explicit_window(config, (p, p), (n, n))[0]] for p in range(n)])
        for q, n in zip(pixel, size, strict=True)
    )
    near = rows.unsqueeze(1) & columns
    assert (~near).sum() > 1000
    x = picture(config, *size)
    changed = x.clone()
    changed[..., pixel[0], pixel[1]] += 0.5
    for step in ("explicit", "imex"):
        net = network(replace(config, step=step))
        with torch.no_grad():
            before, after = net(x), net(changed)
        for key in before:
            change = (before[key] - after[key]).abs().amax((0, 1)) / before[key].std()
            assert change[near].max() > 1e-3
            if step == "explicit":
                assert change[~near].max() == 0
            else:
                assert change[~near].max() > 1e-8


@pytest.mark.parametrize(("steps", "window"), [(1, 7), (6, 27), (30, 123), (31, 127)])
def test_window_of_the_qtips_networks(steps, window):
    """31 steps are the first depth at which every pixel of 64×64 sees every other: 2 · 63 + 1."""
    assert MODELS["qtips-resnet-deep"].stages[0].steps == 31
    config = replace(MODELS["qtips-resnet"], stages=(Stage(channels=16, stride=1, steps=steps),))
    x = picture(config, 3, 151).requires_grad_()
    network(config)(x)["qtips"][0, :, 1, 75].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().amax((0, 1, 2)).nonzero().flatten().tolist()
    assert seen == list(range(75 - window // 2, 75 + window // 2 + 1))
    assert window_width(config) == window


@pytest.mark.parametrize("pixel", [(0, 79), (30, 41), (47, 3)])
def test_explicit_window_holds_what_a_pixel_depends_on(pixel):
    config, size = SMALL["indoor"], (60, 80)
    x = picture(config, *size).requires_grad_()
    network(config)(x)["depth"][0, 0, pixel[0], pixel[1]].backward()
    assert x.grad is not None
    seen = x.grad.abs().amax((0, 1)).nonzero()
    window = explicit_window(config, pixel, size)
    for axis in (0, 1):
        first, last = seen[:, axis].min().item(), seen[:, axis].max().item()
        # At the very edge the upsampling reads one cell of the grid instead of two.
        slack = config.stride if pixel[axis] in (0, size[axis] - 1) else 0
        assert window[axis].start <= first <= window[axis].start + slack
        assert window[axis].stop - slack <= last + 1 <= window[axis].stop


@pytest.mark.parametrize("size", [(150, 170), (133, 187)])
@pytest.mark.parametrize("across", [0.0, 0.31, 0.5, 1.0])
@pytest.mark.parametrize("down", [0.0, 0.62, 1.0])
def test_window_of_a_decoder_is_the_hull_of_all_its_paths(size, down, across):
    """Gradients are exactly 0 outside for explicit steps; one implicit step reaches everything."""
    assert window_width(DECODED) < min(size)
    pixel = (round(down * (size[0] - 1)), round(across * (size[1] - 1)))
    window = explicit_window(DECODED, pixel, size)
    for step in ("explicit", "imex"):
        x = picture(DECODED, *size).requires_grad_()
        answer = network(replace(DECODED, step=step))(x)["segmentation"][0, :, pixel[0], pixel[1]]
        answer.square().sum().backward()
        assert x.grad is not None
        sensitivity = x.grad.abs().sum((0, 1))
        inside = torch.zeros(size, dtype=torch.bool)
        inside[window] = True
        if step == "imex":
            corners = [s[:8, :8].max() for s in (sensitivity, sensitivity.flip(0, 1))]
            assert min(corners) > 0
            assert (sensitivity[~inside] > 0).double().mean() > 0.9  # but for ReLUs at rest
            continue
        assert not sensitivity[~inside].any()
        seen = sensitivity.nonzero()
        for axis in (0, 1):  # not wider than a cell of the coarsest grid more than it must be
            first, last = seen[:, axis].min().item(), seen[:, axis].max().item()
            assert first <= window[axis].start + DECODED.coarsest
            assert last + 1 >= window[axis].stop - DECODED.coarsest


@pytest.mark.parametrize("column", [0, 450, 617, 911])
def test_window_of_the_backbone(column):
    config, size = MODELS["indoor-backbone-resnet"], (48, 912)
    x = picture(config, *size).requires_grad_()
    network(config)(x)["depth"][0, 0, 20, column].backward()
    assert x.grad is not None
    seen = x.grad.abs().amax((0, 1, 2)).nonzero().flatten()
    window = explicit_window(config, (20, column), size)[1]
    assert window.stop - window.start <= window_width(config) < size[1]
    assert window.start <= seen.min() <= window.start + config.coarsest
    assert window.stop - config.coarsest <= seen.max() + 1 <= window.stop


@pytest.mark.parametrize("pixel", [(500, 500), (64, 0), (0, -1)])
def test_a_pixel_outside_the_picture_has_no_window(pixel):
    with pytest.raises(ValueError, match=r"outside the \(64, 64\) grid"):
        explicit_window(MODELS["qtips-resnet"], pixel, (64, 64))


def test_window_of_a_decoder_with_all_its_steps_before_the_skip():
    """Its features have passed nine steps on a finer grid; what is coarser came after them."""
    few = replace(DECODED, stages=(Stage(4, 2, 9), Stage(4, 2, 0)), decoder=(Level(4, 0),))
    x = picture(few, 200, 90).requires_grad_()
    network(few)(x)["depth"][0, 0, 101, 44].backward()
    assert x.grad is not None
    seen = x.grad.abs().amax((0, 1, 3)).nonzero().flatten()
    window = explicit_window(few, (101, 44), (200, 90))[0]
    assert (seen.min(), seen.max() + 1) == (window.start, window.stop)


def test_each_upsampling_joins_the_features_before_the_opening_that_it_undoes():
    net = network(DECODED)
    grids = [tuple(y.shape[-3:]) for _, y in net.layers.walk(picture(DECODED, 37, 50))]
    assert grids == [
        (4, 19, 25), (5, 10, 13), (5, 10, 13), (6, 5, 7), (6, 5, 7),
        (5, 10, 13), (5, 10, 13), (6, 19, 25),
    ]  # fmt: skip
    assert (DECODED.stride, DECODED.coarsest) == (2, 8)
    with pytest.raises(ValueError, match="4 upsamplings undo 3 strides"):
        build(replace(DECODED, decoder=(Level(4, 0),) * 4))


BACKBONE = replace(
    MODELS["indoor-backbone-resnet"],
    stages=(Stage(8, stride=1, steps=1),),
    decoder=(Level(7, steps=1), Level(6, steps=0), Level(5, steps=0)),
)


@pytest.mark.parametrize("size", [(40, 640), (47, 611)])
@pytest.mark.parametrize("across", [0.0, 0.4, 1.0])
def test_window_of_a_backbone_holds_all_that_its_encoder_reads(size, across):
    pixel = (20, round(across * (size[1] - 1)))
    x = picture(BACKBONE, *size).requires_grad_()
    network(BACKBONE)(x)["segmentation"][0, :, pixel[0], pixel[1]].square().sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().amax((0, 1, 2)).nonzero().flatten()
    window = explicit_window(BACKBONE, pixel, size)[1]
    width = window.stop - window.start  # a coarse cell may stand for fewer pixels at an odd size
    assert width <= window_width(BACKBONE) + BACKBONE.coarsest < 611
    assert window.start <= seen.min() <= window.start + BACKBONE.coarsest
    assert window.stop - BACKBONE.coarsest <= seen.max() + 1 <= window.stop


def test_a_backbone_answers_on_half_the_input_with_one_encoder_for_both_kinds():
    config = MODELS["indoor-backbone-imexnet"]
    assert (config.stride, config.coarsest, config.size) == (2, 16, (240, 320))
    torch.manual_seed(3)
    implicit = build(config)
    torch.manual_seed(3)
    explicit = build(replace(config, step="explicit"))
    stencils = 0
    for name, tensor in implicit.state_dict().items():
        if name.endswith("stencil"):
            stencils += tensor.numel()
        else:
            assert torch.equal(tensor, explicit.state_dict()[name])
    assert parameter_count(implicit) - parameter_count(explicit) == stencils == 9 * 512


def test_stencils_of_all_reaches_in_one_step():
    torch.manual_seed(3)
    step = IMEXStep(64, reach=(0.5, 16.0))
    torch.manual_seed(3)
    scales = step.stencil / IMEXStep(64).stencil
    ratios = scales[1:] / scales[:-1]
    assert scales[0].detach() == pytest.approx(0.5) and scales[-1].detach() == pytest.approx(16.0)
    torch.testing.assert_close(ratios, torch.full_like(ratios, 32 ** (1 / 63)))


def test_configurations_from_before_the_decoder_are_read_as_they_were():
    values = MODELS["qtips-imexnet"].to_dict()
    for name in ("decoder", "encoder", "reach"):
        values.pop(name)
    assert ModelConfig.from_dict(values) == MODELS["qtips-imexnet"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("train", [False, True])
def test_everything_follows_the_network_to_its_device(name, train):
    """On the meta device a tensor that was left on the CPU raises."""
    with torch.device("meta"):
        net = build(MODELS[name]).train(train)
        assert all(tensor.is_meta for tensor in [*net.parameters(), *net.buffers()])
    x = torch.empty(2, net.config.channels, 40, 56, device="meta", requires_grad=True)
    outputs = net(x)
    assert all(y.is_meta and y.shape[-2:] == (40, 56) for y in outputs.values())
    torch.stack([y.sum() for y in outputs.values()]).sum().backward()
    assert x.grad is not None and all(p.grad is not None for p in net.parameters())
    net.requires_grad_(False)  # as they are loaded
    assert all(y.is_meta for y in net(x.detach()).values())


@pytest.mark.parametrize("operator", ["learned", "laplacian", "identity"])
@pytest.mark.parametrize("step", ["imex", "diffusion-reaction"])
def test_every_operator_follows_the_network_to_its_device(step, operator):
    config = replace(SMALL["qtips"], step=step, operator=operator)
    net = build(config).to("meta")
    assert net(torch.empty(1, 1, 9, 8, device="meta"))["qtips"].is_meta


@pytest.mark.parametrize("name", ["qtips-imexnet", "qtips-resnet"])
def test_the_same_weights_under_the_other_boundary(name):
    torch.manual_seed(0)
    network = build(MODELS[name]).eval()
    mirrored = with_boundary(network, "mirrored")
    assert mirrored.config == replace(network.config, boundary="mirrored")
    expected = build(mirrored.config).eval()
    expected.load_state_dict(network.state_dict())
    x = torch.rand(1, 1, 24, 20)
    with torch.inference_mode():
        found = mirrored(x)["qtips"]
        torch.testing.assert_close(found, expected(x)["qtips"], rtol=0, atol=0)
        assert torch.equal(found, network(x)["qtips"]) == (name == "qtips-resnet")
        again = with_boundary(mirrored, "periodic")(x)["qtips"]
        assert torch.equal(again, network(x)["qtips"])


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match=r"the step must be one of explicit, imex, .* got 'heun'"):
        build(replace(SMALL["qtips"], step="heun"))


def test_the_boundary_as_trained_is_the_network_itself():
    network = build(MODELS["qtips-imexnet"])
    assert with_boundary(network, "trained") is network
    assert with_boundary(network, "mirrored") is not network
    with pytest.raises(ValueError, match="the boundary is trained, periodic or mirrored, got"):
        with_boundary(network, "open")


def test_any_module_has_another_boundary():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), IMEXStep(4)).eval()
    other = with_boundary(module, "mirrored")
    assert [part.boundary for part in (module[1], other[1])] == ["periodic", "mirrored"]
