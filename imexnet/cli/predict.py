"""Commands about photos and networks: predict, field-of-view, hide, receptive-field."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imexnet.cli.options import (
    AsJson,
    Bounded,
    FocalLength,
    Folder,
    Kind,
    Picture,
    Seed,
    Task,
    Trunk,
    Weights,
    corner,
    corners,
    load_networks,
    numbers,
    of_one,
    open_photo,
    photo_files,
    print_result,
    progress,
)

if TYPE_CHECKING:
    from imexnet.io.camera import Camera
    from imexnet.sensitivity.field_of_view import FieldOfView
    from imexnet.sensitivity.hiding import Answered


def predict_command(
    image: Picture,
    task: Task,
    out: Folder,
    model: Kind = "both",
    trunk: Trunk = "plain",
    bounded: Bounded = False,
    weights: Weights = None,
    focal_length: FocalLength = None,
) -> None:
    """Depth or classes of a picture: a colour picture and the raw values, at its own size."""
    from imexnet import inference
    from imexnet.io import files
    from imexnet.io.camera import camera_of
    from imexnet.viz import colours

    photo = open_photo(image)
    camera = camera_of(photo, focal_length)
    networks = load_networks(task, model, trunk, bounded, of_one(model, weights))
    pictures = {kind: out / f"{image.stem}-{kind}-{task}.png" for kind in networks}
    for path in pictures.values():
        files.check_source(path, image)
    values = {
        kind: inference.predict(photo, network, task, focal_length).values
        for kind, network in networks.items()
    }
    if task == "depth" and camera.source != "assumed":
        print(camera.words, file=sys.stderr)  # stdout names the files
    for kind, picture in colours.pictures(task, values).items():
        path = pictures[kind]
        print(files.write_picture(picture, path, image))
        print(*files.write_raw(values[kind], path.with_suffix("")), sep="\n")


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
    method: Annotated[
        str,
        typer.Option(
            help="gradient, gradient-times-difference, integrated-blur, integrated-flat, "
            "occlusion-mean, occlusion-blur; usual: integrated-flat if drawn, else gradient"
        ),
    ] = "usual",
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
    focal_length: FocalLength = None,
    as_json: AsJson = False,
) -> None:
    """What the answer at one pixel depends on: heat map, sensitivity and its measures."""
    from imexnet import inference
    from imexnet.io import files
    from imexnet.io.camera import camera_of
    from imexnet.models.networks import with_boundary
    from imexnet.sensitivity import questions
    from imexnet.viz import field_of_view_figures
    from imexnet.viz.heat_maps import HeatMapStyle, heat_maps

    shares = tuple(numbers(contours, "--contours", int)) if contours else ()
    style = HeatMapStyle(scale, part, opacity, shares)
    other = corner(to) if to else None
    photo = open_photo(image)
    camera = camera_of(photo, focal_length)
    question = questions.Question(task, (y, x), other, about, direction, method)
    networks = {
        kind: with_boundary(network, boundary)
        for kind, network in load_networks(task, model, trunk).items()
    }
    stem = f"{task}-field-of-view"
    heats = {kind: out / f"{image.stem}-{kind}-{stem}.png" for kind in networks}
    for path in heats.values():
        files.check_source(path, image)
    first = next(iter(networks.values()))
    shown = inference.to_input(photo, first.config, first.mean.device, camera)
    views = questions.ask_all(networks, photo, shown, question, camera)
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
    _print_each(views, task, camera, as_json)


def hide_command(
    image: Picture,
    task: Task,
    box: Annotated[str, typer.Option(metavar="X,Y,X,Y", help="Two corners of what is hidden.")],
    x: Annotated[int, typer.Option(help="Column of the pixel in the picture, from 0.")],
    y: Annotated[int, typer.Option(help="Row of the pixel in the picture, from 0.")],
    out: Folder,
    fill: Annotated[str, typer.Option(help="grey, blur or noise")] = "grey",
    model: Kind = "both",
    trunk: Trunk = "plain",
    focal_length: FocalLength = None,
    as_json: AsJson = False,
) -> None:
    """Hide a part of a picture: the answers at a pixel before and after, and what else changed."""
    import numpy as np

    from imexnet.io import files
    from imexnet.io.camera import camera_of
    from imexnet.sensitivity import hiding
    from imexnet.viz.share_card import share_card

    photo = open_photo(image)
    picture, camera = np.asarray(photo.picture), camera_of(photo, focal_length)
    mask = hiding.box((picture.shape[0], picture.shape[1]), *corners(box))
    networks = load_networks(task, model, trunk)
    stem = out / f"{image.stem}-{task}-hidden"
    paths = [stem.with_name(f"{stem.name}{end}.png") for end in ("", "-card")]
    for path in paths:
        files.check_source(path, image)
    hidden, found = hiding.hide_and_see(networks, task, picture, mask, (y, x), fill, camera)
    card = share_card(picture, hidden, (y, x), found)
    for drawn, path in zip((hidden, card), paths, strict=True):
        files.write_picture(drawn, path, image)
    changes = {f"{kind}_change": answered.change for kind, answered in found.items()}
    files.write_arrays(changes, stem.with_name(f"{stem.name}.npz"))
    _print_each(found, task, camera, as_json)


def _print_each(
    found: "Mapping[str, FieldOfView] | Mapping[str, Answered]",
    task: str,
    camera: "Camera",
    as_json: bool,
) -> None:
    """What was found of each network; of depth, the camera besides."""
    used = camera.to_dict() if task == "depth" else {}
    print_result({kind: each.to_dict() | used for kind, each in found.items()}, as_json)


def receptive_field_command(
    task: Task,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Photos of one shape, or a folder.")
    ] = None,
    model: Kind = "both",
    count: Annotated[
        int, typer.Option("--images", min=1, help="Pictures to draw, of a drawn task.")
    ] = 12,
    pixels: Annotated[int, typer.Option(min=1, help="Random pixels per picture.")] = 16,
    seed: Seed = 0,
    trunk: Trunk = "plain",
    as_json: AsJson = False,
) -> None:
    """Measures of the field of view, mean and standard deviation over pixels and pictures."""
    from imexnet.models.tasks import task_named
    from imexnet.sensitivity import receptive_field

    drawn = task_named(task, "--task").drawn
    photos = [file for path in images or [] for file in photo_files(path)]
    if drawn and images:
        raise ValueError(f"--task {task} draws its own pictures; leave the photos out")
    if not drawn and not photos:
        given = " and ".join(map(str, images or []))
        missing = f"{given} holds none" if given else "it is not drawn"
        raise ValueError(f"--task {task} needs photos; {missing}")
    number = count if drawn else len(photos)
    result = {}
    for kind, network in load_networks(task, model, trunk).items():
        shown = receptive_field.pictures(network, task, photos, number)
        running = receptive_field.effective(network, task, shown, pixels, seed)
        for done, average in enumerate(running, 1):
            progress(done, number, "pictures")
            result[kind] = average.to_dict()
    print_result(result, as_json)
