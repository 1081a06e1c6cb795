"""Severity curves: the score of both networks over a set of pictures against noise or attack.

The score of a picture is a share on [0, 1]: of the drawn objects' pixels that bear the
right class, of pixels within 25 % of the true depth in the Eigen crop (δ1), of labelled pixels with
the right class. Pictures without truth are scored against the network's own clean answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from imexnet.data import nyu
from imexnet.data.sequences import DRAW
from imexnet.inference import answer, to_input
from imexnet.metrics import depth_scores, eigen_crop
from imexnet.models.config import ModelConfig
from imexnet.models.networks import Network
from imexnet.models.tasks import TASKS
from imexnet.stability import attacks, corruptions

BATCH = 16
UNKNOWN = 0  # class of pixels that no score counts; for drawn pictures the background
ATTACKED = (*attacks.ATTACKS, "transfer")
"""Perturbations that take gradients; "transfer" is PGD made for the other network."""

AIMED = (*ATTACKED, "random-signs")
"""Those with ε in 1/255."""

PERTURBATIONS = (*corruptions.NOISES, *AIMED)
"""All that a curve can be drawn against."""

SEVERITIES = {
    "gaussian": (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "salt-and-pepper": (0, 0.005, 0.01, 0.02, 0.05),
    "blur": (0, 0.5, 1, 1.5, 2),
    "jpeg": (0, 90, 70, 50, 30, 10),
    "brightness": (0, -0.1, -0.05, 0.05, 0.1),
} | dict.fromkeys(AIMED, (0, 0.25, 0.5, 1, 2, 4, 8))
"""Those to ask for where none are named; 0 is the clean picture of any perturbation."""

Progress = Callable[[int, int], None]
"""Told of batches done and of their number."""


@dataclass(frozen=True)
class Sample:
    """A picture as the networks take it, with its truth if there is one.

    Attributes:
        x: (1, C, h, w) on [0, 1].
        truth: (H, W) metres, 0 where unknown, or classes, `UNKNOWN` where not counted. Of the
            pictures of one curve all have a truth or none has.
    """

    x: Tensor
    truth: np.ndarray | None = None


@dataclass(frozen=True)
class Point:
    """A severity, and the mean and the standard deviation of the score over the pictures."""

    severity: float
    mean: float
    std: float


def fresh(seed: int, images: int, config: ModelConfig, device: torch.device) -> list[Sample]:
    """Pictures 0 … images − 1 of a sequence that is drawn for the network's task."""
    draw = DRAW[TASKS[config.heads[0][0]].family]
    drawn = [draw(seed, index, config.size[0]) for index in range(images)]
    return [Sample(to_input(d.picture, config, device), d.label) for d in drawn]


def rooms(
    read: Iterable[nyu.Room], task: str, config: ModelConfig, device: torch.device
) -> list[Sample]:
    """Photos with their depth inside the Eigen crop, or with their classes."""
    samples = []
    for room in read:
        truth = room.labels
        if not TASKS[task].classes:
            crop = eigen_crop((room.depth.shape[0], room.depth.shape[1]))
            truth = np.zeros_like(room.depth)
            truth[crop] = room.depth[crop]
        samples.append(Sample(to_input(room.photo, config, device), truth))
    return samples


def curves(
    networks: Mapping[str, Network],
    task: str,
    samples: Sequence[Sample],
    perturbation: str,
    severities: Sequence[float],
    seed: int = 0,
    iterations: int = attacks.ITERATIONS,
    restarts: int = 1,
    progress: Progress = lambda done, of: None,
) -> dict[str, list[Point]]:
    """Network → one point a severity.

    Args:
        networks: two by kind, in eval mode; each is attacked for itself, for "transfer" the other.
        task: one of their heads.
        samples: at least one picture.
        perturbation: one of `PERTURBATIONS`.
        severities: see `meaning`. 0 is the clean picture of any perturbation.
        seed: of noises and of the attacks' starts.
        iterations, restarts: of PGD.
        progress: told after each batch.

    Raises:
        ValueError: for an unknown perturbation, a bad severity, no pictures, or a truth that only
            some of them have.
    """
    for severity in severities:
        _check(perturbation, severity)
    if not samples:
        raise ValueError("there are no pictures to score")
    scored_by_truth = {sample.truth is not None for sample in samples}
    if len(scored_by_truth) > 1:
        raise ValueError("either all pictures have a truth or none has")
    (known,) = scored_by_truth
    batches = list(_batches(samples))
    total, done = len(batches) * len(severities) * len(networks), 0
    found: dict[str, list[Point]] = {kind: [] for kind in networks}
    for severity in severities:
        for kind, network in networks.items():
            scores: list[float] = []
            for number, batch in enumerate(batches):
                x = torch.cat([sample.x for sample in batch])
                truths = _truths(network, task, x, batch)
                moved = x
                if severity != 0:
                    where = seed + number
                    moved = perturbed(
                        networks, kind, task, x, perturbation, severity, where, iterations,
                        truths if known else None, restarts,
                    )  # fmt: skip
                scores += _scores(network, task, moved, truths)
                done += 1
                progress(done, total)
            found[kind].append(
                Point(float(severity), float(np.mean(scores)), float(np.std(scores)))
            )
    return found


def perturbed(
    networks: Mapping[str, Network],
    kind: str,
    task: str,
    x: Tensor,
    perturbation: str,
    severity: float,
    seed: int = 0,
    iterations: int = attacks.ITERATIONS,
    truths: Sequence[np.ndarray] | None = None,
    restarts: int = 1,
) -> Tensor:
    """The pictures that a network is shown: with noise, or attacked.

    Args:
        networks: two by kind.
        kind: which of them is shown these pictures; an attack is made for it, or, for "transfer",
            for the other.
        task: one of their heads.
        x: (B, C, h, w) on [0, 1].
        perturbation: one of `PERTURBATIONS`.
        severity: see `meaning`.
        seed: of the noise, or of the attack's start.
        iterations: of PGD.
        truths: one per picture, see `Sample`; the attacked network's own clean answers by default.
        restarts: of PGD.

    Raises:
        ValueError: for an unknown perturbation or a bad severity.
    """
    _check(perturbation, severity)
    if perturbation in corruptions.NOISES:
        return corruptions.perturb(x, perturbation, severity, seed)
    if perturbation == "random-signs":
        return attacks.random_signs(x, severity / 255, seed)
    transfer = perturbation == "transfer"
    network = next(n for k, n in networks.items() if (k != kind) == transfer)
    if truths is None:
        reference = attacks.own_answer(network, task, x)
    else:
        reference = _reference(task, truths, x)
    objective = attacks.loss(network, task, reference)
    method = "pgd" if transfer else perturbation
    return attacks.attack(method, objective, x, severity / 255, seed, iterations, restarts)


def severities(perturbation: str) -> tuple[float, ...]:
    """Those to ask for where none are named."""
    _check(perturbation)
    return SEVERITIES[perturbation]


def meaning(perturbation: str) -> str:
    """What a severity of this perturbation is, in words."""
    noise = corruptions.NOISES.get(perturbation)
    return noise.meaning if noise else "ε in 1/255 on the [0, 1] image"


def score(task: str, predicted: np.ndarray, truth: np.ndarray) -> float:
    """The share of a picture's counted pixels whose answer is right, 1 where none counts."""
    if not TASKS[task].classes:
        return depth_scores(predicted, truth)["delta1"]
    counted = truth != UNKNOWN
    return float((predicted == truth)[counted].mean()) if counted.any() else 1.0


def _batches(samples: Sequence[Sample]) -> Iterable[list[Sample]]:
    for _, same in groupby(samples, key=lambda sample: sample.x.shape):
        group = list(same)
        yield from (group[i : i + BATCH] for i in range(0, len(group), BATCH))


def _truths(network: Network, task: str, x: Tensor, batch: Sequence[Sample]) -> list[np.ndarray]:
    if all(sample.truth is None for sample in batch):
        return _answers(network, task, x, [(x.shape[-2], x.shape[-1])] * len(batch))
    return [sample.truth for sample in batch if sample.truth is not None]


def _check(perturbation: str, severity: float = 0.0) -> None:
    """That there is such a perturbation, and that it can be so severe; 0 it can always be."""
    if perturbation not in PERTURBATIONS:
        raise ValueError(
            f"the noise must be one of {', '.join(PERTURBATIONS)}, got {perturbation!r}"
        )
    if perturbation in AIMED:
        attacks.check_epsilon(severity / 255)
    elif severity != 0:
        corruptions.check_severity(perturbation, severity)


def _reference(task: str, truths: Sequence[np.ndarray], x: Tensor) -> Tensor:
    """The truths on the grid of the input, by nearest neighbour, as `attacks.loss` takes them."""
    height, width = x.shape[-2:]
    planes = []
    for truth in truths:
        rows = ((np.arange(height) + 0.5) * truth.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * truth.shape[1] / width).astype(int)
        planes.append(torch.from_numpy(truth[rows[:, None], columns]))
    stacked = torch.stack(planes).to(x.device)
    if not TASKS[task].classes:
        return stacked.to(x.dtype)
    classes = attacks.from_classes(task, stacked.long())
    return torch.where(stacked == UNKNOWN, attacks.IGNORED, classes)


def _scores(network: Network, task: str, x: Tensor, truths: list[np.ndarray]) -> list[float]:
    answers = _answers(network, task, x, [(truth.shape[0], truth.shape[1]) for truth in truths])
    return [score(task, a, truth) for a, truth in zip(answers, truths, strict=True)]


def _answers(
    network: Network, task: str, x: Tensor, sizes: list[tuple[int, int]]
) -> list[np.ndarray]:
    with torch.inference_mode():
        outputs = network(x)[task]
    planes = zip(outputs.split(1), sizes, strict=True)
    return [answer(task, {task: y}, size).values for y, size in planes]
