"""Attacks stay in their ball and in the picture's range, and find what is known to be worst."""

import math
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imexnet.data import qtips
from imexnet.models.checkpoints import WEIGHTS, load_pretrained
from imexnet.models.config import MODELS
from imexnet.models.networks import Network, build
from imexnet.stability.attacks import (
    ATTACKS,
    IGNORED,
    attack,
    from_classes,
    loss,
    own_answer,
    random_signs,
    smallest_flip,
)


def network(name: str):
    torch.manual_seed(0)
    model = build(MODELS[name]).eval().requires_grad_(False)
    for head in model.heads.values():
        torch.nn.init.normal_(cast(nn.Conv2d, head).weight, std=0.3)
    return model


def picture(channels: int = 1, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, 32, 32, generator=generator)


@given(kind=st.sampled_from(ATTACKS), epsilon=st.floats(0, 0.2), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_attacks_stay_in_their_ball_and_in_the_picture(kind, epsilon, seed):
    model, x = network("qtips-imexnet"), picture()
    objective = loss(model, "qtips", own_answer(model, "qtips", x))
    moved = attack(kind, objective, x, epsilon, seed, iterations=3)
    assert (moved - x).abs().max() <= epsilon + 1e-7  # one rounding of x ± ε
    assert 0 <= moved.min() <= moved.max() <= 1
    assert torch.equal(moved, attack(kind, objective, x, epsilon, seed, iterations=3))


def test_of_several_starts_the_best_is_kept_for_each_picture():
    """Two hills, of which the higher one is found from half of the points."""
    x = torch.full((16, 1, 1, 1), 0.5)

    def hills(v: torch.Tensor) -> torch.Tensor:
        away = v.flatten(1).squeeze(1) - 0.5
        return away.abs() + 0.5 * away

    once, often = (attack("pgd", hills, x, 0.1, iterations=5, restarts=n) for n in (1, 8))
    assert {round(v, 4) for v in once.flatten().tolist()} == {0.4, 0.6}
    torch.testing.assert_close(often, torch.full_like(x, 0.6))
    with pytest.raises(ValueError, match="at least one start, got 0"):
        attack("pgd", hills, x, 0.1, restarts=0)


@pytest.mark.parametrize("kind", ATTACKS)
def test_attack_of_a_linear_objective_is_its_closed_form(kind):
    weight = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(4))
    x = torch.full((2, 3, 6, 6), 0.5)
    moved = attack(kind, lambda v: (weight * v).sum((1, 2, 3)), x, 0.1)
    torch.testing.assert_close(moved, x + 0.1 * weight.sign())
    white = torch.ones(1, 3, 6, 6)  # there is room on one side only
    moved = attack(kind, lambda v: (weight * v).sum((1, 2, 3)), white, 0.1)
    torch.testing.assert_close(moved, white - 0.1 * (weight < 0).float())


@pytest.mark.parametrize(("name", "task"), [("qtips-resnet", "qtips"), ("indoor-imexnet", "depth")])
def test_pgd_finds_at_least_what_fgsm_and_noise_find(name, task):
    model = network(name)
    x = picture(model.config.channels, batch=3)
    objective = loss(model, task, own_answer(model, task, x))
    with torch.no_grad():
        clean = objective(x)
        noise = (objective(random_signs(x, 0.02)) - clean).abs()
        fgsm, pgd = (objective(attack(kind, objective, x, 0.02)) - clean for kind in ATTACKS)
    assert (fgsm > 2 * noise).all()
    assert (pgd >= 0.98 * fgsm).all()


def test_pictures_of_a_batch_are_attacked_one_by_one():
    model = network("qtips-imexnet")
    x = picture(batch=2)
    objective = loss(model, "qtips", own_answer(model, "qtips", x))
    together = attack("pgd", objective, x, 0.01)
    lone = loss(model, "qtips", own_answer(model, "qtips", x[:1]))
    torch.testing.assert_close(together[:1], attack("pgd", lone, x[:1], 0.01))


def test_loss_of_depth_and_of_classes_is_a_mean_over_known_pixels():
    model = network("indoor-resnet")
    x = picture(3)
    outputs = model(x)
    depth = own_answer(model, "depth", x) * math.e
    depth[:, :16] = 0
    assert loss(model, "depth", depth)(x).item() == pytest.approx(1, rel=1e-5)
    classes = torch.full((1, 32, 32), IGNORED)
    classes[0, 3, 4] = 7
    expected = -outputs["segmentation"].log_softmax(1)[0, 7, 3, 4].item()
    assert loss(model, "segmentation", classes)(x).item() == pytest.approx(expected, rel=1e-5)
    assert loss(model, "segmentation", torch.full_like(classes, IGNORED))(x).item() == 0


def test_class_numbers_become_numbers_of_logits():
    given_classes = torch.tensor([[[0, 1, 13]]])
    assert from_classes("segmentation", given_classes).tolist() == [[[IGNORED, 0, 12]]]
    assert from_classes("qtips", given_classes).tolist() == [[[0, 1, 13]]]


def test_random_signs_have_the_norm_and_no_aim():
    x = torch.full((1, 3, 100, 100), 0.5)
    change = random_signs(x, 0.1, seed=2) - x
    assert change.abs().unique().numel() <= 2  # ± ε, rounded
    assert change.abs().max().item() == pytest.approx(0.1)
    assert abs(change.mean().item()) < 0.002


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, math.nan])
def test_bad_attacks_are_named(epsilon):
    x = picture()
    with pytest.raises(ValueError, match="between 0 and 1 on the"):
        attack("pgd", lambda v: v.sum((1, 2, 3)), x, epsilon)
    with pytest.raises(ValueError, match="between 0 and 1 on the"):
        random_signs(x, epsilon)
    with pytest.raises(ValueError, match="one of fgsm, pgd, got 'cw'"):
        attack("cw", lambda v: v.sum((1, 2, 3)), x, 0.1)


@pytest.mark.skipif(not (WEIGHTS / "indoor-imexnet.safetensors").exists(), reason="no weights")
@pytest.mark.parametrize("name", ["indoor-resnet", "indoor-imexnet"])
def test_trained_depth_moves_more_under_attack_than_under_noise(name):
    model = load_pretrained(name, "cpu")
    x = picture(3)
    objective = loss(model, "depth", own_answer(model, "depth", x))
    with torch.no_grad():
        noise = objective(random_signs(x, 2 / 255)).item()
        attacked = objective(attack("pgd", objective, x, 2 / 255)).item()
    assert attacked > 3 * noise > 0


def test_smallest_flip_of_a_linear_network_is_the_distance_to_its_boundary():
    """Logits w_k · x(p) + b_k: the nearest boundary lies at min_k (z − z_k) / ‖w − w_k‖."""
    torch.manual_seed(1)
    head = nn.Conv2d(2, 4, 1).double()

    class Linear(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"qtips": head(x)}

    x = torch.rand(1, 2, 5, 6, dtype=torch.float64)
    logits, weight = head(x)[0, :, 2, 3].detach(), head.weight[:, :, 0, 0].detach()
    winner = int(logits.argmax())
    others = [k for k in range(4) if k != winner]
    distances = [(logits[winner] - logits[k]) / (weight[winner] - weight[k]).norm() for k in others]
    change = smallest_flip(cast(Network, Linear()), "qtips", x, (2, 3), iterations=1)
    assert change is not None
    outside = change.clone()
    outside[..., 2, 3] = 0
    assert not outside.any()
    assert int(head(x + change)[0, :, 2, 3].argmax()) != winner
    assert min(distances) < change.norm() < 1.5 * max(distances)


def test_smallest_flip_gives_up_where_nothing_moves_the_class():
    model, x = network("qtips-resnet"), picture()
    head = cast(nn.Conv2d, model.heads["qtips"])
    head.weight.data.zero_()
    head.bias = nn.Parameter(torch.tensor([0.0, 3.0, 1.0, 2.0]))
    assert smallest_flip(model, "qtips", x, (5, 5)) is None


@pytest.mark.skipif(not (WEIGHTS / "qtips-imexnet.safetensors").exists(), reason="no weights")
def test_smallest_flip_flips_a_shipped_network():
    model = load_pretrained("qtips-imexnet", "cpu")
    x = torch.from_numpy(qtips.qtip(26, 0)[0])[None, None] / 255
    change = smallest_flip(model, "qtips", x, (32, 32))
    assert change is not None
    before, after = (model(v)["qtips"][0, :, 32, 32].argmax() for v in (x, x + change))
    assert before != after and change.norm() < 0.1 * x.norm()
