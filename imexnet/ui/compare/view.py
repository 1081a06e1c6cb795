"""What is asked about a photo and how the answer is shown: one object for form, link and files."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from imexnet.models.networks import TRAINED
from imexnet.models.spec import TRUNKS
from imexnet.sensitivity.questions import Question
from imexnet.spectral.operators import BOUNDARIES
from imexnet.viz.heat_maps import HeatMapStyle

WIDEST = 120  # degrees of a camera's view

QUERY = {
    "column": "x", "row": "y", "other_column": "x2", "other_row": "y2", "direction": "show",
    "contours": "lines",
}  # fmt: skip
"""Field → its name in a link, where that is another one."""


@dataclass(frozen=True)
class View:
    """A query to both networks, and how their maps are displayed.

    The fields are those of the form and the parameters of the API, and their defaults are those
    that the page begins with.

    Attributes:
        task: depth, segmentation, qtips, rods or paths.
        column, row: of the pixel, in the photo's own pixels.
        about, direction, method: as in `Question`.
        other_column, other_row: of the opposite corner of a box; both or none.
        boundary: of the implicit solves: as trained, periodic or mirrored.
        trunk: of the networks for rooms.
        scale, part, opacity, contours: how heat maps are drawn.
        angle: of view along the photo's longer side, in degrees; 0 as in `camera_of`.

    Raises:
        ValueError: for a value that is not offered.
    """

    task: str
    column: int
    row: int
    about: str = Question.about
    other_column: int | None = None
    other_row: int | None = None
    direction: str = Question.direction
    boundary: str = TRAINED
    trunk: str = "plain"
    scale: str = HeatMapStyle.scale
    part: str = HeatMapStyle.part
    opacity: float = HeatMapStyle.opacity
    contours: tuple[int, ...] = (50, 95)
    method: str = Question.method
    angle: float = 0.0

    def __post_init__(self) -> None:
        _ = self.question, self.style  # each checks its own fields
        for name, value, known in (
            ("boundary", self.boundary, (TRAINED, *BOUNDARIES)),
            ("trunk", self.trunk, tuple(TRUNKS)),
        ):
            if value not in known:
                raise ValueError(f"the {name} must be one of {', '.join(known)}, got {value!r}")
        if not 0 <= self.angle <= WIDEST:
            raise ValueError(f"the angle lies between 0 and {WIDEST} degrees, got {self.angle:g}")

    @classmethod
    def from_form(cls, task: str, column: Any, row: Any, **chosen: Any) -> "View":
        """The view of the form's values, where numbers are floats, and None if they are empty."""
        if column is None or row is None:
            raise ValueError("give a column and a row, or click a picture")
        corner = chosen.pop("other_column", None), chosen.pop("other_row", None)
        if None not in corner:
            chosen |= {"other_column": int(corner[0]), "other_row": int(corner[1])}
        chosen |= {name: float(chosen[name]) for name in ("opacity", "angle") if name in chosen}
        if "contours" in chosen:
            chosen["contours"] = tuple(int(share) for share in chosen["contours"] or ())
        return cls(task, int(column), int(row), **chosen)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "View":
        """The view of a link's query, whose other entries are ignored."""
        if ("x2" in query) != ("y2" in query):
            raise ValueError("a box has two coordinates")
        given: dict[str, Any] = {
            field: query[name] for field, name in _names().items() if name in query
        }
        if "contours" in given:
            given["contours"] = [share for share in given["contours"].split(",") if share]
        return cls.from_form(**{"task": "", "column": None, "row": None} | given)

    def to_query(self) -> dict[str, str]:
        """What a link says of the view: all that differs from how the page begins."""
        return {
            name: _text(value)
            for field, name in _names().items()
            if (value := getattr(self, field)) != getattr(View, field, ...)
        }

    @property
    def question(self) -> Question:
        """What is asked."""
        other = None
        if self.other_column is not None and self.other_row is not None:
            other = self.other_row, self.other_column
        pixel = self.row, self.column
        return Question(self.task, pixel, other, self.about, self.direction, self.method)

    @property
    def style(self) -> HeatMapStyle:
        """How it is shown."""
        return HeatMapStyle(self.scale, self.part, self.opacity, self.contours)


def _names() -> dict[str, str]:
    return {field.name: QUERY.get(field.name, field.name) for field in fields(View)}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
