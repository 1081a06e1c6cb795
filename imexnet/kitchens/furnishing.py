"""The room of a kitchen and all that is in it, built after its plan."""

from collections.abc import Sequence

import numpy as np

from imexnet.kitchens.floorplan import Pane, Random, Run, Wall, fill
from imexnet.kitchens.objects import clutter, furniture, textures
from imexnet.kitchens.objects.furniture import (
    CEILING,
    FLOOR,
    MAT,
    TOP,
    UPPER_LOW,
    WALL,
    WORKTOP_DEPTH,
)
from imexnet.kitchens.objects.solids import FIT, Material, Solid, box, place
from imexnet.kitchens.objects.styles import Light, Room, plain


def shell(
    random: Random,
    style: Room,
    walls: Sequence[Wall],
    panes: Sequence[Pane],
    width: float,
    depth: float,
    height: float,
) -> list[Solid]:
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


def furnish(
    random: Random, style: Room, run: Run, wall: Wall, panes: Sequence[Pane], height: float
) -> list[Solid]:
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
                for _, a, _, (w, _) in panes
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


def middle(
    random: Random,
    style: Room,
    layout: str,
    free: tuple[float, float, float, float],
    height: float,
    light: Light,
) -> tuple[np.ndarray, list[Solid]]:
    """An island, or a table with chairs (NYU: in 30…40 % of the photos), with things on it."""
    x0, x1, z0, z1 = free
    units = style.units
    solids: list[Solid] = []
    if layout == "island":
        width, depth = float(min(random.uniform(1.2, 2.0), x1 - x0)), WORKTOP_DEPTH
        at = (x0 + x1 - width) / 2, z0 + 0.1
        kinds = fill(random, width, [])
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


def window(random: Random, style: Room, light: Light, size: tuple[float, float]) -> list[Solid]:
    """A window with, at times, a blind and things on its sill."""
    solids = furniture.window(style.units.trim, light.pane, size, 0.14)
    if random.random() < 0.3:
        solids += furniture.blind(plain(random, 0.4), size, random.uniform(0.15, 0.7))
    return solids


def on_walls(
    random: Random, style: Room, runs: Sequence[Run], panes: Sequence[Pane], walls: Sequence[Wall]
) -> list[Solid]:
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


def lamps(random: Random, light: Light, width: float, depth: float, height: float) -> list[Solid]:
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


def _above(
    random: Random, style: Room, kind: str, width: float, habit: str, under: bool, height: float
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


def _splash(style: Room, run: Run, low: float, high: float, panes: Sequence[Pane]) -> list[Solid]:
    """Tiles between worktop and wall cupboards; below the sill where there is a window."""
    if style.units.splash is None:
        return []
    solids, x, top = [], low, UPPER_LOW + 0.02
    for _, along, sill, (w, _) in sorted(panes):
        a, b = np.clip((along - run.start - 0.05, along + w - run.start + 0.05), low, high)
        if b > a:
            solids.append(box(style.units.splash, WALL, (x, TOP, 0), (a, top, 0.008)))
            solids.append(box(style.units.splash, WALL, (a, TOP, 0), (b, sill - 0.03, 0.008)))
            x = b
    return [*solids, box(style.units.splash, WALL, (x, TOP, 0), (high, top, 0.008))]


def _things(
    random: Random,
    low: float,
    high: float,
    busy: Sequence[tuple[float, float]],
    z: float,
    gap: float,
    kinds: clutter.Kinds,
) -> list[Solid]:
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
