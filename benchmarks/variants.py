"""What each part of the method is worth: variants of the plain indoor networks, one recipe.

    python benchmarks/variants.py train VARIANT --data NYU --seed 0    (a row of runs.csv)
    python benchmarks/variants.py table                                (of the ablation)
    python benchmarks/variants.py steps                                (of the number of steps)
    python benchmarks/variants.py figure FILE.png                      (the same as a picture)

All are trained for `EPOCHS` epochs and scored on the validation split.
"""

import argparse
import io
import statistics
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compare_runs import deviation, groups, summary
from record_run import append, row
from sizes import multiply_adds

from imexnet.models.config import MODELS, ModelConfig
from imexnet.models.networks import build, parameter_count
from imexnet.program import run
from imexnet.sensitivity.window import window_width

EPOCHS = 16
SCORES = {
    "abs_rel": "AbsRel",
    "rmse": "RMSE, m",
    "delta1": "δ1",
    "mean_iou": "mIoU",
    "pixel_accuracy": "accuracy",
}
COUNTS = (2, 4, 8, 16)
"""Numbers of time steps, half of them at 64 channels and half at 96; 4 as shipped."""


@dataclass(frozen=True)
class Variant:
    """Differences from the shipped plain IMEXNet.

    Attributes:
        words: what it is.
        network: fields of `ModelConfig`.
        recipe: fields of `TrainConfig`.
        steps: time steps in all.
    """

    words: str
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    steps: int = 4

    @property
    def config(self) -> ModelConfig:
        """The network."""
        shipped = MODELS["indoor-imexnet"]
        first, *others = shipped.stages
        stages = (first, *(replace(stage, steps=self.steps // 2) for stage in others))
        return replace(shipped, stages=stages, **{"step": "imex", **self.network})


ABLATION = {
    "explicit": Variant("explicit step: the ResNet", {"step": "explicit"}),
    "imex": Variant("IMEX step, as shipped"),
    "diffusion-reaction": Variant("diffusion–reaction step", {"step": "diffusion-reaction"}),
    "laplacian": Variant("L the fixed Laplacian", {"operator": "laplacian"}),
    "mirrored": Variant("mirrored boundary", {"boundary": "mirrored"}),
    "stencil-5": Variant("5×5 stencil", {"stencil_size": 5}),
    "h-quarter": Variant("h = 0.25", {"step_size": 0.25}),
    "h-4": Variant("h = 4", {"step_size": 4.0}),
    "explicit-h-4": Variant("explicit step, h = 4", {"step": "explicit", "step_size": 4.0}),
    "h-learned": Variant("h learned, from 1 on", {"learned_step_size": True}),
    "scale-half": Variant("stencil started half as large", {"reach": (0.5, 0.5)}),
    "scale-double": Variant("stencil started twice as large", {"reach": (2.0, 2.0)}),
    "stencil-decay": Variant("weight decay on the stencil", {}, {"stencil_decay": 5e-2}),
}
STEPS = {
    f"{kind}-{n}": Variant(f"{n} {kind} steps", {"step": kind}, steps=n)
    for kind in ("explicit", "imex")
    for n in COUNTS
    if n != 4  # these are in the ablation
}
VARIANTS = ABLATION | STEPS


def command(name: str, seed: int | None = None) -> str:
    """What trains a variant; without a seed, what all its rows in runs.csv have in common."""
    given = "" if seed is None else f" --seed {seed}"
    return f"python benchmarks/variants.py train {name} --data NYU{given}"


def train(name: str, data: Path, seed: int, out: Path) -> None:
    """Trains one variant and appends its scores to runs.csv; goes on where it was stopped.

    The minutes are those of the last call.
    """
    from imexnet.training.loop import fit
    from imexnet.training.recipes import recipe

    variant, begun = VARIANTS[name], time.monotonic()
    kind = "resnet" if variant.config.step == "explicit" else "imexnet"
    config = replace(recipe(f"indoor-{kind}", seed=seed, epochs=EPOCHS), **variant.recipe)
    checkpoint = out / f"{name}-{seed}.safetensors"
    words = command(name, seed)
    if not checkpoint.exists():
        fit(config, checkpoint, data, resume=True, architecture=variant.config, command=words)
    minutes = (time.monotonic() - begun) / 60
    append({**row(checkpoint, minutes), "command": words})


def scores(name: str) -> dict[str, list[float]] | None:
    """Score → its values over the seeds."""
    rows = groups().get(command(name), [])
    return {score: [float(row[score]) for row in rows] for score in SCORES} if rows else None


def table(names: dict[str, str], columns: dict[str, dict[str, str]]) -> str:
    """Markdown: a line a variant with its scores; `columns` are more cells by title and name."""
    heads = ["variant", *columns, "seeds", *SCORES.values()]
    lines = [heads, ["---"] * len(heads)]
    for name, words in names.items():
        found = scores(name)
        if found:
            cells = [summary(found[score], 3) for score in SCORES]
            more = [cells[name] for cells in columns.values()]
            lines.append([words, *more, str(len(found["abs_rel"])), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_steps() -> dict[str, tuple[str, int]]:
    """Variant → its kind and number of steps, in the order of the table."""
    return {
        (kind if n == 4 else f"{kind}-{n}"): (kind, n)
        for n in COUNTS
        for kind in ("explicit", "imex")
    }


def sizes(name: str) -> tuple[int, float, int]:
    """Parameters, millions of multiply-adds, explicit window of a variant."""
    config = VARIANTS[name].config
    return parameter_count(build(config)), multiply_adds(config) / 1e6, window_width(config)


def steps_table() -> str:
    """The table of the number of steps."""
    names = {name: f"{n} {kind} steps" for name, (kind, n) in by_steps().items()}
    found = {name: sizes(name) for name in names}
    columns = {
        "parameters": {name: f"{size[0]:,}" for name, size in found.items()},
        "MMAC": {name: f"{size[1]:.0f}" for name, size in found.items()},
        "window": {name: f"{size[2]}" for name, size in found.items()},
    }
    return table(names, columns)


def figure(path: Path) -> None:
    """AbsRel against parameters, multiply-adds and explicit window, a line a kind.

    Bars are standard deviations, where there are several seeds.
    """
    from matplotlib.figure import Figure

    from imexnet.io.files import write_bytes
    from imexnet.viz.plots import LABELS, SERIES

    drawn = Figure(figsize=(10, 3.2), layout="constrained")
    panels = drawn.subplots(1, 3, sharey=True)
    titles = ("parameters, thousands", "multiply-adds, millions", "explicit window, pixels")
    for kind, network in (("explicit", "resnet"), ("imex", "imexnet")):
        errors, found, counts = [], [], []
        for name, (step, n) in by_steps().items():
            values = scores(name)
            if step == kind and values:
                errors.append(values["abs_rel"])
                found.append(sizes(name))
                counts.append(n)
        y, bars = [statistics.mean(e) for e in errors], [deviation(e) for e in errors]
        for index, (panel, title) in enumerate(zip(panels, titles, strict=True)):
            x = [size[index] / (1000 if index == 0 else 1) for size in found]
            line = {"color": SERIES[network], "markersize": 13, "label": LABELS[network]}
            panel.errorbar(x, y, bars, fmt="o-", **line)
            for *point, n in zip(x, y, counts, strict=True):
                panel.text(*point, f"{n}", color="white", size=8, ha="center", va="center_baseline")
            panel.set_xlabel(title)
            panel.margins(0.1, 0.15)
            panel.grid(alpha=0.25)
    panels[0].set_ylabel("AbsRel, validation")
    panels[0].legend(frameon=False, title="steps at each point")
    picture = io.BytesIO()
    drawn.savefig(picture, format=path.suffix[1:] or "png", dpi=150)
    write_bytes(path, picture.getvalue())


def main(arguments: list[str]) -> int:
    """Exit status: 2 for bad input, said in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    training = actions.add_parser("train")
    training.add_argument("variant", choices=VARIANTS)
    training.add_argument("--data", type=Path, required=True)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--out", type=Path, default=Path("runs"))
    actions.add_parser("table")
    actions.add_parser("steps")
    actions.add_parser("figure").add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    try:
        if given.action == "train":
            train(given.variant, given.data, given.seed, given.out)
        elif given.action == "table":
            print(table({name: variant.words for name, variant in ABLATION.items()}, {}))
        elif given.action == "steps":
            print(steps_table())
        else:
            figure(given.file)
    except ValueError as error:
        print(f"variants: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "variants")
