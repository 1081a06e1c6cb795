"""The sentences from the numbers, and their edge cases."""

from dataclasses import replace

import numpy as np
import pytest

from imexnet.sensitivity.field_of_view import ClassReading, FieldOfView, Metres
from imexnet.sensitivity.measures import measure
from imexnet.sensitivity.questions import Question
from imexnet.sensitivity.summary import summary

NEAR = slice(4, 9), slice(6, 11)
ALL = slice(0, 20), slice(0, 30)
METRES = Metres(2.5)
QTIP = ClassReading(2, "white-black", 0.9)


def made(share: float, window=NEAR, read: Metres | ClassReading = METRES) -> FieldOfView:
    """A view with `share` of ΣS outside its window."""
    s = np.zeros((20, 30))
    s[6, 8], s[15, 20] = 1 - share, share
    asked = slice(6, 7), slice(8, 9)
    return FieldOfView(read, s, s[None], asked, window, measure(s, asked, window))


def told(question: Question, view: FieldOfView) -> str:
    return summary(question, {"resnet": made(0, view.window), "imexnet": view}, 83)


POINT = Question("depth", (6, 8))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.4, "40 %"), (0.004, "Less than 1 %"), (1e-9, "Less than 1 %"), (0.006, "1 %"),
        (0.994, "99 %"), (0.9999, "More than 99 %"), (1, "100 %"), (0, "Nothing"),
    ],
)  # fmt: skip
def test_shares(share, words):
    assert told(POINT, made(share)) == (
        "The ResNet can see a square around this point, 83 of the input's 30 pixels wide. "
        f"{words} of what decided the IMEXNet's answer lies outside it."
    )


def test_a_window_that_covers_the_picture():
    """Then it says how much of it each uses: here 1 and 2 of 600 pixels, or 300 and all."""
    assert told(POINT, made(0.4, ALL)) == (
        "The ResNet can see the whole picture from this point. 95 % of what decided the ResNet's "
        "answer lies in less than 1 % of the picture; for the IMEXNet it is less than 1 %."
    )
    wide, half = made(0, ALL), made(0, ALL)
    wide.sensitivity[:] = 1
    half.sensitivity[:10] = 1
    views = {
        name: replace(v, measures=measure(v.sensitivity, v.asked, v.window))
        for name, v in (("resnet", half), ("imexnet", wide))
    }
    assert summary(POINT, views, 83).endswith("in 48 % of the picture; for the IMEXNet it is 95 %.")
    moves = Question("depth", (6, 8), direction="outputs")
    assert "95 % of what it moves in the ResNet lies in 48 %" in summary(moves, views, 83)
    alone = summary(POINT, {"imexnet": wide}, 83)
    assert alone.endswith("Nothing of what decided the IMEXNet's answer lies outside it.")
    tall = slice(0, 20), slice(6, 11)
    assert "can see a square around this point, 83 of" in told(POINT, made(0.2, tall))


def test_boxes_classes_and_other_directions():
    box = Question("depth", (6, 8), (7, 9))
    assert told(box, made(0.4)).startswith(
        "The ResNet can see a square around each point of this box, 83 of"
    )
    assert told(box, made(0, ALL)).startswith("The ResNet can see the whole picture from this box.")
    answer = Question("qtips", (6, 8))
    assert told(answer, made(0.4, read=QTIP)).endswith(
        "40 % of what decided the IMEXNet's answer “white-black” lies outside it."
    )
    about = Question("qtips", (6, 8), about="white-black")
    assert told(about, made(0.4, read=QTIP)).endswith(
        "40 % of what decided the IMEXNet's score for “white-black” lies outside it."
    )
    moves = Question("depth", (6, 8), direction="outputs")
    assert told(moves, made(0.4)) == (
        "The ResNet lets this point move answers within a square around it, 83 of the input's "
        "30 pixels wide. "
        "40 % of what it moves in the IMEXNet lies outside it."
    )
    assert "move answers everywhere." in told(moves, made(0, ALL))


def test_a_map_of_zeros():
    view = made(0)
    nothing = FieldOfView(
        view.reading, 0 * view.sensitivity, 0 * view.derivative, view.asked, view.window,
        measure(0 * view.sensitivity, view.asked, view.window),
    )  # fmt: skip
    assert told(POINT, nothing).endswith("Nothing in the picture decided the IMEXNet's answer.")
    moves = Question("depth", (6, 8), direction="outputs")
    assert told(moves, nothing).endswith("It moves nothing in the IMEXNet.")


def test_one_network_alone():
    assert summary(POINT, {"resnet": made(0)}, 27) == (
        "The ResNet can see a square around this point, 27 of the input's 30 pixels wide."
    )
    assert summary(POINT, {"imexnet": made(0.25)}, 27) == (
        "An equal ResNet can see a square around this point, 27 of the input's 30 pixels wide. "
        "25 % of what decided the IMEXNet's answer lies outside it."
    )
