"""Fields of view: what an output depends on, how far that reaches, and averages over pictures."""

from imexnet.sensitivity.attribution import (
    METHODS,
    Target,
    gradient_times_difference,
    integrated_gradients,
    occlusion,
)
from imexnet.sensitivity.field_of_view import FieldOfView, influence, input_sensitivity
from imexnet.sensitivity.measures import Measures, measure, radial_profile, region
from imexnet.sensitivity.questions import Question
from imexnet.sensitivity.window import explicit_window, window_width

__all__ = [
    "METHODS",
    "FieldOfView",
    "Measures",
    "Question",
    "Target",
    "explicit_window",
    "gradient_times_difference",
    "influence",
    "input_sensitivity",
    "integrated_gradients",
    "measure",
    "occlusion",
    "radial_profile",
    "region",
    "window_width",
]
