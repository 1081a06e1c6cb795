"""Fields of view: what an output depends on, how far that reaches, and averages over pictures."""

from imexnet.sensitivity.field_of_view import FieldOfView, influence, input_sensitivity
from imexnet.sensitivity.measures import Measures, measure, radial_profile, region
from imexnet.sensitivity.questions import Question
from imexnet.sensitivity.window import explicit_window, window_width

__all__ = [
    "FieldOfView",
    "Measures",
    "Question",
    "explicit_window",
    "influence",
    "input_sensitivity",
    "measure",
    "radial_profile",
    "region",
    "window_width",
]
