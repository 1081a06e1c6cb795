"""Kitchens into photographs with their exact depth and classes, by path tracing.

Mitsuba 3 traces the light: it comes from PyPI alone, needs neither display nor GPU nor LLVM in its
scalar variant, and brings what a caster of our own would lack: interreflection, soft shadows,
rough metal, glass and textures. Open Image Denoise takes the noise out of a few paths per pixel.
Both give the same bytes for the same scene, whatever the number of threads.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from imexnet.data.nyu import CLASSES, NYU40_TO_13
from imexnet.kitchens.ground_truth import Geometry, Hits, axes, geometry, look
from imexnet.kitchens.objects.furniture import COUNTER, FLOOR
from imexnet.kitchens.objects.solids import FIT, Material, Mesh, Solid
from imexnet.kitchens.objects.styles import Light
from imexnet.kitchens.scene import Camera, Kitchen, kitchen

NEAREST, FARTHEST = 0.3, 10.0  # metres
MID_GREY, CONTRAST = 0.14, 1.6


@dataclass(frozen=True)
class Quality:
    """Paths per pixel, their greatest length, guiding rays per side of a pixel, and denoising."""

    samples: int
    length: int
    guides: int
    denoising: str


QUALITIES = {"low": Quality(2, 3, 1, "fast"), "high": Quality(16, 6, 2, "high")}


@dataclass(frozen=True)
class Rendering:
    """A picture and its truth.

    Attributes:
        photo: (H, W, 3) uint8 sRGB.
        depth: (h, w) float32 metres along the optical axis at the pixels' centres.
        label40: (h, w) uint8 NYU40 classes at the pixels' centres.
    """

    photo: np.ndarray
    depth: np.ndarray
    label40: np.ndarray


def render_kitchen(
    seed: int,
    index: int,
    size: tuple[int, int] = (240, 320),
    quality: str = "low",
    truth_size: tuple[int, int] | None = None,
) -> Rendering:
    """The picture `index` of sequence `seed`: the first view of a kitchen that shows enough.

    Args:
        seed: of the sequence.
        index: in the sequence.
        size: (H, W) of the photo.
        quality: a key of `QUALITIES`.
        truth_size: (h, w) of depth and classes if not the photo's.
    """
    room, scene, camera, random = choose_view(seed, index)
    truth = look(scene, camera, truth_size or size)
    light = trace_light(room.solids, scene, camera, size, QUALITIES[quality], random)
    return Rendering(develop(light, room.light, random), truth.depth, truth.label40)


def choose_view(seed: int, index: int) -> tuple[Kitchen, Geometry, Camera, np.random.Generator]:
    """The first view that shows enough, in the first of the drawn kitchens that has one.

    Returns:
        The kitchen, its geometry, the view, and the generator for all that chance does to a photo.
    """
    for attempt in count():
        room = kitchen(seed, index, attempt)
        scene = geometry(room.solids)
        for camera in room.cameras:
            if shows_enough(look(scene, camera, (36, 48))):
                return room, scene, camera, np.random.default_rng((seed, index, attempt, 1))
    raise AssertionError


def shows_enough(hits: Hits) -> bool:
    """Floor or worktop, wall, and three more of the 13 classes; at least 0.3 % of the pixels each.

    All within 0.3…10 m, and no surface that fills more than 60 % of the picture.
    """
    depth, label40 = hits.depth, hits.label40
    counts = np.bincount(NYU40_TO_13[label40].ravel(), minlength=len(CLASSES)) / label40.size
    seen = counts >= 0.003
    ground = np.isin(label40, (FLOOR, COUNTER)).mean() >= 0.003
    wall, floor = CLASSES.index("wall"), CLASSES.index("floor")
    others = np.delete(seen, [wall, floor]).sum()
    near = depth.min() > NEAREST and depth.max() < FARTHEST
    return bool(near and ground and seen[wall] and others >= 3 and counts.max() < 0.6)


def build_scene(solids: Sequence[Solid]) -> Any:
    """A Mitsuba scene with one mesh a material."""
    mi = mitsuba()
    bodies: dict[int, list[Mesh]] = defaultdict(list)
    shapes: dict[str, Any] = {}
    surfaces: dict[int, Any] = {}
    for solid in solids:
        key = id(solid.material)
        if key not in surfaces:
            surfaces[key] = _surface(solid.material)
        if isinstance(solid, Mesh):
            bodies[key].append(solid)
            continue
        ball = {"center": solid.centre.tolist(), "radius": float(solid.radius)}
        shapes[f"ball{len(shapes)}"] = {"type": "sphere", **ball, **surfaces[key]}
    for key, meshes in bodies.items():
        name = f"mesh{len(shapes)}"
        shapes[name] = _join(name, meshes, surfaces[key])
    return mi.load_dict({"type": "scene", **shapes}, optimize=False)


def trace_light(
    solids: Sequence[Solid],
    scene: Geometry,
    camera: Camera,
    size: tuple[int, int],
    quality: Quality,
    random: np.random.Generator,
) -> np.ndarray:
    """(H, W, 3) float32 linear radiance, denoised with the help of reflectance and normals."""
    light = _trace(build_scene(solids), camera, size, quality, int(random.integers(2**31)))
    import pyoidn  # pyright: ignore[reportMissingImports]

    # At several rays per pixel the guides' edges are as soft as those of the light.
    n = quality.guides
    hits = look(scene, camera, (n * size[0], n * size[1]))
    albedo, normal = (
        guide.reshape(size[0], n, size[1], n, 3).mean((1, 3)).astype(np.float32)
        for guide in (hits.albedo, hits.normal)
    )
    return pyoidn.denoise(
        light, albedo, normal, hdr=True, clean_aux=True, quality=quality.denoising
    )


def develop(light: np.ndarray, habits: Light, random: np.random.Generator) -> np.ndarray:
    """Radiance into 8-bit sRGB as a camera does: vignetting, exposure, balance, curve, noise."""
    height, width = light.shape[:2]
    y, x = np.mgrid[:height, :width]
    radius = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5) / np.hypot(0.5, 0.5)
    light = light * (1 - habits.vignette * radius**2)[..., None] * habits.balance
    luminance = light @ np.array([0.2126, 0.7152, 0.0722])
    # Metered by the mean logarithm; the contrast of consumer cameras (NYU: brightness), which
    # leaves the colours as they are.
    relative = luminance / np.exp(np.log(luminance + 1e-4).mean())
    light = light * (relative ** (CONTRAST - 1) / luminance.clip(1e-6) * relative)[..., None]
    exposed = MID_GREY * habits.exposure * light
    white = 2.2  # this much becomes white: panes and lamps clip, as they do on photos
    curve = exposed * (1 + exposed / white**2) / (1 + exposed)
    shot = np.sqrt(curve.clip(0, 1) / 0.18) * habits.noise * 0.36
    curve = (curve * 1.15 + shot * random.standard_normal(curve.shape)).clip(0, 1)
    srgb = np.where(curve < 0.0031308, 12.92 * curve, 1.055 * curve ** (1 / 2.4) - 0.055)
    return (255 * srgb + 0.5).astype(np.uint8)


def mitsuba() -> Any:
    """The renderer in its variant without LLVM.

    Raises:
        ModuleNotFoundError: without the extra `render`.
    """
    os.environ.setdefault("OIDN_NUM_THREADS", "1")  # processes share the cores, not threads
    import mitsuba as mi  # pyright: ignore[reportMissingImports]

    # pyoidn: missing now rather than after the first scene.
    import pyoidn  # noqa: F401  # pyright: ignore[reportMissingImports]

    if mi.variant() != "scalar_rgb":
        mi.set_variant("scalar_rgb")
        import drjit  # pyright: ignore[reportMissingImports]

        drjit.set_thread_count(1)
    return mi


def sensor(camera: Camera, size: tuple[int, int], samples: int) -> dict[str, Any]:
    """The camera in Mitsuba's words: a pinhole, and a film that mixes no neighbours."""
    film = {
        "type": "hdrfilm",
        "width": size[1],
        "height": size[0],
        "rfilter": {"type": "box"},
        "pixel_format": "rgb",
        "component_format": "float32",
    }
    target, (_, up) = camera.position + camera.forward, axes(camera)
    place = mitsuba().ScalarTransform4f().look_at
    return {
        "type": "perspective",
        "fov": camera.width_of_view,
        "fov_axis": "x",
        "near_clip": 0.01,
        "to_world": place(camera.position.tolist(), target.tolist(), up.tolist()),
        "film": film,
        "sampler": {"type": "independent", "sample_count": samples},
    }


def _trace(
    scene: Any, camera: Camera, size: tuple[int, int], quality: Quality, seed: int
) -> np.ndarray:
    mi = mitsuba()
    # The size of a block decides the random numbers: fixed, they do not hang on the threads.
    paths = mi.load_dict({"type": "path", "max_depth": quality.length, "block_size": 32})
    film = mi.load_dict(sensor(camera, size, quality.samples))
    light = mi.render(scene, sensor=film, integrator=paths, spp=quality.samples, seed=seed)
    return np.nan_to_num(np.array(light, np.float32).clip(0, 1e4))


def _surface(material: Material) -> dict[str, Any]:
    """What Mitsuba needs to know of a shape's material: a BSDF and, where it glows, an emitter."""
    mi = mitsuba()
    if material.glows:
        radiance: Any = {"type": "rgb", "value": list(material.colour)}
        if material.texture is not None:
            radiance = _bitmap(
                material.texture * np.array(material.colour, np.float32), material.tile
            )
        return {
            "bsdf": mi.load_dict({"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.1}}),
            "emitter": {"type": "area", "radiance": radiance},
        }
    if material.glass:
        return {"bsdf": mi.load_dict({"type": "thindielectric"})}
    colour: Any = {"type": "rgb", "value": list(material.colour)}
    if material.texture is not None:
        colour = _bitmap(material.texture, material.tile)
    if material.gloss is None:
        return {"bsdf": mi.load_dict({"type": "diffuse", "reflectance": colour})}
    surface = {
        "type": "principled",
        "base_color": colour,
        "roughness": float(np.sqrt(material.gloss)),
        "metallic": 1.0 if material.metal else 0.0,
        "specular": 0.5,
    }
    return {"bsdf": mi.load_dict(surface)}


def _bitmap(picture: np.ndarray, tile: tuple[float, float]) -> dict[str, Any]:
    mi = mitsuba()
    u, v = (1.0, 1.0) if tile == FIT else (1 / tile[0], 1 / tile[1])
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(picture, np.float32)),
        "raw": True,
        "to_uv": mi.ScalarTransform4f().scale([u, v, 1]),
    }


def _join(name: str, meshes: Sequence[Mesh], material: dict[str, Any]) -> Any:
    mi = mitsuba()
    properties = mi.Properties()
    if "emitter" in material:
        properties["emitter"] = mi.load_dict(material["emitter"])
    vertices, normals, uv = (
        np.concatenate([getattr(mesh, part) for mesh in meshes]).astype(np.float32)
        for part in ("vertices", "normals", "uv")
    )
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    triangles = np.concatenate([m.triangles + s for m, s in zip(meshes, starts, strict=True)])
    shape = mi.Mesh(
        name,
        len(vertices),
        len(triangles),
        properties,
        has_vertex_normals=True,
        has_vertex_texcoords=True,
    )
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = vertices.ravel()
    parameters["vertex_normals"] = normals.ravel()
    parameters["vertex_texcoords"] = uv.ravel()
    parameters["faces"] = triangles.astype(np.uint32).ravel()
    parameters.update()
    shape.set_bsdf(material["bsdf"])  # afterwards: the traversal would visit all of it, too
    return shape
