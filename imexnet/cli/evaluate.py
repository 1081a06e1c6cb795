"""Commands that score a network over a data set: evaluate qtips, evaluate indoor."""

from pathlib import Path
from typing import Annotated

import typer

from imexnet.cli.options import (
    AsJson,
    Bounded,
    Seed,
    Trunk,
    Weights,
    known_trunk,
    load_network,
    parameters,
    print_result,
)


def evaluate_qtips(
    model: Annotated[str, typer.Option(help="resnet, imexnet or resnet-deep")],
    data: Annotated[Path | None, typer.Option(help="Folder with images/ and labels/.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Fresh Q-tips to draw without --data.")] = 1000,
    seed: Seed = 0,
    bounded: Bounded = False,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """IoU and accuracy on Q-tips: fresh ones, or those of a folder."""
    from imexnet import evaluation
    from imexnet.data import qtips
    from imexnet.models.spec import ModelSpec

    network = load_network(ModelSpec("qtips", "plain", model, bounded), weights)
    pairs = qtips.read_qtips(data) if data else qtips.qtips(seed, range(images))
    scores = evaluation.evaluate_qtips(network, *pairs)
    print_result({"model": model, **parameters(network), **scores}, as_json)


def evaluate_indoor(
    model: Annotated[str, typer.Option(help="resnet or imexnet")],
    data: Annotated[Path, typer.Option(help="The folder that prepare-nyu writes.")],
    split: Annotated[str, typer.Option(help="val or test")] = "val",
    trunk: Trunk = "plain",
    bounded: Bounded = False,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """Depth and 13-class scores on NYU Depth V2, all rooms and kitchens apart."""
    from imexnet import evaluation
    from imexnet.data import nyu
    from imexnet.models.spec import ModelSpec

    network = load_network(ModelSpec("indoor", known_trunk(trunk), model, bounded), weights)
    rooms = nyu.read_rooms(data, split)
    scores = evaluation.evaluate_indoor(network, rooms)
    print_result({"model": model, **parameters(network), **scores}, as_json)
