"""Perturbations made against a network: FGSM and PGD in the ball ‖x' − x‖∞ ≤ ε.

ε is on the [0, 1] picture, before the network's own normalisation. FGSM: Goodfellow et al. 2015;
PGD: Madry et al. 2018, random starts, sign steps of 2.5 ε / iterations, the best iterate of each
picture is kept. A network can look robust because its gradients mislead, so noise of the same norm
(`random_signs`) and the attack made for the other network belong beside every result.
"""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from imexnet.models.networks import Network
from imexnet.models.tasks import TASKS

ATTACKS = ("fgsm", "pgd")
ITERATIONS = 10
IGNORED = -100  # class of pixels that count for nothing

Loss = Callable[[Tensor], Tensor]
"""Pictures (B, C, H, W) → (B,), what an attack makes large."""


def loss(network: Network, task: str, reference: Tensor) -> Loss:
    """How far the answer is from a reference, one number per picture.

    Depth: mean |log ŷ − log d| over pixels with d > 0. Classes: mean cross-entropy over pixels
    that are not `IGNORED`.

    Args:
        network: in eval mode.
        task: one of its heads.
        reference: depth (B, H, W) in metres, 0 where unknown; else numbers of logits (B, H, W).
    """

    def of(x: Tensor) -> Tensor:
        y = network(x)[task]
        if TASKS[task].classes:
            known = reference != IGNORED
            error = F.cross_entropy(y, reference, ignore_index=IGNORED, reduction="none")
        else:
            known = reference > 0
            error = (y[:, 0].log() - reference.clamp_min(1e-6).log()).abs() * known
        return error.sum((1, 2)) / known.sum((1, 2)).clamp_min(1)

    return of


@torch.no_grad()
def own_answer(network: Network, task: str, x: Tensor) -> Tensor:
    """The network's clean answer as a reference of `loss`, for where there is no truth."""
    return TASKS[task].answer(network(x)[task])


def from_classes(task: str, classes: Tensor) -> Tensor:
    """Class numbers as the data have them → numbers of logits; unlabelled pixels are ignored."""
    first = TASKS[task].first_class
    return torch.where(classes < first, IGNORED, classes.long() - first)


def attack(
    kind: str,
    objective: Loss,
    x: Tensor,
    epsilon: float,
    seed: int = 0,
    iterations: int = ITERATIONS,
    restarts: int = 1,
) -> Tensor:
    """A picture in the ball of radius ε round x, and in [0, 1], that makes the objective large.

    Args:
        kind: "fgsm" or "pgd".
        objective: see `loss`.
        x: (B, C, H, W) on [0, 1].
        epsilon: ε ≥ 0 on that scale.
        seed: of the random point of the ball where the gradient is first taken: at x itself that
            of |log ŷ − log ŷ(x)| is zero.
        iterations: of PGD.
        restarts: of PGD, each from another random point.

    Raises:
        ValueError: for an unknown kind, a bad ε, or no start.
    """
    if kind not in ATTACKS:
        raise ValueError(f"the attack must be one of {', '.join(ATTACKS)}, got {kind!r}")
    check_epsilon(epsilon)
    generator = torch.Generator().manual_seed(seed)
    if restarts < 1:
        raise ValueError(f"an attack needs at least one start, got {restarts}")

    def start() -> Tensor:
        random = torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        return project(x + (2 * random - 1) * epsilon, x, epsilon)

    if kind == "fgsm":
        return project(x + epsilon * _ascent(objective, start())[1], x, epsilon)
    return _pgd(objective, x, (start() for _ in range(restarts)), epsilon, iterations)


def smallest_flip(
    network: Network, task: str, x: Tensor, pixel: tuple[int, int], iterations: int = 50
) -> Tensor | None:
    """A small x′ − x, in the Euclidean norm, with which one pixel's class changes.

    With m the margin, winner minus runner-up: x ← x − (m + 10⁻³ m₀) ∇m / ‖∇m‖², over and over until
    m < 0. "DeepFool", Moosavi-Dezfooli et al., CVPR 2016. Nothing is clipped, as certificates hold
    for whatever values; the smallest change there is may be smaller still.

    Args:
        network: in eval mode.
        task: one of its heads with classes.
        x: (1, C, H, W).
        pixel: (row, column) of the output.
        iterations: at most so many.

    Returns:
        The change, or None where none was found.
    """
    row, column = pixel
    with torch.inference_mode(False), torch.enable_grad():
        moved, winner, beyond = x.clone(), None, 0.0
        for _ in range(iterations + 1):  # the last move is looked at, too
            logits = network(moved.requires_grad_())[task][0, :, row, column]
            winner = logits.argmax() if winner is None else winner
            margin = logits[winner] - logits.index_fill(0, winner, -math.inf).max()
            if margin < 0:
                return moved.detach() - x
            (gradient,) = torch.autograd.grad(margin, moved)
            square = gradient.square().sum()
            if not square > 0:
                break
            beyond = beyond or 1e-3 * margin.detach()
            moved = moved.detach() - (margin.detach() + beyond) / square * gradient
    return None


def random_signs(x: Tensor, epsilon: float, seed: int = 0) -> Tensor:
    """x ± ε with random signs, clipped to [0, 1]: the norms of an attack, and no aim."""
    check_epsilon(epsilon)
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, x.shape, generator=generator).to(x) * 2 - 1
    return project(x + epsilon * signs, x, epsilon)


def project(moved: Tensor, x: Tensor, epsilon: float) -> Tensor:
    """The nearest picture with ‖· − x‖∞ ≤ ε on [0, 1]."""
    return torch.minimum(torch.maximum(moved, x - epsilon), x + epsilon).clamp(0, 1)


def _pgd(
    objective: Loss, x: Tensor, starts: Iterable[Tensor], epsilon: float, iterations: int
) -> Tensor:
    best, highest = x, x.new_full((x.shape[0],), -math.inf)
    for moved in starts:
        for number in range(iterations + 1):
            values, signs = _ascent(objective, moved)
            better = values > highest
            best = torch.where(better.view(-1, 1, 1, 1), moved, best)
            highest = torch.where(better, values, highest)
            if number < iterations:
                moved = project(moved + 2.5 * epsilon / iterations * signs, x, epsilon)
    return best


def _ascent(objective: Loss, x: Tensor) -> tuple[Tensor, Tensor]:
    """The objective (B,), and the signs of its gradient."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        values = objective(x)
        (gradient,) = torch.autograd.grad(values.sum(), x)
        return values.detach(), gradient.sign()


def check_epsilon(epsilon: float) -> None:
    """Raises ValueError for an ε outside [0, 1]."""
    if not 0 <= epsilon <= 1:
        raise ValueError(f"ε must lie between 0 and 1 on the [0, 1] image, got {epsilon}")
