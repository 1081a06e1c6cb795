"""What commands share: types of their options, checks of their words, printing of results."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from imexnet import program

if TYPE_CHECKING:
    from imexnet.io.photos import Photo
    from imexnet.models.networks import Network
    from imexnet.models.spec import ModelSpec

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Model = Annotated[str, typer.Option(help="resnet or imexnet")]
Weights = Annotated[Path | None, typer.Option(help="A checkpoint instead of the shipped one.")]
Out = Annotated[Path, typer.Option(help="The .safetensors file to write.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1)]
LearningRate = Annotated[
    float | None,
    typer.Option(min=1e-8, max=1, help="Peak of the learning rate; by default the recipe's."),
]
Epochs = Annotated[int | None, typer.Option(help="How many; by default as in the recipe.")]
Trunk = Annotated[str, typer.Option(help="plain or backbone")]
Bounded = Annotated[
    bool, typer.Option("--bounded", help="The networks whose steps cannot amplify.")
]
StartFrom = Annotated[
    Path | None,
    typer.Option(help="Weights to begin with: of the same network, or of its encoder."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")]
Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file.")]
Task = Annotated[str, typer.Option(help="depth, segmentation, qtips, rods or paths")]
Kind = Annotated[str, typer.Option(help="resnet, imexnet or both")]
Folder = Annotated[Path, typer.Option(help="Folder to write to.")]
FocalLength = Annotated[
    float | None,
    typer.Option(
        metavar="MM",
        help="Focal length for depth, 35 mm equivalent; by default from the photo's EXIF.",
    ),
]
Noise = Annotated[
    str,
    typer.Option(
        help="gaussian, salt-and-pepper, blur, jpeg, brightness, fgsm, pgd, transfer (PGD made for "
        "the other network) or random-signs"
    ),
]
SEVERITY = (
    "σ on the [0, 1] image; share of pixels; σ in pixels of the network's input; JPEG quality; "
    "added brightness; ε in 1/255 for fgsm, pgd, transfer and random-signs."
)
NAMED = 5  # files that are passed over, by name
Number = TypeVar("Number", int, float)


def open_photo(path: Path) -> "Photo":
    from imexnet.io.photos import read_photo

    if path.is_dir():
        raise ValueError(f"{path} is a folder; name one photo in it")
    return read_photo(path)


def photo_files(path: Path) -> list[Path]:
    """The photo, or those in a folder, by their names; what else lies there is named on stderr."""
    from imexnet.io.photos import endings

    if not path.is_dir():
        return [path]
    there = sorted(found for found in path.iterdir() if not found.name.startswith("."))
    photos = [f for f in there if f.suffix.lower() in endings() and f.is_file()]
    others = [found.name for found in there if found not in photos]
    if others:
        named = ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "")
        program.tell(f"{len(others)} in {path} passed over, not photos: {named}")
    return photos


def corner(text: str) -> tuple[int, int]:
    """(row, column) of "320,240", which is column, row."""
    found = numbers(text, "--to", int)
    if len(found) != 2:
        raise ValueError(f"--to takes a column and a row, as 320,240, got {text!r}")
    return found[1], found[0]


def corners(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """(row, column) twice of "320,240,400,300", which is column, row, column, row."""
    found = numbers(text, "--box", int)
    if len(found) != 4:
        raise ValueError(f"--box takes two corners, as 320,240,400,300, got {text!r}")
    return (found[1], found[0]), (found[3], found[2])


def size_of(text: str) -> tuple[int, int]:
    """(H, W) of "320x240"."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"a size is given as 320x240, got {text!r}")
    return int(height), int(width)


def numbers(words: str, option: str, number: Callable[[str], Number]) -> list[Number]:
    try:
        return [number(word) for word in words.split(",")]
    except ValueError:
        kind = "whole numbers" if number is int else "numbers"
        raise ValueError(f"{option} takes {kind} with commas, got {words!r}") from None


def model_kinds(model: str) -> tuple[str, ...]:
    from imexnet.models.spec import KINDS

    if model not in (*KINDS, "both"):
        raise ValueError(f"--model must be resnet, imexnet or both, got {model!r}")
    return KINDS if model == "both" else (model,)


def known_trunk(trunk: str) -> str:
    from imexnet.models.spec import TRUNKS

    if trunk not in TRUNKS:
        raise ValueError(f"--trunk must be one of {', '.join(TRUNKS)}, got {trunk!r}")
    return trunk


def load_networks(
    task: str,
    model: str,
    trunk: str = "plain",
    bounded: bool = False,
    weights: Mapping[str, Path | None] | None = None,
) -> dict:
    from imexnet.models.spec import ModelSpec
    from imexnet.models.tasks import task_named

    task_named(task, "--task")
    given = weights or {}
    specs = {
        kind: ModelSpec.for_task(task, known_trunk(trunk), kind, bounded)
        for kind in model_kinds(model)
    }
    if any(spec.trunk != trunk for spec in specs.values()):
        raise ValueError(f"--trunk {trunk} is for depth and segmentation alone, got --task {task}")
    return {kind: load_network(spec, given.get(kind)) for kind, spec in specs.items()}


def of_one(model: str, weights: Path | None) -> dict[str, Path | None]:
    """--weights of the one network that --model names, by its kind."""
    kinds = model_kinds(model)
    if weights and len(kinds) > 1:
        raise ValueError("--weights is of one network: say --model resnet or --model imexnet")
    return dict.fromkeys(kinds, weights)


def load_network(spec: "ModelSpec", weights: Path | None) -> "Network":
    from imexnet.models.checkpoints import load, load_pretrained
    from imexnet.models.config import MODELS
    from imexnet.models.spec import ModelSpec

    if not weights:
        return load_pretrained(spec.name)
    ModelSpec.from_name(spec.name)  # raises if there is no such network
    network, expected = load(weights), MODELS[spec.name]
    if replace(network.config, size=expected.size) != expected:
        raise ValueError(f"{weights.name} holds no network of the kind {spec.name}")
    return network


def load_answering(task: str, model: str, bounded: bool, weights: Path | None) -> "Network":
    """The network of a kind, or any that answers the task: a variant, say; bounded if asked for."""
    from imexnet.models.checkpoints import load, load_pretrained
    from imexnet.models.spec import ModelSpec

    spec = ModelSpec.for_task(task, "plain", model, bounded)
    network = load(weights) if weights else load_pretrained(spec.name)
    if task not in network.heads:
        raise ValueError(f"{weights.name if weights else spec.name} does not answer {task}")
    if bounded and not network.config.bound:
        raise ValueError(f"{weights.name if weights else spec.name} holds no bounded network")
    return network


def parameters(network: "Network") -> dict:
    from imexnet.models.networks import parameter_count

    return {"parameters": parameter_count(network)}


def progress(done: int, of: int, what: str = "batches") -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{of} {what}", end="\n" if done == of else "", file=sys.stderr)


def print_metrics(metrics: dict | None) -> None:
    if metrics is not None:
        print_result(metrics, True)


def print_result(result: dict, as_json: bool, indent: str = "") -> None:
    if as_json:
        print(json.dumps(_finite(result), allow_nan=False))
        return
    for name, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            print_result(value, False, indent + "  ")
        else:
            print(f"{indent}{name}: {_in_words(value)}")


def _in_words(value: Any) -> str:
    """A value on one line, its numbers to four decimals."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {_in_words(each)}" for name, each in value.items()) + ")"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)


def _finite(value: Any) -> Any:
    """With None for a score or a bound that there is not: JSON knows no NaN and no infinity."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
