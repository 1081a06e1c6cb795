"""Severity curves of networks whose answers are known."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from imexnet.data import nyu
from imexnet.inference import predict_input, to_input
from imexnet.metrics import eigen_crop
from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.models.tasks import KINDS
from imexnet.stability import severity_curves
from imexnet.stability.severity_curves import (
    PERTURBATIONS,
    SEVERITIES,
    Sample,
    curves,
    fresh,
    perturbed,
    rooms,
    score,
)

CPU = torch.device("cpu")


def networks(family: str) -> dict:
    made = {}
    for kind in KINDS:
        torch.manual_seed(0)
        made[kind] = build(MODELS[f"{family}-{kind}"]).eval().requires_grad_(False)
        for head in made[kind].heads.values():
            torch.nn.init.normal_(cast(nn.Conv2d, head).weight, std=0.3)
    return made


def test_scores_of_hand_made_answers():
    truth = np.array([[0, 1], [2, 3]])
    assert score("qtips", np.array([[3, 1], [2, 1]]), truth) == pytest.approx(2 / 3)
    assert score("segmentation", truth, truth) == 1
    assert score("segmentation", truth, 0 * truth) == 1
    metres = np.array([[2.0, 2.0], [2.0, 0.0]])
    assert score("depth", np.array([[2.4, 2.6], [1.5, 9.0]]), metres) == pytest.approx(1 / 3)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_every_perturbation_gives_a_curve_from_the_clean_score_on(perturbation):
    pair = networks("qtips")
    samples = fresh(3, 3, pair["resnet"].config, CPU)
    mild = SEVERITIES[perturbation][-1]
    told = []
    found = curves(
        pair, "qtips", samples, perturbation, [0, mild], iterations=2,
        progress=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    assert set(found) == set(KINDS)
    clean = curves(pair, "qtips", samples, "gaussian", [0])
    for kind, points in found.items():
        assert [point.severity for point in points] == [0, mild]
        assert points[0] == clean[kind][0]
        assert all(0 <= point.mean <= 1 and 0 <= point.std <= 0.5 for point in points)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_curve_is_the_mean_and_the_spread_of_the_scores():
    pair = networks("qtips")
    samples = fresh(3, 5, pair["resnet"].config, CPU)
    each = [curves(pair, "qtips", [s], "gaussian", [0])["imexnet"][0].mean for s in samples]
    together = curves(pair, "qtips", samples, "gaussian", [0])["imexnet"][0]
    assert together.mean == pytest.approx(np.mean(each))
    assert together.std == pytest.approx(np.std(each))


def test_attack_lowers_the_score_that_it_is_scored_by():
    pair = networks("qtips")
    samples = fresh(0, 4, pair["resnet"].config, CPU)
    own = [Sample(sample.x) for sample in samples]  # scored against the clean answers
    clean, attacked = curves(pair, "qtips", own, "pgd", [0, 25])["resnet"]
    noise = curves(pair, "qtips", own, "random-signs", [25])["resnet"][0]
    assert clean.mean == 1
    assert attacked.mean < noise.mean


def test_transfer_is_the_attack_made_for_the_other():
    pair = networks("qtips")
    samples = fresh(0, 2, pair["resnet"].config, CPU)
    x = torch.cat([sample.x for sample in samples])
    for truths in ([s.truth for s in samples if s.truth is not None], None):
        made = {
            (kind, how): perturbed(pair, kind, "qtips", x, how, 5, 0, 3, truths)
            for kind in KINDS
            for how in ("pgd", "transfer")
        }
        assert torch.equal(made["imexnet", "transfer"], made["resnet", "pgd"])
        assert torch.equal(made["resnet", "transfer"], made["imexnet", "pgd"])
        assert not torch.equal(made["resnet", "pgd"], made["imexnet", "pgd"])


def test_curves_without_truth_attack_as_pictures_alone_do(monkeypatch):
    """The attack made for the other is against the other's own answer, as in `perturbed`."""
    pair = networks("qtips")
    samples = [Sample(sample.x) for sample in fresh(0, 2, pair["resnet"].config, CPU)]
    x = torch.cat([sample.x for sample in samples])
    shown = {kind: perturbed(pair, kind, "qtips", x, "transfer", 5, 0, 3) for kind in KINDS}
    seen = []
    monkeypatch.setattr(
        severity_curves, "_scores", lambda n, t, moved, _: seen.append(moved) or [0]
    )
    curves(pair, "qtips", samples, "transfer", [5], iterations=3)
    assert all(torch.equal(a, b) for a, b in zip(seen, shown.values(), strict=True))


def test_bad_severities_and_half_known_truths_are_refused_before_any_work():
    pair = networks("qtips")
    samples = fresh(0, 2, pair["resnet"].config, CPU)
    told = []
    for noise, bad in (("salt-and-pepper", 2), ("pgd", 300), ("jpeg", 101), ("blur", -1)):
        with pytest.raises(ValueError, match="must"):
            curves(pair, "qtips", samples, noise, [0, bad], progress=lambda *n: told.append(n))
    with pytest.raises(ValueError, match="all pictures have a truth or none"):
        curves(pair, "qtips", [samples[0], Sample(samples[1].x)], "gaussian", [0])
    assert told == []


def room(seed: int) -> nyu.Room:
    random = np.random.default_rng(seed)
    known = random.random((60, 80)) < 0.9
    return nyu.Room(
        random.integers(0, 255, (60, 80, 3), np.uint8),
        np.where(known, random.uniform(1, 5, (60, 80)), 0).astype(np.float32),
        random.integers(0, 14, (60, 80)).astype(np.uint8),
        "kitchen",
    )


def share_right(network, task: str, room: nyu.Room) -> float:
    """Of the pixels whose truth is known, depth within 25 % and inside the Eigen crop."""
    x = to_input(room.photo, network.config, CPU)
    found = predict_input(network, task, x, (60, 80)).values
    if task == "segmentation":
        known = room.labels > 0
        return float((found == room.labels)[known].mean())
    crop = eigen_crop((60, 80))
    found, metres = found[crop], room.depth[crop]
    ratio = found[metres > 0].clip(0.1, 10) / metres[metres > 0]
    return float((np.maximum(ratio, 1 / ratio) < 1.25).mean())


@pytest.mark.parametrize("task", ["depth", "segmentation"])
def test_rooms_are_scored_where_their_truth_is_known(task):
    pair = networks("indoor")
    samples = rooms([room(0), room(1)], task, pair["resnet"].config, CPU)
    truth = samples[0].truth
    assert truth is not None
    if task == "depth":
        assert not truth[0].any()  # outside the Eigen crop
        assert truth[30].any()
    pictures = [room(0), room(1)]
    found = curves(pair, task, samples, "fgsm", [0, 1])
    for kind, (clean, attacked) in found.items():
        scores = [share_right(pair[kind], task, picture) for picture in pictures]
        assert clean.mean == pytest.approx(np.mean(scores))
        assert clean.std == pytest.approx(np.std(scores))
        assert 0 < attacked.mean < clean.mean < 1


def test_pictures_of_several_sizes_are_scored_together():
    pair = networks("qtips")
    samples = [Sample(torch.rand(1, 1, side, 32)) for side in (32, 32, 40)]
    found = curves(pair, "qtips", samples, "gaussian", [0, 0.5])
    assert found["resnet"][0].mean == 1
    assert found["resnet"][1].mean < 1


def test_bad_choices_are_named():
    pair = networks("qtips")
    samples = fresh(0, 1, pair["resnet"].config, CPU)
    with pytest.raises(ValueError, match=r"one of gaussian, .*transfer, random-signs, got 'snow'"):
        curves(pair, "qtips", samples, "snow", [0.1])
    with pytest.raises(ValueError, match="no pictures"):
        curves(pair, "qtips", [], "gaussian", [0.1])
    with pytest.raises(ValueError, match="ε must lie between"):
        curves(pair, "qtips", samples, "pgd", [300])
