"""Networks in files: safetensors with configuration, metrics and a checksum in the header.

Nothing is ever unpickled. A file holds the weights; its header one JSON string with the
`ModelConfig`, the way it was trained, its scores, the sha256 of the weights and a golden output.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from imexnet.io.files import write_bytes
from imexnet.models.config import ModelConfig
from imexnet.models.networks import Network, build
from imexnet.models.spec import ModelSpec, shipped_names
from imexnet.places import WEIGHTS

SUMS = "SHA256SUMS"  # of the shipped files, for `sha256sum -c`
_LARGER = "--size 128x128 --epochs 6 --seed 100"
TRAININGS = {
    "qtips": ("", "--epochs 24 --learning-rate 2e-3 --seed 100"),
    "rods": ("--epochs 24", _LARGER),
    "paths": ("--epochs 24", _LARGER),
    "indoor-bounded": ("--epochs 30",),
    "indoor-backbone": (
        "--data KITCHENS --size 160x120 --epochs 12 --start-from encoder.safetensors",
        "--size 160x120 --epochs 96",
        "--size 320x240 --epochs 32 --learning-rate 2e-3 --edge-weight 100 --seed 100",
    ),
}
"""Shipped pair → options of its trainings, each of which goes on from the one before."""
GOLDEN_SIDE = 32
GOLDEN_GRID = 4  # cells of a coarsest grid, at least


@dataclass(frozen=True)
class Card:
    """What the header of a checkpoint says.

    Attributes:
        config: architecture and preprocessing.
        training: how the weights came about: command, recipe, seed, data.
        metrics: scores on the validation split at the end of training.
        sha256: of the weights.
        golden: per task, the mean and the standard deviation of the output on `golden_picture`.
    """

    config: ModelConfig
    training: dict
    metrics: dict
    sha256: str
    golden: dict[str, tuple[float, float]]


def default_device() -> torch.device:
    """CUDA where there is one, else the CPU: the one place that decides."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_pretrained(name: str, device: torch.device | str | None = None) -> Network:
    """A shipped network in eval mode, on its device.

    Args:
        name: a key of `MODELS`, such as "indoor-imexnet".
        device: where it lives from now on; CUDA if there is one, else the CPU, by default.

    Raises:
        ValueError: for an unknown name, or weights that are missing, damaged or do not fit.
    """
    spec = ModelSpec.from_name(name)
    path = WEIGHTS / f"{spec.name}.safetensors"
    if not path.is_file() and spec.name not in shipped_names():
        raise ValueError(
            f"no weights of {name} come with the package; train them with "
            f"`{_train_command(spec)} --out FILE` and load that file (--weights FILE)"
        )
    if not path.is_file():
        raise ValueError(f"the weights {path.name} are not there; see docs/reproduce.md")
    return load(path, device)


def load_whole(
    names: Iterable[str], device: torch.device | str | None = None
) -> tuple[dict[str, Network], list[str]]:
    """The shipped networks whose files are whole, and a line for each other: what to do."""
    networks, faults = {}, []
    for name in names:
        try:
            networks[name] = load_pretrained(name, device)
        except ValueError as error:
            faults.append(f"{error}; {_remedy(name)}")
    return networks, faults


def _remedy(name: str) -> str:
    """What a shipped file should be, what it is, and the command that makes it."""
    path = WEIGHTS / f"{name}.safetensors"
    sums = WEIGHTS / SUMS
    text = sums.read_text("utf-8-sig") if sums.is_file() else ""
    expected = {file: digest for digest, file in re.findall(r"(?m)^(\w+) [ *](\S+)", text)}
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    return (
        f"expected sha256 {expected.get(path.name, 'unknown')}, found {found}; "
        f"make it with: {training_command(name)}"
    )


def _train_command(spec: ModelSpec, options: str = "") -> str:
    data = "--data NYU" if spec.family == "indoor" and "--data" not in options else ""
    return " ".join(filter(None, (spec.train_command, data, options)))


def training_command(name: str) -> str:
    """What trains a shipped network: one command, or several, each of which goes on."""
    spec = ModelSpec.from_name(name)
    command, start = "", ""
    *earlier, last = TRAININGS.get(name.replace(f"-{spec.kind}", ""), ("",))
    for stage, options in enumerate(earlier, 1):
        command += f"{_train_command(spec, options)}{start} --out {name}-{stage}.safetensors && "
        start = f" --start-from {name}-{stage}.safetensors"
    return f"{command}{_train_command(spec, last)}{start} --out weights/{name}.safetensors"


def load(path: str | os.PathLike[str], device: torch.device | str | None = None) -> Network:
    """The network in a file that `save` wrote, in eval mode, on its device.

    Raises:
        ValueError: for a file that is no checkpoint of ours, damaged, or of another shape.
    """
    path = Path(path)
    card, tensors = read(path)
    if checksum(tensors) != card.sha256:
        raise ValueError(f"{path.name} is damaged: its sha256 does not match its header")
    try:
        network = build(card.config)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path.name} holds no network of this library") from error
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise ValueError(f"the weights in {path.name} do not fit their configuration") from error
    return network.eval().requires_grad_(False).to(device or default_device())


def read(path: str | os.PathLike[str]) -> tuple[Card, dict[str, Tensor]]:
    """Header and weights of a checkpoint, the weights on the CPU."""
    path = Path(path)
    header, tensors = read_tensors(path)
    try:
        header["config"] = ModelConfig.from_dict(header["config"])
        return Card(**header), tensors
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} holds no network of this library") from error


def save(network: Network, path: str | os.PathLike[str], training: dict, metrics: dict) -> Card:
    """Writes the network with its card; the file is complete or not there at all."""
    tensors = {  # copies: the steps of a bounded stage share their stencil
        name: t.detach().cpu().contiguous().clone() for name, t in network.state_dict().items()
    }
    card = Card(network.config, training, metrics, checksum(tensors), golden_output(network))
    header = {**card.__dict__, "config": card.config.to_dict()}
    write_tensors(Path(path), header, tensors)
    return card


def read_tensors(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """The JSON header and the tensors of a safetensors file that `write_tensors` wrote."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = json.loads(file.metadata()["imexnet"])
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ValueError(f"there is no file {path.name}") from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"{path.name} is no checkpoint of this library") from error


def write_tensors(path: Path, header: dict, tensors: dict[str, Tensor]) -> None:
    """A safetensors file with a JSON header, moved into place when it is complete."""
    write_bytes(path, serialize(tensors, metadata={"imexnet": json.dumps(header)}))


def checksum(tensors: dict[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())  # NumPy has no bfloat16
    return digest.hexdigest()


def golden_picture(config: ModelConfig) -> Tensor:
    """A smooth fixed picture (1, C, 32, 32) in [0, 1], the same on every machine.

    It is larger where the coarsest grid of a decoder would have few pixels.
    """
    side = max(GOLDEN_SIDE, GOLDEN_GRID * config.coarsest)
    rows = torch.linspace(0, 1, side).view(-1, 1)
    columns = torch.linspace(0, 1, side)
    planes = [(rows * (c + 1) + columns * columns) / (c + 2) for c in range(config.channels)]
    return torch.stack(planes).unsqueeze(0)


@torch.no_grad()
def golden_output(network: Network) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each head's output on `golden_picture`, in eval mode."""
    training = network.training
    device = next(network.parameters()).device
    outputs = network.eval()(golden_picture(network.config).to(device))
    network.train(training)
    return {task: (float(y.mean()), float(y.std())) for task, y in outputs.items()}
