"""Part of "Inside the solve": one layer as a differential equation, and what steps cost."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np
from matplotlib.figure import Figure

from imexnet.models.networks import Network
from imexnet.ode import layer_ode
from imexnet.ode.cost import Cost, cost, seconds
from imexnet.ode.integrators import SOLVERS, STEPPERS, integrate, reference
from imexnet.ode.model_problem import SCHEMES, Settings, amplification
from imexnet.ui.components.parts import (
    COMPUTE,
    DEVICE,
    PRIVATE,
    SEED,
    as_user_error,
    picture,
    table,
)
from imexnet.ui.solve.layers import find
from imexnet.viz import ode_figures

CHOICES = [(label, name) for name, label in SCHEMES.items()]
SHOWN_FIRST = ["forward-euler", "rk4", "imex", "backward-euler"]
TRAJECTORY_STEPS = 20
STEP_COUNTS = (2, 4, 8, 16, 32)
SMALL = 16 * 16 * 3  # numbers of the features that the steppers are compared on
COSTS = {"resnet": "explicit", "imexnet": "with the solve"}


class Ode:
    """Builds its tabs inside open `gr.Tabs` and answers their events.

    Args:
        networks: those of all tasks by name, in eval mode, on the device where they stay.
        layer: the components that choose a layer, by parameter of `find`.
    """

    def __init__(self, networks: Mapping[str, Network], layer: dict[str, Any]) -> None:
        self.networks = networks
        self.outputs: list[Any] = []  # all that shows something of a photo
        self.runs: list[Any] = []  # the events that show it
        with gr.Tab("Model problem"):
            self._build_plane(layer)
        with gr.Tab("Why K₂ = −K₁ᵀ"):
            self._build_tie(layer)
        with gr.Tab("Fully implicit"):
            self._build_steppers(layer)
        with gr.Tab("Cost"):
            self._build_cost()

    def plane(
        self,
        step_size: float,
        schemes: list[str],
        theta: float,
        damping: float,
        real: float,
        imaginary: float,
        **layer: Any,
    ) -> tuple[np.ndarray, Figure, str]:
        """The regions with a layer's hλ, and the trajectories for the z that was clicked."""
        with DEVICE:
            found = find(self.networks, **layer)
            rhs = layer_ode.in_double(found.step).rhs
            spectrum = layer_ode.eigenvalues(
                layer_ode.jacobian(rhs, layer_ode.crop(found.features))
            )
        settings = Settings(float(theta), float(damping))
        z = complex(real or 0, imaginary or 0)
        shown = [scheme for scheme in SCHEMES if scheme in schemes]
        plane = ode_figures.plane_picture(shown, settings, float(step_size) * spectrum, z)
        figure = ode_figures.trajectory_figure(z, shown, settings, TRAJECTORY_STEPS)
        sizes = {s: abs(complex(amplification(s, z, settings))) for s in shown}
        rows = [
            ("|R(z)|", {s: f"{size:.3g}" for s, size in sizes.items()}),
            ("", {s: "stable" if size <= 1 else "grows" for s, size in sizes.items()}),
        ]
        h = float(step_size)
        note = (
            f'<div class="note">z = {z:.2f}, |e^z| = {abs(np.exp(z)):.3g}. '
            f"{found.place.capitalize()}: {len(spectrum)} eigenvalues on the centre of the "
            f"features, hλ from {h * spectrum.real.min():.3g} to "
            f"{h * spectrum.real.max():.3g}.</div>"
        )
        return plane, figure, table(rows, shown, SCHEMES) + note

    def tie(self, seed: float, **layer: Any) -> tuple[Figure, str]:
        """Spectra of the Jacobian of f, K₂ = −K₁ᵀ as trained and K₂ random of the same norm."""
        with DEVICE:
            found = find(self.networks, **layer)
            step, y = layer_ode.in_double(found.step), layer_ode.crop(found.features)
            tied = layer_ode.eigenvalues(layer_ode.jacobian(step.rhs, y))
            loose = layer_ode.untied(step, int(seed or 0))
            untied = layer_ode.eigenvalues(layer_ode.jacobian(loose, y))
        names = {"tied": "K₂ = −K₁ᵀ, as trained", "untied": "K₂ random, same norm"}
        spectra = {"tied": tied, "untied": untied}
        rows = [
            ("largest Re λ", {k: f"{v.real.max():.3g}" for k, v in spectra.items()}),
            ("smallest Re λ", {k: f"{v.real.min():.3g}" for k, v in spectra.items()}),
            ("largest |Im λ|", {k: f"{np.abs(v.imag).max():.3g}" for k, v in spectra.items()}),
            (
                "Re λ > 10⁻⁹, of all",
                {k: f"{100 * (v.real > 1e-9).mean():.1f} %" for k, v in spectra.items()},
            ),
        ]
        side = "×".join(str(n) for n in y.shape[1:])
        note = (
            f'<div class="note">∂f/∂Y on the central {side} of the features of this photo, dense, '
            "float64. Tied, it is −KᵀDK with D the slopes of σ(N(·)): symmetric, with no "
            "positive eigenvalue as long as no scale γ of the norm is negative.</div>"
        )
        figure = ode_figures.spectrum_figure({names[k]: v for k, v in spectra.items()})
        return figure, table(rows, list(names), names) + note

    def steppers(self, end: float, solver: str, **layer: Any) -> tuple[Figure, str]:
        """Error of ẏ = f(y) − Ly at the end against evaluations of f, for every stepper."""
        with DEVICE:
            found = find(self.networks, **layer)
            y = layer_ode.crop(found.features, SMALL)
            problem = layer_ode.layer_problem(found.step, y)
            start = y.numpy()
            exact = reference(problem, start, float(end))
            size = float(np.sqrt(np.square(exact).sum()))
            runs: dict[str, list[tuple[int, float]]] = {name: [] for name in STEPPERS}
            for stepper in STEPPERS:
                for steps in STEP_COUNTS:
                    run = integrate(problem, stepper, start, float(end), steps, solver)
                    error = float(np.sqrt(np.square(run.y - exact).sum())) / size
                    runs[stepper].append((run.evaluations, error))
        rows = [
            (f"{steps} steps", {name: _run_in_words(*runs[name][i]) for name in STEPPERS})
            for i, steps in enumerate(STEP_COUNTS)
        ]
        factors = [b[0] / a[0] for a, b in zip(runs["imex"], runs["backward-euler"], strict=True)]
        note = (
            f'<div class="note">Error / ‖y‖, evaluations of f in brackets. With equal steps, '
            f"backward Euler evaluates f {min(factors):.0f} to <b>{max(factors):.0f} times</b> "
            "as often as IMEX, which does so once per step. Features "
            f"{' × '.join(map(str, y.shape[1:]))}, float64; the reference is an "
            "eighth-order Runge-Kutta method.</div>"
        )
        return ode_figures.work_figure(runs, STEPPERS), table(rows, list(STEPPERS), STEPPERS) + note

    def cost(self, channels: float, side: float, steps: float) -> str:
        """Calculated costs, and the time measured on this machine."""
        numbers = int(channels or 0), int(side or 0), int(steps or 0)
        device = next(iter(self.networks.values())).mean.device
        with as_user_error(), DEVICE:
            costs = {kind: cost(*numbers, kind == "imexnet") for kind in COSTS}
            taken = {kind: seconds(*numbers, kind == "imexnet", device) for kind in COSTS}

        def row(label: str, words) -> tuple[str, dict[str, str]]:
            return label, {kind: words(costs[kind]) for kind in COSTS}

        def window(c: Cost) -> str:
            return "every pixel" if c.window == np.inf else f"{c.window:.0f} pixels"

        rows = [
            row("Multiply-adds of the convolutions", lambda c: f"{c.multiply_adds / 1e6:,.1f} M"),
            row("Operations of the FFTs", lambda c: f"{c.fft_operations / 1e6:,.1f} M"),
            row("Parameters", lambda c: f"{c.parameters:,}"),
            row("Memory at inference", lambda c: f"{c.inference_bytes / 2**20:,.2f} MiB"),
            row("Kept for the backward pass", lambda c: f"{c.training_bytes / 2**20:,.2f} MiB"),
            row("Window", window),
            (
                f"Measured here, on {str(device).upper()}",
                {kind: f"{1000 * taken[kind]:.1f} ms" for kind in COSTS},
            ),
        ]
        return table(rows, list(COSTS), COSTS) + COST_NOTE

    def _build_plane(self, layer: dict[str, Any]) -> None:
        gr.HTML(PLANE_NOTE)
        with gr.Row():
            schemes = gr.CheckboxGroup(CHOICES, value=SHOWN_FIRST, label="Schemes")
        with gr.Row():
            theta = gr.Slider(0, 1, 0.5, step=0.05, label="θ of the θ-scheme")
            damping = gr.Slider(0, 10, 3, step=0.5, label="hα of IMEX, L = αI")
            step_size = gr.Slider(0.1, 20, 1, step=0.1, label="h of the layer's points")
        with gr.Row(equal_height=True):
            real = gr.Number(-2.5, label="Re z", min_width=90, elem_id="real")
            imaginary = gr.Number(0.5, label="Im z", min_width=90, elem_id="imaginary")
            run = gr.Button("Show", variant="primary", min_width=120, elem_id="plane-run")
        with gr.Row():
            plane = picture("z = hλ", "plane", buttons=[], show_label=False)
            figure = gr.Plot(
                label="trajectory", show_label=False, format="png", elem_id="trajectory"
            )
        words = gr.HTML(label="factors", elem_id="factors")
        self.outputs += [plane, figure, words]
        show: dict[str, Any] = {
            "fn": self.plane,
            "inputs_kwargs": layer,
            "inputs": [step_size, schemes, theta, damping, real, imaginary],
            "outputs": [plane, figure, words],
            **COMPUTE,
        }
        moved = run.click, theta.release, damping.release, step_size.release, schemes.input
        chosen = plane.select(
            _point, None, [real, imaginary], trigger_mode="multiple", show_progress="hidden",
            **PRIVATE,
        )  # fmt: skip
        self.runs += [gr.on(moved, **show), chosen.then(**show)]

    def _build_tie(self, layer: dict[str, Any]) -> None:
        with gr.Row(equal_height=True):
            seed = gr.Number(0, label="Seed of the random K₂", **SEED)
            run = gr.Button("Compute both spectra", variant="primary", elem_id="tie")
        figure = gr.Plot(label="spectra", show_label=False, format="png", elem_id="spectra")
        words = gr.HTML(label="spectra", elem_id="tied")
        self.outputs += [figure, words]
        tied = run.click(self.tie, seed, [figure, words], inputs_kwargs=layer, **COMPUTE)
        self.runs.append(tied)

    def _build_steppers(self, layer: dict[str, Any]) -> None:
        gr.HTML(STEPPER_NOTE)
        with gr.Row(equal_height=True):
            end = gr.Slider(0.1, 3, 1, step=0.1, label="Time at the end")
            solver = gr.Radio(list(SOLVERS), value=SOLVERS[0], label="Solver of the implicit steps")
            run = gr.Button("Run all steppers", variant="primary", elem_id="steppers")
        figure = gr.Plot(label="work", show_label=False, format="png", elem_id="work")
        words = gr.HTML(label="work", elem_id="worked")
        self.outputs += [figure, words]
        stepped = run.click(
            self.steppers, [end, solver], [figure, words], inputs_kwargs=layer, **COMPUTE
        )
        self.runs.append(stepped)

    def _build_cost(self) -> None:
        with gr.Row(equal_height=True):
            whole: dict[str, Any] = {"precision": 0, "minimum": 1, "min_width": 90}
            channels = gr.Number(64, label="Channels m", maximum=512, **whole)
            side = gr.Number(64, label="Side s", maximum=512, **whole)
            steps = gr.Number(5, label="Time steps", maximum=64, **whole)
            run = gr.Button("Calculate and measure", variant="primary", elem_id="calculate")
        words = gr.HTML(label="cost", elem_id="cost")
        run.click(self.cost, [channels, side, steps], words, **COMPUTE)


PLANE_NOTE = (
    '<div class="note">ẏ = λy, one step: y⁺ = R(z) y with z = hλ. Each curve is |R(z)| = 1, the '
    "shaded side is stable. Points: the eigenvalues of the chosen layer's ∂f/∂Y, times h. Click "
    "the plane to choose z.</div>"
)
STEPPER_NOTE = (
    '<div class="note">ẏ = f(y) − Ly of the chosen layer. An IMEX step solves for L alone, one '
    "FFT; backward Euler and the trapezoidal rule solve a nonlinear system in every step, "
    "preconditioned by that same FFT solve.</div>"
)
COST_NOTE = (
    '<div class="note">One picture, float32. Convolutions: 2 · 9 m² s² per step. A real FFT of N '
    "numbers: 5 N log₂ N / 2. Memory: only feature maps and spectra. Times: median of three.</div>"
)


def _point(event: gr.SelectData) -> tuple[float, float]:
    z = ode_figures.plane_point(event.index[0] + 0.5, event.index[1] + 0.5)
    return round(z.real, 3), round(z.imag, 3)


def _run_in_words(evaluations: int, error: float) -> str:
    if not np.isfinite(error):
        return f"failed ({evaluations})"
    return f"{error:.1e} ({evaluations})"
