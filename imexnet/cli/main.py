"""The command line: `python -m imexnet …`."""

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from imexnet import program

UsageError: Any = typer.BadParameter.__base__  # typer carries its own click, privately

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="See what semi-implicit residual networks do.",
)
evaluate = typer.Typer(help="Scores of a network over a data set.")
train = typer.Typer(help="Train a network.")
app.add_typer(evaluate, name="evaluate")
app.add_typer(train, name="train")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Weights = Annotated[Path | None, typer.Option(help="A checkpoint instead of the shipped one.")]
Out = Annotated[Path, typer.Option(help="The .safetensors file to write.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1)]
Epochs = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Trunk = Annotated[str, typer.Option(help="plain, pyramid or backbone")]
NAMED = 5  # files that are passed over, by name
StartFrom = Annotated[
    Path | None,
    typer.Option(help="Weights to begin with: of the same network, or of its encoder."),
]
Number = TypeVar("Number", int, float)
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")]


Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file.")]
Task = Annotated[str, typer.Option(help="depth, segmentation or qtips")]
Kind = Annotated[str, typer.Option(help="resnet, imexnet or both")]
Folder = Annotated[Path, typer.Option(help="Folder to write to.")]
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


@app.command("predict")
def predict_command(image: Picture, task: Task, out: Folder, model: Kind = "both") -> None:
    """Depth or classes of a picture: a colour picture and the raw values, at its own size."""
    from imexnet import inference
    from imexnet.io import files
    from imexnet.viz import colours

    photo = _photo(image)
    networks = _networks(task, model)
    pictures = {kind: out / f"{image.stem}-{kind}-{task}.png" for kind in networks}
    for path in pictures.values():
        files.check_source(path, image)
    values = {k: inference.predict(photo, n, task).values for k, n in networks.items()}
    for kind, picture in colours.pictures(task, values).items():
        path = pictures[kind]
        print(files.write_picture(picture, path, image))
        print(*files.write_raw(task, values[kind], path.with_suffix("")), sep="\n")


@app.command("field-of-view")
def field_of_view_command(
    image: Picture,
    task: Task,
    x: Annotated[int, typer.Option(help="Column of the pixel in the picture, from 0.")],
    y: Annotated[int, typer.Option(help="Row of the pixel in the picture, from 0.")],
    out: Folder,
    model: Kind = "both",
    to: Annotated[
        str | None, typer.Option(metavar="X,Y", help="The opposite corner: the mean over a box.")
    ] = None,
    about: Annotated[
        str, typer.Option(help="answer (depth; winner minus runner-up), or a class: its logit")
    ] = "answer",
    direction: Annotated[
        str, typer.Option(help="inputs that decide this output; outputs that this input moves")
    ] = "inputs",
    boundary: Annotated[
        str, typer.Option(help="Of the implicit solves: trained, periodic or mirrored.")
    ] = "trained",
    scale: Annotated[str, typer.Option(help="logarithmic or linear")] = "logarithmic",
    part: Annotated[str, typer.Option(help="absolute, signed, red, green or blue")] = "absolute",
    opacity: Annotated[float, typer.Option(help="Of the heat over the picture.")] = 0.85,
    contours: Annotated[
        str | None, typer.Option(help="Per cent held inside a line, as 50,95,99.")
    ] = None,
    figure: Annotated[
        str | None, typer.Option(help="Also a figure to print and an .npz: png, svg or pdf.")
    ] = None,
    trunk: Trunk = "plain",
    as_json: AsJson = False,
) -> None:
    """What the answer at one pixel depends on: heat map, sensitivity and its measures."""
    from imexnet import inference
    from imexnet.io import files
    from imexnet.models.networks import with_boundary
    from imexnet.sensitivity import questions
    from imexnet.viz import field_of_view_figures
    from imexnet.viz.heat_maps import HeatMapStyle, heat_maps

    shares = tuple(_numbers(contours, "--contours", int)) if contours else ()
    style = HeatMapStyle(scale, part, opacity, shares)
    other = _corner(to) if to else None
    photo = _photo(image)
    question = questions.Question(task, (y, x), other, about, direction)
    networks = {
        kind: with_boundary(network, boundary)
        for kind, network in _networks(task, model, trunk).items()
    }
    stem = f"{task}-field-of-view"
    heats = {kind: out / f"{image.stem}-{kind}-{stem}.png" for kind in networks}
    for path in heats.values():
        files.check_source(path, image)
    first = next(iter(networks.values()))
    shown = inference.to_input(photo, first.config, first.mean.device)
    views = questions.ask_all(networks, photo, shown, question)
    printed = None
    if figure:
        drawn = field_of_view_figures.printed_figure(photo, views, question, style)
        printed = field_of_view_figures.encode(drawn, figure)
    for kind, picture in heat_maps(photo, views, question, style).items():
        files.write_picture(picture, heats[kind], image)
        files.write_array(views[kind].sensitivity, heats[kind].with_suffix(".npy"))
    if printed:
        files.write_bytes(out / f"{image.stem}-{stem}-figure.{figure}", printed)
        found = questions.arrays(question, views)
        files.write_arrays(found, out / f"{image.stem}-{stem}.npz")
    _print({kind: view.to_dict() for kind, view in views.items()}, as_json)


@app.command("receptive-field")
def receptive_field_command(
    task: Task,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Photos of one shape, or a folder.")
    ] = None,
    model: Kind = "both",
    count: Annotated[int, typer.Option("--images", min=1, help="Fresh Q-tips to draw.")] = 12,
    pixels: Annotated[int, typer.Option(min=1, help="Random ones a picture.")] = 16,
    seed: Seed = 0,
    trunk: Trunk = "plain",
    as_json: AsJson = False,
) -> None:
    """Measures of the field of view, mean and standard deviation over pixels and pictures."""
    from imexnet.models.tasks import task_named
    from imexnet.sensitivity import receptive_field

    drawn = task_named(task, "--task").drawn
    photos = [file for path in images or [] for file in _photos(path)]
    if not drawn and not photos:
        raise ValueError(f"--task {task} needs photos; Q-tips alone are drawn")
    number = count if drawn else len(photos)
    result = {}
    for kind, network in _networks(task, model, trunk).items():
        shown = receptive_field.pictures(network, task, photos, number)
        running = receptive_field.effective(network, task, shown, pixels, seed)
        for done, average in enumerate(running, 1):
            _progress(done, number, "pictures")
            result[kind] = average.to_dict()
    _print(result, as_json)


@app.command("stability")
def stability_command(
    image: Picture,
    task: Task,
    severity: Annotated[float, typer.Option(help=SEVERITY)],
    model: Kind = "both",
    noise: Noise = "gaussian",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """How much a perturbation of the picture grows from step to step, and moves the answer.

    Attacks are made for each network by itself, against its own clean answer.
    """
    from imexnet import inference
    from imexnet.stability import growth, severity_curves

    photo = _photo(image)
    result = {}
    kinds, pair = _kinds(model), _networks(task, "both")
    for kind in kinds:
        network = pair[kind]
        x = inference.to_input(photo, network.config, network.mean.device)
        noisy = severity_curves.perturbed(pair, kind, task, x, noise, severity, seed)
        result[kind] = asdict(growth.perturbation_growth(network, task, x, noisy))
    _print(result, as_json)


@app.command("robustness")
def robustness_command(
    task: Task,
    noise: Noise = "gaussian",
    severities: Annotated[
        str | None, typer.Option(help="With commas between them; 0 is the clean picture.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Fresh Q-tips, without --data.")] = 64,
    data: Annotated[Path | None, typer.Option(help="The folder that prepare-nyu writes.")] = None,
    split: Annotated[str, typer.Option(help="val or test")] = "val",
    seed: Seed = 0,
    iterations: Annotated[int, typer.Option(min=1, help="Of PGD.")] = 10,
    resnet: Weights = None,
    imexnet: Weights = None,
    as_json: AsJson = False,
) -> None:
    """Scores of both networks over a set of pictures, against the severity of a perturbation.

    Mean and standard deviation over the pictures of the share of pixels that are right: of the
    rod's pixels (qtips), within 25 % of the true depth (depth), of labelled pixels (segmentation).
    """
    from imexnet.data import nyu
    from imexnet.models.spec import ModelSpec
    from imexnet.models.tasks import TASKS
    from imexnet.stability import severity_curves

    values = (
        _numbers(severities, "--severities", float)
        if severities
        else severity_curves.severities(noise)
    )
    pair = _networks(task, "both")
    for kind, weights in (("resnet", resnet), ("imexnet", imexnet)):
        if weights:
            pair[kind] = _network(ModelSpec.for_task(task, "plain", kind), weights)
    first = pair["resnet"]
    if TASKS[task].drawn:
        samples = severity_curves.fresh_qtips(seed, images, first.config, first.mean.device)
    elif data:
        rooms = nyu.read_rooms(data, split)
        samples = severity_curves.rooms(rooms, task, first.config, first.mean.device)
    else:
        raise ValueError(f"--task {task} needs --data, the folder that prepare-nyu writes")
    found = severity_curves.curves(pair, task, samples, noise, values, seed, iterations, _progress)
    points = {kind: [asdict(point) for point in curve] for kind, curve in found.items()}
    facts = {"task": task, "noise": noise, "severity": severity_curves.meaning(noise)}
    if as_json:
        _print({**facts, "images": len(samples), **points}, True)
        return
    print(f"{task}, {len(samples)} pictures, {noise}: {facts['severity']}")
    for row in zip(*found.values(), strict=True):
        cells = (f"{kind} {p.mean:.3f} ± {p.std:.3f}" for kind, p in zip(found, row, strict=True))
        print(f"{row[0].severity:8g}  {'  '.join(cells)}")


@app.command("benchmark")
def benchmark_command(
    only: Annotated[
        list[str] | None, typer.Option(help="A section; give it again for more.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="For each comparison.")] = 2.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the processor.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """What the implicit solve, the networks and the page cost: ratios measured in one run."""
    from imexnet import benchmark

    _print(benchmark.run(only or [], benchmark.Timing(seconds, device), threads), as_json)


@evaluate.command("qtips")
def evaluate_qtips(
    model: Annotated[str, typer.Option(help="resnet, imexnet or resnet-deep")],
    data: Annotated[Path | None, typer.Option(help="Folder with images/ and labels/.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Fresh Q-tips to draw without --data.")] = 1000,
    seed: Seed = 0,
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """IoU and accuracy on Q-tips: fresh ones, or those of a folder."""
    from imexnet import evaluation
    from imexnet.data import qtips
    from imexnet.models.spec import ModelSpec

    network = _network(ModelSpec("qtips", "plain", model), weights)
    pairs = qtips.read_qtips(data) if data else qtips.qtips(seed, range(images))
    _print(
        {"model": model, **_size(network), **evaluation.evaluate_qtips(network, *pairs)}, as_json
    )


@evaluate.command("indoor")
def evaluate_indoor(
    model: Annotated[str, typer.Option(help="resnet or imexnet")],
    data: Annotated[Path, typer.Option(help="The folder that prepare-nyu writes.")],
    split: Annotated[str, typer.Option(help="val or test")] = "val",
    trunk: Trunk = "plain",
    weights: Weights = None,
    as_json: AsJson = False,
) -> None:
    """Depth and 13-class scores on NYU Depth V2, all rooms and kitchens apart."""
    from imexnet import evaluation
    from imexnet.data import nyu
    from imexnet.models.spec import ModelSpec

    network = _network(ModelSpec("indoor", _trunk(trunk), model), weights)
    rooms = nyu.read_rooms(data, split)
    _print(
        {"model": model, **_size(network), **evaluation.evaluate_indoor(network, rooms)}, as_json
    )


@train.command("qtips")
def train_qtips(
    model: Annotated[str, typer.Option(help="resnet, imexnet or resnet-deep")],
    out: Out,
    seed: Seed = 0,
    epochs: Epochs = None,
    images: Annotated[int | None, typer.Option(help="Fresh Q-tips per epoch.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with images/*.png, labels/*.png instead.")
    ] = None,
    start_from: StartFrom = None,
    resume: Resume = False,
) -> None:
    """Train on Q-tips that are drawn afresh in every epoch, or on those of a folder."""
    from imexnet.models.spec import ModelSpec
    from imexnet.training import loop, recipes

    if data is not None and images is not None:
        raise ValueError("--images counts fresh Q-tips; with --data an epoch is the folder")
    config = recipes.recipe(
        ModelSpec("qtips", "plain", model).name, seed=seed, epochs=epochs, images=images
    )
    _report(loop.fit(config, out, data, resume, start_from=start_from))


@train.command("indoor")
def train_indoor(
    model: Annotated[str, typer.Option(help="resnet or imexnet")],
    out: Out,
    data: Annotated[Path, typer.Option(help="The folder that prepare-nyu writes.")],
    rendered: Annotated[
        Path | None, typer.Option(help="A folder that render wrote, seen besides.")
    ] = None,
    trunk: Trunk = "plain",
    seed: Seed = 0,
    epochs: Epochs = None,
    size: Annotated[str | None, typer.Option(help="Of the training pictures: 160x120.")] = None,
    start_from: StartFrom = None,
    resume: Resume = False,
) -> None:
    """Train depth and segmentation together on NYU Depth V2."""
    from imexnet.models.spec import ModelSpec
    from imexnet.training import loop, recipes

    config = recipes.recipe(
        ModelSpec("indoor", _trunk(trunk), model).name, seed=seed, epochs=epochs
    )
    if size is not None:
        width, height = _numbers(size.replace("x", ","), "--size", int)
        config = replace(config, size=(height, width))
    _report(loop.fit(config, out, data, resume, rendered, start_from=start_from))


@app.command("convert-encoder")
def convert_encoder(
    out: Annotated[Path, typer.Argument(help="A safetensors file, for train --start-from.")],
) -> None:
    """Write the ImageNet weights of the backbone's encoder as a file of this library."""
    from imexnet.models.backbone import imagenet_weights
    from imexnet.models.checkpoints import write_tensors

    tensors = {f"layers.{name}": t.contiguous() for name, t in imagenet_weights().items()}
    write_tensors(out, {"encoder": "efficientnet-lite0"}, tensors)


@app.command("prepare-nyu")
def prepare_nyu(
    mat: Annotated[Path, typer.Argument(help="nyu_depth_v2_labeled.mat")],
    splits: Annotated[Path, typer.Argument(help="splits.mat")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
) -> None:
    """Convert the official NYU Depth V2 files into a folder of pictures."""
    from imexnet.data.nyu_mat import prepare_nyu

    print(f"{prepare_nyu(mat, splits, out)} images written to {out}")


@app.command("render")
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
) -> None:
    """Render kitchens with exact depth and classes, in the layout of prepare-nyu."""
    from imexnet.kitchens.dataset import render_kitchens

    truth = _size_of(truth_size) if truth_size else None
    written = render_kitchens(out, count, seed, _size_of(size), quality, truth, split)
    print(f"{written} kitchens written to {out}")


@app.command("serve")
def serve_command() -> None:
    """Start the page; its address is `GRADIO_SERVER_NAME`, its port `GRADIO_SERVER_PORT`."""
    from imexnet.ui.server.start import serve

    serve()


def _size_of(text: str) -> tuple[int, int]:
    """(H, W) of "320x240"."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"a size is given as 320x240, got {text!r}")
    return int(height), int(width)


def _trunk(trunk: str) -> str:
    from imexnet.models.spec import TRUNKS

    if trunk not in TRUNKS:
        raise ValueError(f"--trunk must be one of {', '.join(TRUNKS)}, got {trunk!r}")
    return trunk


def _photo(path: Path):
    from imexnet.io.photos import read_photo

    if path.is_dir():
        raise ValueError(f"{path} is a folder; name one photo in it")
    return read_photo(path)


def _photos(path: Path) -> list[Path]:
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


def _corner(text: str) -> tuple[int, int]:
    """(row, column) of "320,240", which is column, row."""
    numbers = _numbers(text, "--to", int)
    if len(numbers) != 2:
        raise ValueError(f"--to takes a column and a row, as 320,240, got {text!r}")
    return numbers[1], numbers[0]


def _networks(task: str, model: str, trunk: str = "plain") -> dict:
    from imexnet.models.checkpoints import load_pretrained
    from imexnet.models.spec import ModelSpec
    from imexnet.models.tasks import task_named

    task_named(task, "--task")
    specs = {kind: ModelSpec.for_task(task, _trunk(trunk), kind) for kind in _kinds(model)}
    return {kind: load_pretrained(spec.name) for kind, spec in specs.items()}


def _kinds(model: str) -> tuple[str, ...]:
    from imexnet.models.tasks import KINDS

    if model not in (*KINDS, "both"):
        raise ValueError(f"--model must be resnet, imexnet or both, got {model!r}")
    return KINDS if model == "both" else (model,)


def _numbers(words: str, option: str, number: Callable[[str], Number]) -> list[Number]:
    try:
        return [number(word) for word in words.split(",")]
    except ValueError:
        kind = "whole numbers" if number is int else "numbers"
        raise ValueError(f"{option} takes {kind} with commas, got {words!r}") from None


def _progress(done: int, of: int, what: str = "batches") -> None:
    if sys.stderr.isatty():
        print(f"\r{done}/{of} {what}", end="\n" if done == of else "", file=sys.stderr)


def _network(spec, weights: Path | None):
    from imexnet.models.checkpoints import load, load_pretrained
    from imexnet.models.config import MODELS

    if not weights:
        return load_pretrained(spec.name)
    network = load(weights)
    if network.config != MODELS.get(spec.name):
        raise ValueError(f"{weights.name} holds no network of the kind {spec.name}")
    return network


def _size(network) -> dict:
    from imexnet.models.networks import parameter_count

    return {"parameters": parameter_count(network)}


def _report(metrics: dict | None) -> None:
    if metrics is not None:
        print(json.dumps(metrics))


def _print(result: dict, as_json: bool, indent: str = "") -> None:
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            _print(value, False, indent + "  ")
        else:
            print(
                f"{indent}{name}: {value:.4f}"
                if isinstance(value, float)
                else f"{indent}{name}: {value}"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the process, unless all is well: see `program.run`.

    Args:
        arguments: the command and what follows it; by default those of the process.
    """
    program.run(lambda: _command(arguments))


def _command(arguments: Sequence[str] | None) -> int | None:
    warnings.filterwarnings("ignore", module="PIL")  # what it says of broken files
    warnings.showwarning = lambda message, *_, **__: program.tell(str(message))
    try:
        return app(arguments, standalone_mode=False)
    except UsageError as error:
        raise ValueError(error.format_message()) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
