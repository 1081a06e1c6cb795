"""The networks: configurations, time steps, trunks, folding for inference, files of weights."""

from imexnet.models.checkpoints import load, load_pretrained, read, save
from imexnet.models.config import MODELS, Level, ModelConfig, Stage
from imexnet.models.folding import fold
from imexnet.models.networks import (
    IMEXNet,
    Network,
    ResNet,
    build,
    parameter_count,
    states,
    time_steps,
)
from imexnet.models.steps import DiffusionReactionStep, ExplicitStep, IMEXStep, one_stage

__all__ = [
    "MODELS",
    "DiffusionReactionStep",
    "ExplicitStep",
    "IMEXNet",
    "IMEXStep",
    "Level",
    "ModelConfig",
    "Network",
    "ResNet",
    "Stage",
    "build",
    "fold",
    "load",
    "load_pretrained",
    "one_stage",
    "parameter_count",
    "read",
    "save",
    "states",
    "time_steps",
]
