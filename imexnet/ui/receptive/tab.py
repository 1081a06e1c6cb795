"""The tab "Receptive field": of whole networks, step by step, and of one implicit solve."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from imexnet.inference import to_grid
from imexnet.io.photos import Photo
from imexnet.models.networks import Network, time_steps
from imexnet.models.steps import IMEXStep
from imexnet.models.tasks import KINDS, TASKS
from imexnet.sensitivity.green import SQUARES, farthest, green
from imexnet.sensitivity.receptive_field import Average, effective, pictures, reach_per_step
from imexnet.sensitivity.window import window_width
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import (
    MOST_STEPS,
    chosen_step,
    emptied,
    inputs,
    leave_with,
    on_new_photo,
    pair_and_input,
    pair_of,
)
from imexnet.ui.components.parts import (
    COMPUTE,
    DEVICE,
    EVERY,
    ON_DEVICE,
    PRIVATE,
    PROGRESS,
    SEED,
    SHOWN,
    Changes,
    Folder,
    as_user_error,
    colour_bar,
    picture,
    table,
    user_error,
)
from imexnet.viz import colours, drawing, field_of_view_figures, plots

MOST_PICTURES, MOST_PIXELS = 12, 16
REMEMBERED = 32  # averages
THUMBNAIL = 256
DECADES = 8  # of growth: far away, one solve leaves little
GREEN_GRIDS = {"depth": (60, 80), "segmentation": (60, 80)} | {
    task: (of.side, of.side) for task, of in examples.DRAWN.items()
}
WHOLE_NOTE = (
    '<div class="note">S / ΣS averaged over random pixels of many pictures (rendered kitchens; '
    "new drawings), each map moved so that its pixel lies in the middle. Stop keeps the "
    "average so far.</div>"
)
GROWTH_NOTE = (
    '<div class="note">What the features at one place depend on: S of ½ ‖Y_j(p)‖² before the first '
    "time step and after each, relative to its own peak. A step of the ResNet sees two cells "
    "further to either side; a step of the IMEXNet, everything at once. Click the photo to choose "
    "the place.</div>"
)
GREEN_NOTE = (
    '<div class="note">G = (I + hBᵀB)⁻¹ δ, one channel of a trained step: what its solve makes of '
    "a single bright cell. Trained with h = 1; move h to see the reach grow.</div>"
)


class UpTo(gr.Slider):
    """A slider whose maximum follows the task."""

    is_template = True  # the front end knows it as "slider"

    def preprocess(self, payload: float) -> float:
        """At most the maximum: after a quick change of task, the last value may still come."""
        return super().preprocess(min(payload, self.maximum))


class Receptive:
    """Builds the tab inside an open `gr.Tab` and answers its events.

    Args:
        near: tells by the event `select` that a reader comes; then the steps are worked out.
        networks: those of all tasks by name, not folded, in eval mode, on their device.
    """

    def __init__(self, near: gr.HTML, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self.folder = Folder()
        self.averages: dict[tuple, dict[str, Average]] = {}
        self.farthest: dict[str, tuple[int, int]] = {}  # task → step and channel
        self._build(near)

    def whole(
        self, task: str, count: float, pixels: float, seed: float, progress: gr.Progress = PROGRESS
    ) -> Iterator[Changes]:
        """Effective receptive fields of both networks, after each picture."""
        asked = task, int(count), int(pixels), int(seed or 0)
        if asked in self.averages:
            yield self._shown(task, self.averages[asked])
            return
        pair = pair_of(self.networks, task)
        files = [Path(path) for path in examples.kitchens()]
        if not TASKS[task].drawn and not files:
            raise user_error("This server has no pictures of rooms; choose Q-tips.")
        running = {
            kind: effective(network, task, pictures(network, task, files, asked[1]), *asked[2:])
            for kind, network in pair.items()
        }
        found: dict[str, Average] = {}
        for number in range(asked[1]):
            progress((number, asked[1]), unit="pictures")
            with DEVICE:
                found = {kind: next(average) for kind, average in running.items()}
            yield self._shown(task, found)
        if len(self.averages) == REMEMBERED:
            del self.averages[next(iter(self.averages))]
        self.averages[asked] = found

    def _shown(self, task: str, found: Mapping[str, Average]) -> Changes:
        middles = {kind: average.middle for kind, average in found.items()}
        peak = max(float(m.max()) for m in middles.values())
        size = drawing.display_size(middles["resnet"].shape, SHOWN)
        maps = {
            kind: drawing.enlarge(
                colours.colour(colours.heat_values(m, peak), colours.HEAT_COLOURS), size
            )
            for kind, m in middles.items()
        }
        paths = self.folder.pictures(maps)
        width = window_width(pair_of(self.networks, task)["resnet"].config)
        rows = field_of_view_figures.average_rows(found)
        note = (
            f'<div class="note">{found["resnet"].count} pixels; mean ± standard deviation over '
            f"them. The explicit window is {width} px wide.</div>"
        )
        return {
            **{self.maps[kind]: paths[kind] for kind in KINDS},
            self.averaged: table(rows, KINDS) + note,
            self.profile: field_of_view_figures.average_figure(middles),
        }

    def steps(
        self, photo: Photo | None, task: str, clicked: tuple[int, int] | None
    ) -> tuple[Any, str]:
        """The window of both networks after each time step, where the photo was clicked."""
        photo, pair, x, _ = pair_and_input(self.networks, photo, task)
        height, width = photo.shape
        column, row = clicked or (width // 2, height // 2)
        pixel = min(row, height - 1), min(column, width - 1)
        grid = (x.shape[-2], x.shape[-1])
        with as_user_error(), DEVICE:
            cell = to_grid(pixel, photo.shape, grid)
            found = {kind: reach_per_step(network, x, cell) for kind, network in pair.items()}
        size = drawing.display_size(grid, THUMBNAIL)
        shown = []
        for kind, reaches in found.items():
            for number, reach in enumerate(reaches):
                peak = float(reach.sensitivity.max())
                heat = colours.heat_values(reach.sensitivity, peak, decades=DECADES)
                image = drawing.enlarge(
                    colours.colour(heat, colours.HEAT_COLOURS), size, smooth=False
                )
                whole = (reach.rows, reach.columns) == grid
                side = "all" if whole else f"{reach.columns} × {reach.rows}"
                words = f"{plots.LABELS[kind]} {number} · {side}"
                shown.append((image, words))
        rows = [
            (
                f"After step {number}: extent of S > 0; area that holds 95 % of ΣS",
                {
                    kind: f"{reach.columns} × {reach.rows} px; {100 * reach.area95:.1f} %"
                    for kind, reach in zip(found, pair_of_reaches, strict=True)
                },
            )
            for number, pair_of_reaches in enumerate(zip(*found.values(), strict=True))
        ]
        return gr.update(value=shown, columns=len(found["resnet"])), table(rows, KINDS)

    def green(self, task: str, number: float, channel: float | None, h: float) -> Changes:
        """The Green's function of one channel of a trained step of the IMEXNet."""
        step = self._step(task, number)
        channels = step.conv.in_channels
        c = min(max(0, int(channel or 0)), channels - 1)
        with as_user_error():
            found = green(step, c, float(h), GREEN_GRIDS[task])
        size = drawing.display_size(found.response.shape, SHOWN)
        peak = float(np.abs(found.response).max())
        heat = colours.heat_values(found.response, peak, decades=DECADES)
        arrays = {
            "response": colours.colour(0.5 + heat / 2, colours.SIGNED_COLOURS),
            "multiplier": colours.colour(found.multiplier, "viridis"),
        }
        paths = self.folder.pictures(
            {name: drawing.enlarge(a, size, smooth=False) for name, a in arrays.items()}
        )
        masses = ", ".join(f"{side} × {side}: {100 * found.masses[side]:.1f} %" for side in SQUARES)
        words = (
            f'<div class="note">Channel {c} of {channels}, grid {found.response.shape[1]} × '
            f"{found.response.shape[0]}. Decay length <b>{found.decay_length:.2f}</b> cells: |G| "
            f"falls by e over it. Share of Σ|G| within {masses}. 1 / (1 + hλ) from "
            f"{found.multiplier.min():.3g} to {found.multiplier.max():.3g}.</div>"
        )
        return {
            self.response: paths["response"],
            self.multiplier: paths["multiplier"],
            self.decay_words: words,
            self.decay: field_of_view_figures.green_figure(found),
        }

    def ranges(self, task: str) -> Changes:
        """The steps and channels that the task's IMEXNet has; first that which reaches farthest."""
        steps = time_steps(pair_of(self.networks, task)["imexnet"])
        fewest = min(step.conv.in_channels for step in steps)
        if task not in self.farthest:
            layers = [self._step(task, number) for number in range(1, len(steps) + 1)]
            self.farthest[task] = farthest(layers, 1.0, GREEN_GRIDS[task])
        number, channel = self.farthest[task]
        return {
            self.number: gr.update(maximum=len(steps), value=number),
            self.channel: gr.update(maximum=fewest - 1, value=channel),
        }

    def _step(self, task: str, number: float) -> IMEXStep:
        step = chosen_step(time_steps(pair_of(self.networks, task)["imexnet"]), number)
        if not isinstance(step, IMEXStep):
            raise user_error("This network has no implicit steps.")
        return step

    def _build(self, near: gr.HTML) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=280):
                chosen = inputs("reach-", task="qtips")
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab("Steps"):
                    steps, clicked = self._build_steps(chosen.photo, chosen.task)
                with gr.Tab("Whole"):
                    self._build_whole(chosen.task)
                with gr.Tab("Green's function") as greens:
                    green = self._build_green(chosen.task)
        for event in (greens.select, chosen.task.change):
            event(self.ranges, chosen.task, [self.number, self.channel], **PRIVATE).then(**green)
        runs: list[Any] = [
            near.select(**steps),  # pyright: ignore[reportAttributeAccessIssue]
            chosen.photo.select(
                _clicked, None, clicked, show_progress="hidden", **PRIVATE, **EVERY
            ).then(**steps),
            chosen.task.input(**steps),
        ]
        for begun in on_new_photo(chosen):
            runs.append(begun.success(lambda: None, None, clicked, **PRIVATE).then(**steps))
        leave_with(chosen.photo, steps["outputs"], runs)

    def _build_steps(self, photo: gr.Image, task: gr.Radio) -> tuple[dict[str, Any], gr.State]:
        gr.HTML(GROWTH_NOTE)
        clicked = gr.State(None)  # (column, row) of the photo; None for its middle
        shown = gr.Gallery(
            label="Sensitivity after each step", columns=7, format="png", height="auto",
            object_fit="contain", buttons=["fullscreen"], elem_id="growth", elem_classes="stages",
        )  # fmt: skip
        ticks = colours.decade_ticks(DECADES, 2)
        gr.HTML(colour_bar(colours.HEAT_COLOURS, ticks, "Sensitivity relative to each peak"))
        words = gr.HTML(label="growth", elem_id="growth-words")
        show: dict[str, Any] = {
            "fn": self.steps,
            "inputs": [photo, task, clicked],
            "outputs": [shown, words],
            **COMPUTE,
        }
        return show, clicked

    def _build_whole(self, task: gr.Radio) -> None:
        gr.HTML(WHOLE_NOTE)
        with gr.Row(equal_height=True):
            count = gr.Slider(1, MOST_PICTURES, 6, step=1, label="Pictures")
            pixels = gr.Slider(1, MOST_PIXELS, 8, step=1, label="Pixels per picture")
            seed = gr.Number(0, label="Seed", **SEED)
        with gr.Row():
            run = gr.Button("Average", variant="primary", elem_id="average")
            stop = gr.Button("Stop", elem_id="average-stop")
        with gr.Row():
            self.maps = {k: picture(plots.LABELS[k], f"average-{k}") for k in KINDS}
        ticks = colours.decade_ticks(colours.DECADES)
        title = "Mean share per pixel, relative to the peak of both"
        gr.HTML(colour_bar(colours.HEAT_COLOURS, ticks, title))
        with gr.Row():
            with gr.Column(min_width=320):
                self.averaged = gr.HTML(label="averages", elem_id="averages")
            with gr.Column(min_width=320):
                self.profile = gr.Plot(label="averages", show_label=False, format="png")
        outputs = [*self.maps.values(), self.averaged, self.profile]
        given = [task, count, pixels, seed]
        running = run.click(self.whole, given, outputs, **ON_DEVICE, **PRIVATE)
        stop.click(lambda: None, None, None, cancels=[running], queue=False, **PRIVATE)
        task.change(**emptied(outputs, [running]))

    def _build_green(self, task: gr.Radio) -> dict[str, Any]:
        gr.HTML(GREEN_NOTE)
        with gr.Row(equal_height=True):
            number = self.number = UpTo(
                1, MOST_STEPS, 1, step=1, label="Time step", elem_id="green-step"
            )
            channel = self.channel = UpTo(0, 15, 0, step=1, label="Channel")
            h = gr.Slider(0, 100, 1, step=0.5, label="h", elem_id="green-h")
        with gr.Row():
            self.response = picture("G in space, logarithmic and signed", "green-response")
            self.multiplier = picture("1 / (1 + hλ), frequency 0 in the middle", "green-multiplier")
        self.decay_words = gr.HTML(label="decay", elem_id="green-words")
        self.decay = gr.Plot(label="decay", show_label=False, format="png")
        show: dict[str, Any] = {
            "fn": self.green,
            "inputs": [task, number, channel, h],
            "outputs": [self.response, self.multiplier, self.decay_words, self.decay],
            "show_progress": "hidden",
            **COMPUTE,
        }
        gr.on([number.change, h.change, channel.change], **show)
        return show


def _clicked(event: gr.SelectData) -> tuple[int, int]:
    return event.index[0], event.index[1]
