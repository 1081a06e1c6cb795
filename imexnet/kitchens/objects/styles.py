"""Materials of a kitchen and the light in it, drawn together so that they go with each other."""

from dataclasses import dataclass

import numpy as np

from imexnet.kitchens.objects import textures
from imexnet.kitchens.objects.furniture import CHROME, Style
from imexnet.kitchens.objects.solids import FIT, Material

WOODS = (
    (0.42, 0.22, 0.09),
    (0.30, 0.13, 0.05),
    (0.55, 0.36, 0.18),
    (0.17, 0.07, 0.035),
    (0.36, 0.15, 0.06),
)
PAINTS = (
    (0.78, 0.77, 0.73), (0.74, 0.70, 0.58), (0.60, 0.62, 0.58), (0.25, 0.33, 0.40),
    (0.20, 0.28, 0.22), (0.55, 0.20, 0.12), (0.12, 0.13, 0.15), (0.66, 0.58, 0.42),
)  # fmt: skip
WALLS = (
    (0.80, 0.79, 0.75), (0.76, 0.70, 0.56), (0.70, 0.62, 0.47), (0.58, 0.66, 0.70),
    (0.62, 0.68, 0.54), (0.74, 0.60, 0.50), (0.55, 0.55, 0.55),
)  # fmt: skip
STONES = (
    ((0.05, 0.05, 0.055), (0.3, 0.28, 0.25), 1.0), ((0.42, 0.33, 0.23), (0.09, 0.06, 0.04), 0.9),
    ((0.62, 0.6, 0.56), (0.25, 0.24, 0.24), 0.7), ((0.75, 0.74, 0.7), (0.6, 0.58, 0.55), 0.4),
    ((0.2, 0.19, 0.18), (0.5, 0.45, 0.4), 0.8), ((0.5, 0.46, 0.38), (0.36, 0.31, 0.25), 0.6),
)  # fmt: skip


@dataclass(frozen=True)
class Room:
    """Materials of one kitchen: its units and the room round them."""

    units: Style
    paint: Material
    floor: Material
    floor_grain: int
    wood: Material


@dataclass(frozen=True)
class Light:
    """Lamps and panes, and how the camera takes it.

    Attributes:
        lamp: glows.
        pane: glows with what is outside.
        balance: RGB factors of an imperfect white balance.
        exposure: factor on the automatic exposure.
        noise: standard deviation of the sensor's noise at mid grey, of 1.
        vignette: share of light lost in the corners.
    """

    lamp: Material
    pane: Material
    balance: np.ndarray
    exposure: float
    noise: float
    vignette: float


def plain(random: np.random.Generator, least: float = 0.02) -> Material:
    """A painted surface of any household colour, more often dark or light than in between."""
    base = (
        random.choice([random.uniform(least, 0.15), random.uniform(0.5, 0.8)])
        if least < 0.15
        else 0.7
    )
    tint = textures.inks(random, 1)[0]
    tint = tint / max(tint.max(), 0.05)
    return Material(
        tuple((base * (0.4 + 0.6 * tint)).clip(0.01, 0.85)),
        gloss=0.4 if random.random() < 0.5 else None,
    )


def draw_style(random: np.random.Generator, height: float) -> Room:
    """Wooden fronts in half of the kitchens, as on NYU's photos; painted ones in the other half."""
    oak = textures.wood(
        _tone(random, _pick(random, WOODS)), random.uniform(0.08, 0.2), _variant(random)
    )
    wood = Material(texture=oak, tile=(1.1, 0.55), gloss=random.uniform(0.25, 0.5))
    if random.random() < 0.5:
        fronts = wood
    else:
        # White is by far the commonest paint.
        paint = PAINTS[
            int(random.choice(len(PAINTS), p=[0.35, 0.2, 0.08, 0.08, 0.08, 0.05, 0.08, 0.08]))
        ]
        fronts = Material(_tone(random, paint, 0.06), gloss=random.uniform(0.2, 0.5))
    upper = fronts
    if random.random() < 0.15:
        upper = Material((0.76, 0.75, 0.72), gloss=0.35)
    kind = random.random()
    if kind < 0.7:
        ground, vein, contrast = _pick(random, STONES)
        stone = textures.stone(_tone(random, ground), vein, contrast, _variant(random))
        top = Material(texture=stone, tile=(0.5, 0.5), gloss=random.uniform(0.08, 0.3))
    else:
        plank = textures.boards(_tone(random, _pick(random, WOODS)), 0.1, 6, _variant(random))
        top = Material(texture=plank, tile=(1.4, 0.4), gloss=0.35)
    metals = (
        Material((0.68, 0.68, 0.69), gloss=0.28, metal=True),
        Material((0.78, 0.78, 0.77), gloss=0.25),
        Material((0.02, 0.02, 0.022), gloss=0.15),
    )
    appliance = metals[int(random.choice(3, p=[0.4, 0.35, 0.25]))]
    units = Style(
        front=fronts,
        upper_front=upper,
        carcass=Material((0.5, 0.48, 0.44)) if fronts is not wood else wood,
        worktop=top,
        thickness=float(random.choice([0.02, 0.03, 0.04])),
        handle=CHROME if random.random() < 0.65 else Material((0.05, 0.045, 0.04), gloss=0.3),
        handles=str(random.choice(["bar", "knob", "none"], p=[0.5, 0.35, 0.15])),
        shaker=bool(random.random() < 0.6),
        appliance=appliance,
        trim=Material((0.78, 0.77, 0.74), gloss=0.35),
        splash=_splash(random) if random.random() < 0.75 else None,
        upper_top=min(height - 0.05, float(random.choice([2.1, 2.2, 2.35]))),
    )
    floor, grain = _floor(random)
    return Room(units, Material(_tone(random, _pick(random, WALLS), 0.05)), floor, grain, wood)


def _splash(random: np.random.Generator) -> Material:
    """Tiles of 10 × 10, 15 × 15 or 15 × 7.5 cm, pale in most kitchens."""
    pale = (
        (0.78, 0.77, 0.74),
        (0.7, 0.64, 0.52),
        (0.55, 0.6, 0.6),
        (0.2, 0.26, 0.3),
        (0.4, 0.22, 0.12),
    )
    glaze = pale[int(random.choice(5, p=[0.4, 0.25, 0.15, 0.1, 0.1]))]
    columns, rows, bond = [(4, 4, False), (4, 8, True), (6, 6, False)][int(random.integers(3))]
    joint = (0.45, 0.44, 0.42) if random.random() < 0.6 else (0.75, 0.74, 0.72)
    picture = textures.tiles(
        _tone(random, glaze),
        joint,
        columns,
        rows,
        bond,
        random.uniform(0.02, 0.12),
        _variant(random),
    )
    return Material(texture=picture, tile=(0.6, 0.6), gloss=random.uniform(0.08, 0.25))


def _floor(random: np.random.Generator) -> tuple[Material, int]:
    """Boards, tiles of 30…45 cm or plain lino."""
    kind = random.choice(["boards", "tiles", "lino"], p=[0.4, 0.45, 0.15])
    if kind == "boards":
        picture = textures.boards(
            _tone(random, _pick(random, WOODS), 0.25),
            random.uniform(0.06, 0.14),
            8,
            _variant(random),
        )
        return Material(texture=picture, tile=(1.8, 0.9), gloss=0.35), int(random.choice([0, 2]))
    if kind == "lino":
        ground, vein, _ = _pick(random, STONES[2:])
        return Material(texture=textures.stone(ground, vein, 0.3, _variant(random)), gloss=0.4), 0
    clay = (
        (0.6, 0.55, 0.46),
        (0.4, 0.2, 0.11),
        (0.68, 0.67, 0.63),
        (0.28, 0.27, 0.26),
        (0.5, 0.4, 0.28),
    )
    picture = textures.tiles(
        _tone(random, _pick(random, clay)), (0.3, 0.28, 0.26), 3, 3, False, 0.06, _variant(random)
    )
    side = float(random.uniform(0.9, 1.35))
    return Material(texture=picture, tile=(side, side), gloss=random.uniform(0.2, 0.45)), 0


WARMTH = {2700: (1.0, 0.62, 0.32), 3500: (1.0, 0.76, 0.52), 5000: (1.0, 0.92, 0.84)}
"""Linear RGB of a lamp by its colour temperature in kelvin."""


def draw_light(random: np.random.Generator) -> Light:
    """Two of three pictures by day; lamps are on at night, and by day in half of the rooms."""
    night = random.random() < 0.33
    colour = np.array(WARMTH[int(random.choice([2700, 3500, 5000]))])
    lamps = float(random.lognormal(np.log(40), 0.3)) * (
        1.0 if night else random.choice([0.08, 0.6])
    )
    # A pane's radiance against the lamp's: 10…60 times that of a lit wall, as in a bright room.
    day = 0.0 if night else float(random.lognormal(np.log(9), 0.5))
    tint = np.array([1.0, 1.0, 1.0]) if random.random() < 0.5 else np.array([0.82, 0.92, 1.1])
    glow = tint * day if day else np.ones(3)
    pane = Material(_rgb(glow), textures.outside(random, night), FIT, glows=True)
    # Cameras take away most of a lamp's colour, not all of it.
    mixed = 0.6 * colour * lamps + tint * 1.5 * day
    balance = (mixed / mixed.mean()) ** -random.uniform(0.5, 0.95)
    return Light(
        Material(_rgb(colour * lamps), glows=True),
        pane,
        balance / balance[1],
        float(random.lognormal(0, 0.35)),
        float(random.uniform(0.004, 0.02)),
        float(random.uniform(0.05, 0.3)),
    )


def _variant(random: np.random.Generator) -> int:
    return int(random.integers(textures.VARIANTS))


def _pick(random: np.random.Generator, choices):
    return choices[int(random.integers(len(choices)))]


def _tone(
    random: np.random.Generator, colour: textures.Colour, spread: float = 0.15
) -> textures.Colour:
    """The colour, lighter or darker."""
    return _rgb((np.array(colour) * random.lognormal(0, spread)).clip(0.01, 0.82))


def _rgb(values: np.ndarray) -> textures.Colour:
    red, green, blue = values.tolist()
    return red, green, blue
