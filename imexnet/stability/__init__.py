"""Forward stability: how perturbations grow, corruptions and attacks, scores against severity."""

from imexnet.stability.attacks import attack
from imexnet.stability.corruptions import NOISES, perturb
from imexnet.stability.growth import stretched
from imexnet.stability.lipschitz import local_lipschitz

__all__ = [
    "NOISES",
    "attack",
    "local_lipschitz",
    "perturb",
    "stretched",
]
