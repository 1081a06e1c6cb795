"""What each part of the method is worth: variants of the plain networks, one recipe.

    python benchmarks/variants.py train VARIANT --data NYU --seed 0        (a row of runs.csv)
    python benchmarks/variants.py train VARIANT --on rods --seed 0 1 2     (or paths, or qtips)
    python benchmarks/variants.py train VARIANT --on rods --size 128 --epochs 6 --after 24
    python benchmarks/variants.py table --on rods                          (of the ablation)
    python benchmarks/variants.py steps                                    (of the number of steps)
    python benchmarks/variants.py figure FILE.png                          (the same as a picture)

All are trained for `EPOCHS` epochs, or for those of `--epochs`, and scored on the validation split;
`--rate` is the peak of the learning rate. With `--size` the pictures of rods and paths are larger;
`--after 24` begins with the network of 24 epochs at the usual size, training that, too, if need be.
Scores of every picture go to pictures.csv. The table takes for each variant the rate that did best,
and compares with `--against` picture by picture.
"""

import argparse
import io
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compare_runs import deviation, groups, summary
from pictures import interval, note, paired, per_picture
from record_run import append, is_recorded, number, row, row_of
from sizes import multiply_adds

from imexnet.data import nyu, qtips
from imexnet.data.sequences import DRAW
from imexnet.evaluation import score_drawn, score_room
from imexnet.inference import forward
from imexnet.io.files import write_bytes
from imexnet.memory import keep_freed_memory
from imexnet.metrics import pixel_accuracy
from imexnet.models.checkpoints import load, read
from imexnet.models.config import MODELS, ModelConfig
from imexnet.models.folding import fold
from imexnet.models.networks import Network, build, parameter_count
from imexnet.program import run, tell
from imexnet.sensitivity.window import window_width
from imexnet.stability.attacks import attack, loss

EPOCHS = 16
SCORES = {
    "abs_rel": "AbsRel",
    "rmse": "RMSE, m",
    "delta1": "δ1",
    "mean_iou": "mIoU",
    "pixel_accuracy": "accuracy",
}
NOISE = 0.1  # σ of the noisy pictures, twice what any network was trained with
LARGER_PICTURES = 64  # of twice the side of those of training
ATTACKED = 64  # pictures


@dataclass(frozen=True)
class Ground:
    """What variants are compared on.

    Attributes:
        base: of the two networks' names.
        scores: columns of runs.csv → their titles.
        per_picture: scores of pictures.csv → their titles; the first is compared in pairs.
        best: of the scores, what a learning rate is chosen by; the smallest if it is an error.
        recipe: fields of `TrainConfig` in which trainings here differ from the shipped networks'.
    """

    base: str
    scores: dict[str, str]
    per_picture: dict[str, str]
    best: str
    recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def rooms(self) -> bool:
        """Whether it needs photos; all others are drawn."""
        return self.base == "indoor"


_DRAWN_SCORES = {name: SCORES[name] for name in ("mean_iou", "pixel_accuracy")}
_DRAWN_PER_PICTURE = {
    "right": "right",
    "right_noisy": f"right, σ = {NOISE}",
    "right_larger": "right, twice the side",
}
GROUNDS = {
    "rooms": Ground(
        "indoor",
        SCORES,
        {"abs_rel": "AbsRel", "scaled_abs_rel": "AbsRel, scaled", "accuracy": "accuracy"},
        "abs_rel",
        # The shipped networks were trained so, too, when these trainings began.
        dict(
            segmentation=0.3,
            balance=0.5,
            smoothing=0.0,
            noise=0.0,
            blur=0.0,
            scales=1,
            portrait=0.0,
        ),
    ),
    "rods": Ground("rods", _DRAWN_SCORES, _DRAWN_PER_PICTURE, "mean_iou"),
    "paths": Ground("paths", _DRAWN_SCORES, _DRAWN_PER_PICTURE, "mean_iou"),
    "qtips": Ground(
        "qtips",
        _DRAWN_SCORES,
        {
            "right": "right",
            "right_0.05": "right, σ = 0.05",  # the largest of training
            "right_0.1": "right, σ = 0.1",
            "right_pgd": "right, PGD, ε = 1/255",
        },
        "mean_iou",
        # By the recipe of the shipped networks little is learned in so few epochs.
        dict(background=0.1, noise=0.05, blur=0.0),
    ),
}
COUNTS = (2, 4, 8, 16)
"""Numbers of time steps, half of them at 64 channels and half at 96; 4 as shipped."""


@dataclass(frozen=True)
class Variant:
    """Differences from the plain IMEXNet with the paper's 3×3 stencils, all alike, and h = 1.

    Attributes:
        words: what it is.
        network: fields of `ModelConfig`.
        recipe: fields of `TrainConfig`.
        steps: time steps in all on rooms; on other grounds as many in proportion.
    """

    words: str
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    steps: int = 4

    @property
    def config(self) -> ModelConfig:
        """The network for rooms."""
        return self.on("rooms")

    def on(self, ground: str) -> ModelConfig:
        """The network for a ground."""
        shipped, scale = MODELS[f"{GROUNDS[ground].base}-resnet"], self.steps / 4
        stages = tuple(replace(stage, steps=round(stage.steps * scale)) for stage in shipped.stages)
        return replace(shipped, stages=stages, **{"step": "imex", **self.network})


@dataclass(frozen=True)
class Setting:
    """How a variant is trained.

    Attributes:
        on: which ground.
        epochs: how many, `EPOCHS` by default.
        rate: peak of the learning rate, that of the recipe by default.
        size: side of drawn pictures in pixels, that of the network's configuration by default.
        after: epochs at the configuration's size before those, none by default.
    """

    on: str = "rooms"
    epochs: int | None = None
    rate: float | None = None
    size: int | None = None
    after: int | None = None

    def options(self) -> str:
        """As on the command line; what is left at its default is not named."""
        ground = " --data NYU" if GROUNDS[self.on].rooms else f" --on {self.on}"
        epochs = None if self.epochs == EPOCHS else self.epochs
        given = {"size": self.size, "epochs": epochs, "after": self.after, "rate": self.rate}
        named = (f" --{name} {value:g}" for name, value in given.items() if value is not None)
        return ground + "".join(named)

    @property
    def before(self) -> "Setting | None":
        """The training whose network this one begins with."""
        return None if self.after is None else Setting(self.on, self.after, self.rate)


REACH = (0.5, 16.0)
ABLATION = {
    "explicit": Variant("explicit step: the ResNet", {"step": "explicit"}),
    "imex": Variant("IMEX step, the paper's"),
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
    "reach": Variant("stencils log-spaced from 0.5 to 16, as shipped", {"reach": REACH}),
    "h-range": Variant("h log-spaced from 1/16 to 64", {"step_size_range": (1 / 16, 64.0)}),
    "stencils-2": Variant("two stencils per channel", {"stencils": 2}),
    "stencils-2-reach": Variant("two stencils, log-spaced", {"stencils": 2, "reach": REACH}),
    "stencil-5-reach": Variant("5×5 stencil, log-spaced", {"stencil_size": 5, "reach": REACH}),
    "stencils-2-5-reach": Variant(
        "two 5×5 stencils, log-spaced", {"stencils": 2, "stencil_size": 5, "reach": REACH}
    ),
    "identity": Variant("L = I", {"operator": "identity"}),
    "damped": Variant("L = αI, α trained per channel", {"step": "damped"}),
    "laplacians": Variant("L the Laplacian at three scales", {"step": "laplacians"}),
    "laplacian-4": Variant("L = −4²Δ", {"step": "laplacians", "lengths": (4.0,)}),
    "laplacian-16": Variant("L = −16²Δ", {"step": "laplacians", "lengths": (16.0,)}),
    "dilated": Variant(
        "dilated kernels (1, 2, 4, 8, 4, 1)", {"step": "dilated", "dilations": (1, 2, 4, 8, 4, 1)}
    ),
    "dilated-32": Variant(
        "dilated kernels (1, 2, 4, 8, 16, 32)",
        {"step": "dilated", "dilations": (1, 2, 4, 8, 16, 32)},
    ),
    "mean": Variant("mean of f added", {"step": "mean"}),
    "squeeze-excitation": Variant("squeeze-and-excitation", {"step": "squeeze-excitation"}),
    "large-kernel": Variant("31×31 depthwise kernel", {"step": "large-kernel"}),
    "global-filter": Variant("free global filter", {"step": "global-filter"}),
    "attention": Variant("self-attention at 1/8", {"step": "attention"}),
    "midpoint": Variant("explicit midpoint rule", {"step": "midpoint"}),
    "rk4": Variant("Runge-Kutta of order 4", {"step": "rk4"}),
    "trapezoidal": Variant("trapezoidal rule, θ = ½", {"step": "trapezoidal"}),
    "backward-euler": Variant("backward Euler, θ = 1", {"step": "backward-euler"}),
}
STEPS = {
    f"{kind}-{n}": Variant(f"{n} {kind} steps", {"step": kind}, steps=n)
    for kind in ("explicit", "imex")
    for n in COUNTS
    if n != 4  # these are in the ablation
}
VARIANTS = ABLATION | STEPS


TABLE = [*ABLATION, "explicit-8"]
"""Those of the ablation, and the ResNet of twice the depth."""


def command(name: str, seed: int | None = None, setting: Setting = Setting()) -> str:
    """What trains a variant; without a seed, what all its rows in runs.csv have in common."""
    given = "" if seed is None else f" --seed {seed}"
    return f"python benchmarks/variants.py train {name}{setting.options()}{given}"


def train(name: str, data: Path | None, seed: int, out: Path, setting: Setting) -> None:
    """Trains one variant and appends its scores to runs.csv; goes on where it was stopped.

    A run that is in runs.csv already is not scored again. The minutes are those of the last call.
    """
    from imexnet.training.loop import fit
    from imexnet.training.recipes import recipe

    variant, ground = VARIANTS[name], GROUNDS[setting.on]
    if ground.rooms and data is None:
        raise ValueError("rooms need --data, the folder that prepare-nyu writes")
    if ground.rooms and (setting.size or setting.after):
        raise ValueError("--size and --after are for rods and paths")
    start = None
    if setting.before is not None:
        start = checkpoint_of(name, seed, out, setting.before)
        if not start.exists():
            train(name, data, seed, out, setting.before)
    begun = time.monotonic()
    architecture = variant.on(setting.on)
    kind = "resnet" if architecture.step == "explicit" else "imexnet"
    epochs = EPOCHS if setting.epochs is None else setting.epochs
    # Other pictures than those of the training before: the stream follows from the seed.
    stream = seed if start is None else seed + 100
    config = recipe(f"{ground.base}-{kind}", seed=stream, epochs=epochs)
    config = replace(config, **{**ground.recipe, **variant.recipe})
    if setting.rate is not None:
        config = replace(config, learning_rate=setting.rate)
    if setting.size is not None:
        config = replace(config, size=(setting.size, setting.size))
    checkpoint = checkpoint_of(name, seed, out, setting)
    words = command(name, seed, setting)
    folder = data if ground.rooms else None
    if not checkpoint.exists():
        fit(config, checkpoint, folder, True, None, architecture, words, start)
    minutes = (time.monotonic() - begun) / 60
    if ground.rooms:
        new = row(checkpoint, minutes)
    else:
        card, _ = read(checkpoint)
        scores = {score: card.metrics[score] for score in ground.scores}
        new = row_of({**card.training, "seed": seed}, scores, minutes)
    new["command"] = words
    if is_recorded(new):
        tell(f"runs.csv has this run already: {words}", "variants")
        return
    network = load(checkpoint)
    if ground.rooms:
        assert data is not None
        found = of_rooms(network, data)
    else:
        found = of_qtips(network) if setting.on == "qtips" else of_drawn(network, ground.base)
    note(command(name, None, setting), seed, found)
    append(new)


def checkpoint_of(name: str, seed: int, out: Path, setting: Setting) -> Path:
    """Where a trained variant lies."""
    given = "-".join(re.findall(r"(?:on|size|epochs|after|rate) (\S+)", setting.options()))
    return out / f"{'-'.join(filter(None, (name, given)))}-{seed}.safetensors"


def of_rooms(network: Network, data: Path) -> dict[str, list[float]]:
    """Score → its value on each photo of the validation split."""
    found = [score_room(network, room) for room in nyu.read_rooms(data, "val")]
    return {
        "abs_rel": [room.depth["abs_rel"] for room in found],
        "scaled_abs_rel": [room.scaled["abs_rel"] for room in found],
        "accuracy": [pixel_accuracy(room.confusion) for room in found],
    }


def of_drawn(network: Network, task: str) -> dict[str, list[float]]:
    """Score → the share of the objects of each picture that are right: clean, noisy, larger."""
    from imexnet.training.tasks import VALIDATED, VALIDATION_STREAM

    def shares(count: int, size: int, noise: float = 0.0) -> list[float]:
        drawn = (DRAW[task](VALIDATION_STREAM, index, size) for index in range(count))
        right: dict[int, list[bool]] = {}
        for one in score_drawn(network, task, drawn, noise)[1]:
            right.setdefault(one.picture, []).append(one.right)
        return [statistics.mean(found) for found in right.values()]

    size = network.config.size[0]
    return {
        "right": shares(VALIDATED, size),
        "right_noisy": shares(VALIDATED, size, NOISE),
        "right_larger": shares(LARGER_PICTURES, 2 * size),
    }


def of_qtips(network: Network) -> dict[str, list[float]]:
    """Score → the share of the rod's pixels of each picture that are right: clean, noisy, attacked.

    All are validation pictures, those attacked the first `ATTACKED`, by PGD for this network.
    """
    from imexnet.training.tasks import VALIDATED, VALIDATION_STREAM

    pictures, labels = qtips.qtips(VALIDATION_STREAM, range(VALIDATED))
    x, truth = torch.from_numpy(pictures)[:, None] / 255, torch.from_numpy(labels).long()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(x.shape, generator=generator)  # the same for all networks
    attacked = [
        attack("pgd", loss(network, "qtips", answer), batch, 1 / 255)
        for batch, answer in zip(x[:ATTACKED].split(16), truth[:ATTACKED].split(16), strict=True)
    ]
    shown = {"right": x, "right_pgd": torch.cat(attacked)}
    shown |= {f"right_{sigma:g}": (x + sigma * noise).clamp(0, 1) for sigma in (0.05, 0.1)}
    found: dict[str, list[float]] = {}
    with torch.inference_mode():
        for score, moved in shown.items():
            answers = torch.cat([network(b)["qtips"].argmax(1) for b in moved.split(16)])
            known = truth[: len(moved)]
            right = (answers == known) & (known > 0)
            found[score] = (right.sum((1, 2)) / (known > 0).sum((1, 2))).tolist()
    return found


def scores(name: str, setting: Setting = Setting()) -> dict[str, list[float]] | None:
    """Score → its values over the seeds."""
    rows = groups().get(command(name, None, setting), [])
    names = GROUNDS[setting.on].scores
    return {score: [number(row[score]) for row in rows] for score in names} if rows else None


def best(name: str, setting: Setting) -> Setting:
    """The setting with the learning rate that did best, of those with the most seeds."""
    stem, ground = command(name, None, setting), GROUNDS[setting.on]
    pattern = re.escape(stem) + r"(?: --rate (\S+))?"
    found = [match for words in groups() if (match := re.fullmatch(pattern, words))]
    tried = [replace(setting, rate=float(m[1]) if m[1] else None) for m in found]
    sign = -1 if ground.best == "abs_rel" else 1

    def merit(one: Setting) -> tuple[int, float]:
        values = (scores(name, one) or {})[ground.best]
        return len(values), sign * statistics.mean(values)

    return max(tried, key=merit, default=setting)


def ablation(setting: Setting, against: str, timed: bool) -> str:
    """The table of the ablation on a ground, from runs.csv and pictures.csv."""
    ground = GROUNDS[setting.on]
    chosen = {name: best(name, setting) for name in TABLE}
    trained = [name for name in TABLE if scores(name, chosen[name])]
    columns: dict[str, dict[str, str]] = {
        "parameters": {
            n: f"{parameter_count(build(VARIANTS[n].on(setting.on))):,}" for n in trained
        },
        "rate": {n: "recipe" if chosen[n].rate is None else f"{chosen[n].rate:g}" for n in trained},
    }
    if timed:
        columns["ms"] = {n: f"{milliseconds(VARIANTS[n].on(setting.on)):.1f}" for n in trained}
    words = {name: command(name, None, chosen[name]) for name in TABLE}
    after: dict[str, dict[str, str]] = {}
    for score, title in ground.per_picture.items():
        if score not in ("abs_rel", "accuracy"):
            after[title] = {
                n: _spread([float(np.nanmean(v)) for v in per_picture(words[n], score).values()])
                for n in trained
            }
        after[f"{title} − {against}"] = {
            n: interval(paired(words[n], words[against], score)) if n != against else "—"
            for n in trained
        }
    names = {name: VARIANTS[name].words for name in trained}
    return table(names, columns, lambda name: scores(name, chosen[name]), ground.scores, after)


def _spread(values: list[float]) -> str:
    return summary(values, 3) if values else "—"


def milliseconds(config: ModelConfig, repeats: int = 9) -> float:
    """Median time of one picture of the training size, as the page asks it, on this machine."""
    network, times = fold(build(config).eval()), []
    picture = torch.rand(1, config.channels, *config.size)
    with torch.inference_mode():
        for _ in range(repeats + 2):
            begun = time.perf_counter()
            forward(network, picture)
            times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times[2:])


def table(
    names: dict[str, str],
    columns: dict[str, dict[str, str]],
    values: Callable[[str], dict[str, list[float]] | None] = scores,
    titles: dict[str, str] = SCORES,
    after: dict[str, dict[str, str]] | None = None,
) -> str:
    """Markdown: a line per variant; `columns` stand before its scores, `after` behind them."""
    last = after or {}
    heads = ["variant", *columns, "seeds", *titles.values(), *last]
    lines = [heads, ["---"] * len(heads)]
    for name, words in names.items():
        found = values(name)
        if found:
            cells = [summary(found[score], 3) for score in titles]
            before, behind = ([cells[name] for cells in more.values()] for more in (columns, last))
            count = str(len(next(iter(found.values()))))
            lines.append([words, *before, count, *cells, *behind])
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
    """AbsRel against parameters, multiply-adds and explicit window, one line per kind.

    Bars are standard deviations, where there are several seeds.
    """
    from matplotlib.figure import Figure

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


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    training = actions.add_parser("train")
    training.add_argument("variant", choices=VARIANTS)
    training.add_argument("--data", type=Path, help="the folder that prepare-nyu writes, for rooms")
    training.add_argument("--seed", type=int, nargs="+", default=[0])
    training.add_argument("--rate", type=float, help="peak of the learning rate")
    training.add_argument("--out", type=Path, default=Path("runs"))
    printed = actions.add_parser("table")
    printed.add_argument("--against", choices=TABLE, default="explicit")
    printed.add_argument("--time", action="store_true", help="also time each variant here")
    for action in (training, printed):
        action.add_argument("--on", choices=GROUNDS, default="rooms")
        action.add_argument("--epochs", type=int)
        action.add_argument("--size", type=int, help="side of drawn pictures, pixels")
        action.add_argument("--after", type=int, help="epochs at the usual size before these")
    actions.add_parser("steps")
    actions.add_parser("figure").add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    keep_freed_memory()
    if given.action == "train":
        if given.rate is not None and not 0 < given.rate < np.inf:
            raise ValueError(f"--rate must be positive and finite, got {given.rate:g}")
        setting = Setting(given.on, given.epochs, given.rate, given.size, given.after)
        for seed in given.seed:
            train(given.variant, given.data, seed, given.out, setting)
    elif given.action == "table":
        setting = Setting(given.on, given.epochs, None, given.size, given.after)
        print(ablation(setting, given.against, given.time))
    elif given.action == "steps":
        print(steps_table())
    else:
        figure(given.file)


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "variants")
