"""Periodic bitmaps of wood, tiles, stone and paint, made from filtered noise.

Every texture is (H, W, 3) float32 of linear RGB in [0, 1] and repeats without a seam. The grain
runs along the columns. The slow part, the noise, is drawn once for each of `VARIANTS` and kept.
"""

from functools import lru_cache

import numpy as np

SIZE = 192
VARIANTS = 6  # noise fields per kind: colours and offsets hide that they recur
Colour = tuple[float, float, float]


@lru_cache
def noise(slope: float, stretch: float, variant: int) -> np.ndarray:
    """(SIZE, SIZE) noise of mean 0 and deviation 1 whose amplitude falls as |f|^-slope.

    Args:
        slope: 0 is white, 1 is cloudy, 2 is smooth.
        stretch: how many times longer the blotches are along the columns.
        variant: which one.
    """
    white = np.random.default_rng(variant).standard_normal((SIZE, SIZE))
    rows, columns = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    frequency = np.hypot(rows, columns * stretch)
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(white) * frequency**-slope, (SIZE, SIZE))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def wood(colour: Colour, contrast: float, variant: int) -> np.ndarray:
    """Streaks, and rings that a slow warp bends; dark streaks are redder."""
    row = np.arange(SIZE, dtype=np.float32)[:, None] / SIZE
    rings = np.sin(2 * np.pi * (5 * row + 0.35 * noise(2.0, 4.0, variant)))
    tone = contrast * (0.6 * noise(0.8, 30.0, variant) + 0.5 * rings)
    return _shade(colour, tone[..., None] * np.array([0.8, 1.0, 1.25], np.float32))


def boards(colour: Colour, contrast: float, planks: int, variant: int) -> np.ndarray:
    """Floor boards along the columns, each of its own tone, with dark joints."""
    random = np.random.default_rng(variant)
    picture = wood(colour, contrast, variant)
    height = SIZE // planks
    for plank in range(planks):
        rows = slice(plank * height, (plank + 1) * height)
        end = int(random.integers(SIZE))
        first, second = random.lognormal(0, 0.16, 2)
        picture[rows] = np.roll(picture[rows], end, axis=1) * first
        picture[rows, end : end + SIZE // 2] *= second / first
        picture[rows, [end, (end + SIZE // 2) % SIZE]] *= 0.5
        picture[rows.start] *= 0.45
    return picture.clip(0, 1)


def tiles(
    colour: Colour, joint: Colour, columns: int, rows: int, bond: bool, spread: float, variant: int
) -> np.ndarray:
    """Tiles with joints; every second course is shifted by half a tile in a running bond."""
    random = np.random.default_rng(variant)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    course = (y * rows).astype(int)
    along = (x * columns + (0.5 * (course % 2) if bond else 0)) % columns
    tone = random.standard_normal((rows, columns))[course, along.astype(int)]
    picture = _shade(colour, (spread * (tone + 0.4 * noise(1.3, 1.0, variant)))[..., None])
    joints = (along % 1 < 0.035 * max(1, columns / 8)) | ((y * rows) % 1 < 0.035 * max(1, rows / 8))
    picture[joints] = joint
    return picture.astype(np.float32)


def stone(colour: Colour, vein: Colour, contrast: float, variant: int) -> np.ndarray:
    """Speckled granite, or laminate where the contrast is small."""
    speckle = 0.7 * noise(0.5, 1.0, variant) + 0.6 * noise(1.4, 1.0, variant + VARIANTS)
    share = 1 / (1 + np.exp(2.5 * (1 - contrast * speckle)))[..., None]
    return (np.array(colour, np.float32) * (1 - share) + np.array(vein, np.float32) * share).astype(
        np.float32
    )


def painting(random: np.random.Generator) -> np.ndarray:
    """Bands, blobs and a horizon in four colours, on white with a margin."""
    colours = inks(random, 4)
    level = noise(2.0, float(random.uniform(0.5, 2)), int(random.integers(VARIANTS)))
    level = np.roll(level, tuple(random.integers(SIZE, size=2)), (0, 1))
    cuts = np.sort(random.normal(0, 0.8, 3))
    picture = colours[np.digitize(level, cuts)]
    if random.random() < 0.4:
        picture[: int(SIZE * random.uniform(0.3, 0.6))] = colours[0]
    margin = int(SIZE * random.choice([0.0, 0.08, 0.15]))
    if margin:
        frame = np.ones((SIZE, SIZE), bool)
        frame[margin:-margin, margin:-margin] = False
        picture[frame] = 0.8
    return picture


def inks(random: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3) printed colours: any lightness, one in three strong, green and violet rare."""
    hue = random.choice([0.0, 0.04, 0.09, 0.13, 0.33, 0.57, 0.62, 0.8], count, p=_HUES)[:, None]
    rgb = 0.5 + 0.5 * np.cos(2 * np.pi * (hue + random.normal(0, 0.02, (count, 1)) - _THIRDS))
    strength = random.beta(0.9, 1.4, (count, 1))
    return (random.beta(0.9, 1, (count, 1)) * 0.8 * (1 - strength * (1 - rgb))).astype(np.float32)


_HUES = np.array([0.2, 0.12, 0.15, 0.14, 0.12, 0.14, 0.1, 0.03])
_THIRDS = np.array([0, 1 / 3, 2 / 3])


def packaging(random: np.random.Generator) -> np.ndarray:
    """A label: a ground, two bands, a panel and lines of writing."""
    ground, band, panel = inks(random, 3)
    picture = np.broadcast_to(ground, (SIZE, SIZE, 3)).copy()
    picture[: SIZE // 5] = band
    top = int(random.uniform(0.35, 0.5) * SIZE)
    picture[top : top + SIZE // 3, SIZE // 8 : -SIZE // 8] = panel
    for line in range(top + 8, top + SIZE // 3 - 6, 12):
        picture[line : line + 4, SIZE // 5 : SIZE // 5 + int(random.uniform(0.2, 0.55) * SIZE)] = (
            1 - panel
        )
    return picture


def outside(random: np.random.Generator, night: bool) -> np.ndarray:
    """What an out-of-focus camera sees through a window: sky, trees, a wall; radiance ≤ 1."""
    if night:
        return np.full((SIZE, SIZE, 3), (0.001, 0.0013, 0.002), np.float32)
    height = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None]
    edge = 0.45 + 0.12 * noise(2.0, 1.0, int(random.integers(VARIANTS))) + random.normal(0, 0.15)
    leaves = 1 / (1 + np.exp(-(height - edge) * 14))[..., None]  # 1 below: rows run down
    green = _shade(
        (0.16, 0.22, 0.09), 0.5 * noise(1.2, 1.0, int(random.integers(VARIANTS)))[..., None]
    )
    sky = np.array([0.8, 0.9, 1.0], np.float32)
    return (sky * (1 - leaves) + green * leaves).astype(np.float32)


def _shade(colour: Colour, tone: np.ndarray) -> np.ndarray:
    return (np.array(colour, np.float32) * np.exp(np.float32(tone))).clip(0, 1).astype(
        np.float32
    ) * np.ones((SIZE, SIZE, 1), np.float32)
