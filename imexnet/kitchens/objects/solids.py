"""Solids that a kitchen is built of: boxes, turned bodies, rods and balls, in metres.

y is up. A solid knows its material and its NYU40 class. Bodies are meshes with normals and texture
coordinates in metres; a ball stays exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

Vector: TypeAlias = Sequence[float] | np.ndarray


@dataclass(frozen=True, eq=False)
class Material:
    """How a surface looks.

    Attributes:
        colour: linear RGB reflectance, or radiance where it glows.
        texture: (H, W, 3) linear RGB instead of the colour; where it glows, times the colour.
        tile: metres that the texture spans along its columns and rows.
        gloss: None is matte; else the roughness of a clear coat, or of metal.
        metal: whether it reflects like metal.
        glass: thin clear glass.
        glows: whether it is a lamp or a window pane.
    """

    colour: tuple[float, float, float] = (0.5, 0.5, 0.5)
    texture: np.ndarray | None = None
    tile: tuple[float, float] = (1.0, 1.0)
    gloss: float | None = None
    metal: bool = False
    glass: bool = False
    glows: bool = False


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles (F, 3) over vertices (N, 3) with normals (N, 3) and texture coordinates (N, 2)."""

    material: Material
    label: int
    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner."""
        return self.vertices.min(0), self.vertices.max(0)

    def moved(self, turn: np.ndarray, shift: np.ndarray) -> "Mesh":
        """Turned by a rotation matrix, then shifted."""
        vertices, normals = self.vertices @ turn.T + shift, self.normals @ turn.T
        return Mesh(self.material, self.label, vertices, normals, self.uv, self.triangles)


@dataclass(frozen=True, eq=False)
class Ball:
    """A sphere."""

    material: Material
    label: int
    centre: np.ndarray
    radius: float

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner."""
        return self.centre - self.radius, self.centre + self.radius

    def moved(self, turn: np.ndarray, shift: np.ndarray) -> "Ball":
        """Turned by a rotation matrix, then shifted."""
        return replace(self, centre=turn @ self.centre + shift)


Solid: TypeAlias = Mesh | Ball


def place(
    solids: Iterable[Solid], x: float = 0, y: float = 0, z: float = 0, turn: float = 0
) -> list[Solid]:
    """The solids turned about the y axis by `turn` degrees (z towards x), then shifted."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    matrix = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return [solid.moved(matrix, np.array([x, y, z])) for solid in solids]


def bounds(solids: Sequence[Solid]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) lowest and highest corners of all solids, at once."""
    corners = [s.vertices if isinstance(s, Mesh) else np.stack(s.bounds()) for s in solids]
    starts = np.cumsum([0, *(len(c) for c in corners[:-1])])
    points = np.concatenate(corners)
    return np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)


def ball(material: Material, label: int, centre: Vector, radius: float) -> Ball:
    """A sphere."""
    return Ball(material, label, np.asarray(centre, float), radius)


def box(
    material: Material,
    label: int,
    low: Vector,
    high: Vector,
    grain: int = 0,
    offset: tuple[float, float] = (0, 0),
) -> Mesh:
    """An upright box.

    Args:
        material: of all faces.
        label: NYU40 class.
        low: its least x, y and z.
        high: its greatest.
        grain: axis that the texture's columns follow on the faces that hold it.
        offset: shift of the texture in metres, so that boxes of one material differ.
    """
    vertices = np.asarray(low) + _CORNERS * np.subtract(high, low)
    uv = np.take_along_axis(vertices, _AXES[grain], 1) + offset
    if material.texture is not None and material.tile == FIT:
        uv = _FIT_UV
    return Mesh(material, label, vertices, _NORMALS, uv, _TRIANGLES)


def lathe(
    material: Material, label: int, profile: Sequence[tuple[float, float]], segments: int = 20
) -> Mesh:
    """A turned body about the y axis: (radius, height) from the bottom's centre outside and up."""
    points = np.asarray(profile, float)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    circle = np.stack([np.sin(angle), np.cos(angle)], 1)  # (S + 1, 2): x and z
    first, last = points[:-1], points[1:]
    step = last - first
    length = np.linalg.norm(step, axis=1, keepdims=True)
    slope = np.stack([step[:, 1], -step[:, 0]], 1) / np.maximum(length, 1e-9)  # outward, up
    ends = np.stack([first, last], 1)  # (K, 2, 2)
    radius, height = ends[..., 0, None], ends[..., 1, None]
    ones = np.ones_like(angle)

    def turned(r: np.ndarray, h: np.ndarray) -> np.ndarray:
        return np.stack([r * circle[:, 0], h * ones, r * circle[:, 1]], -1).reshape(-1, 3)

    vertices = turned(radius, height)
    sides = np.repeat(slope[:, None], 2, 1)
    normals = turned(sides[..., 0, None], sides[..., 1, None])
    along = np.concatenate([[0], np.cumsum(length[:, 0])])
    v = np.stack([along[:-1], along[1:]], 1)[..., None] * ones
    u = np.broadcast_to(angle / (2 * np.pi), v.shape)
    uv = np.stack([u, v / max(along[-1], 1e-9)], -1).reshape(-1, 2)
    return Mesh(material, label, vertices, normals, uv, _rings(len(step), segments))


@lru_cache
def _rings(count: int, segments: int) -> np.ndarray:
    """Two triangles a quadrangle of `count` bands, each with a seam and vertices of its own."""
    k, s = np.mgrid[:count, :segments]
    a = (2 * k * (segments + 1) + s).reshape(-1)
    b = a + segments + 1
    triangles = np.concatenate([np.stack([a, a + 1, b], 1), np.stack([a + 1, b + 1, b], 1)])
    return triangles.astype(np.uint32)


def rod(material: Material, label: int, start: Vector, end: Vector, radius: float) -> Mesh:
    """A round bar between two points."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(end - start))
    up = (end - start) / length
    side = np.cross(up, [1.0, 0, 0] if abs(up[0]) < 0.9 else [0, 0, 1.0])
    side /= np.linalg.norm(side)
    matrix = np.stack([side, up, np.cross(side, up)], 1)
    profile = [(0, 0), (radius, 0), (radius, length), (0, length)]
    return lathe(material, label, profile, 10).moved(matrix, start)


FIT = (0.0, 0.0)
"""As `Material.tile`: the texture fills each face of a box once."""


def _unit_box() -> tuple[np.ndarray, ...]:
    corners, normals, triangles, fit = [], [], [], []
    axes: list[list[tuple[int, int]]] = [[], [], []]
    for axis in range(3):
        a, b = [(1, 2), (0, 2), (0, 1)][axis]
        for side in (0, 1):
            normal = np.zeros(3)
            normal[axis] = 2 * side - 1
            face = []
            for p, q in ((0, 0), (1, 0), (1, 1), (0, 1)):
                corner = np.zeros(3)
                corner[axis], corner[a], corner[b] = side, p, q
                face.append(corner)
            if np.cross(face[1] - face[0], face[2] - face[0]) @ normal < 0:
                face.reverse()
            base = len(corners)
            triangles += [(base, base + 1, base + 2), (base, base + 2, base + 3)]
            corners += face
            normals += [normal] * 4
            u, v = ((2, 1), (0, 2), (0, 1))[axis]
            fit += [
                (corner[u] if normal[axis] > 0 else 1 - corner[u], 1 - corner[v]) for corner in face
            ]
            for grain in range(3):
                first, second = (b, a) if grain == b else (a, b)
                axes[grain] += [(first, second)] * 4
    parts = np.array(corners), np.array(normals), np.array(triangles, np.uint32)
    return *parts, np.array(axes), np.array(fit)


_CORNERS, _NORMALS, _TRIANGLES, _AXES, _FIT_UV = _unit_box()
