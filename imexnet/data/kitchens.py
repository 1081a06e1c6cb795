"""Kitchens drawn at random: what stands where, who looks at it, and in what light.

A kitchen follows from (seed, index) alone. Every number that is drawn has its reason beside it;
"NYU" marks those that were set so that depths and classes resemble the kitchens of NYU Depth V2
(`benchmarks/rooms.py` prints both). Coordinates in metres: x along the rear wall, y up, z from the
rear wall (z = 0) into the room.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imexnet.data import clutter, furniture, textures
from imexnet.data.furniture import CEILING, FLOOR, MAT, TOP, UPPER_LOW, WALL, WORKTOP_DEPTH
from imexnet.data.solids import FIT, Material, Solid, box, place
from imexnet.data.styles import Light, draw_light, draw_style, plain

WIDTHS = {"sink": 0.8, "oven": 0.6, "dishwasher": 0.6, "fridge": 0.7, "tall": 0.5}


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from: a point, a unit vector, a roll and a field of view (°)."""

    position: np.ndarray
    forward: np.ndarray
    roll: float
    width_of_view: float


@dataclass(frozen=True)
class Kitchen:
    """A scene, views of it to choose from, and its light with the camera's habits."""

    solids: list[Solid]
    cameras: list[Camera]
    light: Light


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
    """Units in a row on a wall from `start` on: (kind, width) each, and the window above."""

    wall: int
    start: float
    units: tuple[tuple[str, float], ...]

    @property
    def stop(self) -> float:
        """Where it ends along its wall."""
        return self.start + sum(width for _, width in self.units)


def kitchen(seed: int, index: int, attempt: int = 0) -> Kitchen:
    """The kitchen `index` of sequence `seed`; further attempts where none of its views will do."""
    random = np.random.default_rng((seed, index, attempt))
    layout = str(random.choice(["row", "corner", "galley", "island"], p=[0.28, 0.4, 0.12, 0.2]))
    # Flats have 2.3…2.7 m ceilings; 7…40 m² covers small kitchens and open plans (NYU: deep).
    height = float(random.uniform(2.35, 2.75))
    width = float(np.clip(random.lognormal(np.log(4.0), 0.25), 2.4, 6.0))
    depth = float(np.clip(random.lognormal(np.log(5.4), 0.3), 3.0, 8.0))
    if layout == "galley":
        depth = float(random.uniform(2.1, 2.9))
        width = max(width, 3.2)
    walls = (
        Wall(0, 0, 0, width), Wall(0, depth, 90, depth),
        Wall(width, 0, -90, depth), Wall(width, depth, 180, width),
    )  # fmt: skip
    style, light = draw_style(random, height), draw_light(random)
    runs = _runs(random, layout, walls)
    runs += _sideboard(random, layout, runs, walls)
    panes = _panes(random, runs, walls)
    solids = _shell(random, style, walls, panes, width, depth, height)
    for run in runs:
        hole = [pane for wall, *pane in panes if wall == run.wall]
        solids += _furnish(random, style, run, walls[run.wall], hole, height)
    focus = [
        (walls[run.wall].point(run.start + u * (run.stop - run.start), TOP, 0.35), walls[run.wall])
        for run in runs
        for u in (0.15, 0.5, 0.85)
    ]
    free = _free_middle(layout, runs, width, depth)
    if free is not None:
        middle, extra = _middle(random, style, layout, free, height, light)
        solids += extra
        focus += [(middle, walls[0])] * 6
    for wall, along, low, size in panes:
        solids += walls[wall].place(_window(random, style, light, size), along, low)
    solids += _on_walls(random, style, runs, panes, walls)
    solids += _lamps(random, light, width, depth, height)
    cameras = _cameras(random, solids, focus, (width, depth, height))
    return Kitchen(solids, cameras, light)


def _runs(random, layout: str, walls: Sequence[Wall]) -> list[Run]:
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
        second = _plan(random, length, cold + hot if random.random() < 0.6 else cold + wet)
        first = _plan(random, wide, hot if ("sink", 0.8) in second else wet)
        if not {"oven"} & {kind for kind, _ in (*first, *second)}:
            first = _plan(random, wide, wet + hot)
        return [Run(0, 0.0, first), Run(side, start, second)]
    if layout == "galley":
        there = wet + hot if random.random() < 0.5 else wet
        here = cold if "oven" in there else cold + hot
        return [Run(0, 0.0, _plan(random, wide, there)), Run(3, 0.0, _plan(random, wide, here))]
    length = wide if random.random() < 0.6 else max(2.2, wide - random.uniform(0.3, 1.2))
    length = min(length, wide)
    start = 0.0 if random.random() < 0.5 else wide - length
    wanted = wet[:1] + hot + cold if length < 3.3 else wet + hot + cold
    runs = [Run(0, start, _plan(random, length, wanted))]
    return runs


def _sideboard(random, layout: str, runs: Sequence[Run], walls: Sequence[Wall]) -> list[Run]:
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
            _plan(random, length, wanted),
        )
    ]


def _plan(random, length: float, wanted: Sequence[str]) -> tuple[tuple[str, float], ...]:
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


def _panes(random, runs: Sequence[Run], walls: Sequence[Wall]) -> list[tuple]:
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


def _shell(random, style, walls, panes, width, depth, height) -> list[Solid]:
    """Floor, ceiling, four walls with holes for the windows, skirting."""
    t = 0.2
    paint, top = style.paint, Material((0.78, 0.78, 0.76))
    solids: list[Solid] = [
        box(style.floor, FLOOR, (-t, -t, -t), (width + t, 0, depth + t), style.floor_grain),
        box(top, CEILING, (-t, height, -t), (width + t, height + t, depth + t)),
    ]
    for number, wall in enumerate(walls):
        pieces, x = [], -t
        for _, along, low, (w, h) in sorted(pane for pane in panes if pane[0] == number):
            pieces += [(x, 0, along, height), (along, 0, along + w, low)]
            pieces += [(along, low + h, along + w, height)]
            x = along + w
        pieces.append((x, 0, wall.length + t, height))
        solids += wall.place([box(paint, WALL, (a, b, -t), (c, d, 0)) for a, b, c, d in pieces])
        skirting = box(style.units.trim, WALL, (0, 0, 0), (wall.length, 0.08, 0.012))
        solids += wall.place([skirting])
    if random.random() < 0.3:  # a rug where people stand
        w, d = random.uniform(0.5, 0.8), random.uniform(0.9, 1.7)
        rug = Material(texture=textures.painting(random), tile=FIT)
        solids += place(
            [box(rug, MAT, (-d / 2, 0, -w / 2), (d / 2, 0.01, w / 2))], width / 2, 0, 1.1
        )
    return solids


def _furnish(random, style, run: Run, wall: Wall, panes, height: float) -> list[Solid]:
    """The units of a run, their worktop, what hangs above, and what stands on them."""
    units = style.units
    solids: list[Solid] = []
    habit = random.choice(["cupboards", "shelves", "bare"], p=[0.75, 0.13, 0.12])  # NYU
    spans, sinks, busy = [], [], []
    x = 0.0
    for kind, width in run.units:
        if kind in ("fridge", "tall"):
            build = furniture.fridge if kind == "fridge" else furniture.tall_unit
            unit = build(units, random, width)
            solids += place(unit, x)
            if kind == "fridge" and random.random() < 0.5:
                y = max(s.bounds()[1][1] for s in unit)
                for along in np.arange(0.12, width - 0.1, 0.2):
                    if random.random() < 0.6:
                        solids += place(clutter.packet(random)[0], x + along, y, 0.25)
        else:
            solids += place(furniture.base_unit(units, random, kind, width), x)
            if spans and abs(spans[-1][1] - x) < 1e-6:
                spans[-1][1] = x + width
            else:
                spans.append([x, x + width])
            if kind == "sink":
                half = random.choice([0.25, 0.36])
                sinks.append((x + width / 2 - half, x + width / 2 + half))
                busy.append(sinks[-1])
            if kind == "oven":
                busy.append((x, x + width))
            under = any(
                a - run.start - 0.05 < x + width and x < a + w - run.start + 0.05
                for a, _, (w, _) in panes
            )
            solids += place(_above(random, style, kind, width, str(habit), under, height), x)
        x += width
    mess = float(random.lognormal(np.log(0.04), 0.5))  # mean gap in m between things (NYU: full)
    for low, high in spans:
        inside = [(a - low, b - low) for a, b in sinks if low <= a < high]
        solids += place(furniture.worktop(units, high - low, inside, random), low)
        solids += _splash(style, run, low, high, panes)
        solids += _things(random, low, high, busy, 0.17, mess, clutter.REAR)
        solids += _things(random, low, high, busy, 0.44, 2.5 * mess, clutter.FRONT)
    for low, high in busy:
        if (low, high) not in sinks and random.random() < 0.6:
            at = low + random.choice([0.28, 0.72]) * (high - low)
            solids += place(clutter.pan(random)[0], at, TOP + 0.047, random.choice([0.19, 0.43]))
    return wall.place(solids, run.start)


def _above(
    random, style, kind: str, width: float, habit: str, under: bool, height: float
) -> list[Solid]:
    """Hood, wall cupboard or shelves over a base unit; nothing before a window."""
    if under:
        return []
    if kind == "oven":
        return furniture.hood(style.units, random, width, height) if random.random() < 0.75 else []
    if habit == "cupboards":
        solids = furniture.upper_unit(style.units, random, width)
        if style.units.upper_top < height - 0.3 and random.random() < 0.5:
            over = _things(random, 0, width, [], 0.16, 0.1, clutter.SHELF)
            solids += place(over, y=style.units.upper_top - TOP)
        return solids
    if habit == "bare":
        return []
    solids = []
    for y in (1.45, 1.8):
        solids += furniture.shelf(style.wood, width, y)
        solids += place(_things(random, 0, width, [], 0.12, 0.05, clutter.SHELF), y=y + 0.026 - TOP)
    return solids


def _splash(style, run: Run, low: float, high: float, panes) -> list[Solid]:
    """Tiles between worktop and wall cupboards; below the sill where there is a window."""
    if style.units.splash is None:
        return []
    solids, x, top = [], low, UPPER_LOW + 0.02
    for along, sill, (w, _) in sorted(panes):
        a, b = np.clip((along - run.start - 0.05, along + w - run.start + 0.05), low, high)
        if b > a:
            solids.append(box(style.units.splash, WALL, (x, TOP, 0), (a, top, 0.008)))
            solids.append(box(style.units.splash, WALL, (a, TOP, 0), (b, sill - 0.03, 0.008)))
            x = b
    return [*solids, box(style.units.splash, WALL, (x, TOP, 0), (high, top, 0.008))]


def _things(random, low, high, busy, z: float, gap: float, kinds) -> list[Solid]:
    """Things along a worktop with exponential gaps, off sink and hob."""
    solids: list[Solid] = []
    x = low + random.exponential(gap)
    while x < high:
        thing, width = clutter.pick(random, kinds)
        if x + width > high - 0.02:
            break
        clash = [b for a, b in busy if x < b + 0.02 and x + width > a - 0.02]
        if clash:
            x = max(clash) + 0.03
            continue
        depth = max(float(s.bounds()[1][2]) for s in thing)
        rear = -min(float(s.bounds()[0][2]) for s in thing)
        at = np.clip(z + random.normal(0, 0.03), rear + 0.015, WORKTOP_DEPTH - 0.01 - depth)
        solids += place(thing, x + width / 2, TOP + 0.0005, float(at))
        x += width + random.exponential(gap) + 0.01
    return solids


def _free_middle(layout, runs, width, depth) -> tuple[float, float, float, float] | None:
    """The free floor (x0, x1, z0, z1) for a table or an island; None where there is too little."""
    x0 = 1.5 if any(run.wall == 1 for run in runs) else 0.5
    x1 = width - (1.5 if any(run.wall == 2 for run in runs) else 0.5)
    z0, z1 = 1.7, depth - 0.6
    return None if layout == "galley" or x1 - x0 < 1.3 or z1 - z0 < 1.0 else (x0, x1, z0, z1)


def _middle(random, style, layout, free, height, light) -> tuple[np.ndarray, list[Solid]]:
    """An island, or a table with chairs (NYU: in 30…40 % of the photos), with things on it."""
    x0, x1, z0, z1 = free
    units = style.units
    solids: list[Solid] = []
    if layout == "island":
        width, depth = float(min(random.uniform(1.2, 2.0), x1 - x0)), WORKTOP_DEPTH
        at = (x0 + x1 - width) / 2, z0 + 0.1
        kinds = _plan(random, width, [])
        x = 0.0
        for kind, w in kinds:
            solids += place(furniture.base_unit(units, random, kind, w), x)
            x += w
        solids += furniture.worktop(units, width, [], random)
        back = box(
            units.front,
            furniture.CABINET,
            (0, furniture.PLINTH, -0.02),
            (width, TOP - units.thickness, 0),
            1,
        )
        solids.append(back)
        solids += _things(random, 0, width, [], 0.3, 0.15, clutter.FRONT)
        frame, seat = plain(random), style.wood
        for x in np.arange(0.35, width - 0.2, 0.55):
            if random.random() < 0.6:
                solids += place(furniture.stool(frame, seat), x, 0, -0.3 + random.normal(0, 0.06))
        turn = 180 if random.random() < 0.5 else 0
        middle = np.array([at[0] + width / 2, TOP, at[1] + depth / 2])
        solids = place(solids, -width / 2, 0, -depth / 2)
        return middle, place(solids, middle[0], 0, middle[2], turn)
    if random.random() < 0.1:
        return np.array([(x0 + x1) / 2, TOP, (z0 + z1) / 2]), []
    round_top = random.random() < 0.35
    w = float(random.uniform(0.9, min(1.7, x1 - x0)))
    d = w if round_top else float(random.uniform(0.7, 0.9))
    x, z = (
        random.uniform(x0 + w / 2, x1 - w / 2),
        random.uniform(z0 + 0.3, max(z0 + 0.31, z1 - 0.4)),
    )
    solids += furniture.table(style.wood, style.wood, (w, d), bool(round_top))
    frame = style.wood if random.random() < 0.6 else plain(random)
    seat = plain(random) if random.random() < 0.5 else frame
    slats = int(random.choice([0, 3, 4, 5]))
    for angle in (0, 180, 90, -90):
        if random.random() < 0.92:
            out = (d if angle in (0, 180) else w) / 2 + random.normal(0.05, 0.12)
            one = place(furniture.chair(frame, seat, slats), turn=random.normal(0, 12))
            solids += place(place(one, z=-out), turn=angle)
    on = _things(random, -w * 0.35, w * 0.35, [], 0.0, 0.1, clutter.FRONT)
    solids += place(on, y=0.74 - TOP, z=-0.1)
    solids = place(solids, turn=random.normal(0, 8))
    if random.random() < 0.5:
        drop = random.uniform(0.6, 1.0)
        solids += furniture.pendant(plain(random), light.lamp, height, drop)
    return np.array([x, 0.8, z]), place(solids, x, 0, z)


def _window(random, style, light, size) -> list[Solid]:
    """A window with, at times, a blind and things on its sill."""
    solids = furniture.window(style.units.trim, light.pane, size, 0.14)
    if random.random() < 0.3:
        solids += furniture.blind(plain(random, 0.4), size, random.uniform(0.15, 0.7))
    return solids


def _on_walls(random, style, runs, panes, walls) -> list[Solid]:
    """Doors and pictures on walls without units (NYU: pictures in 45 % of the photos)."""
    solids: list[Solid] = []
    taken = {run.wall: run for run in runs}
    for number, wall in enumerate(walls):
        free = [0.2, wall.length - 0.2]
        if number in taken:
            run = taken[number]
            if number == 3 or (number == 0 and wall.length - run.stop < 0.9):
                continue
            free = (
                [run.stop + 0.1, wall.length - 0.1] if run.start < 0.7 else [0.2, run.start - 0.1]
            )
        holes = [(along, along + size[0]) for w, along, _, size in panes if w == number]
        spots = []
        if random.random() < 0.45:
            spots.append((0.95, "door"))
        spots += [(random.uniform(0.3, 0.8), "picture") for _ in range(random.poisson(1.5))]
        x = free[0] + random.uniform(0.05, 0.4)
        for width, kind in spots:
            if any(x - 0.1 < b and x + width + 0.1 > a for a, b in holes):
                x = max(b for _, b in holes) + 0.3
            if x + width > free[1]:
                break
            if kind == "door":
                leaf = (
                    Material((0.75, 0.74, 0.7), gloss=0.4) if random.random() < 0.6 else style.wood
                )
                solids += wall.place(furniture.door(leaf, style.units.trim), x + 0.08)
            else:
                art = Material(texture=textures.painting(random), tile=FIT, gloss=0.3)
                size = width, float(random.uniform(0.3, 0.7))
                hung = furniture.picture(art, plain(random), size)
                solids += wall.place(hung, x + width / 2, random.uniform(1.45, 1.65))
            x += width + random.uniform(0.2, 0.9)
        x = free[0] + random.uniform(0.1, 0.5)
        while number and not any(kind == "door" for _, kind in spots) and x + 0.5 < free[1]:
            thing, width = clutter.pick(random, clutter.FLOOR_THINGS)
            solids += wall.place(thing, x + width / 2, 0, 0.25)
            x += width + random.exponential(0.5) + 0.05
    return solids


def _lamps(random, light: Light, width, depth, height) -> list[Solid]:
    """One ceiling light for every 8 m² or so, near the middle of its share of the room."""
    count = max(1, round(width * depth / 8))
    solids: list[Solid] = []
    for i in range(count):
        z = depth * (i + 0.5) / count + random.normal(0, 0.15)
        x = width / 2 + random.normal(0, 0.25)
        solids += place(
            furniture.ceiling_light(light.lamp, height, random.uniform(0.1, 0.2)), x, 0, z
        )
    return solids


def _cameras(random, solids, focus, room) -> list[Camera]:
    """Views as a visitor takes them, none with anything nearer than 0.42 m.

    0.42 m from the centre is 0.3 m along the axis even in the picture's corners. Three habits:
    a view of the room (a few steps back, at the height of eyes or of a chest), a close view of a
    worktop, and a slanting view along a run. NYU: median distance 2.4 m, deciles 1.2 and 4.5 m.
    """
    bounds = np.array([solid.bounds() for solid in solids])
    width, depth, _ = room
    cameras = []
    for _ in range(80):
        target, wall = focus[int(random.integers(len(focus)))]
        habit = random.choice(["room", "close", "along"], p=[0.62, 0.18, 0.2])
        distance = random.lognormal(np.log({"room": 4.3, "close": 1.35, "along": 2.9}[habit]), 0.3)
        side = {"room": random.normal(0, 28), "close": random.normal(0, 25)}.get(
            str(habit), random.choice([-1, 1]) * random.uniform(50, 75)
        )
        angle = np.radians(wall.turn + side)
        eye = float(random.normal(1.4, 0.17))  # eyes at 1.6, a hand-held sensor at the chest
        position = target + distance * np.array([np.sin(angle), 0, np.cos(angle)])
        position[1] = eye
        inside = (0.45 < position[0] < width - 0.45) and (0.45 < position[2] < depth - 0.45)
        away = np.maximum(bounds[:, 0] - position, position - bounds[:, 1]).clip(0)
        if not inside or (np.linalg.norm(away, axis=1) < 0.42).any():
            continue
        aim = target + random.normal(0, 0.12, 3) * [2, 1, 2]
        aim[1] = random.normal(0.8, 0.2) if habit != "close" else random.normal(1.0, 0.1)
        forward = (aim - position) / np.linalg.norm(aim - position)
        # 63° across is the Kinect's colour camera, 60…72° are phones' main cameras in 4 : 3.
        view = 63.0 if random.random() < 0.5 else float(random.uniform(58, 72))
        cameras.append(Camera(position, forward, float(random.normal(0, 2)), view))
        if len(cameras) == 6:
            break
    return cameras
