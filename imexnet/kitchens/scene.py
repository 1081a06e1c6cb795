"""Kitchens drawn at random: what stands where, who looks at it, and in what light.

A kitchen follows from (seed, index) alone. Every number that is drawn has its reason beside it;
"NYU" marks those that were set so that depths and classes resemble the kitchens of NYU Depth V2
(`benchmarks/rooms.py` prints both). Coordinates in metres: x along the rear wall, y up, z from the
rear wall (z = 0) into the room.
"""

from dataclasses import dataclass

import numpy as np

from imexnet.kitchens import floorplan, furnishing
from imexnet.kitchens.floorplan import Wall
from imexnet.kitchens.objects.furniture import TOP
from imexnet.kitchens.objects.solids import Solid, bounds
from imexnet.kitchens.objects.styles import Light, draw_light, draw_style


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
    runs = floorplan.runs_of(random, layout, walls)
    runs += floorplan.sideboard(random, layout, runs, walls)
    panes = floorplan.panes_of(random, runs, walls)
    solids = furnishing.shell(random, style, walls, panes, width, depth, height)
    for run in runs:
        above = [pane for pane in panes if pane[0] == run.wall]
        solids += furnishing.furnish(random, style, run, walls[run.wall], above, height)
    focus = [
        (walls[run.wall].point(run.start + u * (run.stop - run.start), TOP, 0.35), walls[run.wall])
        for run in runs
        for u in (0.15, 0.5, 0.85)
    ]
    free = _free_middle(layout, runs, width, depth)
    if free is not None:
        middle, extra = furnishing.middle(random, style, layout, free, height, light)
        solids += extra
        focus += [(middle, walls[0])] * 6
    for wall, along, low, size in panes:
        solids += walls[wall].place(furnishing.window(random, style, light, size), along, low)
    solids += furnishing.on_walls(random, style, runs, panes, walls)
    solids += furnishing.lamps(random, light, width, depth, height)
    cameras = _cameras(random, solids, focus, (width, depth, height))
    return Kitchen(solids, cameras, light)


def _free_middle(layout, runs, width, depth) -> tuple[float, float, float, float] | None:
    """The free floor (x0, x1, z0, z1) for a table or an island; None where there is too little."""
    x0 = 1.5 if any(run.wall == 1 for run in runs) else 0.5
    x1 = width - (1.5 if any(run.wall == 2 for run in runs) else 0.5)
    z0, z1 = 1.7, depth - 0.6
    return None if layout == "galley" or x1 - x0 < 1.3 or z1 - z0 < 1.0 else (x0, x1, z0, z1)


def _cameras(random: np.random.Generator, solids, focus, room) -> list[Camera]:
    """Views as a visitor takes them, none with anything nearer than 0.42 m.

    0.42 m from the centre is 0.3 m along the axis even in the picture's corners. Three habits:
    a view of the room (a few steps back, at the height of eyes or of a chest), a close view of a
    worktop, and a slanting view along a run. NYU: median distance 2.4 m, deciles 1.2 and 4.5 m.
    """
    lows, highs = bounds(solids)
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
        away = np.maximum(lows - position, position - highs).clip(0)
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
