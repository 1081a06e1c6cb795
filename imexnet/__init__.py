"""IMEXNet: residual networks whose linear part is solved implicitly, and tools to look at them."""

from imexnet.checkpoints import load_pretrained
from imexnet.spectral import green_function, implicit_solve
from imexnet.steps import DiffusionReactionStep, ExplicitStep, IMEXStep

__all__ = [
    "DiffusionReactionStep",
    "ExplicitStep",
    "IMEXStep",
    "green_function",
    "implicit_solve",
    "load_pretrained",
]
