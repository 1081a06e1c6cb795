"""What the ray through each pixel's centre meets: exact depth, class, reflectance and normal.

Embree finds the triangle; the depth is then that of the triangle's plane in float64. Balls are
solved in closed form. (The renderer could tell as much, but its scalar variant needs a thousand
times longer for it.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from imexnet.kitchens.objects.solids import FIT, Ball, Material, Mesh, Solid
from imexnet.kitchens.objects.textures import SIZE
from imexnet.kitchens.scene import Camera


class Hits(NamedTuple):
    """(H, W) metres along the optical axis, NYU40 class, reflectance (…, 3) and normal (…, 3)."""

    depth: np.ndarray
    label40: np.ndarray
    albedo: np.ndarray
    normal: np.ndarray


@dataclass(frozen=True)
class Geometry:
    """All triangles and balls of a scene in arrays, and Embree's tree over the triangles."""

    tree: Any
    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    centres: np.ndarray
    radii: np.ndarray
    labels: np.ndarray  # of the triangles, then of the balls; so are the materials
    materials: np.ndarray
    colours: np.ndarray
    textures: np.ndarray
    texture_of: np.ndarray  # -1: none


def geometry(solids: Sequence[Solid]) -> Geometry:
    """Arrays and tree.

    Raises:
        ModuleNotFoundError: without the extra `render`.
    """
    from embreex.mesh_construction import TriangleMesh  # pyright: ignore[reportMissingImports]
    from embreex.rtcore_scene import EmbreeScene  # pyright: ignore[reportMissingImports]

    meshes = [solid for solid in solids if isinstance(solid, Mesh)]
    balls = [solid for solid in solids if isinstance(solid, Ball)]
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    triangles = np.concatenate([m.triangles + s for m, s in zip(meshes, starts[:-1], strict=True)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    tree = EmbreeScene()
    TriangleMesh(tree, vertices.astype(np.float32), triangles.astype(np.int32))
    number: dict[int, int] = {}
    found: list[Material] = []
    for solid in solids:
        if id(solid.material) not in number:
            number[id(solid.material)] = len(found)
            found.append(solid.material)
    bodies = [*meshes, *balls]
    counts = [len(mesh.triangles) for mesh in meshes] + [1] * len(balls)
    pictures = [m.texture for m in found if m.texture is not None and not m.glows]
    order = np.cumsum([m.texture is not None and not m.glows for m in found]) - 1
    textured = np.array([m.texture is not None and not m.glows for m in found])
    return Geometry(
        tree,
        vertices,
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([_scaled(mesh) for mesh in meshes]),
        triangles,
        np.array([one.centre for one in balls]).reshape(-1, 3),
        np.array([one.radius for one in balls]),
        np.repeat([solid.label for solid in bodies], counts).astype(np.uint8),
        np.repeat([number[id(solid.material)] for solid in bodies], counts),
        np.array([np.clip(m.colour, 0, 1) for m in found], np.float32),
        np.stack(pictures) if pictures else np.zeros((1, SIZE, SIZE, 3), np.float32),
        np.where(textured, order, -1),
    )


def directions(camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) rays through the pixels' centres, each one metre long along the optical axis."""
    height, width = size
    right, up = axes(camera)
    half = np.tan(np.radians(camera.width_of_view) / 2)
    x = half * ((np.arange(width) + 0.5) / width * 2 - 1)
    y = half * height / width * (1 - (np.arange(height) + 0.5) / height * 2)
    return camera.forward + x[None, :, None] * right + y[:, None, None] * up


def axes(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The picture's right and up, as unit vectors."""
    turn = np.radians(camera.roll)
    right = np.cross(camera.forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, camera.forward)
    return np.cos(turn) * right - np.sin(turn) * up, np.cos(turn) * up + np.sin(turn) * right


def look(scene: Geometry, camera: Camera, size: tuple[int, int]) -> Hits:
    """What each pixel's centre shows."""
    rays = directions(camera, size).reshape(-1, 3)
    depth, body, normal, uv = _triangles(scene, camera.position, rays)
    _balls(scene, camera.position, rays, depth, body, normal)
    material = scene.materials[body]
    colour = scene.colours[material]
    which = scene.texture_of[material]
    textured = np.flatnonzero(which >= 0)
    row = (uv[textured, 1] * SIZE).astype(int) % SIZE
    column = (uv[textured, 0] * SIZE).astype(int) % SIZE
    colour[textured] = scene.textures[which[textured], row, column]
    return Hits(
        depth.reshape(size).astype(np.float32),
        scene.labels[body].reshape(size),
        colour.reshape(*size, 3),
        normal.reshape(*size, 3).astype(np.float32),
    )


def _triangles(scene: Geometry, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, ...]:
    start = np.broadcast_to(origin, rays.shape).astype(np.float32)
    found = scene.tree.run(start, rays.astype(np.float32), query="INTERSECT", output=True)
    body = found["primID"].astype(np.int64)
    missed = body < 0
    corner = scene.triangles[np.where(missed, 0, body)]
    a, b, c = (scene.vertices[corner[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = ((a - origin) * normal).sum(1) / (rays * normal).sum(1)
    depth[missed], body[missed] = np.inf, 0
    weights = np.stack([1 - found["u"] - found["v"], found["u"], found["v"]], 1)[..., None]
    return (
        depth,
        body,
        (weights * scene.normals[corner]).sum(1),
        (weights * scene.uv[corner]).sum(1),
    )


def _balls(scene: Geometry, origin: np.ndarray, rays: np.ndarray, depth, body, normal) -> None:
    """|origin + t ray − centre|² = radius²: the nearer root, where it is before the triangles."""
    a = (rays**2).sum(1)
    for number, (centre, radius) in enumerate(zip(scene.centres, scene.radii, strict=True)):
        away = origin - centre
        b, c = rays @ away, away @ away - radius**2
        candidates = np.flatnonzero(b**2 - a * c > 0)
        root = np.sqrt(b[candidates] ** 2 - a[candidates] * c)
        t = (-b[candidates] - root) / a[candidates]
        nearer = (t > 0) & (t < depth[candidates])
        at = candidates[nearer]
        depth[at] = t[nearer]
        body[at] = len(scene.triangles) + number
        normal[at] = (away + t[nearer, None] * rays[at]) / radius


def _scaled(mesh: Mesh) -> np.ndarray:
    tile = mesh.material.tile
    return mesh.uv if tile == FIT else mesh.uv / np.array(tile)
