"""IMEXNet: residual networks whose linear part is solved implicitly, and tools to look at them."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imexnet.inference import predict
    from imexnet.models.checkpoints import load_pretrained
    from imexnet.models.steps import DiffusionReactionStep, ExplicitStep, IMEXStep
    from imexnet.spectral.solve import green_function, implicit_solve

__all__ = [
    "DiffusionReactionStep",
    "ExplicitStep",
    "IMEXStep",
    "green_function",
    "implicit_solve",
    "load_pretrained",
    "predict",
]

__version__ = "0.1.0"  # pyproject.toml takes it from here

_HOMES = {
    "DiffusionReactionStep": "models",
    "ExplicitStep": "models",
    "IMEXStep": "models",
    "green_function": "spectral",
    "implicit_solve": "spectral",
    "load_pretrained": "models",
    "predict": "inference",
}


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: torch takes seconds, and `imexnet --help` does without it.
    if name in _HOMES:
        return getattr(import_module(f"imexnet.{_HOMES[name]}"), name)
    if not name.startswith("_") and find_spec(f"imexnet.{name}"):
        return import_module(f"imexnet.{name}")
    raise AttributeError(f"module 'imexnet' has no attribute {name!r}")
