"""The endless sequences of drawn pictures, by the family of the networks that learn from them."""

from collections.abc import Callable

from imexnet.data import paths, qtips, rods
from imexnet.data.drawn import Drawn

DRAW: dict[str, Callable[[int, int, int], Drawn]] = {
    "qtips": qtips.draw,
    "rods": rods.draw,
    "paths": paths.draw,
}
"""Family → its picture number `index` of sequence `seed`, `size` pixels a side."""
