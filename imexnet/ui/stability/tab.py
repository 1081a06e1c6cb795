"""The tab "Stability": noise, attacks, step size and depth against both networks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from imexnet.inference import answer, in_metres
from imexnet.io.photos import Photo
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS, TASKS
from imexnet.stability import severity_curves
from imexnet.stability.attacks import ATTACKS, ITERATIONS
from imexnet.stability.bounds import StepBound, step_bounds
from imexnet.stability.corruptions import NOISES
from imexnet.stability.growth import Growth, perturbation_growth
from imexnet.stability.lipschitz import Lipschitz, local_lipschitz
from imexnet.ui.components import examples
from imexnet.ui.components.answers import answer_pictures
from imexnet.ui.components.inputs import emptied, inputs, leave_with, on_new_photo, pair_and_input
from imexnet.ui.components.parts import (
    COMPUTE,
    DEVICE,
    ON_DEVICE,
    PRIVATE,
    SEED,
    SHOWN,
    Changes,
    as_user_error,
    colour_bar,
    picture,
    table,
)
from imexnet.ui.stability.certificate import Certificate
from imexnet.ui.stability.curves import NAMES, SCORES, Curves
from imexnet.ui.stability.stretch import Stretch, outputs_of
from imexnet.viz import colours, drawing, plots, stability_figures

SLIDERS = {  # lowest, highest, step, start
    "gaussian": (0, 0.5, 0.005, 0.02),
    "salt-and-pepper": (0, 0.3, 0.005, 0.02),
    "blur": (0, 5, 0.25, 1),
    "jpeg": (1, 100, 1, 30),
    "brightness": (-0.5, 0.5, 0.05, 0.1),
} | dict.fromkeys(severity_curves.AIMED, (0, 8, 0.25, 1))
CHOICES = [(NAMES[name], name) for name in (*NOISES, *ATTACKS)]
STAGES = {"shown": "input", "before": "before", "after": "after", "change": "change"}
LIPSCHITZ_ITERATIONS = 20


class Stability:
    """Builds the tab inside an open `gr.Tab` and answers its events.

    Args:
        tab: the open tab; when it is first shown, the first answer is computed.
        networks: those of all tasks by name, in eval mode, on the device where they stay.
    """

    def __init__(self, tab: gr.Tab, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self._build(tab)

    def perturb(
        self,
        photo: Photo | None,
        task: str,
        perturbation: str,
        severity: float,
        seed: float,
        iterations: float,
        bounded: bool = False,
    ) -> Changes:
        """What both networks make of a perturbed photo: pictures, measures, growth."""
        photo, pair, x, camera = pair_and_input(self.networks, photo, task, bounded=bounded)
        options = int(seed or 0), int(iterations)
        truth = self._truth(photo, task)
        with DEVICE:
            with as_user_error():
                moved = {
                    kind: severity_curves.perturbed(
                        pair, kind, task, x, perturbation, severity, *options
                    )
                    for kind in pair
                }
            clean, after = outputs_of(pair, dict.fromkeys(pair, x)), outputs_of(pair, moved)
            grown = {kind: perturbation_growth(n, task, x, moved[kind]) for kind, n in pair.items()}
            local = {kind: _lipschitz(n, task, x, camera.depth_scale) for kind, n in pair.items()}
            steps = {kind: _bounds(n, (x.shape[-2], x.shape[-1])) for kind, n in pair.items()}
            scores = {"clean": _scores(task, clean, clean, truth)}
            scores["moved"] = _scores(task, after, clean, truth)
            if perturbation in ATTACKS:
                for control in ("random-signs", "transfer"):
                    other = {
                        kind: severity_curves.perturbed(
                            pair, kind, task, x, control, severity, *options
                        )
                        for kind in pair
                    }
                    scores[control] = _scores(task, outputs_of(pair, other), clean, truth)
        named = clean | {f"{kind} after": outputs for kind, outputs in after.items()}
        own = {name: in_metres(outputs, camera.depth_scale) for name, outputs in named.items()}
        pictures, legend = answer_pictures(task, photo, own)
        changes, bar = _change_maps(task, photo, clean, after)
        shown = {
            self.pictures[kind, stage]: image
            for kind in KINDS
            for stage, image in (
                ("shown", _as_picture(moved[kind], photo)),
                ("before", pictures[kind]),
                ("after", pictures[f"{kind} after"]),
                ("change", changes[kind]),
            )
        }
        figure = stability_figures.step_figure(
            {kind: g.growth for kind, g in grown.items()}, "‖δY‖ / ‖δY₀‖", first=1.0
        )
        return {
            **shown,
            self.legend: legend + bar,
            self.measures: f'<div class="note">{NAMES[perturbation]}, severity {severity:g}.</div>'
            + _measures(task, grown, steps, local, scores, truth is not None),
            self.figure: figure,
            self.seen: True,
        }

    def first(self, seen: bool, *given) -> Changes:
        """`perturb`, when the tab is shown for the first time."""
        return gr.skip() if seen else self.perturb(*given)

    @staticmethod
    def _truth(photo: Photo, task: str) -> np.ndarray | None:
        return examples.true_values(photo, task) if TASKS[task].drawn else None

    def _build(self, tab: gr.Tab) -> None:
        self.seen = gr.State(False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=280):
                chosen = inputs("stability-", task="qtips")
                bounded = gr.Checkbox(
                    label="Bounded weights",
                    info="Pairs whose time steps cannot amplify: for Q-tips and for rooms.",
                    elem_id="bounded",
                )
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab("Noise and attacks"):
                    controls, run = self._build_perturb()
                with gr.Tab("Step size and depth"):
                    self.stretch = Stretch(self.networks, chosen.photo, chosen.task, bounded)
                with gr.Tab("Severity curves"):
                    self.curves = Curves(self.networks, bounded)
                with gr.Tab("Certificate"):
                    self.certificate = Certificate(self.networks, chosen.photo)

        given = [chosen.photo, chosen.task, *controls, bounded]
        perturbed = [*self.pictures.values(), self.legend, self.measures, self.figure]
        outputs = [*perturbed, self.seen]
        show: dict[str, Any] = {"fn": self.perturb, "inputs": given, "outputs": outputs, **COMPUTE}
        runs: list[Any] = [on(**show) for on in (run.click, chosen.task.input, bounded.input)]
        for asked in runs:  # no results of another task, or of other networks, under a refusal
            asked.failure(**emptied(perturbed))
        others = [*self.stretch.outputs, *self.certificate.outputs]
        for begun in on_new_photo(chosen):
            begun.success(lambda: dict.fromkeys(others), None, others, **PRIVATE)
            runs.append(begun.success(**show))
        for changed in (chosen.task.input, bounded.input):  # what it shows is of other networks
            changed(**emptied(self.stretch.outputs, self.stretch.runs))
        tab.select(
            self.first, [self.seen, *given], outputs, **ON_DEVICE, **PRIVATE, trigger_mode="once"
        )
        once = [*self.stretch.runs, *self.certificate.runs]
        leave_with(chosen.photo, [*perturbed, *others], runs, once)

    def _build_perturb(self) -> tuple[list[Any], gr.Button]:
        with gr.Row(equal_height=True):
            kind = gr.Dropdown(
                CHOICES, value="gaussian", label="Perturbation", elem_id="perturbation"
            )
            severity = gr.Slider(**_slider("gaussian"), min_width=220, elem_id="severity")
            iterations = gr.Slider(
                1, 50, ITERATIONS, step=1, label="Iterations of PGD", visible=False
            )
            seed = gr.Number(0, label="Seed", **SEED)
            run = gr.Button("Perturb", variant="primary", min_width=120, elem_id="perturb")
        kind.change(
            lambda name: (gr.update(**_slider(name)), gr.update(visible=name == "pgd")),
            kind,
            [severity, iterations],
            queue=False,
            **PRIVATE,
        )
        self.pictures = {}
        for name in KINDS:
            with gr.Row():
                for stage, what in STAGES.items():
                    self.pictures[name, stage] = picture(
                        f"{plots.LABELS[name]}, {what}",
                        f"{name}-{stage}",
                        min_width=150,
                        buttons=[],
                    )
        self.legend = gr.HTML(label="legend")
        with gr.Row():
            with gr.Column(min_width=320):
                self.measures = gr.HTML(label="measures", elem_id="stability-measures")
            with gr.Column(min_width=320):
                self.figure = gr.Plot(
                    label="growth", show_label=False, format="png", elem_id="perturbation-growth"
                )
        return [kind, severity, seed, iterations], run


def _slider(perturbation: str) -> dict[str, Any]:
    low, high, step, start = SLIDERS[perturbation]
    label = severity_curves.meaning(perturbation)
    return {
        "minimum": low,
        "maximum": high,
        "step": step,
        "value": start,
        "label": f"Severity: {label}",
    }


@lru_cache(maxsize=16)
def _bounds(network: Network, size: tuple[int, int]) -> Sequence[StepBound]:
    """Of its time steps for pictures of that size: of the weights alone, so computed once."""
    return step_bounds(network, network.mean.new_zeros(1, network.config.channels, *size))


def _lipschitz(network: Network, task: str, x: Tensor, depth_scale: float) -> Lipschitz:
    return local_lipschitz(
        lambda v: in_metres(network(v), depth_scale)[task], x, LIPSCHITZ_ITERATIONS
    )


def _scores(
    task: str,
    outputs: Mapping[str, dict[str, Tensor]],
    clean: Mapping[str, dict[str, Tensor]],
    truth: np.ndarray | None,
) -> dict[str, float]:
    """Against the truth, else against each network's own clean answer on the input's grid."""
    found = {}
    for kind, own in outputs.items():
        size = (own[task].shape[-2], own[task].shape[-1])
        right = answer(task, clean[kind], size).values if truth is None else truth
        found[kind] = severity_curves.score(
            task, answer(task, own, (right.shape[0], right.shape[1])).values, right
        )
    return found


def _as_picture(x: Tensor, photo: Photo) -> np.ndarray:
    """What a network is shown, at the page's size."""
    size = drawing.display_size((photo.picture.height, photo.picture.width), SHOWN)
    pixels = (x[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
    return drawing.enlarge(np.ascontiguousarray(pixels), size, smooth=False)


def _change_maps(
    task: str,
    photo: Photo,
    clean: Mapping[str, dict[str, Tensor]],
    after: Mapping[str, dict[str, Tensor]],
) -> tuple[dict[str, np.ndarray], str]:
    """Where the answers changed, over the photo, on one scale for both, and its colour bar."""
    size = drawing.display_size((photo.picture.height, photo.picture.width), SHOWN)
    backdrop = np.asarray(photo.picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    maps = {}
    for kind in clean:
        grid = (clean[kind][task].shape[-2], clean[kind][task].shape[-1])
        a, b = (answer(task, outputs[kind], grid).values for outputs in (clean, after))
        maps[kind] = np.abs(np.log(b / a)) if task == "depth" else (a != b).astype(np.float32)
    peak = max(float(m.max()) for m in maps.values()) if task == "depth" else 1.0
    pictures = {
        kind: colours.heat_picture(backdrop, m / max(peak, 1e-12)) for kind, m in maps.items()
    }
    if task != "depth":
        return pictures, '<div class="note">Change: pixels whose class differs.</div>'
    ticks = [f"× {np.exp(v):.3g}" for v in np.linspace(0, peak, 5)]
    return pictures, colour_bar(colours.HEAT_COLOURS, ticks, "Change of the depth, by a factor of")


def _measures(
    task: str,
    grown: Mapping[str, Growth],
    steps: Mapping[str, Sequence[StepBound]],
    local: Mapping[str, Lipschitz],
    scores: Mapping[str, Mapping[str, float]],
    with_truth: bool,
) -> str:
    def row(label: str, words) -> tuple[str, dict[str, str]]:
        return label, {kind: words(kind) for kind in KINDS}

    def constant(kind: str) -> str:
        estimate = local[kind]
        return f"{'' if estimate.converged else '≥ '}{estimate.constant:.3g}"

    def bound(kind: str) -> str:
        return ", ".join(f"{step.bound:.3g}" for step in steps[kind])

    def guaranteed(kind: str) -> str:
        return f"{sum(step.nonexpansive for step in steps[kind])} of {len(steps[kind])}"

    names = {
        "clean": "Score of the clean picture",
        "moved": "Score of the perturbed picture",
        "random-signs": "… of random signs, same norm",
        "transfer": "… of PGD made for the other",
    }
    rows = [
        *(row(names[n], lambda kind, n=n: f"{scores[n][kind]:.3f}") for n in scores),
        row("Change of the answer, ‖δŷ‖ / ‖ŷ‖", lambda kind: f"{grown[kind].output_change:.3g}"),
        row("‖δY‖ / ‖δY₀‖ after the last step", lambda kind: f"{grown[kind].growth[-1]:.3g}"),
        row("Bound of each step, h‖D^½KS‖²", bound),
        row("Steps that cannot amplify", guaranteed),
        row("Local Lipschitz constant, clean", constant),
        row("… power iterations used", lambda kind: str(local[kind].iterations)),
    ]
    unit = "metres" if task == "depth" else "logits"
    score = SCORES[task] if with_truth or not TASKS[task].drawn else SCORES["segmentation"]
    return (
        table(rows, KINDS)
        + f'<div class="note">{score}. A step cannot amplify if its bound, which follows from its '
        "weights alone, is at most 2; layers between the steps may amplify all the same. The "
        "Lipschitz constant is that of the map from the picture "
        f"to the answer in {unit}.</div>"
    )
