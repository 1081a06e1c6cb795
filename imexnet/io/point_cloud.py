"""P(u, v) = z(u, v) · K⁻¹ (u, v, 1): from depth and a camera to points in space.

A pinhole camera whose angle of view is that along the picture's longer side, square pixels, the
optical axis through the picture's centre; z is the distance along that axis, as in NYU Depth V2.
"""

import math

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.ply import export_ply
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from imexnet.io.camera import KINECT_ANGLE, check_angle
from imexnet.io.photos import Photo, PhotoLike

LARGEST_STEP = 1.1  # of depth between neighbours; more is taken for an edge, not for a surface


def points(metres: np.ndarray, angle: float = KINECT_ANGLE) -> np.ndarray:
    """(H, W) depths → (H, W, 3) metres to the right, down, and away from the camera.

    Args:
        metres: depth along the optical axis.
        angle: of view along the longer side, in degrees.

    Raises:
        ValueError: for an angle that no pinhole camera has.
    """
    check_angle(angle)
    height, width = metres.shape
    reach = 2 * math.tan(math.radians(angle) / 2) / max(height, width)
    x = (np.arange(width) + 0.5 - width / 2) * reach
    y = (np.arange(height) + 0.5 - height / 2) * reach
    return np.stack([metres * x, metres * y[:, None], metres], axis=-1)


def distance(
    metres: np.ndarray, a: tuple[int, int], b: tuple[int, int], angle: float = KINECT_ANGLE
) -> float:
    """‖P(a) − P(b)‖ in metres, for two pixels (row, column)."""
    places = points(metres, angle)
    return float(np.linalg.norm(places[a] - places[b]))


def faces(metres: np.ndarray, largest_step: float = LARGEST_STEP) -> np.ndarray:
    """(n, 3) vertex numbers: two triangles between neighbours, none across an edge in depth."""
    corner = np.arange(metres.size).reshape(metres.shape)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    both = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], -2).reshape(-1, 3)
    depths = metres.ravel()[both]
    return both[depths.max(axis=1) <= largest_step * depths.min(axis=1)]


def ply(photo: PhotoLike, metres: np.ndarray, angle: float = KINECT_ANGLE) -> bytes:
    """The room as a PLY file: one point per depth, in the photo's colour there.

    Axes are those of `mesh`, in metres.

    Raises:
        ValueError: for an angle that no camera has.
    """
    height, width = metres.shape
    places = points(metres, angle).reshape(-1, 3) * (1, -1, -1)
    shown = Photo.of(photo).picture.resize((width, height), Image.Resampling.BOX)
    cloud = trimesh.PointCloud(places, np.asarray(shown).reshape(-1, 3))
    return bytes(export_ply(cloud))


def mesh(photo: PhotoLike, metres: np.ndarray, angle: float = KINECT_ANGLE) -> bytes:
    """The room as a GLB file: a surface through the depths with the photo on it, unlit.

    Axes are those of glTF: to the right, up, and towards the viewer, in metres.

    Raises:
        ValueError: for an angle that no camera has, or where no surface is left.
    """
    height, width = metres.shape
    places = points(metres, angle).reshape(-1, 3) * (1, -1, -1)
    across, down = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    surface = PBRMaterial(
        emissiveTexture=Photo.of(photo).picture,
        emissiveFactor=(1, 1, 1),
        baseColorFactor=(0, 0, 0, 255),
        metallicFactor=0,
        roughnessFactor=1,
        doubleSided=True,
    )
    texture = TextureVisuals(uv=np.stack([across, 1 - down], -1).reshape(-1, 2), material=surface)
    triangles = faces(metres)
    if not len(triangles):
        raise ValueError("there is no surface in so narrow or so broken a depth map")
    room = trimesh.Trimesh(places, triangles, visual=texture, process=False)
    room.remove_unreferenced_vertices()
    return bytes(export_glb(room))
