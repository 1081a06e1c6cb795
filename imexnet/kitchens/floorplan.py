"""The plan of a kitchen: which walls bear which units, and where its windows are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from imexnet.kitchens.objects.furniture import WORKTOP_DEPTH
from imexnet.kitchens.objects.solids import Solid, place

Random: TypeAlias = np.random.Generator
Pane: TypeAlias = tuple[int, float, float, tuple[float, float]]
"""A window: number of its wall, along it, height of its sill, (width, height)."""

WIDTHS = {"sink": 0.8, "oven": 0.6, "dishwasher": 0.6, "fridge": 0.7, "tall": 0.5}


@dataclass(frozen=True)
class Wall:
    """One of the four: where its lower left corner is, seen from inside, and how it is turned."""

    x: float
    z: float
    turn: float
    length: float

    def place(self, solids: Sequence[Solid], along: float = 0, y: float = 0, out: float = 0):
        """From coordinates of the wall (along, y, out of it) into those of the room."""
        return place(place(solids, along, y, out), self.x, 0, self.z, self.turn)

    def point(self, along: float, y: float, out: float) -> np.ndarray:
        """One point of the same."""
        c, s = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        return np.array([self.x + c * along + s * out, y, self.z - s * along + c * out])


@dataclass(frozen=True)
class Run:
    """Units in a row on a wall from `start` on: (kind, width) each."""

    wall: int
    start: float
    units: tuple[tuple[str, float], ...]

    @property
    def stop(self) -> float:
        """Where it ends along its wall."""
        return self.start + sum(width for _, width in self.units)


def runs_of(random: Random, layout: str, walls: Sequence[Wall]) -> list[Run]:
    """Which walls bear units, and which: every kitchen has sink, oven and fridge."""
    wide = walls[0].length
    wet, hot, cold = ["sink"], ["oven"], ["fridge"]
    if random.random() < 0.5:
        wet.append("dishwasher")
    if random.random() < 0.4:
        cold.append("tall")
    if layout == "corner":
        side = int(random.integers(1, 3))
        length = float(np.clip(random.uniform(1.6, 3.2), 1.4, walls[side].length - 1.2))
        start = WORKTOP_DEPTH if side == 2 else walls[1].length - WORKTOP_DEPTH - length
        second = fill(random, length, cold + hot if random.random() < 0.6 else cold + wet)
        first = fill(random, wide, hot if ("sink", 0.8) in second else wet)
        if not {"oven"} & {kind for kind, _ in (*first, *second)}:
            first = fill(random, wide, wet + hot)
        return [Run(0, 0.0, first), Run(side, start, second)]
    if layout == "galley":
        there = wet + hot if random.random() < 0.5 else wet
        here = cold if "oven" in there else cold + hot
        return [Run(0, 0.0, fill(random, wide, there)), Run(3, 0.0, fill(random, wide, here))]
    length = wide if random.random() < 0.6 else max(2.2, wide - random.uniform(0.3, 1.2))
    length = min(length, wide)
    start = 0.0 if random.random() < 0.5 else wide - length
    wanted = wet[:1] + hot + cold if length < 3.3 else wet + hot + cold
    runs = [Run(0, start, fill(random, length, wanted))]
    return runs


def sideboard(random: Random, layout: str, runs: Sequence[Run], walls: Sequence[Wall]) -> list[Run]:
    """More cupboards on a side wall in four of five kitchens (NYU: 41 % of the pixels)."""
    free = [side for side in (1, 2) if side not in {run.wall for run in runs}]
    if layout == "galley" or random.random() < 0.2:
        return []
    side = int(random.choice(free))
    room = walls[side].length
    # Clear of the rear run, which is 0.62 m deep; wall 1 counts from the front.
    low, high = (0.9, room - 0.1) if side == 2 else (0.1, room - 0.9)
    length = float(min(random.uniform(1.0, 3.2), high - low))
    wanted = ["tall"] if random.random() < 0.5 else []
    return [
        Run(
            side,
            low + float(random.random()) * (high - low - length),
            fill(random, length, wanted),
        )
    ]


def fill(random: Random, length: float, wanted: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Wanted units and cupboards that fill the length; tall ones at the ends."""
    units, left = [], length
    for kind in wanted:
        if left - WIDTHS[kind] >= 0:
            units.append((kind, WIDTHS[kind]))
            left -= WIDTHS[kind]
    while left > 1e-6:
        width = left if left < 0.75 else float(random.choice([0.4, 0.45, 0.5, 0.6, 0.8]))
        width = left / 2 if 0 < left - width < 0.3 else width
        # Doors outnumber drawers: drawers stand in one unit of three in makers' plans.
        units.append((str(random.choice(["doors", "drawers"], p=[0.67, 0.33])), width))
        left -= width
    tall = [unit for unit in units if unit[0] in ("fridge", "tall")]
    low = [unit for unit in units if unit not in tall]
    low = [low[i] for i in random.permutation(len(low))]
    if low and low[0][0] == "oven":
        low.append(low.pop(0))
    return tuple(tall + low if random.random() < 0.5 else low + tall)


def panes_of(random: Random, runs: Sequence[Run], walls: Sequence[Wall]) -> list[tuple]:
    """Windows as (wall, along, low, size): over the sink in half of the kitchens, else at a side.

    NYU: 56 % of its kitchen photos show one.
    """
    panes = []
    taken = {run.wall for run in runs}
    for run in runs:
        x = run.start
        for kind, width in run.units:
            if kind == "sink" and random.random() < 0.55:
                size = (float(random.uniform(0.8, 1.5)), float(random.uniform(0.8, 1.05)))
                along = float(
                    np.clip(
                        x + width / 2 - size[0] / 2, 0.15, walls[run.wall].length - size[0] - 0.15
                    )
                )
                panes.append((run.wall, along, float(random.uniform(1.08, 1.2)), size))
            x += width
    for wall in {1, 2, 3} - taken:
        length = walls[wall].length
        if random.random() < 0.5 and length > 2.4:
            size = (
                float(random.uniform(0.9, min(2.0, length - 1))),
                float(random.uniform(1.0, 1.3)),
            )
            along = float(random.uniform(0.3, length - size[0] - 0.3))
            panes.append((wall, along, float(random.uniform(0.8, 1.0)), size))
    return panes
