"""The tab "Inside the solve": the implicit solve stage by stage, and over many time steps."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from imexnet.inference import resize
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.steps import IMEXStep
from imexnet.ode import reaction_diffusion
from imexnet.ode.layer_ode import layer_problem, propagate
from imexnet.spectral.operators import BOUNDARIES
from imexnet.spectral.stages import classical_solve
from imexnet.spectral.symbols import zero_mean
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import emptied, inputs, leave_with, on_new_photo, require_photo
from imexnet.ui.components.parts import (
    COMPUTE,
    DEVICE,
    PRIVATE,
    SEED,
    SHOWN,
    Changes,
    Folder,
    as_user_error,
)
from imexnet.ui.solve.layers import Layer, choice, find
from imexnet.ui.solve.ode import Ode
from imexnet.viz import drawing, ode_figures, solve_figures

OPERATORS = [
    ("learned: BᵀB of the chosen time step and channel", "learned"),
    ("the fixed Laplacian", "laplacian"),
    ("αI", "identity"),
]
GRIDS = [("the photo, grey", "photo"), ("the chosen channel of its features", "features")]
STARTS = [("the photo", "photo"), ("noise", "noise"), ("a start made for the setting", "designed")]
OWN_LAYER = "layer"
PATTERNS = [
    *((setting.name, name) for name, setting in reaction_diffusion.SETTINGS.items()),
    ("f and L of the chosen time step (experimental)", OWN_LAYER),
]
PATTERN_NAMES = {name: title for title, name in PATTERNS}
PHOTO_PIXELS = 96 * 128  # of the grey photo that is solved for, at most
FRAMES = 48
FRAME_MILLISECONDS = 90
LAST_FRAME_MILLISECONDS = 1500  # of what has come to rest; waves go on at once
STILL = 1e-5  # change per unit of time below which nothing moves
DEAD = 1e-3  # standard deviation below which no wave is left
LAYER_STEPS = 200
LAYER_STEP_SIZE = 0.2
SHARES = (0, 0.25, 0.5, 0.75, 1)  # of the steps, where feature maps are shown
NO_LEARNED = "A ResNet has no learned L. Choose the IMEXNet, or another L."


class Solve:
    """Builds the tab inside an open `gr.Tab` and answers its events.

    Args:
        tab: the open tab; the recipe is worked out when it is chosen.
        networks: those of all tasks by name, in eval mode, on the device where they stay.
    """

    def __init__(self, tab: gr.Tab, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self.folder = Folder()
        self.once: list[Any] = []  # events that ask about the chosen layer for the photo there now
        self._build(tab)

    def recipe(
        self,
        channel: float,
        grid: str,
        operator: str,
        step_size: float,
        alpha: float,
        boundary: str,
        **layer: Any,
    ) -> tuple[list[tuple[np.ndarray, str]], str]:
        """Every stage of one solve as a picture, and the residual of the result."""
        with DEVICE:
            found = find(self.networks, **layer)
        c = min(max(0, int(channel or 0)), found.features.shape[1] - 1)
        rhs = _grey(require_photo(layer["photo"])) if grid == "photo" else _channel(found, c)
        stencil = None
        if operator == "learned":
            if not isinstance(found.step, IMEXStep):
                return [], f'<div class="note">{NO_LEARNED}</div>'
            stencil = zero_mean(found.step.stencil)[c].cpu().double().numpy()
        with as_user_error():
            stages = classical_solve(
                rhs, float(step_size), operator, stencil, float(alpha), boundary
            )
        size = drawing.display_size(rhs.shape, SHOWN)
        low, high = stages.multiplier.min(), stages.multiplier.max()
        words = (
            f'<div class="note">‖(I + hL) y − r‖ / ‖r‖ = <b>{stages.residual:.1e}</b>, L applied '
            f"in space; {found.place}, grid {rhs.shape[1]} × {rhs.shape[0]}, channel {c}; mean of "
            f"r {rhs.mean():.4f}, of y {stages.result.mean():.4f}; 1 / (1 + hλ) from {low:.3g} to "
            f"{high:.3g}; frequency 0 is in the middle of each spectrum.</div>"
        )
        return solve_figures.recipe_pictures(stages, size), words

    def propagation(
        self, channel: float, step_size: float, **layer: Any
    ) -> tuple[list[tuple[np.ndarray, str]], str]:
        """One layer taken 20 times explicitly, 5 times explicitly and 5 times implicitly."""
        h = float(step_size)
        runs = {}
        with DEVICE:
            found = find(self.networks, **layer)
            c = min(max(0, int(channel or 0)), found.features.shape[1] - 1)
            for name, steps, implicit in (
                ("explicit × 20", 20, False),
                ("explicit × 5", 5, False),
                ("IMEX × 5", 5, True),
            ):
                y = propagate(found.step, found.features, h, steps, implicit)
                runs[name] = [y[round(share * steps)][0, c].cpu().numpy() for share in SHARES]
        size = drawing.display_size(runs["IMEX × 5"][0].shape, SHOWN // 2)
        ends = ", ".join(f"{name}: {_size(maps[-1], maps[0])}" for name, maps in runs.items())
        words = (
            f'<div class="note">{found.place.capitalize()}, channel {c}; red above zero, '
            "blue below, one scale for all, to the largest value at the start. Size at the end, "
            f"relative to the start: {ends}.</div>"
        )
        return solve_figures.feature_pictures(runs, size), words

    def play(self, channel: float, setting: str, start: str, seed: float, **layer: Any) -> Changes:
        """Diffusion-reaction from a start: an animation, its last picture, and how it ends."""
        grey = _grey(require_photo(layer["photo"]))
        waves, span = False, None
        if setting == OWN_LAYER:
            with DEVICE:
                found = find(self.networks, **layer)
            y = found.features.cpu().double().numpy()
            if start == "noise":
                y = np.abs(y).mean() * np.random.default_rng(int(seed or 0)).standard_normal(
                    y.shape
                )
            problem = layer_problem(found.step, found.features)
            step_size, steps = LAYER_STEP_SIZE, LAYER_STEPS
            shown = 0, min(max(0, int(channel or 0)), y.shape[1] - 1)
        else:
            chosen = reaction_diffusion.SETTINGS[setting]
            y = reaction_diffusion.begin(chosen, start, grey, int(seed or 0))
            problem = reaction_diffusion.problem(chosen, grey.shape)
            step_size, steps, shown = chosen.step_size, chosen.steps, chosen.shown
            waves, span = chosen.waves, chosen.span
        spaced = np.linspace(1, steps, FRAMES) if waves else np.geomspace(1, steps, FRAMES)
        kept = set(np.unique(spaced.round().astype(int)).tolist())
        fields, changes = [y[shown]], []
        for n, (state, change) in enumerate(
            reaction_diffusion.evolve(problem, y, step_size, steps), 1
        ):
            changes.append(change)
            if n in kept:
                fields.append(state[shown])
        animation, last = self._animate(fields, span, 0 if waves else LAST_FRAME_MILLISECONDS)
        if len(changes) < steps:
            ended = f"blew up at step {len(changes) + 1}"
        elif waves and fields[-1].std() < DEAD:
            ended = "all waves have died out"
        else:
            moving = "still moving" if waves else "coming to rest"
            motion = moving if changes[-1] > STILL else "at rest"
            ended = f"{motion}: it changes by {changes[-1]:.1e} of its size per unit of time"
        words = (
            f'<div class="note">{PATTERN_NAMES[setting]}: {len(changes)} steps of h = {step_size}, '
            f"each one evaluation of f and one FFT solve; {ended}.</div>"
        )
        return {
            self.pattern: animation,
            self.rest: words,
            self.distance: ode_figures.distance_figure(changes or [1.0]),
            self.last: last,
        }

    def _animate(
        self, fields: list[np.ndarray], span: tuple[float, float] | None, pause: int
    ) -> tuple[str, str]:
        """A looping WebP of the fields and a PNG of the last one: two paths.

        Args:
            fields: (h, w) each.
            span: (low, high) of the colours; without it the last field on either side of 0.
            pause: milliseconds by which the last picture stays longer than the others.
        """
        peak = max(float(np.abs(fields[-1]).max()), 1e-12)
        colours = span or (-peak, peak)
        size = drawing.display_size(fields[0].shape, SHOWN)
        frames = [Image.fromarray(ode_figures.pattern_picture(f, colours, size)) for f in fields]
        folder = self.folder.new()
        times = [FRAME_MILLISECONDS] * len(frames)
        times[-1] += pause
        frames[0].save(
            folder / "pattern.webp", save_all=True, append_images=frames[1:], duration=times,
            loop=0, quality=70, method=0,
        )  # fmt: skip
        frames[-1].save(folder / "pattern.png")
        return str(folder / "pattern.webp"), str(folder / "pattern.png")

    def _build(self, tab: gr.Tab) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=280):
                chosen = inputs("solve-", task="qtips")
                layer = choice(chosen.photo, chosen.task)
                channel = gr.Number(0, label="Channel", precision=0, minimum=0)
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab("The recipe"):
                    recipe = self._build_recipe(layer, channel)
                with gr.Tab("Propagation"):
                    of_layer = self._build_propagation(layer, channel)
                with gr.Tab("Diffusion-reaction"):
                    patterns = self._build_patterns(layer, channel)
                self.ode = Ode(self.networks, layer)
                of_layer += self.ode.outputs
                self.once += self.ode.runs
        runs: list[Any] = [tab.select(**recipe)]
        choices = chosen.task.input, layer["kind"].input, layer["number"].release, channel.change
        for event in choices:
            # What the other tabs show is of the layer before; their patterns may be of none.
            event(**emptied([*of_layer, *recipe["outputs"]], self.once))
            runs.append(event(**recipe))
        others = [*of_layer, *patterns]
        for begun in on_new_photo(chosen):
            # What the other tabs show is of the photo before.
            begun.success(lambda: dict.fromkeys(others), None, others, **PRIVATE)
            runs.append(begun.success(**recipe))
        once = [*self.once, self.played]
        leave_with(chosen.photo, [*recipe["outputs"], *others], runs, once)

    def _build_recipe(self, layer: dict[str, Any], channel: gr.Number) -> dict[str, Any]:
        with gr.Row():
            grid = gr.Radio(GRIDS, value="photo", label="Solve for")
            operator = gr.Radio(OPERATORS, value="learned", label="L")
            boundary = gr.Radio(list(BOUNDARIES), value="periodic", label="Boundary")
        with gr.Row(equal_height=True):
            step_size = gr.Slider(0, 100, 5, step=0.5, label="h", elem_id="recipe-h")
            alpha = gr.Slider(0, 10, 1, step=0.5, label="α of αI")
            run = gr.Button("Solve", variant="primary", min_width=120, elem_id="solve-run")
        words = gr.HTML(label="residual", elem_id="residual")
        stages = gr.Gallery(
            label="Stages: choose one, then use the arrow keys",
            columns=5,
            format="png",
            height=470,
            object_fit="contain",
            buttons=["fullscreen"],
            elem_id="stages",
            elem_classes="stages",
        )
        show: dict[str, Any] = {
            "fn": self.recipe,
            "inputs_kwargs": layer,
            "inputs": [channel, grid, operator, step_size, alpha, boundary],
            "outputs": [stages, words],
            **COMPUTE,
        }
        chosen = [grid.input, operator.input, boundary.input]
        gr.on([run.click, step_size.release, alpha.release, *chosen], **show)
        return show

    def _build_propagation(self, layer: dict[str, Any], channel: gr.Number) -> list[Any]:
        gr.HTML(PROPAGATION_NOTE)
        with gr.Row(equal_height=True):
            step_size = gr.Slider(0.1, 3, 1.5, step=0.1, label="h")
            run = gr.Button("Propagate", variant="primary", min_width=120, elem_id="propagate")
        words = gr.HTML(label="sizes", elem_id="propagated")
        maps = gr.Gallery(
            label="Feature maps", columns=len(SHARES), format="png", height=700,
            object_fit="contain", buttons=["fullscreen"], elem_id="maps", elem_classes="maps",
        )  # fmt: skip
        propagated = gr.on(
            [run.click, step_size.release],
            self.propagation,
            [channel, step_size],
            [maps, words],
            inputs_kwargs=layer,
            **COMPUTE,
        )
        self.once.append(propagated)
        return [maps, words]

    def _build_patterns(self, layer: dict[str, Any], channel: gr.Number) -> list[Any]:
        gr.HTML(PATTERN_NOTE)
        with gr.Row():
            setting = gr.Dropdown(PATTERNS, value="stripes", label="Setting", elem_id="setting")
            start = gr.Radio(STARTS, value="photo", label="From")
            seed = gr.Number(0, label="Seed of the noise", **SEED)
        with gr.Row():
            play = gr.Button("Play", variant="primary", elem_id="play")
            stop = gr.Button("Stop", elem_id="stop")
        self.pattern = gr.Image(
            label="y", type="filepath", interactive=False, buttons=["fullscreen"],
            elem_id="pattern", elem_classes="pic",
        )  # fmt: skip
        self.rest = gr.HTML(label="rest", elem_id="rest")
        self.distance = gr.Plot(label="rest", show_label=False, format="png")
        self.last = gr.State("")
        outputs = [self.pattern, self.rest, self.distance, self.last]
        given = [channel, setting, start, seed]
        self.played = play.click(self.play, given, outputs, inputs_kwargs=layer, **COMPUTE)
        stop.click(lambda path: path or None, self.last, self.pattern, queue=False, **PRIVATE)
        return outputs


PROPAGATION_NOTE = (
    '<div class="note">The chosen time step, taken again and again from its own features of the '
    "photo: explicitly 20 times, explicitly only 5 times, and 5 times as an IMEX step (with the "
    "layer's own L; for a layer of the ResNet, with the Laplacian). After the first figure of "
    "Haber et al., 2019.</div>"
)
PATTERN_NOTE = (
    '<div class="note">(I + hL) Y⁺ = Y + h f(Y), the diffusion-reaction step.<br>'
    "<b>Patterns that come to rest.</b> Stripes and spots: L = BᵀB with the 3 × 3 stencil "
    "B = I + Δ / k², f(y) = ry + gy² − y³ (Swift &amp; Hohenberg). Two phases: L = −dΔ, "
    "f(y) = y − y³ (Allen &amp; Cahn).<br>"
    "<b>Waves, in two components with L = −DΔ for each.</b> Travelling pulse and spirals: "
    "f(u, w) = (u (1 − u) (u − a) − w, ε (βu − w)), D = 0 for w (FitzHugh; Nagumo). u excites its "
    "neighbours, then w keeps each place at rest for a while: a whole front travels on, and a "
    "broken one curls into spirals. Moving and dividing spots: f(u, v) = (F (1 − u) − uv², "
    "uv² − (F + k) v) (Gray &amp; Scott): v feeds on u. Shown is u of the first two, and v of the "
    "last two.</div>"
)


def _grey(photo: Photo) -> np.ndarray:
    """The photo in grey on [0, 1], of at most `PHOTO_PIXELS`; a drawn picture at its own size."""
    if drawn := examples.drawn_task(photo):
        side = examples.DRAWN[drawn].side
        return np.asarray(resize(photo.picture, (side, side)).convert("L"), float) / 255
    width, height = photo.picture.size
    scale = min(1.0, (PHOTO_PIXELS / (width * height)) ** 0.5)
    size = max(8, round(height * scale)), max(8, round(width * scale))
    return np.asarray(resize(photo.picture.convert("L"), size), float) / 255


def _channel(layer: Layer, c: int) -> np.ndarray:
    return layer.features[0, c].cpu().double().numpy()


def _size(end: np.ndarray, start: np.ndarray) -> str:
    before = max(float(np.linalg.norm(start.astype(float))), 1e-300)
    ratio = float(np.linalg.norm(end.astype(float))) / before
    return f"{ratio:.3g}" if np.isfinite(ratio) else "not a number"
