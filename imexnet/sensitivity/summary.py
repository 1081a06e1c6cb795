"""What two fields of view say, in two sentences."""

from collections.abc import Mapping

from imexnet.sensitivity.field_of_view import ClassReading, FieldOfView
from imexnet.sensitivity.questions import ANSWER, Question


def summary(question: Question, views: Mapping[str, FieldOfView], width: int) -> str:
    """How far the ResNet can see, and how much of the IMEXNet's answer comes from beyond.

    Where it can see the whole picture, the second sentence says how much of it each uses.

    Args:
        question: what was asked.
        views: "resnet" and "imexnet", or one of them, → field of view.
        width: of the explicit window far from every edge, in pixels of the network's input; see
            `window_width`.
    """
    words = _reach(question, next(iter(views.values())), width)
    words = f"{'The' if 'resnet' in views else 'An equal'} ResNet {words}."
    view, resnet = views.get("imexnet"), views.get("resnet")
    if view is None:
        return words
    if resnet is not None and _everything(view) and resnet.sensitivity.any():
        return f"{words} {_used(question, resnet, view)}"
    return f"{words} {_beyond(question, view)}"


def _everything(view: FieldOfView) -> bool:
    """Whether the explicit window is the whole picture."""
    return all(
        (span.start, span.stop) == (0, n)
        for span, n in zip(view.window, view.sensitivity.shape, strict=True)
    )


def _used(question: Question, resnet: FieldOfView, imexnet: FieldOfView) -> str:
    """In how much of the picture nearly all of the sensitivity of either lies."""
    moves = question.direction == "outputs"
    what = "it moves in the ResNet" if moves else "decided the ResNet's answer"
    ours, theirs = (_percent(view.measures.area95).lower() for view in (imexnet, resnet))
    return f"95 % of what {what} lies in {theirs} of the picture; for the IMEXNet it is {ours}."


def _reach(question: Question, view: FieldOfView, width: int) -> str:
    """What the ResNet can do."""
    place = "this point" if question.other is None else "this box"
    everything = _everything(view)
    if question.direction == "outputs":
        reach = "everywhere" if everything else f"within {width} pixels around it"
        return f"lets this point move answers {reach}"
    if everything:
        return f"can see the whole picture from {place}"
    around = place if question.other is None else f"each point of {place}"
    return f"can see {width} pixels around {around}"


def _beyond(question: Question, view: FieldOfView) -> str:
    """How much of the IMEXNet's answer comes from outside the window."""
    answer = "the IMEXNet's answer"
    if isinstance(view.reading, ClassReading) and question.about != ANSWER:
        answer = f"the IMEXNet's score for “{view.reading.name}”"
    elif isinstance(view.reading, ClassReading):
        answer = f"the IMEXNet's answer “{view.reading.name}”"
    if question.direction == "outputs":
        all_of_it, none = "what it moves in the IMEXNet", "It moves nothing in the IMEXNet."
    else:
        all_of_it, none = f"what decided {answer}", f"Nothing in the picture decided {answer}."
    share = view.measures.outside_window
    if not view.sensitivity.any():
        return none
    if share == 0:
        return f"Nothing of {all_of_it} lies beyond."
    return f"{_percent(share)} of {all_of_it} lies beyond."


def _percent(share: float) -> str:
    """Rounded, but never to nothing or to all where it is neither."""
    if share < 0.005:
        return "Less than 1 %"
    if 0.995 <= share < 1:
        return "More than 99 %"
    return f"{100 * share:.0f} %"
