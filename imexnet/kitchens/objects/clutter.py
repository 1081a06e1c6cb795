"""Small things that lie about in kitchens, each standing on y = 0 round its own origin.

How many there are is drawn in `kitchens`; here is what they look like. A thing is (solids, width):
width is the room that it takes on a worktop.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from imexnet.kitchens.objects import textures
from imexnet.kitchens.objects.furniture import (  # fmt: skip
    APPLIANCE,
    BAG,
    BLACK,
    BOOKS,
    BOX,
    CHROME,
    GLASS,
    OBJECT,
    PAPER,
    RUBBER,
    TOWEL,
    appliance_box,
)
from imexnet.kitchens.objects.solids import FIT, Material, Solid, ball, box, lathe, place, rod

Thing: TypeAlias = tuple[list[Solid], float]
Random: TypeAlias = np.random.Generator
Kinds: TypeAlias = tuple[tuple[Callable[[Random], Thing], float], ...]
CERAMIC = 0.08  # roughness of a glaze


def colour(random: Random, bright: float = 0.8) -> tuple[float, float, float]:
    """A household colour: mostly greyish, some strong."""
    rgb = textures.inks(random, 1)[0]
    return tuple((rgb * bright / 0.8).clip(0.012, 0.85).tolist())


def bottle(random: Random) -> Thing:
    """Oil, wine or soap: a body, a shoulder, a neck and a cap."""
    r, h = random.uniform(0.028, 0.045), random.uniform(0.16, 0.32)
    neck = r * random.uniform(0.3, 0.5)
    body = Material(colour(random, 0.6), gloss=0.06)
    profile = [
        (0, 0), (r, 0), (r, 0.62 * h), (0.8 * r, 0.7 * h), (neck, 0.78 * h), (neck, 0.95 * h),
        (0, 0.95 * h),
    ]  # fmt: skip
    cap = [(0, 0.94 * h), (neck * 1.15, 0.94 * h), (neck * 1.15, h), (0, h)]
    paper = [(r + 0.001, 0.15 * h), (r + 0.001, 0.5 * h)]
    return [
        lathe(body, OBJECT, profile),
        lathe(Material(colour(random)), OBJECT, cap),
        lathe(_print(random), OBJECT, paper),
    ], 2 * r


def jar(random: Random) -> Thing:
    """A storage jar with a lid."""
    r, h = random.uniform(0.04, 0.075), random.uniform(0.09, 0.24)
    body = Material(colour(random), gloss=CERAMIC)
    lid = CHROME if random.random() < 0.4 else Material(colour(random), gloss=0.3)
    return [
        lathe(body, OBJECT, [(0, 0), (r, 0), (r, 0.85 * h), (0.9 * r, 0.88 * h)]),
        lathe(lid, OBJECT, [(0.95 * r, 0.86 * h), (0.95 * r, h), (0, h)]),
    ], 2 * r


def mug(random: Random) -> Thing:
    """A mug with a handle of three bars."""
    r, h = random.uniform(0.036, 0.046), random.uniform(0.085, 0.11)
    glaze = Material(colour(random, 0.9), gloss=CERAMIC)
    profile = [(0, 0), (r, 0), (r, h), (r - 0.004, h), (r - 0.004, 0.01), (0, 0.01)]
    low, high, out = 0.2 * h, 0.8 * h, r + 0.028
    points = [(r, low, 0), (out, low + 0.01, 0), (out, high - 0.01, 0), (r, high, 0)]
    bars = [rod(glaze, OBJECT, a, b, 0.005) for a, b in pairwise(points)]
    return place([lathe(glaze, OBJECT, profile), *bars], turn=random.uniform(0, 360)), 2.4 * r


def plates(random: Random) -> Thing:
    """A stack of plates or bowls."""
    glaze, r = Material(colour(random, 0.9), gloss=CERAMIC), random.uniform(0.09, 0.14)
    step, rise = random.uniform(0.012, 0.02), random.uniform(0.015, 0.06)
    profile = [
        (0, 0),
        (0.6 * r, 0),
        (r, rise),
        (0.97 * r, rise + 0.003),
        (0.58 * r, 0.006),
        (0, 0.006),
    ]
    count = int(random.integers(1, 7))
    return [
        s for i in range(count) for s in place([lathe(glaze, OBJECT, profile)], y=i * step)
    ], 2 * r


def fruit(random: Random) -> Thing:
    """A bowl of apples, oranges and lemons."""
    r, glaze = random.uniform(0.11, 0.15), Material(colour(random, 0.9), gloss=CERAMIC)
    profile = [
        (0, 0), (0.45 * r, 0), (0.85 * r, 0.04), (r, 0.09), (0.97 * r, 0.09), (0.8 * r, 0.045),
        (0.4 * r, 0.012), (0, 0.012),
    ]  # fmt: skip
    kinds = [(0.45, 0.03, 0.02), (0.75, 0.27, 0.02), (0.75, 0.6, 0.08), (0.3, 0.45, 0.06)]
    solids: list[Solid] = [lathe(glaze, OBJECT, profile)]
    for i in range(int(random.integers(3, 8))):
        skin = Material(kinds[int(random.integers(4))], gloss=0.25)
        angle, layer = i * 2.4, 0 if i < 5 else 1
        out = 0.55 * r * (1 - 0.6 * layer)
        centre = (out * np.cos(angle), 0.065 + 0.055 * layer, out * np.sin(angle))
        solids.append(ball(skin, OBJECT, centre, random.uniform(0.032, 0.042)))
    return solids, 2 * r


def kettle(random: Random) -> Thing:
    """A jug kettle with spout and handle."""
    steel = CHROME if random.random() < 0.5 else Material(colour(random), gloss=0.2)
    profile = [(0, 0), (0.085, 0), (0.085, 0.03), (0.06, 0.2), (0.05, 0.22), (0, 0.225)]
    loop = [(0.07, 0.19, 0), (0.13, 0.18, 0), (0.13, 0.07, 0), (0.085, 0.05, 0)]
    bars = [rod(RUBBER, OBJECT, a, b, 0.01) for a, b in pairwise(loop)]
    spout = rod(steel, OBJECT, (-0.055, 0.17, 0), (-0.1, 0.205, 0), 0.014)
    knob = ball(RUBBER, OBJECT, (0, 0.235, 0), 0.014)
    return place(
        [lathe(steel, OBJECT, profile), spout, knob, *bars], turn=random.uniform(-60, 60)
    ), 0.24


def toaster(random: Random) -> Thing:
    """A toaster with two slots."""
    body = CHROME if random.random() < 0.5 else Material(colour(random), gloss=0.2)
    slots: list[Solid] = [
        box(RUBBER, APPLIANCE, (-0.1, 0.19, z - 0.012), (0.1, 0.1915, z + 0.012))
        for z in (-0.035, 0.035)
    ]
    shell = box(body, APPLIANCE, (-0.14, 0.012, -0.085), (0.14, 0.19, 0.085))
    foot = box(RUBBER, APPLIANCE, (-0.13, 0, -0.08), (0.13, 0.012, 0.08))
    lever = box(RUBBER, APPLIANCE, (0.14, 0.11, -0.02), (0.165, 0.125, 0.02))
    return place([shell, foot, lever, *slots], turn=random.normal(0, 15)), 0.32


def microwave(random: Random) -> Thing:
    """A microwave oven."""
    w, h, d = random.uniform(0.44, 0.52), random.uniform(0.25, 0.3), random.uniform(0.3, 0.36)
    white = Material((0.75, 0.75, 0.73), gloss=0.25)
    body = [white, BLACK, Material((0.55, 0.55, 0.56), gloss=0.3, metal=True)]
    solids = appliance_box(body[int(random.integers(3))], (w, h, d))
    return place(solids, x=-w / 2, z=-d / 2), w + 0.03


def coffee_machine(random: Random) -> Thing:
    """A filter machine: a column, a head, a plate and a pot."""
    shell = Material(colour(random, 0.3), gloss=0.2)
    pot = [(0, 0.03), (0.06, 0.03), (0.068, 0.09), (0.045, 0.15), (0.05, 0.155), (0, 0.155)]
    coffee = Material((0.03, 0.018, 0.012), gloss=0.05)
    return [
        box(shell, APPLIANCE, (-0.1, 0, -0.13), (0.1, 0.03, 0.1)),
        box(shell, APPLIANCE, (-0.1, 0.03, -0.13), (0.1, 0.34, -0.04)),
        box(shell, APPLIANCE, (-0.1, 0.24, -0.04), (0.1, 0.34, 0.09)),
        *place([lathe(coffee, APPLIANCE, pot)], z=0.03),
    ], 0.22


def board(random: Random) -> Thing:
    """A chopping board that leans at the wall; origin at its foot."""
    w, h = random.uniform(0.2, 0.32), random.uniform(0.28, 0.42)
    plank = textures.wood((0.45, 0.27, 0.13), 0.12, int(random.integers(textures.VARIANTS)))
    solid = box(
        Material(texture=plank, tile=(0.5, 0.5)), OBJECT, (-w / 2, 0, -0.01), (w / 2, h, 0.01), 1
    )
    c, s = np.cos(0.22), np.sin(0.22)
    return [solid.moved(np.array([[1, 0, 0], [0, c, s], [0, -s, c]]), np.zeros(3))], w


def knives(random: Random) -> Thing:
    """A block with black handles."""
    plank = textures.wood(colour(random, 0.4), 0.12, 0)
    wood = Material(texture=plank, tile=(0.4, 0.4))
    tilt = np.radians(random.uniform(15, 30))
    c, s = np.cos(tilt), np.sin(tilt)
    matrix = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    solids: list[Solid] = [box(wood, OBJECT, (-0.05, 0, -0.06), (0.05, 0.22, 0.06), 1)]
    for x in (-0.03, 0, 0.03):
        for z in (-0.03, 0.02):
            top = 0.22 + random.uniform(0.06, 0.11)
            solids.append(
                box(BLACK, OBJECT, (x - 0.009, 0.22, z - 0.012), (x + 0.009, top, z + 0.012))
            )
    return [solid.moved(matrix, np.array([0, 0.025, 0])) for solid in solids], 0.14


def packet(random: Random) -> Thing:
    """A printed box: cereals, tea, pasta."""
    w, h, d = random.uniform(0.07, 0.2), random.uniform(0.1, 0.31), random.uniform(0.04, 0.09)
    solid = box(_print(random), BOX, (-w / 2, 0, -d / 2), (w / 2, h, d / 2))
    return place([solid], turn=random.normal(0, 20)), w


def books(random: Random) -> Thing:
    """Cookbooks side by side."""
    solids, x = [], 0.0
    for _ in range(int(random.integers(3, 9))):
        t, h, d = (
            random.uniform(0.012, 0.045),
            random.uniform(0.18, 0.29),
            random.uniform(0.13, 0.2),
        )
        solids.append(
            box(Material(colour(random), gloss=0.4), BOOKS, (x, 0, -d / 2), (x + t, h, d / 2))
        )
        x += t + 0.001
    return place(solids, x=-x / 2), x


def plant(random: Random, scale: float = 1.0) -> Thing:
    """A pot with a crown of leaves: thin discs at all angles."""
    r, h = scale * random.uniform(0.05, 0.09), scale * random.uniform(0.08, 0.14)
    clay = Material(colour(random), gloss=0.4 if random.random() < 0.5 else None)
    pot = lathe(
        clay,
        OBJECT,
        [(0, 0), (0.75 * r, 0), (r, h), (0.9 * r, h), (0.88 * r, h - 0.01), (0, h - 0.01)],
    )
    green = np.array([0.09, 0.2, 0.05]) * random.lognormal(0, 0.35, 3)
    solids: list[Solid] = [pot]
    spread = random.uniform(1.0, 2.0) * r
    for _ in range(int(random.integers(22, 45))):
        leaf = Material(tuple((green * random.lognormal(0, 0.2)).clip(0.01, 0.6)), gloss=0.5)
        length = random.uniform(0.25, 0.5) * spread
        disc = lathe(leaf, OBJECT, [(0, -0.001), (length, 0.0), (0, 0.001)], 7)
        turn, _ = np.linalg.qr(random.standard_normal((3, 3)))
        turn *= np.sign(np.linalg.det(turn))
        at = random.standard_normal(3) * spread * 0.5 + [0, h + 0.9 * spread, 0]
        solids.append(disc.moved(turn, np.maximum(at, [-9, h + 0.02, -9])))
    return solids, 2 * r + 0.04


def utensils(random: Random) -> Thing:
    """Spoons and whisks in a pot."""
    solids, width = jar(random)
    solids = solids[:1]
    top = solids[0].bounds()[1][1]
    for _ in range(int(random.integers(3, 7))):
        wood = Material((0.4, 0.25, 0.12)) if random.random() < 0.5 else CHROME
        lean, angle = random.uniform(0.01, 0.05), random.uniform(0, 6.28)
        end = (lean * np.cos(angle), top + random.uniform(0.08, 0.16), lean * np.sin(angle))
        solids += [rod(wood, OBJECT, (0, 0.02, 0), end, 0.005), ball(wood, OBJECT, end, 0.02)]
    return solids, width


def paper_roll(random: Random) -> Thing:
    """Kitchen paper on a stand."""
    white = Material((0.82, 0.82, 0.8))
    roll = [(0, 0.01), (0.06, 0.01), (0.06, 0.24), (0.02, 0.24), (0.02, 0.2), (0, 0.2)]
    stand = lathe(CHROME, OBJECT, [(0, 0), (0.075, 0), (0.075, 0.01), (0, 0.01)])
    return [
        lathe(white, PAPER, roll),
        stand,
        rod(CHROME, OBJECT, (0, 0, 0), (0, 0.28, 0), 0.007),
    ], 0.15


def pan(random: Random) -> Thing:
    """A saucepan or frying pan with its handle."""
    r, h = random.uniform(0.09, 0.13), random.uniform(0.04, 0.16)
    body = CHROME if random.random() < 0.5 else Material(colour(random, 0.4), gloss=0.25)
    profile = [(0, 0), (r, 0), (r, h), (r - 0.004, h), (r - 0.004, 0.008), (0, 0.008)]
    handle = rod(RUBBER, OBJECT, (r, 0.85 * h, 0), (r + 0.16, 0.95 * h, 0), 0.01)
    solids: list[Solid] = [lathe(body, OBJECT, profile, 24), handle]
    if h > 0.09 and random.random() < 0.6:
        lid = [(r, h), (0.7 * r, h + 0.02), (0, h + 0.03)]
        solids += [lathe(CHROME, OBJECT, lid, 24), ball(RUBBER, OBJECT, (0, h + 0.045, 0), 0.016)]
    return place(solids, turn=random.uniform(20, 160)), 2.2 * r


def glasses(random: Random) -> Thing:
    """A few drinking glasses."""
    solids: list[Solid] = []
    for i in range(int(random.integers(2, 5))):
        r, h = 0.034, 0.13
        at = (i // 2) * 0.085 - 0.04, (i % 2) * 0.085 - 0.04
        solids += place(
            [lathe(GLASS, OBJECT, [(0, 0.004), (r * 0.85, 0.004), (r, h)])], at[0], 0, at[1]
        )
    return solids, 0.17


def cloth(random: Random) -> Thing:
    """A folded towel."""
    w, d = random.uniform(0.12, 0.22), random.uniform(0.1, 0.18)
    fabric = Material(colour(random, 0.85))
    solids: list[Solid] = [
        box(
            fabric, TOWEL, (-w / 2, i * 0.014, -d / 2), (w / 2 - 0.01 * i, i * 0.014 + 0.012, d / 2)
        )
        for i in range(int(random.integers(1, 4)))
    ]
    return place(solids, turn=random.uniform(0, 180)), max(w, d)


def rack(random: Random) -> Thing:
    """A dish rack with plates on edge."""
    wire, w, d, h = CHROME, 0.38, 0.28, 0.11
    solids: list[Solid] = []
    for y in (0.02, h):
        corners = [(-w / 2, y, -d / 2), (w / 2, y, -d / 2), (w / 2, y, d / 2), (-w / 2, y, d / 2)]
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            solids.append(rod(wire, OBJECT, a, b, 0.004))
    for x in np.linspace(-w / 2, w / 2, 8):
        for z in (-d / 2, d / 2):
            solids.append(rod(wire, OBJECT, (x, 0, z), (x, h, z), 0.003))
    glaze = Material(colour(random, 0.9), gloss=CERAMIC)
    edge = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
    for x in np.linspace(-0.13, 0.13, int(random.integers(2, 7))):
        r = random.uniform(0.08, 0.12)
        plate = lathe(
            glaze, OBJECT, [(0, 0), (0.6 * r, 0), (r, 0.02), (0.6 * r, 0.005), (0, 0.005)]
        )
        solids.append(plate.moved(edge, np.array([x, r + 0.02, 0])))
    return solids, w


def bin_(random: Random) -> Thing:
    """A pedal bin."""
    r, h = random.uniform(0.12, 0.18), random.uniform(0.35, 0.7)
    body = Material(colour(random), gloss=0.3)
    lid = lathe(
        BLACK, OBJECT, [(r * 1.02, h), (r * 1.02, h + 0.03), (0.6 * r, h + 0.06), (0, h + 0.07)]
    )
    return [lathe(body, OBJECT, [(0, 0), (0.85 * r, 0), (r, h)]), lid], 2 * r


def carton(random: Random) -> Thing:
    """Cardboard boxes, or crates, one on another."""
    solids: list[Solid] = []
    y, wide = 0.0, 0.0
    for _ in range(int(random.integers(1, 4))):
        w, h, d = random.uniform(0.25, 0.5), random.uniform(0.15, 0.4), random.uniform(0.22, 0.34)
        brown = Material(tuple(np.array([0.4, 0.27, 0.15]) * random.uniform(0.6, 1.3)))
        side = brown if random.random() < 0.6 else _print(random)
        one = box(side, BOX, (-w / 2, 0, -d / 2), (w / 2, h, d / 2))
        solids += place([one], y=y, turn=random.normal(0, 6))
        y, wide = y + h, max(wide, w)
    return solids, wide


def bag(random: Random) -> Thing:
    """A shopping bag with two handles."""
    w, h, d = random.uniform(0.25, 0.4), random.uniform(0.25, 0.4), random.uniform(0.12, 0.2)
    paper = Material(colour(random))
    solids: list[Solid] = [box(paper, BAG, (-w / 2, 0, -d / 2), (w / 2, h, d / 2))]
    for z in (-d / 2, d / 2):
        points = [(-w / 5, h, z), (-w / 6, h + 0.12, z), (w / 6, h + 0.12, z), (w / 5, h, z)]
        solids += [rod(paper, BAG, a, b, 0.007) for a, b in pairwise(points)]
    return place(solids, turn=random.normal(0, 20)), w


def floor_plant(random: Random) -> Thing:
    """A large one."""
    return plant(random, 3.0)


def _print(random: Random) -> Material:
    return Material(texture=textures.packaging(random), tile=FIT, gloss=0.4)


REAR: Kinds = (
    (bottle, 4), (jar, 4), (kettle, 1), (toaster, 1.2), (microwave, 1.2), (coffee_machine, 1.2),
    (board, 1), (knives, 0.8), (packet, 4), (books, 0.8), (plant, 1.2), (utensils, 1.2),
    (paper_roll, 0.8), (rack, 0.8),
)  # fmt: skip
"""What stands at the wall, with weights: taken from what kitchens are usually seen to hold."""
FRONT: Kinds = (
    (mug, 3), (plates, 2), (fruit, 1.2), (pan, 1), (glasses, 1), (cloth, 1.2), (bottle, 1.5),
    (packet, 1),
)  # fmt: skip
"""What is put down in front, in use."""
FLOOR_THINGS: Kinds = ((bin_, 3), (carton, 4), (bag, 3), (floor_plant, 1))
SHELF: Kinds = (
    (jar, 4),
    (bottle, 3),
    (plates, 3),
    (mug, 3),
    (packet, 3),
    (books, 1.5),
    (plant, 0.7),
)


def pick(random: Random, things: Kinds) -> Thing:
    """One of them by weight."""
    weights = np.array([weight for _, weight in things])
    return things[int(random.choice(len(things), p=weights / weights.sum()))][0](random)
