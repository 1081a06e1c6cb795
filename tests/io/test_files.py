"""Files: complete or not there, refused before any work, never over another photo's results."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import png_of
from PIL import Image

from imexnet.io import files
from imexnet.models.tasks import TASKS

PIXELS = np.zeros((4, 5, 3), np.uint8)


def test_depth_is_written_in_metres_and_millimetres_and_classes_as_bytes(tmp_path):
    metres = np.array([[0.5, 1.2345], [9.87654, 70.0]])
    array, picture = files.write_raw(metres, tmp_path / "depth")
    assert np.load(array).dtype == np.float32
    assert np.array_equal(np.load(array), metres.astype(np.float32))
    with Image.open(picture) as image:
        assert np.asarray(image).tolist() == [[500, 1234], [9877, 65535]]
    (classes,) = files.write_raw(np.array([[0, 13]]), tmp_path / "classes")
    assert np.load(classes).dtype == np.uint8 and np.load(classes).tolist() == [[0, 13]]
    assert {path.name for path in tmp_path.iterdir()} == {
        "depth-mm.png", "depth.npy", "classes.npy"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        ("depth", float, "depth in metres"),
        ("segmentation", int, "class numbers of the task segmentation"),
        ("qtips", int, "class numbers of the task qtips"),
    ],
)
def test_both_networks_in_one_file_that_says_what_it_holds(tmp_path, task, kind, words):
    values = {"resnet": np.ones((2, 3), kind), "imexnet": np.zeros((2, 3), kind)}
    path = files.write_together(values, TASKS[task].reading, tmp_path / "both.npz")
    with np.load(path) as both:
        assert str(both["readme"]) == f"One array (height, width) per network: {words}."
        for name, expected in values.items():
            np.testing.assert_array_equal(both[name], expected)
            assert both[name].dtype == (np.float32 if task == "depth" else np.uint8)


@pytest.mark.parametrize("step", ["pathlib.Path.write_bytes", "os.replace"])
def test_a_failed_write_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch, step):
    path = files.write_bytes(tmp_path / "a.npy", b"old")

    def full(*_) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        files.write_bytes(path, b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "a.tar") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_names_up_to_the_longest_can_be_written(tmp_path):
    name = "n" * 251 + ".npy"
    assert files.write_bytes(tmp_path / name, b"1").name == name


def test_a_folder_to_write_to_is_no_file_and_lies_below_none(tmp_path):
    files.check_folder(tmp_path / "not" / "there" / "yet")
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for folder in ("file", "file/below", "nowhere"):
        with pytest.raises(ValueError, match=r"(file|nowhere) is a file; choose a folder"):
            files.check_folder(tmp_path / folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "nowhere"]


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _how: Path(path) != tmp_path)  # root may all
    with pytest.raises(ValueError, match=f"nothing may be written to the folder {tmp_path}"):
        files.check_folder(tmp_path / "out")


def test_a_new_file_is_not_there_and_no_folder(tmp_path):
    files.check_new(tmp_path / "deep" / "net.safetensors")
    old = files.write_bytes(tmp_path / "old.safetensors", b"")
    with pytest.raises(ValueError, match=r"old\.safetensors is there already"):
        files.check_new(old)
    with pytest.raises(ValueError, match="is a folder"):
        files.check_new(tmp_path)
    with pytest.raises(ValueError, match="is a file; choose a folder"):
        files.check_new(old / "net.safetensors")


def test_results_of_one_photo_are_not_written_over_those_of_another(tmp_path):
    out = tmp_path / "out" / "a.png"
    photos = [tmp_path / name for name in ("a.jpg", "a.png", "folder/a.jpg", "ä.jpg", "\udcff.jpg")]
    for first in photos:
        files.check_source(out, first)
        files.write_picture(PIXELS, out, first)
        files.check_source(out, first)
        for other in set(photos) - {first}:
            with pytest.raises(ValueError, match=r"a\.png was not made of"):
                files.check_source(out, other)
        out.unlink()
    for foreign in (b"", b"no picture", b"\x89PNG\r\n\x1a\n\x00", png_of(20_000, 20_000)):
        files.write_bytes(out, foreign)
        with pytest.raises(ValueError, match=r"a\.png was not made of"):
            files.check_source(out, photos[0])


def test_a_picture_tells_nobody_where_the_photo_lay(tmp_path):
    path = files.write_picture(PIXELS, tmp_path / "out.png", tmp_path / "secret" / "a.jpg")
    assert b"secret" not in path.read_bytes()
