"""Commands that train a network and make its data: train, draw, convert-encoder,
prepare-nyu, render."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from imexnet.cli.options import (
    Bounded,
    Epochs,
    LearningRate,
    Model,
    Out,
    Resume,
    Seed,
    StartFrom,
    Trunk,
    known_trunk,
    print_metrics,
    size_of,
)

Images = Annotated[int | None, typer.Option(help="Fresh pictures per epoch.")]
Data = Annotated[Path | None, typer.Option(help="Folder with images/*.png, labels/*.png instead.")]
Size = Annotated[str | None, typer.Option(help="Of the training pictures: 96x96.")]


def train_qtips(
    model: Annotated[str, typer.Option(help="resnet, imexnet or resnet-deep")],
    out: Out,
    seed: Seed = 0,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    images: Annotated[int | None, typer.Option(help="Fresh Q-tips per epoch.")] = None,
    data: Data = None,
    bounded: Bounded = False,
    start_from: StartFrom = None,
    resume: Resume = False,
) -> None:
    """Train on Q-tips that are drawn afresh in every epoch, or on those of a folder."""
    _train_drawn(
        "qtips", model, out, data, None, bounded, start_from, resume,
        seed=seed, epochs=epochs, learning_rate=learning_rate, images=images,
    )  # fmt: skip


def train_rods(
    model: Model,
    out: Out,
    seed: Seed = 0,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    images: Images = None,
    data: Data = None,
    size: Size = None,
    bounded: Bounded = False,
    start_from: StartFrom = None,
    resume: Resume = False,
) -> None:
    """Train on pictures of 3 to 5 rods, drawn afresh in every epoch, or on those of a folder."""
    _train_drawn(
        "rods", model, out, data, size, bounded, start_from, resume,
        seed=seed, epochs=epochs, learning_rate=learning_rate, images=images,
    )  # fmt: skip


def train_paths(
    model: Model,
    out: Out,
    seed: Seed = 0,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    images: Images = None,
    data: Data = None,
    size: Size = None,
    bounded: Bounded = False,
    start_from: StartFrom = None,
    resume: Resume = False,
) -> None:
    """Train on pictures of winding curves, drawn afresh in every epoch, or on those of a folder."""
    _train_drawn(
        "paths", model, out, data, size, bounded, start_from, resume,
        seed=seed, epochs=epochs, learning_rate=learning_rate, images=images,
    )  # fmt: skip


def _train_drawn(
    family: str,
    model: str,
    out: Path,
    data: Path | None,
    size: str | None,
    bounded: bool,
    start_from: Path | None,
    resume: bool,
    **chosen: Any,
) -> None:
    from imexnet.models.spec import ModelSpec
    from imexnet.training import loop, recipes

    if data is not None and chosen["images"] is not None:
        raise ValueError("--images counts fresh pictures; with --data an epoch is the folder")
    config = recipes.recipe(ModelSpec(family, "plain", model, bounded).name, **chosen)
    if size is not None:
        config = replace(config, size=size_of(size))
    print_metrics(loop.fit(config, out, data, resume, start_from=start_from))


def train_indoor(
    model: Model,
    out: Out,
    data: Annotated[Path, typer.Option(help="The folder that prepare-nyu writes.")],
    rendered: Annotated[
        Path | None, typer.Option(help="A folder from render, trained on, too.")
    ] = None,
    trunk: Trunk = "plain",
    bounded: Bounded = False,
    seed: Seed = 0,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    size: Annotated[str | None, typer.Option(help="Of the training pictures: 160x120.")] = None,
    edge_weight: Annotated[
        float | None, typer.Option(help="Extra weight of depth edges; 0: none.")
    ] = None,
    start_from: StartFrom = None,
    resume: Resume = False,
) -> None:
    """Train depth and segmentation together on NYU Depth V2."""
    from imexnet.models.spec import ModelSpec
    from imexnet.training import loop, recipes

    name = ModelSpec("indoor", known_trunk(trunk), model, bounded).name
    config = recipes.recipe(
        name, seed=seed, epochs=epochs, learning_rate=learning_rate, edge_weight=edge_weight
    )
    if size is not None:
        config = replace(config, size=size_of(size))
    print_metrics(loop.fit(config, out, data, resume, rendered, start_from=start_from))


def draw_command(
    task: Annotated[str, typer.Argument(help="qtips, rods or paths")],
    count: Annotated[int, typer.Option(min=1, help="How many pictures.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    seed: Seed = 0,
    size: Annotated[int, typer.Option(help="Rows and columns, 64 … 256.")] = 64,
) -> None:
    """Draw pictures of a task with their labels, in the layout of train --data."""
    from imexnet.data.drawn import write_folder
    from imexnet.data.sequences import DRAW

    if task not in DRAW:
        raise ValueError(f"what is drawn is one of {', '.join(DRAW)}, got {task!r}")
    drawn = (DRAW[task](seed, index, size) for index in range(count))
    print(f"{write_folder(out, drawn)} pictures written to {out}")


def convert_encoder(
    out: Annotated[Path, typer.Argument(help="A safetensors file, for train --start-from.")],
) -> None:
    """Write the ImageNet weights of the backbone's encoder as a file of this library."""
    from imexnet.io.files import check_new
    from imexnet.models.backbone import imagenet_weights
    from imexnet.models.checkpoints import write_tensors

    check_new(out)
    tensors = {f"layers.{name}": t.contiguous() for name, t in imagenet_weights().items()}
    write_tensors(out, {"encoder": "efficientnet-lite0"}, tensors)
    print(f"{len(tensors)} tensors written to {out}")


def prepare_nyu(
    mat: Annotated[Path, typer.Argument(help="nyu_depth_v2_labeled.mat")],
    splits: Annotated[Path, typer.Argument(help="splits.mat")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
) -> None:
    """Convert the official NYU Depth V2 files into a folder of pictures."""
    from imexnet.data.nyu_mat import prepare_nyu

    print(f"{prepare_nyu(mat, splits, out)} images written to {out}")


def render_command(
    count: Annotated[int, typer.Option(min=1, help="How many kitchens.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    seed: Seed = 0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the photos.")] = "320x240",
    quality: Annotated[str, typer.Option(help="low or high")] = "low",
    truth_size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT of depth and classes if not the photos'.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test, for index.csv")] = "train",
    validation: Annotated[
        int, typer.Option(min=0, help="How many of the last ones are val instead.")
    ] = 0,
) -> None:
    """Render kitchens with exact depth and classes, in the layout of prepare-nyu."""
    from imexnet.kitchens.dataset import render_kitchens

    truth = size_of(truth_size) if truth_size else None
    written = render_kitchens(out, count, seed, size_of(size), quality, truth, split, validation)
    print(f"{written} kitchens written to {out}")
