"""What stands in a kitchen: units, appliances, table and chairs, window, door, lamps.

Every builder returns solids in coordinates of its own: x to the right along the wall, y up, z out
of the wall, the left rear corner at the origin. Sizes are those of European kitchen units, which
come in 0.4…0.9 m widths on a 0.1 m plinth, 0.9 m high and 0.6 m deep; labels are NYU40 classes.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from imexnet.kitchens.objects.solids import Material, Solid, ball, box, lathe, place, rod

WALL, FLOOR, CABINET, CHAIR, TABLE, DOOR, WINDOW, PICTURE, COUNTER, BLINDS = (
    1, 2, 3, 5, 7, 8, 9, 11, 12, 13,
)  # fmt: skip
SHELVES, MAT, CEILING, BOOKS, FRIDGE, TV, PAPER, TOWEL, BOX, SINK, LAMP, BAG, APPLIANCE, OBJECT = (
    15, 20, 22, 23, 24, 25, 26, 27, 29, 34, 35, 37, 38, 40,
)  # fmt: skip

Pair: TypeAlias = tuple[float, float]
PLINTH, TOP, BASE_DEPTH, WORKTOP_DEPTH = 0.10, 0.90, 0.58, 0.62
UPPER_LOW, UPPER_DEPTH = 1.42, 0.34

BLACK = Material((0.012, 0.012, 0.013), gloss=0.12)
RUBBER = Material((0.03, 0.03, 0.03))
CHROME = Material((0.75, 0.75, 0.76), gloss=0.12, metal=True)
GLASS = Material((0.95, 0.97, 0.96), glass=True)


@dataclass(frozen=True)
class Style:
    """The materials and habits that all units of one kitchen share."""

    front: Material
    upper_front: Material
    carcass: Material
    worktop: Material
    thickness: float
    handle: Material
    handles: str  # bar, knob or none
    shaker: bool
    appliance: Material
    trim: Material
    splash: Material | None
    upper_top: float


def front(
    style: Style,
    random: np.random.Generator,
    x: Pair,
    y: Pair,
    z: float,
    handle: str,
    upper: bool = False,
) -> list[Solid]:
    """A door or drawer front with its handle (left, right, top or flat edge of the front)."""
    gap, material = 0.002, style.upper_front if upper else style.front
    x0, x1, y0, y1 = x[0] + gap, x[1] - gap, y[0] + gap, y[1] - gap
    wide = x1 - x0 > y1 - y0
    grain, offset = 0 if wide else 1, tuple(random.uniform(0, 1, 2))
    solids: list[Solid] = [box(material, CABINET, (x0, y0, z), (x1, y1, z + 0.018), grain, offset)]
    face = z + 0.018
    rim = min(0.055, 0.25 * (y1 - y0))
    if style.shaker and y1 - y0 > 0.13:
        face += 0.009
        for low, high, along in (
            ((x0, y0), (x0 + rim, y1), 1),
            ((x1 - rim, y0), (x1, y1), 1),
            ((x0 + rim, y0), (x1 - rim, y0 + rim), 0),
            ((x0 + rim, y1 - rim), (x1 - rim, y1), 0),
        ):
            shift = tuple(random.uniform(0, 1, 2))
            solids.append(box(material, CABINET, (*low, z + 0.018), (*high, face), along, shift))
    inset = rim / 2 if style.shaker else 0.04
    if style.handles == "none":
        return solids
    if handle in ("left", "right"):
        at = x0 + inset if handle == "left" else x1 - inset
        end = (y0 + 0.05, y0 + 0.19) if upper else (y1 - 0.19, y1 - 0.05)
        bar = (at, end[0]), (at, end[1])
    else:
        middle, half = (x0 + x1) / 2, min(0.09, 0.3 * (x1 - x0))
        height = y1 - inset if handle == "top" else (y0 + y1) / 2
        bar = (middle - half, height), (middle + half, height)
    if style.handles == "knob":
        centre = (bar[0][0] + bar[1][0]) / 2, (bar[0][1] + bar[1][1]) / 2, face + 0.016
        return [*solids, ball(style.handle, CABINET, centre, 0.014)]
    a, b = (*bar[0], face + 0.028), (*bar[1], face + 0.028)
    posts = [rod(style.handle, CABINET, (p[0], p[1], face), p, 0.004) for p in (a, b)]
    return [*solids, *posts, rod(style.handle, CABINET, a, b, 0.006)]


def doors(
    style: Style, random: np.random.Generator, width: float, y: Pair, z: float, upper: bool = False
) -> list[Solid]:
    """One door, or two from 0.55 m on."""
    if width < 0.55:
        side = "left" if random.random() < 0.5 else "right"
        return front(style, random, (0, width), y, z, side, upper)
    half = width / 2
    pair = front(style, random, (0, half), y, z, "right", upper)
    return pair + front(style, random, (half, width), y, z, "left", upper)


def base_unit(style: Style, random: np.random.Generator, kind: str, width: float) -> list[Solid]:
    """Doors, drawers, sink (doors), oven (with its hob) or dishwasher, without the worktop."""
    top = TOP - style.thickness
    rim = TOP - 0.2 if kind == "sink" else top  # leaves room for the basin
    solids: list[Solid] = [
        box(RUBBER, CABINET, (0, 0, 0), (width, PLINTH, BASE_DEPTH - 0.06)),
        box(style.carcass, CABINET, (0, PLINTH, 0), (width, rim, BASE_DEPTH - 0.02)),
    ]
    z = BASE_DEPTH - 0.02
    if kind == "oven":
        return [*solids, *oven(style, width, top, z), *hob(style, random, width)]
    if kind == "dishwasher":
        metal, dark = style.appliance, style.trim
        return [
            *solids,
            box(metal, APPLIANCE, (0.003, PLINTH, z), (width - 0.003, top - 0.12, z + 0.025)),
            box(dark, APPLIANCE, (0.003, top - 0.118, z), (width - 0.003, top - 0.004, z + 0.03)),
            *_grip(width, top - 0.16, z + 0.025),
        ]
    if kind == "drawers":
        heights = np.array([1, 1.6, 1.6] if random.random() < 0.6 else [1, 1, 1, 1])
        edges = top - (top - PLINTH) * np.concatenate([[0], np.cumsum(heights) / heights.sum()])
        for high, low in pairwise(edges):
            solids += front(style, random, (0, width), (low, high), z, "flat")
        return solids
    if random.random() < 0.5 and kind == "doors":
        solids += front(style, random, (0, width), (top - 0.16, top), z, "flat")
        return solids + doors(style, random, width, (PLINTH, top - 0.16), z)
    return solids + doors(style, random, width, (PLINTH, top), z)


def oven(style: Style, width: float, top: float, z: float) -> list[Solid]:
    """A door with a dark window, a grip, a panel with knobs."""
    a, b = 0.004, width - 0.004
    solids: list[Solid] = [
        box(style.appliance, APPLIANCE, (a, PLINTH, z), (b, PLINTH + 0.13, z + 0.02)),
        box(style.appliance, APPLIANCE, (a, PLINTH + 0.135, z), (b, top - 0.12, z + 0.028)),
        box(
            BLACK, APPLIANCE, (a + 0.07, PLINTH + 0.2, z + 0.028), (b - 0.07, top - 0.24, z + 0.03)
        ),
        box(style.trim, APPLIANCE, (a, top - 0.115, z), (b, top - 0.003, z + 0.03)),
        *_grip(width, top - 0.17, z + 0.028),
    ]
    for x in np.linspace(0.15 * width, 0.85 * width, 5):
        knob = lathe(CHROME, APPLIANCE, [(0, 0), (0.019, 0), (0.016, 0.025), (0, 0.025)], 12)
        turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        solids.append(knob.moved(turn, np.array([x, top - 0.06, z + 0.03])))
    return solids


def hob(style: Style, random: np.random.Generator, width: float) -> list[Solid]:
    """A glass plate with rings, or gas burners under grids, on the worktop."""
    y = TOP
    plate = BLACK if random.random() < 0.6 else style.appliance
    solids: list[Solid] = [box(plate, APPLIANCE, (0.02, y, 0.06), (width - 0.02, y + 0.012, 0.56))]
    gas = random.random() < 0.55
    grey = Material((0.1, 0.1, 0.1), gloss=0.4)
    for x in (0.28 * width, 0.72 * width):
        for z in (0.19, 0.43):
            r = 0.075 if (x < width / 2) == (z < 0.3) else 0.095
            ring = [(0, 0), (r, 0), (r, 0.014), (0, 0.014)]
            if not gas:
                ring = [(0, 0), (r, 0), (r, 0.0025), (0, 0.0025)]
            solids += place([lathe(RUBBER if gas else grey, APPLIANCE, ring)], x, y + 0.0121, z)
            if gas:
                bar = 0.115
                for a, b in (((-bar, 0), (bar, 0)), ((0, -bar), (0, bar))):
                    start, end = ((x + p[0], y + 0.04, z + p[1]) for p in (a, b))
                    solids.append(rod(RUBBER, APPLIANCE, start, end, 0.006))
    return solids


def hood(style: Style, random: np.random.Generator, width: float, ceiling: float) -> list[Solid]:
    """An extractor over the hob: a slab with a chimney."""
    y = float(random.uniform(1.5, 1.62))
    metal = style.appliance
    return [
        box(metal, APPLIANCE, (0, y, 0), (width, y + 0.07, 0.48)),
        box(metal, APPLIANCE, (0.12, y + 0.07, 0), (width - 0.12, y + 0.18, 0.36)),
        box(metal, APPLIANCE, (width / 2 - 0.14, y + 0.18, 0), (width / 2 + 0.14, ceiling, 0.28)),
    ]


def upper_unit(style: Style, random: np.random.Generator, width: float) -> list[Solid]:
    """A wall cupboard."""
    body = box(
        style.carcass, CABINET, (0, UPPER_LOW, 0), (width, style.upper_top, UPPER_DEPTH - 0.02)
    )
    y, z = (UPPER_LOW, style.upper_top), UPPER_DEPTH - 0.02
    return [body, *doors(style, random, width, y, z, upper=True)]


def shelf(material: Material, width: float, y: float) -> list[Solid]:
    """A board on two brackets."""
    brackets: list[Solid] = [
        box(RUBBER, SHELVES, (x, y - 0.13, 0), (x + 0.02, y, 0.02)) for x in (0.08, width - 0.1)
    ]
    return [*brackets, box(material, SHELVES, (0, y, 0), (width, y + 0.025, 0.23))]


def tall_unit(style: Style, random: np.random.Generator, width: float) -> list[Solid]:
    """A larder: doors from the plinth to the top of the wall cupboards."""
    top, z = style.upper_top, BASE_DEPTH - 0.02
    split = float(random.uniform(0.9, 1.3))
    return [
        box(RUBBER, CABINET, (0, 0, 0), (width, PLINTH, z - 0.04)),
        box(style.carcass, CABINET, (0, PLINTH, 0), (width, top, z)),
        *doors(style, random, width, (PLINTH, split), z),
        *doors(style, random, width, (split, top), z, upper=True),
    ]


def fridge(style: Style, random: np.random.Generator, width: float) -> list[Solid]:
    """Two doors with grips; notes on some."""
    height, depth = float(random.uniform(1.6, 1.9)), float(random.uniform(0.62, 0.74))
    split = height * float(random.choice([0.36, 0.68]))
    metal, edge = style.appliance, width - 0.01
    solids: list[Solid] = [
        box(metal, FRIDGE, (0.01, 0.03, 0.02), (edge, height, depth - 0.06)),
        box(metal, FRIDGE, (0.01, 0.05, depth - 0.055), (edge, split - 0.004, depth)),
        box(metal, FRIDGE, (0.01, split + 0.004, depth - 0.055), (edge, height, depth)),
    ]
    for y0, y1 in (
        (max(0.2, split - 0.5), split - 0.05),
        (split + 0.05, min(height - 0.1, split + 0.4)),
    ):
        solids.append(box(style.handle, FRIDGE, (0.05, y0, depth), (0.075, y1, depth + 0.04)))
    for _ in range(random.poisson(2.5)):
        w, h = random.uniform(0.05, 0.2, 2)
        x, y = random.uniform(0.12, width - 0.05 - w), random.uniform(split, height - h)
        paper = Material(tuple(random.uniform(0.3, 0.85, 3)))
        solids.append(box(paper, PAPER, (x, y, depth), (x + w, y + h, depth + 0.003)))
    return solids


def worktop(
    style: Style, width: float, sinks: list[tuple[float, float]], random: np.random.Generator
) -> list[Solid]:
    """The slab over base units, with a steel basin and a tap at each (x0, x1) of `sinks`."""
    y0, depth = TOP - style.thickness, WORKTOP_DEPTH
    solids: list[Solid] = []
    z0, z1, bottom = 0.13, 0.52, TOP - 0.18
    start = 0.0
    for low, high in sinks:
        solids.append(box(style.worktop, COUNTER, (start, y0, 0), (low, TOP, depth)))
        solids.append(box(style.worktop, COUNTER, (low, y0, 0), (high, TOP, z0)))
        solids.append(box(style.worktop, COUNTER, (low, y0, z1), (high, TOP, depth)))
        steel = Material((0.62, 0.62, 0.63), gloss=0.3, metal=True)
        t = 0.006
        for a, b in (
            ((low, bottom - t, z0), (high, bottom, z1)),
            ((low, bottom, z0), (low + t, TOP + 0.003, z1)),
            ((high - t, bottom, z0), (high, TOP + 0.003, z1)),
            ((low, bottom, z0), (high, TOP + 0.003, z0 + t)),
            ((low, bottom, z1 - t), (high, TOP + 0.003, z1)),
        ):
            solids.append(box(steel, SINK, a, b))
        if high - low > 0.6:
            middle = (low + high) / 2
            solids.append(box(steel, SINK, (middle - 0.015, bottom, z0), (middle + 0.015, TOP, z1)))
        solids += tap(random, (low + high) / 2)
        start = high
    solids.append(box(style.worktop, COUNTER, (start, y0, 0), (width, TOP, depth)))
    return solids


def tap(random: np.random.Generator, x: float) -> list[Solid]:
    """A swan neck of short rods."""
    height, reach = random.uniform(0.2, 0.32), random.uniform(0.14, 0.2)
    angle = np.linspace(0, np.pi * 0.95, 7)
    r = reach / 2
    bend = [(x, TOP + height + r * np.sin(a), 0.07 + r - r * np.cos(a)) for a in angle]
    points = [(x, TOP, 0.07), *bend]
    pairs = pairwise(points)
    return [
        *(rod(CHROME, SINK, a, b, 0.012) for a, b in pairs),
        rod(CHROME, SINK, (x + 0.012, TOP + 0.06, 0.07), (x + 0.08, TOP + 0.09, 0.08), 0.007),
    ]


def table(
    material: Material, legs: Material, size: tuple[float, float], round_top: bool
) -> list[Solid]:
    """A table of 0.74 m, centred on the origin."""
    w, d = size
    if round_top:
        r = w / 2
        top = lathe(material, TABLE, [(0, 0.71), (r, 0.71), (r, 0.74), (0, 0.74)], 40)
        foot = lathe(legs, TABLE, [(0, 0), (0.3, 0), (0.28, 0.03), (0.05, 0.06), (0.05, 0.71)])
        return [top, foot]
    solids: list[Solid] = [box(material, TABLE, (-w / 2, 0.71, -d / 2), (w / 2, 0.74, d / 2), 0)]
    x, z = w / 2 - 0.06, d / 2 - 0.06
    for sx in (-x, x):
        for sz in (-z, z):
            low, high = (sx - 0.03, 0, sz - 0.03), (sx + 0.03, 0.71, sz + 0.03)
            solids.append(box(legs, TABLE, low, high, 1))
    for sz in (-z, z):
        solids.append(box(legs, TABLE, (-x, 0.62, sz - 0.012), (x, 0.71, sz + 0.012), 0))
    return solids


def chair(frame: Material, seat: Material, slats: int) -> list[Solid]:
    """A chair centred on the origin, its back at -z."""
    solids: list[Solid] = [box(seat, CHAIR, (-0.21, 0.43, -0.2), (0.21, 0.47, 0.22))]
    for x in (-0.19, 0.19):
        solids.append(box(frame, CHAIR, (x - 0.018, 0, 0.17), (x + 0.018, 0.43, 0.205), 1))
        solids.append(box(frame, CHAIR, (x - 0.018, 0, -0.205), (x + 0.018, 0.92, -0.17), 1))
    solids.append(box(frame, CHAIR, (-0.19, 0.82, -0.2), (0.19, 0.92, -0.18), 0))
    if slats == 0:
        return [*solids, box(seat, CHAIR, (-0.18, 0.52, -0.2), (0.18, 0.82, -0.175), 1)]
    for x in np.linspace(-0.13, 0.13, slats):
        solids.append(box(frame, CHAIR, (x - 0.012, 0.47, -0.195), (x + 0.012, 0.82, -0.18), 1))
    return solids


def stool(frame: Material, seat: Material) -> list[Solid]:
    """A bar stool of 0.65 m, centred on the origin."""
    solids: list[Solid] = [lathe(seat, CHAIR, [(0, 0.61), (0.17, 0.61), (0.17, 0.65), (0, 0.65)])]
    for x, z in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        foot, top = (0.18 * x, 0.0, 0.18 * z), (0.11 * x, 0.61, 0.11 * z)
        solids.append(rod(frame, CHAIR, foot, top, 0.016))
    return [*solids, lathe(frame, CHAIR, [(0.16, 0.2), (0.17, 0.2), (0.17, 0.22), (0.16, 0.22)])]


def window(
    frame: Material, pane: Material, size: tuple[float, float], recess: float
) -> list[Solid]:
    """Frame, bar, sill and glowing pane in an opening of the wall; origin at its lower left."""
    w, h = size
    t, z = 0.05, -recess
    bars = [
        ((0, 0), (t, h)), ((w - t, 0), (w, h)), ((t, 0), (w - t, t)), ((t, h - t), (w - t, h)),
        ((w / 2 - t / 2, t), (w / 2 + t / 2, h - t)),
    ]  # fmt: skip
    solids: list[Solid] = [
        box(frame, WINDOW, (*low, z), (*high, z + 0.05), 1) for low, high in bars
    ]
    solids.append(box(frame, WINDOW, (-0.04, -0.025, z), (w + 0.04, 0, 0.05)))
    return [*solids, box(pane, WINDOW, (t / 2, t / 2, z + 0.01), (w - t / 2, h - t / 2, z + 0.02))]


def blind(material: Material, size: tuple[float, float], drop: float) -> list[Solid]:
    """A roller blind let down by a share of the window."""
    w, h = size
    roller = rod(material, BLINDS, (0.02, h - 0.03, 0.015), (w - 0.02, h - 0.03, 0.015), 0.02)
    return [
        roller,
        box(material, BLINDS, (0.02, h * (1 - drop), 0.01), (w - 0.02, h - 0.03, 0.014)),
    ]


def door(leaf: Material, frame: Material) -> list[Solid]:
    """A closed door of 0.8 × 2.0 m with two panels and a knob."""
    solids: list[Solid] = [box(leaf, DOOR, (0, 0, 0), (0.8, 2.0, 0.03), 1)]
    for y0, y1 in ((0.15, 0.85), (1.05, 1.85)):
        solids.append(box(leaf, DOOR, (0.12, y0, 0.03), (0.68, y1, 0.037), 1))
    for low, high in (((-0.08, 0), (0, 2.08)), ((0.8, 0), (0.88, 2.08)), ((0, 2.0), (0.8, 2.08))):
        solids.append(box(frame, DOOR, (*low, 0), (*high, 0.045), 1))
    return [*solids, ball(CHROME, DOOR, (0.72, 1.0, 0.08), 0.028)]


def picture(art: Material, frame: Material, size: tuple[float, float]) -> list[Solid]:
    """A framed picture, centred on the origin of the wall."""
    w, h = size[0] / 2, size[1] / 2
    inner: Solid = box(art, PICTURE, (-w, -h, 0), (w, h, 0.018))
    return [box(frame, PICTURE, (-w - 0.02, -h - 0.02, 0), (w + 0.02, h + 0.02, 0.015)), inner]


def pendant(shade: Material, light: Material, ceiling: float, drop: float) -> list[Solid]:
    """A bell on a cord under the ceiling with a glowing ball in it; centred on the origin."""
    y = ceiling - drop
    bell = [(0.03, 0.14), (0.06, 0.12), (0.13, 0.0), (0.125, 0.0), (0.055, 0.11), (0.0, 0.115)]
    cord = rod(RUBBER, LAMP, (0, y + 0.1, 0), (0, ceiling, 0), 0.004)
    return [
        *place([lathe(shade, LAMP, bell)], y=y),
        cord,
        ball(light, LAMP, (0, y + 0.03, 0), 0.05),
    ]


def ceiling_light(light: Material, ceiling: float, radius: float) -> list[Solid]:
    """A flat glowing disc under the ceiling; centred on the origin."""
    y = ceiling - 0.06
    disc = [(0, 0), (radius, 0), (radius, 0.06)]
    return place([lathe(light, LAMP, disc, 16)], y=y)


def appliance_box(body: Material, size: tuple[float, float, float]) -> list[Solid]:
    """A microwave: a body with a dark door and a panel; origin at its lower left rear."""
    w, h, d = size
    dark = box(BLACK, APPLIANCE, (0.02, 0.03, d), (0.7 * w, h - 0.03, d + 0.006))
    panel = box(RUBBER, APPLIANCE, (0.76 * w, 0.03, d), (w - 0.02, h - 0.03, d + 0.004))
    return [box(body, APPLIANCE, (0, 0.01, 0), (w, h, d)), dark, panel]


def _grip(width: float, y: float, z: float) -> list[Solid]:
    a, b = (0.1, y, z + 0.035), (width - 0.1, y, z + 0.035)
    posts = [rod(CHROME, APPLIANCE, (p[0], y, z), p, 0.006) for p in (a, b)]
    return [*posts, rod(CHROME, APPLIANCE, a, b, 0.009)]
