"""The chapter "Scoreboard": where the solve wins, where not, what it costs, how stable it is."""

from dataclasses import dataclass
from itertools import groupby

from imexnet.ui.components.words import explain
from imexnet.ui.story.chapter import Chapter
from imexnet.viz import plots


@dataclass(frozen=True)
class Row:
    """A comparison, as the documentation prints it.

    Attributes:
        question: that it answers; the rows of one question follow each other.
        what: is compared.
        resnet, imexnet: the two figures.
        more_is_better: or less.
    """

    question: str
    what: str
    resnet: str
    imexnet: str
    more_is_better: bool = True


WINS, LEVEL, LOSES = "Where the solve wins", "Where both are level", "Where it does not win"
COSTS, STABLE = "What it costs", "How stable it is"
ROWS = (
    Row(WINS, "Q-tips, mIoU", "0.527", "0.993"),
    Row(WINS, "Many rods, share of them right", "0.629", "0.866"),
    Row(WINS, "Paths, share of them right", "0.499", "0.933"),
    Row(WINS, "Rooms, depth, AbsRel", "0.289", "0.253", False),
    Row(WINS, "Rooms, 13 classes, mIoU", "0.282", "0.302"),
    Row(WINS, "Rooms with a backbone, AbsRel", "0.181", "0.178", False),
    Row(WINS, "Rooms with a backbone, AbsRel, scaled by the median", "0.156", "0.146", False),
    Row(LEVEL, "Rooms with a backbone, 13 classes, mIoU", "0.470", "0.477"),
    Row(LOSES, "Rods at 64 × 64, against a ResNet with dilated kernels", "0.998", "0.984"),
    Row(LOSES, "Rods at 128 × 128 with noise, σ = 0.1, against the same", "0.669", "0.440"),
    Row(LOSES, "Paths at 128 × 128, against kernels dilated further", "0.951", "0.933"),
    Row(LOSES, "Rooms, accuracy, against a ResNet with dilated kernels", "0.490", "0.473"),
    Row(LOSES, "Rooms with a backbone, edges of depth, F1", "0.050", "0.037"),
    Row(COSTS, "Parameters for Q-tips", "14,260", "15,124", False),
    Row(COSTS, "Parameters, against a ResNet that does as well there", "72,660", "15,124", False),
    Row(COSTS, "Time of a picture of many rods, ms", "1.4", "3.9", False),
    Row(STABLE, "Q-tips with noise, σ = 0.1, rod pixels right", "0.522", "0.978"),
    Row(STABLE, "Rooms under PGD, ε = 1/255, δ1", "0.353", "0.333"),
)


def _table() -> str:
    head = "".join(f'<th scope="col">{label}</th>' for label in plots.LABELS.values())
    body = ""
    for question, rows in groupby(ROWS, lambda row: row.question):
        body += f'<tr><th scope="rowgroup" colspan="3">{question}</th></tr>'
        body += "".join(map(_line, rows))
    return f'<table class="measures"><tr><td></td>{head}</tr>{body}</table>'


def _line(row: Row) -> str:
    """A row of the table; the better figure is bold."""
    values = [float(text.replace(",", "")) for text in (row.resnet, row.imexnet)]
    best = max(values) if row.more_is_better else min(values)
    cells = "".join(
        f"<td><b>{text}</b></td>" if value == best else f"<td>{text}</td>"
        for text, value in zip((row.resnet, row.imexnet), values, strict=True)
    )
    return f'<tr><th scope="row">{explain(row.what)}</th>{cells}</tr>'


CHAPTER = Chapter(
    "scoreboard",
    "Scoreboard",
    "<p>The solve helps where a network of few layers must see far. Other ways to see far are "
    "often as good or better. The solve costs time, and by itself it does not stop an attack.</p>",
    _table(),
    '<p class="note">Scores are on pictures that neither network was trained on. Better figures '
    "are bold. Point at an underlined word for its meaning.</p>",
)
