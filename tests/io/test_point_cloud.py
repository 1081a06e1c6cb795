"""Points from depth against a camera by hand, edges, and the file that a viewer opens."""

import io
import math

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imexnet.io import point_cloud

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:trimesh")


@pytest.mark.parametrize("shape", [(3, 4), (7, 5), (6, 6)])
def test_points_of_a_wall_by_hand(shape):
    """At 90 degrees a wall 2 m away is 4 m long along the longer side; z is untouched."""
    places = point_cloud.points(np.full(shape, 2.0), 90)
    height, width = shape
    pixel = 4 / max(shape)
    assert places[..., 2] == pytest.approx(np.full(shape, 2.0))
    assert places[0, -1, 0] - places[0, 0, 0] == pytest.approx((width - 1) * pixel)
    assert places[-1, 0, 1] - places[0, 0, 1] == pytest.approx((height - 1) * pixel)
    assert places.mean((0, 1)) == pytest.approx([0, 0, 2], abs=1e-12)  # centred


@given(st.floats(0.2, 9), st.floats(20, 140), st.integers(0, 11), st.integers(0, 15))
def test_distances_scale_with_depth_and_are_symmetric(depth, angle, row, column):
    wall = np.full((12, 16), depth)
    a, b = (0, 0), (row, column)
    there = point_cloud.distance(wall, a, b, angle)
    assert there == pytest.approx(point_cloud.distance(wall, b, a, angle))
    assert point_cloud.distance(2 * wall, a, b, angle) == pytest.approx(2 * there)
    longest = 2 * depth * math.tan(math.radians(angle / 2))
    assert there == pytest.approx(math.hypot(row, column) / 16 * longest)


@pytest.mark.parametrize("angle", [0, -10, 180, float("nan")])
def test_impossible_angles(angle):
    with pytest.raises(ValueError, match="between 0 and 180"):
        point_cloud.points(np.ones((2, 2)), angle)


def test_no_surface_across_an_edge():
    depths = np.full((4, 6), 1.0)
    assert len(point_cloud.faces(depths)) == 2 * 3 * 5
    depths[:, 3:] = 2.0  # a step: the column of cells between goes
    assert len(point_cloud.faces(depths)) == 2 * 3 * 4
    near = depths.ravel()[point_cloud.faces(depths)]
    assert (near.max(1) == near.min(1)).all()


def test_no_file_without_a_surface():
    with pytest.raises(ValueError, match="no surface"):
        point_cloud.mesh(Image.new("RGB", (9, 1)), np.ones((1, 9)))


def test_file_holds_the_points_and_the_photo():
    photo = Image.new("RGB", (32, 24), (200, 100, 50))
    metres = np.tile(np.linspace(2, 3, 16), (12, 1))
    content = point_cloud.mesh(photo, metres, 70)
    scene = trimesh.load_scene(io.BytesIO(content), file_type="glb")
    (room,) = scene.geometry.values()
    expected = point_cloud.points(metres, 70).reshape(-1, 3) * (1, -1, -1)
    assert room.vertices == pytest.approx(expected, abs=1e-5)
    assert len(room.faces) == 2 * 11 * 15
    normals = room.face_normals
    assert (normals[:, 2] > 0).all()  # all faces look at the camera
    with_photo = room.visual.material.emissiveTexture
    assert np.asarray(with_photo.convert("RGB"))[0, 0] == pytest.approx([200, 100, 50], abs=2)


def test_points_as_a_file_have_the_photos_colours_and_the_axes_of_the_mesh():
    photo = np.zeros((6, 8, 3), np.uint8)
    photo[:, 4:] = 200, 100, 50
    cloud = trimesh.load(
        io.BytesIO(point_cloud.ply(photo, np.full((3, 4), 2.0), 90)), file_type="ply"
    )
    assert isinstance(cloud, trimesh.PointCloud)
    places = point_cloud.points(np.full((3, 4), 2.0), 90).reshape(-1, 3) * (1, -1, -1)
    np.testing.assert_allclose(cloud.vertices, places, atol=1e-6)
    assert cloud.colors[0, :3].tolist() == [0, 0, 0]
    assert cloud.colors[3, :3].tolist() == [200, 100, 50]
