"""Rendered kitchens: exact truth, the same bytes every time, and what they have of NYU's."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh import creation

from imexnet.cli.main import main
from imexnet.data import room_folder
from imexnet.data.nyu import CLASSES, NYU40_TO_13, Room, read_rooms
from imexnet.kitchens import path_tracing
from imexnet.kitchens.dataset import render_kitchens
from imexnet.kitchens.ground_truth import axes, directions, geometry, look
from imexnet.kitchens.objects.furniture import COUNTER, FLOOR, OBJECT, WALL
from imexnet.kitchens.objects.solids import Material, Mesh, ball, box, lathe, place, rod
from imexnet.kitchens.path_tracing import choose_view, render_kitchen
from imexnet.kitchens.scene import Camera, kitchen

pytestmark = pytest.mark.kitchens
ROOT = Path(__file__).parents[2]
GREY = Material()
Z_TO_Y = trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0))
NYU_KITCHENS = {
    "mean_depth": 2.702,
    "depth_deciles": [1.235, 1.509, 1.784, 2.097, 2.371, 2.724, 3.116, 3.704, 4.567],
    "classes": {"wall": 0.190, "floor": 0.090, "furniture": 0.415, "objects": 0.174},
}
"""`python benchmarks/rooms.py NYU`: the 119 kitchens of train and val, classes above 5 %."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """24 kitchens of 80 × 60."""
    out = tmp_path_factory.mktemp("kitchens") / "rooms"
    assert render_kitchens(out, 24, seed=3, size=(60, 80)) == 24
    return out


def level(fov: float = 70.0, roll: float = 0.0, pitch: float = 0.0) -> Camera:
    """A camera at 1.2 m that looks along -z, down by `pitch` degrees."""
    angle = np.radians(pitch)
    forward = np.array([0, -np.sin(angle), -np.cos(angle)])
    return Camera(np.array([0.3, 1.2, 2.0]), forward, roll, fov)


@pytest.mark.parametrize("size", [(48, 64), (31, 47)])
def test_depth_of_planes(size):
    """A wall z = -1 and a floor y = 0 under a pitched, rolled camera: t = n·(p - o) / n·d."""
    walls = [
        box(GREY, WALL, (-60, 0, -2), (60, 60, -1)),
        box(GREY, FLOOR, (-60, -1, -1), (60, 0, 9)),
    ]
    camera = level(roll=5.0, pitch=20.0)
    hits = look(geometry(walls), camera, size)
    rays = directions(camera, size)
    assert rays @ camera.forward == pytest.approx(np.ones(size))
    with np.errstate(divide="ignore"):
        to_wall = (-1 - camera.position[2]) / rays[..., 2]
        to_floor = np.where(rays[..., 1] < 0, -camera.position[1] / rays[..., 1], np.inf)
    expected = np.minimum(to_wall, to_floor)
    assert hits.depth == pytest.approx(expected, rel=1e-6)
    assert np.array_equal(hits.label40, np.where(to_wall < to_floor, WALL, FLOOR))
    assert 0.2 < (hits.label40 == WALL).mean() < 0.8


def test_depth_of_a_sphere():
    """The near root of |o + t d - c|² = r², with d of length 1 along the optical axis."""
    camera, centre, radius, size = level(), np.array([0.4, 1.0, -0.5]), 0.7, (60, 80)
    back = box(GREY, WALL, (-60, -60, -6), (60, 60, -5))
    hits = look(geometry([back, ball(GREY, OBJECT, centre, radius)]), camera, size)
    d = directions(camera, size)
    a, away = (d * d).sum(-1), camera.position - centre
    b, c = d @ away, away @ away - radius**2
    inside = b * b > a * c
    expected = (-b - np.sqrt(np.where(inside, b * b - a * c, 0))) / a
    assert np.array_equal(hits.label40 == OBJECT, inside)
    assert hits.depth[inside] == pytest.approx(expected[inside], rel=1e-6)
    assert hits.depth[~inside] == pytest.approx(np.full((~inside).sum(), 7.0), rel=1e-6)
    assert np.linalg.norm(hits.normal[inside], axis=-1) == pytest.approx(np.ones(inside.sum()))
    facing = (hits.normal * -d).sum(-1)
    assert (facing[inside] > 0).all()


@pytest.mark.parametrize("roll", [0.0, -12.0])
def test_the_picture_and_its_truth_are_of_the_same_rays(roll):
    """The renderer's own depth at the pixels' centres, by another tree and another camera."""
    room = kitchen(3, 0)
    camera, size = room.cameras[0], (48, 64)
    camera = Camera(camera.position, camera.forward, roll, camera.width_of_view)
    mi = path_tracing.mitsuba()
    sensor = path_tracing.sensor(camera, size, 1)
    sensor["sampler"] = {"type": "stratified", "sample_count": 1, "jitter": False}
    layers = mi.render(
        path_tracing.build_scene(room.solids),
        sensor=mi.load_dict(sensor),
        integrator=mi.load_dict({"type": "aov", "aovs": "p:position,a:albedo"}),
        spp=1,
    )
    positions = np.array(layers)[..., :3].astype(float)
    hits = look(geometry(room.solids), camera, size)
    difference = np.abs((positions - camera.position) @ camera.forward - hits.depth)
    assert np.median(difference) < 1e-5
    assert (difference < 1e-3).mean() > 0.995  # the rest lies on edges, where rounding decides
    assert np.median(np.abs(np.array(layers)[..., 3:6] - hits.albedo)) < 0.02


def test_bodies_are_closed_and_face_outwards():
    """Volume by the divergence theorem, and normals on the side of the winding."""
    cup = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    solids = [
        (box(GREY, 1, (1, 2, 3), (2, 4, 3.5)), 1.0),
        (lathe(GREY, 1, cup, 400), np.pi / 4),
        (rod(GREY, 1, (1, 2, 3), (1, 5, 3), 0.1), 3 * 10 / 2 * 0.01 * np.sin(2 * np.pi / 10)),
    ]
    for solid, volume in solids:
        for one in (solid, *place([solid], 1, -2, 3, 40)):
            assert isinstance(one, Mesh)
            a, b, c = (one.vertices[one.triangles[:, i]] for i in range(3))
            cross = np.cross(b - a, c - a)
            assert (a * cross).sum() / 6 == pytest.approx(volume, rel=1e-3)
            big = np.linalg.norm(cross, axis=1) > 1e-9
            mean = one.normals[one.triangles].mean(1)
            assert ((mean * cross).sum(1)[big] > 0).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:trimesh")
def test_bodies_are_those_of_trimesh():
    """Its meshes have neither hard edges nor texture coordinates; their surfaces are the same."""
    vase = [(0, 0), (0.3, 0), (0.5, 0.4), (0.2, 1), (0, 1)]
    start, end = (1, 2, 3), (2, 5, 1)
    for ours, theirs in (
        (box(GREY, 1, (1, 2, 3), (2, 4, 3.5)), creation.box(bounds=[(1, 2, 3), (2, 4, 3.5)])),
        (lathe(GREY, 1, vase, 20), creation.revolve(vase, sections=20, transform=Z_TO_Y)),
        (rod(GREY, 1, start, end, 0.1), creation.cylinder(0.1, segment=(start, end), sections=10)),
    ):
        mesh = trimesh.Trimesh(ours.vertices, ours.triangles, process=False)
        assert mesh.volume == pytest.approx(theirs.volume)
        assert mesh.area == pytest.approx(theirs.area)
        assert mesh.center_mass == pytest.approx(theirs.center_mass, abs=1e-9)


def test_axes_are_right_handed():
    right, up = axes(level())
    assert right == pytest.approx([1, 0, 0])
    assert up == pytest.approx([0, 1, 0])
    _, tilted = axes(level(roll=90.0))
    assert tilted == pytest.approx([1, 0, 0])


def test_the_same_bytes_every_time(folder, tmp_path, monkeypatch):
    """Whatever the number of processes; another seed and another index give other pictures."""
    monkeypatch.setattr("imexnet.kitchens.dataset._cores", lambda: 1)
    again, other = tmp_path / "again", tmp_path / "other"
    render_kitchens(again, 3, seed=3, size=(60, 80))
    render_kitchens(other, 1, seed=4, size=(60, 80))
    first = {}
    for name in ("0001", "0002", "0003"):
        for path in (f"rgb/{name}.jpg", f"depth/{name}.png", f"label40/{name}.png"):
            first[path] = (folder / path).read_bytes()
            assert (again / path).read_bytes() == first[path]
    assert len(set(first.values())) == 9
    assert (other / "rgb/0001.jpg").read_bytes() != first["rgb/0001.jpg"]
    assert np.array_equal(render_kitchen(3, 1, (60, 80)).label40, _labels(folder, "0002"))


def test_photo_and_truth_may_differ_in_size():
    """The truth does not depend on the photo's size, nor on its quality."""
    small = render_kitchen(3, 2, (24, 32), "low", (60, 80))
    assert small.photo.shape == (24, 32, 3) and small.photo.dtype == np.uint8
    assert small.depth.shape == small.label40.shape == (60, 80)
    same = render_kitchen(3, 2, (60, 80), "low")
    assert np.array_equal(small.depth, same.depth)
    assert np.array_equal(small.label40, same.label40)


def test_every_picture_shows_a_kitchen(folder):
    rooms = read_rooms(folder, "train")
    assert len(rooms) == 24
    for index, room in enumerate(rooms):
        check_truth(room.depth, _labels(folder, f"{index + 1:04d}"))
        assert room.scene_type == "kitchen"
        assert 10 < room.photo.mean() < 245 and room.photo.std() > 10


def check_truth(depth: np.ndarray, label40: np.ndarray) -> None:
    """Floor or worktop, wall and three more of the 13 classes; depths within 0.3…10 m."""
    assert depth.min() >= 0.3 and depth.max() <= 10
    seen = set(np.unique(NYU40_TO_13[label40]).tolist())
    assert seen <= set(range(1, 14))
    wall, floor = CLASSES.index("wall"), CLASSES.index("floor")
    assert wall in seen and np.isin(label40, (FLOOR, COUNTER)).any()
    assert len(seen - {wall, floor}) >= 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_depths_and_classes_resemble_those_of_nyu():
    """500 kitchens: mean and deciles 1, 5, 9 of depth within 20 %, large classes within 2."""
    path = ROOT / "benchmarks" / "rooms.py"
    spec = importlib.util.spec_from_file_location("rooms", path)
    assert spec and spec.loader
    rooms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rooms)
    ours = rooms.statistics([true_room(11, index) for index in range(500)])
    assert ours["mean_depth"] == pytest.approx(NYU_KITCHENS["mean_depth"], rel=0.2)
    for i in (0, 4, 8):
        expected = NYU_KITCHENS["depth_deciles"][i]
        assert ours["depth_deciles"][i] == pytest.approx(expected, rel=0.2)
    for name, share in NYU_KITCHENS["classes"].items():
        assert share / 2 < ours["classes"][name] < share * 2, name


def true_room(seed: int, index: int) -> Room:
    """A kitchen without the light, which the truth does not need and which takes the time."""
    _, scene, camera, _ = choose_view(seed, index)
    hits = look(scene, camera, (60, 80))
    check_truth(hits.depth, hits.label40)
    return Room(np.zeros((60, 80, 3), np.uint8), hits.depth, NYU40_TO_13[hits.label40], "kitchen")


def test_index_and_split(tmp_path):
    out = tmp_path / "out"
    render_kitchens(out, 2, seed=0, size=(16, 20), split="test", validation=1)
    head, *rows = (out / "index.csv").read_text().split()
    assert head == ",".join(room_folder.COLUMNS)
    assert rows == ["0001,test,test,kitchen,0", "0002,train,val,kitchen,1"]
    assert not list(out.rglob("*.part"))
    with Image.open(out / "depth" / "0001.png") as image:
        assert (image.mode, image.size) == ("I;16", (20, 16))


def run(monkeypatch, capsys, *words: str) -> str:
    """The one line on stderr of a command that ends with status 2."""
    monkeypatch.setattr(sys, "argv", ["imexnet", "render", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_bad_input_gives_one_line_and_no_file(folder, tmp_path, monkeypatch, capsys):
    out = str(tmp_path / "out")
    for words, message in (
        (("--size", "320"), "a size is given as 320x240"),
        (("--size", "9x9"), "sizes must be 16…4096 pixels a side, got 9x9"),
        (("--truth-size", "320x120"), "the proportions of the photos, got 320x120 and 320x240"),
        (("--quality", "best"), "must be one of low, high, got 'best'"),
        (("--split", "all"), "must be one of train, val, test, got 'all'"),
        (("--validation", "2"), "of 1 kitchens, 2 cannot be for validation"),
    ):
        assert message in run(monkeypatch, capsys, "--count", "1", "--out", out, *words)
    assert "already holds a data set" in run(
        monkeypatch, capsys, "--count", "1", "--out", str(folder)
    )
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    missing = run(monkeypatch, capsys, "--count", "1", "--out", out)
    assert "mitsuba is not installed: pip install -e '.[render]'" in missing
    assert not Path(out).exists()


def _labels(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / "label40" / f"{name}.png") as image:
        labels = np.asarray(image)
    assert NYU40_TO_13[labels].min() >= 1
    return labels
