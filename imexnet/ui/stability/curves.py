"""Part of the tab "Stability": scores over a set of pictures against severity."""

from collections.abc import Mapping, Sequence

import gradio as gr
from matplotlib.figure import Figure

from imexnet.inference import to_input
from imexnet.io.camera import camera_of
from imexnet.models.networks import Network
from imexnet.models.tasks import KINDS, TASKS
from imexnet.stability import severity_curves
from imexnet.stability.severity_curves import Sample
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import PICTURES, emptied, pair_of, read
from imexnet.ui.components.parts import (
    DEVICE,
    ON_DEVICE,
    PRIVATE,
    PROGRESS,
    SEED,
    table,
    user_error,
)
from imexnet.viz import stability_figures

NAMES = {
    "gaussian": "Gaussian noise",
    "salt-and-pepper": "Salt and pepper",
    "blur": "Blur",
    "jpeg": "JPEG",
    "brightness": "Brightness",
    "fgsm": "Attack: FGSM",
    "pgd": "Attack: PGD",
    "transfer": "PGD made for the other network",
    "random-signs": "Random signs with the norm of an attack",
}
SETS = [
    *((f"Fresh {of.pictures}, against their truth", task) for task, of in examples.DRAWN.items()),
    ("My photos, depth against the clean answer", "depth"),
    ("My photos, classes against the clean answer", "segmentation"),
]
MOST_PHOTOS = 64
MOST_ATTACKED = 8  # photos: an attack takes ten passes there and back for each severity
SCORES = {
    **{
        task: f"Share of the pixels of {of.objects} with the right class"
        for task, of in examples.DRAWN.items()
    },
    "depth": "Share of pixels within 25 % of the clean answer",
    "segmentation": "Share of pixels with the class of the clean answer",
}


class Curves:
    """Builds its tab where it is called and answers its events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        bounded: the switch that asks for the pairs with bounded weights.
    """

    def __init__(self, networks: Mapping[str, Network], bounded: gr.Checkbox) -> None:
        self.networks = networks
        self._build(bounded)

    def draw(
        self,
        task: str,
        files: Sequence[str] | None,
        perturbation: str,
        images: float,
        seed: float,
        bounded: bool = False,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[Figure, str]:
        """Scores over a set against severity, mean and spread."""
        pair = pair_of(self.networks, task, bounded=bounded)
        config, device = pair["resnet"].config, pair["resnet"].mean.device
        if TASKS[task].drawn:
            samples = severity_curves.fresh(int(seed or 0), int(images), config, device)
        else:
            if not files:
                raise user_error("Choose one photo or more for this set.")
            most = MOST_ATTACKED if perturbation in severity_curves.ATTACKED else MOST_PHOTOS
            if len(files) > most:
                raise user_error(f"Choose at most {most} photos; these are {len(files)}.")
            samples = [
                Sample(to_input(photo, config, device, camera_of(photo)))
                for photo in map(read, files)  # one after the other, as one may be large
            ]

        def told(done: int, of: int) -> None:
            progress((done, of), unit="batches")

        severities = severity_curves.severities(perturbation)
        with DEVICE:
            points = severity_curves.curves(
                pair, task, samples, perturbation, severities, int(seed or 0), progress=told
            )
        unit = severity_curves.meaning(perturbation)
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
            f'<div class="note">{"Bounded weights; " * bounded}{len(samples)} pictures; '
            f"{NAMES[perturbation]}, {unit}. "
            f"{SCORES[task]}: mean ± standard deviation over the pictures.</div>"
        )
        return stability_figures.severity_figure(curves, unit), table(rows, KINDS) + note

    def _build(self, bounded: gr.Checkbox) -> None:
        with gr.Row():
            which = gr.Radio(SETS, value="qtips", label="Set")
            kind = gr.Dropdown(
                [(label, name) for name, label in NAMES.items()],
                value="gaussian",
                label="Perturbation",
            )
        with gr.Row(equal_height=True):
            images = gr.Slider(4, MOST_PHOTOS, 8, step=4, label="Pictures to draw")
            seed = gr.Number(0, label="Seed", **SEED)
            run = gr.Button("Draw the curves", variant="primary", min_width=160, elem_id="curves")
        photos = gr.File(
            label=f"Photos, at most {MOST_PHOTOS}; for attacks {MOST_ATTACKED}",
            file_count="multiple",
            file_types=PICTURES,
            visible=False,
        )
        which.change(
            lambda task: [gr.update(visible=TASKS[task].drawn is drawn) for drawn in (False, True)],
            which,
            [photos, images],
            queue=False,
            **PRIVATE,
        )
        figure = gr.Plot(label="curves", show_label=False, format="png", elem_id="severity-curves")
        words = gr.HTML(label="scores", elem_id="curve-scores")
        drawn = run.click(
            self.draw, [which, photos, kind, images, seed, bounded], [figure, words],
            **ON_DEVICE, **PRIVATE,
        )  # fmt: skip
        # What is shown is not of these.
        for changed in (photos.change, bounded.input, which.change):
            changed(**emptied([figure, words], [drawn]))
