"""Commands that score a network over a data set: evaluate qtips, rods, paths and indoor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imexnet.cli.options import (
    AsJson,
    Bounded,
    Model,
    Seed,
    Trunk,
    Weights,
    known_trunk,
    load_answering,
    load_network,
    parameters,
    print_result,
)

if TYPE_CHECKING:
    from imexnet.models.networks import Network

Folder = Annotated[Path | None, typer.Option(help="Folder with images/ and labels/.")]
Images = Annotated[int, typer.Option(min=1, help="Fresh pictures to draw without --data.")]
Side = Annotated[int, typer.Option(help="Rows and columns of fresh pictures, 64 … 256.")]
Noise = Annotated[float, typer.Option(help="σ of Gaussian noise on the [0, 1] picture.")]


def evaluate_qtips(
    model: Annotated[str, typer.Option(help="resnet, imexnet or resnet-deep")],
    data: Folder = None,
    images: Annotated[int, typer.Option(min=1, help="Fresh Q-tips to draw without --data.")] = 1000,
    noise: Noise = 0.0,
    seed: Seed = 0,
    bounded: Bounded = False,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """IoU and accuracy on Q-tips: fresh ones, or those of a folder."""
    from imexnet.data.qtips import SIZE
    from imexnet.models.spec import ModelSpec

    network = load_network(ModelSpec("qtips", "plain", model, bounded), weights)
    _evaluate_drawn("qtips", network, model, data, images, SIZE, noise, seed, as_json)


def evaluate_indoor(
    model: Model,
    data: Annotated[Path, typer.Option(help="The folder that prepare-nyu writes.")],
    split: Annotated[str, typer.Option(help="val or test")] = "val",
    trunk: Trunk = "plain",
    bounded: Bounded = False,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """Depth and 13-class scores on NYU Depth V2, over all rooms, and over kitchens alone."""
    from imexnet import evaluation
    from imexnet.data import nyu
    from imexnet.models.spec import ModelSpec

    network = load_network(ModelSpec("indoor", known_trunk(trunk), model, bounded), weights)
    rooms = nyu.read_rooms(data, split)
    scores = evaluation.evaluate_indoor(network, rooms)
    print_result({"model": model, **parameters(network), **scores}, as_json)


def evaluate_rods(
    model: Model,
    data: Folder = None,
    images: Images = 1000,
    size: Side = 64,
    noise: Noise = 0.0,
    seed: Seed = 0,
    bounded: Bounded = False,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """IoU, accuracy and rods that are right, by their length: fresh pictures of 3 to 5 rods."""
    network = load_answering("rods", model, bounded, weights)
    _evaluate_drawn("rods", network, model, data, images, size, noise, seed, as_json)


def evaluate_paths(
    model: Model,
    data: Folder = None,
    images: Images = 1000,
    size: Side = 64,
    noise: Noise = 0.0,
    seed: Seed = 0,
    bounded: Bounded = False,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """IoU, accuracy and curves that are right, by their length: fresh pictures of 2 or 3 curves."""
    network = load_answering("paths", model, bounded, weights)
    _evaluate_drawn("paths", network, model, data, images, size, noise, seed, as_json)


def _evaluate_drawn(
    task: str,
    network: "Network",
    model: str,
    data: Path | None,
    images: int,
    size: int,
    noise: float,
    seed: int,
    as_json: bool,
) -> None:
    from imexnet import evaluation
    from imexnet.data.drawn import from_folder
    from imexnet.data.sequences import DRAW
    from imexnet.models.tasks import TASKS

    classes = len(TASKS[task].classes)
    drawn = (
        from_folder(data, classes) if data else [DRAW[task](seed, i, size) for i in range(images)]
    )
    scores = evaluation.evaluate_drawn(network, task, drawn, noise, seed)
    print_result({"model": model, **parameters(network), **scores}, as_json)
