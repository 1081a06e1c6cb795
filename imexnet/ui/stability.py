"""The tab "Stability": noise, attacks, step size and depth against both networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from imexnet import figures, render, robustness
from imexnet.attacks import ATTACKS, ITERATIONS
from imexnet.models import Network
from imexnet.predict import FAMILIES, KINDS, answer, to_input
from imexnet.robustness import Sample
from imexnet.stability import (
    NOISES,
    Growth,
    Lipschitz,
    describe,
    growth,
    local_lipschitz,
    stretched,
)
from imexnet.stability import norms as step_norms
from imexnet.ui import examples
from imexnet.ui.compare import answer_pictures
from imexnet.ui.inputs import fresh, inputs, pair_and_input, read, suited, to_show
from imexnet.ui.parts import (
    DEVICE,
    EVERY,
    LATEST,
    ON_DEVICE,
    PRIVATE,
    SHOWN,
    colour_bar,
    fault,
    picture,
    table,
)

NAMES = {
    "gaussian": "Gaussian noise",
    "salt-and-pepper": "Salt and pepper",
    "blur": "Blur",
    "jpeg": "JPEG",
    "brightness": "Brightness",
    "fgsm": "Attack: FGSM",
    "pgd": "Attack: PGD",
    "transfer": "PGD made for the other network",
    "random-signs": "Random signs, the norm of an attack",
}
SLIDERS = {  # lowest, highest, step, start
    "gaussian": (0, 0.5, 0.005, 0.02),
    "salt-and-pepper": (0, 0.3, 0.005, 0.02),
    "blur": (0, 5, 0.25, 1),
    "jpeg": (1, 100, 1, 30),
    "brightness": (-0.5, 0.5, 0.05, 0.1),
} | dict.fromkeys(robustness.AIMED, (0, 8, 0.25, 1))
CHOICES = [(NAMES[name], name) for name in (*NOISES, *ATTACKS)]
SETS = [
    ("Fresh Q-tips, against their truth", "qtips"),
    ("My photos, depth against the clean answer", "depth"),
    ("My photos, classes against the clean answer", "segmentation"),
]
MOST_PHOTOS = 64
PROGRESS = gr.Progress()  # Gradio knows it by its place as a default
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
        photo: Image.Image | None,
        task: str,
        perturbation: str,
        severity: float,
        seed: float,
        iterations: float,
    ) -> list[Any]:
        """What both networks make of a perturbed photo: pictures, measures, growth."""
        photo, pair, x = pair_and_input(self.networks, photo, task)
        options = int(seed or 0), int(iterations)
        truth = self._truth(photo, task)
        with DEVICE:
            try:
                moved = {
                    kind: robustness.perturbed(
                        pair, kind, task, x, perturbation, severity, *options
                    )
                    for kind in pair
                }
            except ValueError as error:
                raise fault(f"{str(error).capitalize()}.") from None
            clean, after = _outputs(pair, dict.fromkeys(pair, x)), _outputs(pair, moved)
            grown = {kind: growth(n, task, x, moved[kind]) for kind, n in pair.items()}
            local = {kind: _lipschitz(n, task, x) for kind, n in pair.items()}
            scores = {"clean": _scores(task, clean, clean, truth)}
            scores["moved"] = _scores(task, after, clean, truth)
            if perturbation in ATTACKS:
                for control in ("random-signs", "transfer"):
                    other = {
                        kind: robustness.perturbed(pair, kind, task, x, control, severity, *options)
                        for kind in pair
                    }
                    scores[control] = _scores(task, _outputs(pair, other), clean, truth)
        named = {f"{kind} after": outputs for kind, outputs in after.items()}
        pictures, legend = answer_pictures(task, photo, {**clean, **named})
        changes, bar = _change_maps(task, photo, clean, after)
        shown = [
            image
            for kind in KINDS
            for image in (
                _as_picture(moved[kind], photo),
                pictures[kind],
                pictures[f"{kind} after"],
                changes[kind],
            )
        ]
        figure = figures.step_figure(
            {kind: g.growth for kind, g in grown.items()}, "‖δY‖ / ‖δY₀‖", first=1.0
        )
        return [
            *shown,
            legend + bar,
            _measures(task, grown, local, scores, truth is not None),
            figure,
            True,
        ]

    def stretch(
        self, photo: Image.Image | None, task: str, step_size: float, repeats: float
    ) -> tuple[Any, Any, str, str, Figure]:
        """Both trained networks with another step size, and each step taken several times."""
        photo, pair, x = pair_and_input(self.networks, photo, task)
        try:
            twins = {k: stretched(n, float(step_size), int(repeats)) for k, n in pair.items()}
        except ValueError as error:
            raise fault(f"{str(error).capitalize()}.") from None
        with DEVICE:
            sizes = {kind: step_norms(twin, x) for kind, twin in twins.items()}
            outputs = _outputs(twins, dict.fromkeys(twins, x))
        whole = {kind: o for kind, o in outputs.items() if bool(o[task].isfinite().all())}
        pictures, legend = answer_pictures(task, photo, whole) if whole else ({}, "")
        rows = [
            ("The features", {kind: describe(sizes[kind]) for kind in KINDS}),
            (
                "The answer",
                {
                    kind: "numbers" if kind in whole else "not a number: there is no picture"
                    for kind in KINDS
                },
            ),
        ]
        figure = figures.step_figure(sizes, "‖Y‖ / ‖Y₀‖", first=1.0)
        return pictures.get("resnet"), pictures.get("imexnet"), legend, table(rows, KINDS), figure

    def curves(
        self,
        task: str,
        files: Sequence[str] | None,
        perturbation: str,
        images: float,
        seed: float,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[Figure, str]:
        """Scores over a set against severity, mean and spread."""
        pair = {kind: self.networks[f"{FAMILIES[task]}-{kind}"] for kind in KINDS}
        config, device = pair["resnet"].config, pair["resnet"].mean.device
        if task == "qtips":
            samples = robustness.fresh_qtips(int(seed or 0), int(images), config, device)
        else:
            photos = [read(path) for path in (files or [])[:MOST_PHOTOS]]
            if not photos:
                raise fault("Choose one photo or more for this set.")
            samples = [Sample(to_input(photo, config, device)) for photo in photos]

        def told(done: int, of: int) -> None:
            progress((done, of), unit="batches")

        severities = robustness.severities(perturbation)
        with DEVICE:
            points = robustness.curves(
                pair, task, samples, perturbation, severities, int(seed or 0), progress=told
            )
        unit = robustness.meaning(perturbation)
        curves = {k: [(p.severity, p.mean, p.std) for p in points[k]] for k in KINDS}
        if perturbation == "jpeg":  # quality 0 stands for the clean picture: it is no JPEG
            curves = {k: [p for p in points if p[0]] for k, points in curves.items()}
        rows = [
            (
                "clean" if first.severity == 0 else f"{first.severity:g}",
                {k: f"{points[k][i].mean:.3f} ± {points[k][i].std:.3f}" for k in KINDS},
            )
            for i, first in enumerate(points["resnet"])
        ]
        note = (
            f'<div class="note">{len(samples)} pictures; {NAMES[perturbation]}, {unit}. '
            f"{SCORES[task]}: mean ± standard deviation over the pictures.</div>"
        )
        return figures.severity_figure(curves, unit), table(rows, KINDS) + note

    def first(self, seen: bool, *given) -> list[Any]:
        """`perturb`, when the tab is shown for the first time."""
        if seen:
            return [gr.skip()] * OUTPUTS
        return self.perturb(*given)

    @staticmethod
    def _truth(photo: Image.Image, task: str) -> np.ndarray | None:
        return examples.true_values(photo, task) if task == "qtips" else None

    def _build(self, tab: gr.Tab) -> None:
        seen = gr.State(False)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=280):
                chosen = inputs("stability-", task="qtips")
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab("Noise and attacks"):
                    perturbed, controls, run = self._build_perturb()
                with gr.Tab("Step size and depth"):
                    self._build_stretch(chosen.photo, chosen.task)
                with gr.Tab("Severity curves"):
                    self._build_curves()

        given = [chosen.photo, chosen.task, *controls]
        outputs = [*perturbed, seen]
        show: dict[str, Any] = {
            "fn": self.perturb,
            "inputs": given,
            "outputs": outputs,
            **ON_DEVICE,
            **PRIVATE,
            **LATEST,
        }
        runs: list[Any] = [run.click(**show), chosen.task.input(**show)]
        fit: dict[str, Any] = {
            "fn": suited,
            "inputs": [chosen.photo, chosen.task],
            "outputs": chosen.task,
            **PRIVATE,
        }
        arrived = chosen.upload.upload(to_show, chosen.upload, chosen.photo, **PRIVATE, **EVERY)
        drawn = chosen.fresh.click(fresh, None, chosen.photo, **PRIVATE, **EVERY)
        for begun in (
            chosen.photo.upload(**fit, **EVERY),
            arrived.success(**fit, **LATEST),
            drawn.success(**fit, **LATEST),
            *(offered.load_input_event.then(**fit, **LATEST) for offered in chosen.examples),
        ):
            runs.append(begun.success(**show))
        tab.select(self.first, [seen, *given], outputs, **ON_DEVICE, **PRIVATE, trigger_mode="once")
        chosen.photo.clear(
            lambda: [None] * len(perturbed), None, perturbed, cancels=runs, **PRIVATE
        )

    def _build_perturb(self) -> tuple[list[Any], list[Any], gr.Button]:
        with gr.Row(equal_height=True):
            kind = gr.Dropdown(
                CHOICES, value="gaussian", label="Perturbation", elem_id="perturbation"
            )
            severity = gr.Slider(**_slider("gaussian"), elem_id="severity")
            iterations = gr.Slider(
                1, 50, ITERATIONS, step=1, label="Iterations of PGD", visible=False
            )
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90)
            run = gr.Button("Perturb", variant="primary", min_width=120, elem_id="perturb")
        kind.change(
            lambda name: (gr.update(**_slider(name)), gr.update(visible=name == "pgd")),
            kind,
            [severity, iterations],
            queue=False,
            **PRIVATE,
        )
        shown = []
        for name in KINDS:
            label = render.LABELS[name]
            with gr.Row():
                shown += [
                    picture(f"{label}, {what}", f"{name}-{place}", min_width=150, buttons=[])
                    for what, place in (
                        ("input", "shown"),
                        ("before", "before"),
                        ("after", "after"),
                        ("change", "change"),
                    )
                ]
        legend = gr.HTML(label="legend")
        with gr.Row():
            with gr.Column(min_width=320):
                measures = gr.HTML(label="measures", elem_id="stability-measures")
            with gr.Column(min_width=320):
                figure = gr.Plot(label="growth", show_label=False, format="png", elem_id="growth")
        return [*shown, legend, measures, figure], [kind, severity, seed, iterations], run

    def _build_stretch(self, photo: gr.Image, task: gr.Radio) -> None:
        gr.HTML(STRETCH_NOTE)
        with gr.Row(equal_height=True):
            step_size = gr.Slider(0.1, 20, 1, step=0.1, label="Step size h", elem_id="step-size")
            repeats = gr.Slider(1, 8, 1, step=1, label="Each step taken so many times")
            run = gr.Button("Run", variant="primary", min_width=120, elem_id="stretch")
        with gr.Row():
            shown = [picture(render.LABELS[kind], f"stretched-{kind}") for kind in KINDS]
        legend = gr.HTML(label="legend")
        words = gr.HTML(label="words", elem_id="stretched-words")
        figure = gr.Plot(label="norms", show_label=False, format="png")
        gr.on(
            [run.click, step_size.release, repeats.release],
            self.stretch,
            [photo, task, step_size, repeats],
            [*shown, legend, words, figure],
            **ON_DEVICE,
            **PRIVATE,
            **LATEST,
        )

    def _build_curves(self) -> None:
        with gr.Row():
            which = gr.Radio(SETS, value="qtips", label="Set")
            kind = gr.Dropdown(
                [(label, name) for name, label in NAMES.items()],
                value="gaussian",
                label="Perturbation",
            )
        with gr.Row(equal_height=True):
            images = gr.Slider(4, MOST_PHOTOS, 8, step=4, label="Q-tips to draw")
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=90)
            run = gr.Button("Draw the curves", variant="primary", min_width=160, elem_id="curves")
        photos = gr.File(
            label=f"Photos, at most {MOST_PHOTOS}",
            file_count="multiple",
            file_types=["image"],
            visible=False,
        )
        which.change(
            lambda task: (gr.update(visible=task != "qtips"), gr.update(visible=task == "qtips")),
            which,
            [photos, images],
            queue=False,
            **PRIVATE,
        )
        figure = gr.Plot(label="curves", show_label=False, format="png", elem_id="severity-curves")
        words = gr.HTML(label="scores", elem_id="scores")
        run.click(
            self.curves, [which, photos, kind, images, seed], [figure, words],
            **ON_DEVICE, **PRIVATE,
        )  # fmt: skip


OUTPUTS = 12  # of `Stability.perturb`
SCORES = {
    "qtips": "Share of the rod's pixels with the right class",
    "depth": "Share of pixels within 25 % of the clean answer",
    "segmentation": "Share of pixels with the class of the clean answer",
}
STRETCH_NOTE = (
    '<div class="note">The trained weights, h = 1, with another step size, and every time step '
    "taken several times in a row: what was learned is left behind, what remains is whether the "
    "numbers stay in bounds.</div>"
)


def _slider(perturbation: str) -> dict[str, Any]:
    low, high, step, start = SLIDERS[perturbation]
    label = robustness.meaning(perturbation)
    return {
        "minimum": low,
        "maximum": high,
        "step": step,
        "value": start,
        "label": f"Severity: {label}",
    }


def _outputs(pair: Mapping[str, Network], x: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    with torch.inference_mode():
        return {kind: network(x[kind]) for kind, network in pair.items()}


def _lipschitz(network: Network, task: str, x: Tensor) -> Lipschitz:
    return local_lipschitz(lambda v: network(v)[task], x, LIPSCHITZ_ITERATIONS)


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
        found[kind] = robustness.score(
            task, answer(task, own, (right.shape[0], right.shape[1])).values, right
        )
    return found


def _as_picture(x: Tensor, photo: Image.Image) -> np.ndarray:
    """What a network is shown, at the page's size."""
    size = render.display_size((photo.height, photo.width), SHOWN)
    pixels = (x[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
    return render.enlarge(np.ascontiguousarray(pixels), size, smooth=False)


def _change_maps(
    task: str,
    photo: Image.Image,
    clean: Mapping[str, dict[str, Tensor]],
    after: Mapping[str, dict[str, Tensor]],
) -> tuple[dict[str, np.ndarray], str]:
    """Where the answers changed, over the photo, on one scale for both, and its colour bar."""
    size = render.display_size((photo.height, photo.width), SHOWN)
    backdrop = np.asarray(photo.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    maps = {}
    for kind in clean:
        grid = (clean[kind][task].shape[-2], clean[kind][task].shape[-1])
        a, b = (answer(task, outputs[kind], grid).values for outputs in (clean, after))
        maps[kind] = np.abs(np.log(b / a)) if task == "depth" else (a != b).astype(np.float32)
    peak = max(float(m.max()) for m in maps.values()) if task == "depth" else 1.0
    pictures = {
        kind: render.heat_picture(backdrop, m / max(peak, 1e-12)) for kind, m in maps.items()
    }
    if task != "depth":
        return pictures, '<div class="note">Change: pixels whose class is another.</div>'
    ticks = [f"× {np.exp(v):.3g}" for v in np.linspace(0, peak, 5)]
    return pictures, colour_bar(render.HEAT_COLOURS, ticks, "Change of the depth, by a factor of")


def _measures(
    task: str,
    grown: Mapping[str, Growth],
    local: Mapping[str, Lipschitz],
    scores: Mapping[str, Mapping[str, float]],
    with_truth: bool,
) -> str:
    def row(label: str, words) -> tuple[str, dict[str, str]]:
        return label, {kind: words(kind) for kind in KINDS}

    def constant(kind: str) -> str:
        estimate = local[kind]
        return f"{'' if estimate.converged else '≥ '}{estimate.constant:.3g}"

    names = {
        "clean": "Score of the clean picture",
        "moved": "Score of what it is shown",
        "random-signs": "… of random signs, same norm",
        "transfer": "… of PGD made for the other",
    }
    rows = [
        *(row(names[n], lambda kind, n=n: f"{scores[n][kind]:.3f}") for n in scores),
        row("Change of the answer, ‖δŷ‖ / ‖ŷ‖", lambda kind: f"{grown[kind].output_change:.3g}"),
        row("‖δY‖ / ‖δY₀‖ after the last step", lambda kind: f"{grown[kind].growth[-1]:.3g}"),
        row("Local Lipschitz constant, clean", constant),
        row("… by so many power iterations", lambda kind: str(local[kind].iterations)),
    ]
    unit = "metres" if task == "depth" else "logits"
    score = SCORES[task] if with_truth or task != "qtips" else SCORES["segmentation"]
    return (
        table(rows, KINDS)
        + f'<div class="note">{score}. The Lipschitz constant is that of the map from the picture '
        f"to the answer in {unit}.</div>"
    )
