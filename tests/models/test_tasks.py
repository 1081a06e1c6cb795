"""What the tasks say of networks' outputs, and the networks' names."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.models.spec import TRUNKS, VARIANTS, ModelSpec, shipped_names
from imexnet.models.tasks import KINDS, TASKS, task_named


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_networks_of_a_family_have_a_channel_for_every_class(task):
    for name, config in MODELS.items():
        heads = dict(config.heads)
        assert (task.name in heads) == (ModelSpec.from_name(name).family == task.family)
        assert heads.get(task.name, len(task.predicted) or 1) == (len(task.predicted) or 1)


def test_a_task_is_never_changed_and_an_unknown_one_is_named():
    with pytest.raises(FrozenInstanceError):
        TASKS["depth"].unit = "feet"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(
        ValueError, match="--task must be one of depth, segmentation, qtips, rods, paths, got"
    ):
        task_named("Depth", "--task")
    with pytest.raises(ValueError, match="got 'normals'"):
        build(replace(MODELS["indoor-resnet"], heads=(("normals", 3),)))


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_quantity_and_answer_in_numpy(seed, batched):
    y = np.random.default_rng(seed).normal(size=(2, 13, 3, 4))
    given_ = torch.from_numpy(y if batched else y[0])
    expected = y if batched else y[0]
    ranked = np.sort(expected, axis=-3)
    planes = np.moveaxis(ranked, -3, 0)
    task = TASKS["segmentation"]
    np.testing.assert_array_equal(task.quantity(given_), planes[-1] - planes[-2])
    np.testing.assert_array_equal(task.answer(given_), expected.argmax(-3))
    for number in (1, 7, 13):
        channel = np.moveaxis(expected, -3, 0)[number - 1]
        np.testing.assert_array_equal(task.quantity(given_, number), channel)
    metres = np.moveaxis(expected, -3, 0)[0]
    np.testing.assert_array_equal(TASKS["depth"].quantity(given_), metres)
    np.testing.assert_array_equal(TASKS["depth"].answer(given_), metres)


def test_unlabelled_is_a_class_of_the_truth_alone():
    assert TASKS["segmentation"].classes[0] == "unlabelled"
    assert "unlabelled" not in TASKS["segmentation"].predicted
    assert TASKS["qtips"].predicted == TASKS["qtips"].classes
    with pytest.raises(ValueError, match="classes are 1 … 13, got 0"):
        TASKS["segmentation"].logit(0)


@pytest.mark.parametrize("name", MODELS)
def test_a_name_and_its_parts(name):
    spec = ModelSpec.from_name(name)
    assert spec.name == name
    assert ModelSpec(spec.family, spec.trunk, spec.kind, spec.bounded) == spec
    assert name.startswith(spec.base)
    assert name.endswith(f"{spec.kind}-bounded" if spec.bounded else spec.kind)


def test_names_that_are_read_apart():
    assert ModelSpec.from_name("indoor-backbone-imexnet") == ModelSpec(
        "indoor", "backbone", "imexnet"
    )
    assert ModelSpec.from_name("qtips-resnet-deep") == ModelSpec("qtips", "plain", "resnet-deep")
    assert ModelSpec.from_name("indoor-backbone-resnet").train_command == (
        "python -m imexnet train indoor --model resnet --trunk backbone"
    )


def test_two_specs_never_share_a_name():
    families = {task.family for task in TASKS.values()}
    trunks = {family: TRUNKS if family == "indoor" else TRUNKS[:1] for family in families}
    specs = [
        ModelSpec(family, trunk, kind, bounded)
        for family in families
        for trunk in trunks[family]
        for kind in VARIANTS
        for bounded in (False, True)
    ]
    assert len({spec.name for spec in specs}) == len(specs)
    assert {spec.name for spec in specs} >= MODELS.keys()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            ("outdoor", "plain", "resnet"),
            "the family must be one of indoor, qtips, rods, paths, got 'outdoor'",
        ),
        (("indoor", "unet", "resnet"), "the trunk must be one of plain, backbone, got"),
        (("qtips", "backbone", "resnet"), "the trunk must be one of plain, got 'backbone'"),
        (("indoor", "plain", "backbone-resnet"), "the model must be one of resnet, imexnet, "),
        (("qtips", "plain", ""), "the model must be one of"),
    ],
)
def test_parts_that_make_no_network(parts, words):
    with pytest.raises(ValueError, match=words):
        ModelSpec(*parts)


@pytest.mark.parametrize("name", ["", "indoor", "indoor-", "indoor-plain-resnet", "qtips-vit"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match=f"no model '{name}'; there are qtips-resnet, "):
        ModelSpec.from_name(name)


def test_the_trunk_counts_for_rooms_alone():
    assert ModelSpec.for_task("qtips", "backbone", "resnet").name == "qtips-resnet"
    assert ModelSpec.for_task("segmentation", "backbone", "resnet").name == "indoor-backbone-resnet"


def test_the_page_shows_both_kinds_of_every_shipped_trunk():
    specs = [ModelSpec.from_name(name) for name in shipped_names()]
    assert {spec.trunk for spec in specs} == set(TRUNKS)
    assert len(specs) == len(KINDS) * len({(spec.base, spec.bounded) for spec in specs}) == 14
