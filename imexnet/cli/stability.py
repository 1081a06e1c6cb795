"""Commands about perturbed pictures: stability, robustness."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from imexnet.cli.options import (
    SEVERITY,
    AsJson,
    Bounded,
    FocalLength,
    Kind,
    Noise,
    Picture,
    Seed,
    Task,
    Trunk,
    Weights,
    load_networks,
    model_kinds,
    numbers,
    open_photo,
    print_result,
    progress,
)


def stability_command(
    image: Picture,
    task: Task,
    severity: Annotated[float, typer.Option(help=SEVERITY)],
    model: Kind = "both",
    noise: Noise = "gaussian",
    seed: Seed = 0,
    trunk: Trunk = "plain",
    bounded: Bounded = False,
    focal_length: FocalLength = None,
    as_json: AsJson = False,
) -> None:
    """How much a perturbation grows from step to step, how far it moves the answer, and bounds.

    A step cannot amplify if its bound is at most 2 and no scale of its batch norm is negative.
    Attacks are made for each network by itself, against its own clean answer.
    """
    from imexnet import inference
    from imexnet.io.camera import camera_of
    from imexnet.stability import growth, severity_curves
    from imexnet.stability.bounds import step_bounds

    photo = open_photo(image)
    camera, result = camera_of(photo, focal_length), {}
    kinds, pair = model_kinds(model), load_networks(task, "both", trunk, bounded)
    for kind in kinds:
        network = pair[kind]
        x = inference.to_input(photo, network.config, network.mean.device, camera)
        noisy = severity_curves.perturbed(pair, kind, task, x, noise, severity, seed)
        steps = step_bounds(network, x)
        result[kind] = asdict(growth.perturbation_growth(network, task, x, noisy)) | {
            "bound": [step.bound for step in steps],
            "smallest_scale": [step.smallest_scale for step in steps],
            "nonexpansive": [step.nonexpansive for step in steps],
        }
    print_result(result, as_json)


def robustness_command(
    task: Task,
    noise: Noise = "gaussian",
    severities: Annotated[
        str | None, typer.Option(help="With commas between them; 0 is the clean picture.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="How many, of a drawn task.")] = 64,
    data: Annotated[Path | None, typer.Option(help="The folder that prepare-nyu writes.")] = None,
    split: Annotated[str, typer.Option(help="val or test")] = "val",
    seed: Seed = 0,
    iterations: Annotated[int, typer.Option(min=1, help="Steps of PGD.")] = 10,
    restarts: Annotated[int, typer.Option(min=1, help="Random starts of PGD.")] = 1,
    trunk: Trunk = "plain",
    bounded: Bounded = False,
    resnet: Weights = None,
    imexnet: Weights = None,
    as_json: AsJson = False,
) -> None:
    """Scores of both networks over a set of pictures, against the severity of a perturbation.

    Mean and standard deviation over the pictures of the share of pixels that are right: of the
    rod's pixels (qtips), within 25 % of the true depth (depth), of labelled pixels (segmentation).
    """
    from imexnet.data import nyu
    from imexnet.models.tasks import TASKS
    from imexnet.stability import severity_curves

    values = (
        numbers(severities, "--severities", float)
        if severities
        else severity_curves.severities(noise)
    )
    given = {"resnet": resnet, "imexnet": imexnet}
    pair = load_networks(task, "both", trunk, bounded, given)
    first, other = pair["resnet"], pair["imexnet"]
    if first.config.size != other.config.size:  # both are shown the same pictures
        sizes = " and ".join(f"{n.config.size[1]}x{n.config.size[0]}" for n in (first, other))
        raise ValueError(f"the networks were trained at different sizes: {sizes}")
    if TASKS[task].drawn:
        samples = severity_curves.fresh(seed, images, first.config, first.mean.device)
    elif data:
        rooms = nyu.read_rooms(data, split)
        samples = severity_curves.rooms(rooms, task, first.config, first.mean.device)
    else:
        raise ValueError(f"--task {task} needs --data, the folder that prepare-nyu writes")
    found = severity_curves.curves(
        pair, task, samples, noise, values, seed, iterations, restarts, progress
    )
    points = {kind: [asdict(point) for point in curve] for kind, curve in found.items()}
    facts = {"task": task, "noise": noise, "severity": severity_curves.meaning(noise)}
    if as_json:
        print_result({**facts, "images": len(samples), **points}, True)
        return
    print(f"{task}, {len(samples)} pictures, {noise}: {facts['severity']}")
    for row in zip(*found.values(), strict=True):
        cells = (f"{kind} {p.mean:.3f} ± {p.std:.3f}" for kind, p in zip(found, row, strict=True))
        print(f"{row[0].severity:8g}  {'  '.join(cells)}")
