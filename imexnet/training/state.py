"""The state of an unfinished training, and the weights that one begins with."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from imexnet.models.backbone import ConvNorm, InvertedResidual
from imexnet.models.checkpoints import read_tensors, write_tensors
from imexnet.models.config import ModelConfig
from imexnet.models.networks import Network
from imexnet.training.recipes import TrainConfig


@dataclass(frozen=True)
class Identity:
    """What tells one training from another.

    Attributes:
        config: the recipe.
        architecture: of the network.
        images: of the data set, per epoch.
    """

    config: TrainConfig
    architecture: ModelConfig
    images: int

    @classmethod
    def from_dict(cls, header: dict) -> "Identity":
        """The inverse of `asdict`, also after JSON; options that a header lacks have their default.

        Raises:
            KeyError, TypeError: for a header that is none of a training.
        """
        recipe: dict[str, Any] = {**header["config"]}
        if size := recipe.get("size"):
            recipe["size"] = tuple(size)
        architecture = ModelConfig.from_dict(header["architecture"])
        return cls(TrainConfig(**recipe), architecture, header["images"])


def begin_with(network: Network, path: Path) -> None:
    """Fills the network, or its encoder, with the weights of a file.

    Raises:
        ValueError: for a file whose tensors do not fit.
    """
    _, tensors = read_tensors(path)
    own = network.state_dict()
    encoder = {
        name
        for name in own
        if name.startswith("layers.")
        and isinstance(network.layers[int(name.split(".")[1])], ConvNorm | InvertedResidual)
    }
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if not any(shapes == {name: own[name].shape for name in part} for part in (own, encoder)):
        raise ValueError(f"the weights in {path.name} are neither of this network nor its encoder")
    network.load_state_dict(tensors, strict=False)


def _save_state(
    path: Path,
    epoch: int,
    command: str,
    identity: Identity,
    network: Network,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    tensors |= {f"average.{name}": t for name, t in average.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": t for name, t in moments.items()}
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    write_tensors(path, {**asdict(identity), "epoch": epoch, "command": command}, tensors)


def _load_state(
    path: Path,
    identity: Identity,
    network: Network,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    command: str,
) -> tuple[int, str]:
    """Fills network, average and optimizer from the state file.

    Returns:
        The number of epochs done, and the command that began the training; that given where the
        file holds none.
    """
    header, tensors = read_tensors(path)
    try:
        found = Identity.from_dict(header)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no state of a training of this version") from error
    for name in (field.name for field in fields(Identity)):
        if getattr(found, name) != getattr(identity, name):
            raise ValueError(f"{path.name} belongs to another recipe: its {name}: {header[name]}")
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    network.load_state_dict(parts["network"])
    average.load_state_dict(parts["average"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return int(header["epoch"]), header.get("command", command)
