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
    resnet, imexnet = views.get("resnet"), views.get("imexnet")
    if imexnet is None:
        return words
    if resnet is not None and _everything(imexnet) and resnet.sensitivity.any():
        return f"{words} {_used(question, resnet, imexnet)}"
    return f"{words} {_beyond(question, imexnet)}"


def _everything(view: FieldOfView) -> bool:
    """Whether the explicit window is the whole picture."""
    return all(
        (span.start, span.stop) == (0, n)
        for span, n in zip(view.window, view.sensitivity.shape, strict=True)
    )


def _used(question: Question, resnet: FieldOfView, imexnet: FieldOfView) -> str:
    """In how much of the picture nearly all of the sensitivity of either lies."""
    parts = [_percent(view.measures.area95).lower() for view in (resnet, imexnet)]
    what = _all_of_it(question, resnet, "ResNet")
    return f"95 % of {what} lies in {parts[0]} of the picture; for the IMEXNet it is {parts[1]}."


def _reach(question: Question, view: FieldOfView, width: int) -> str:
    """What the ResNet can do."""
    place = "this point" if question.other is None else "this box"
    wide = f"{width} of the input's {view.sensitivity.shape[1]} pixels wide"
    if question.direction == "outputs":
        reach = "everywhere" if _everything(view) else f"within a square around it, {wide}"
        return f"lets this point move answers {reach}"
    if _everything(view):
        return f"can see the whole picture from {place}"
    around = place if question.other is None else f"each point of {place}"
    return f"can see a square around {around}, {wide}"


def _beyond(question: Question, view: FieldOfView) -> str:
    """How much of the IMEXNet's answer comes from outside the window."""
    share = view.measures.outside_window
    if not view.sensitivity.any():
        if question.direction == "outputs":
            return "It moves nothing in the IMEXNet."
        return f"Nothing in the picture decided {_answer(question, view, 'IMEXNet')}."
    part = "Nothing" if share == 0 else _percent(share)
    return f"{part} of {_all_of_it(question, view, 'IMEXNet')} lies outside it."


def _all_of_it(question: Question, view: FieldOfView, network: str) -> str:
    """What the whole sensitivity stands for."""
    if question.direction == "outputs":
        return f"what it moves in the {network}"
    return f"what decided {_answer(question, view, network)}"


def _answer(question: Question, view: FieldOfView, network: str) -> str:
    """The answer or the score that is asked about."""
    if not isinstance(view.reading, ClassReading):
        return f"the {network}'s answer"
    asked = "answer" if question.about == ANSWER else "score for"
    return f"the {network}'s {asked} “{view.reading.name}”"


def _percent(share: float) -> str:
    """Rounded, but never to nothing or to all where it is neither."""
    if share < 0.005:
        return "Less than 1 %"
    if 0.995 <= share < 1:
        return "More than 99 %"
    return f"{100 * share:.0f} %"
