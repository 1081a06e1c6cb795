"""Training: recipes, data sets, the loop and its state."""

from imexnet.training.loop import fit
from imexnet.training.optimisation import parameter_groups
from imexnet.training.recipes import RECIPES, TrainConfig, recipe

__all__ = [
    "RECIPES",
    "TrainConfig",
    "fit",
    "parameter_groups",
    "recipe",
]
