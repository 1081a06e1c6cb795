import csv
import os
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from imexnet.data import nyu_mat
from imexnet.data.nyu_mat import prepare_nyu

NYU = Path(__file__).parents[3] / "shared" / "nyuv2"
NAMES = ["torah", "wall", "coffee table", "storage shelves/books", "sink", "window frame", "book"]
CLASSES = [0, 40, 1, 39, 39, 34, 38, 40]
SCENE_TYPES = ["kitchen", "kitchen", "office", "office", "office", "kitchen"]


def write_strings(file, name, strings):
    references = np.empty((1, len(strings)), h5py.ref_dtype)
    for i, string in enumerate(strings):
        codes = np.array([[ord(letter)] for letter in string], np.uint16)
        references[0, i] = file.create_dataset(f"#refs#/{name}{i}", data=codes).ref
    file.create_dataset(name, data=references)


def write_mat(path, images, depths, labels, names=NAMES, scene_types=SCENE_TYPES):
    """Arrays are (N, H, W[, 3]); the file holds them transposed, as MATLAB's do."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["depths"] = depths.transpose(0, 2, 1).astype(np.float32)
        file["labels"] = labels.transpose(0, 2, 1).astype(np.uint16)
        write_strings(file, "names", names)
        write_strings(file, "sceneTypes", scene_types)
        write_strings(file, "scenes", [f"{kind}_{i:04d}" for i, kind in enumerate(scene_types)])
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(header + path.read_bytes()[128:])
    return path


def write_splits(path, train, test):
    savemat(path, {"trainNdxs": np.array([train]).T, "testNdxs": np.array([test]).T})
    return path


def blank(count, height, width):
    images = np.zeros((count, height, width, 3), np.uint8)
    return images, np.ones((count, height, width)), np.zeros((count, height, width), int)


@pytest.fixture
def small(tmp_path):
    """Six tiny images in one valid pair of files."""
    mat = write_mat(tmp_path / "small.mat", *blank(6, 8, 12))
    return mat, write_splits(tmp_path / "splits.mat", [3, 4, 6], [1, 2, 5]), tmp_path / "out"


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def read_index(out):
    with (out / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_pixels_keep_their_place_at_real_size(tmp_path):
    images, depths, labels = blank(6, 480, 640)
    images[2, 64:80, 320:336] = 255, 255, 0
    images[2, 400:480, 1:160:2] = 255
    depths[2, 100:102, 500:502] = 2.3454
    depths[2, :, :201] = 4
    labels[2, 300:302, 40:42] = 5
    labels[2, :, 401:] = 1
    write_mat(tmp_path / "a.mat", images, depths, labels)
    write_splits(tmp_path / "s.mat", [1, 2, 3], [4, 5, 6])
    out = tmp_path / "out"
    assert prepare_nyu(tmp_path / "a.mat", tmp_path / "s.mat", out) == 6

    photo = read(out / "rgb" / "0003.jpg").astype(int)
    assert photo.shape == (240, 320, 3)
    assert np.abs(photo[32:40, 160:168] - [255, 255, 0]).max() < 8
    assert np.abs(photo[200:240, :80] - 127.5).max() < 8  # averaged, neither column dropped
    assert photo[:180, :150].max() < 8 and photo[:180, 180:].max() < 8

    depth = read(out / "depth" / "0003.png")
    assert depth.shape == (240, 320) and depth.dtype == np.uint16
    assert depth[50, 250] == 2345
    assert set(np.unique(depth)) == {1000, 2345, 4000}  # nothing between the two sides of an edge
    assert np.all(depth[:, :100] == 4000) and np.all(depth[:, 102:200] == 1000)

    label = read(out / "label40" / "0003.png")
    assert label.shape == (240, 320) and label.dtype == np.uint8
    assert label[150, 20] == 34
    assert set(np.unique(label)) == {0, 34, 40}
    assert np.all(read(out / "label40" / "0001.png") == 0)


def test_depth_beyond_16_bits_is_clipped(tmp_path):
    images, depths, labels = blank(6, 8, 12)
    depths[0] = 70
    write_mat(tmp_path / "a.mat", images, depths, labels)
    write_splits(tmp_path / "s.mat", [1, 2, 3], [4, 5, 6])
    prepare_nyu(tmp_path / "a.mat", tmp_path / "s.mat", tmp_path / "out")
    assert np.all(read(tmp_path / "out" / "depth" / "0001.png") == 65535)


@pytest.mark.parametrize("seed", [0, 1])
def test_labels_go_by_name_whatever_the_order(tmp_path, seed):
    order = np.random.default_rng(seed).permutation(len(NAMES))
    images, depths, labels = blank(6, 2, 16)
    labels[:, :, ::2] = labels[:, :, 1::2] = np.r_[0, 1 + np.argsort(order)]
    names = [NAMES[i] for i in order]
    write_mat(tmp_path / "a.mat", images, depths, labels, names)
    write_splits(tmp_path / "s.mat", [1, 2, 3], [4, 5, 6])
    prepare_nyu(tmp_path / "a.mat", tmp_path / "s.mat", tmp_path / "out")
    assert read(tmp_path / "out" / "label40" / "0001.png").tolist() == [CLASSES]


def test_table_has_each_named_class_once():
    with Path(nyu_mat.__file__).with_name("nyu40.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = Counter(int(row["class"]) for row in rows)
    assert counts == {**dict.fromkeys(range(1, 38), 1), 38: 68, 39: 82}
    assert len({row["name"] for row in rows}) == len(rows)


def test_index(small):
    mat, splits, out = small
    prepare_nyu(mat, splits, out)
    rows = read_index(out)
    assert list(rows[0]) == ["id", "official_split", "split", "scene_type", "run_id"]
    assert [row["id"] for row in rows] == ["0001", "0002", "0003", "0004", "0005", "0006"]
    assert [row["scene_type"] for row in rows] == SCENE_TYPES
    for column in ("official_split", "split"):
        assert [row[column][:2] for row in rows] == ["te", "te", "tr", "tr", "te", "tr"]
    assert [row["run_id"] for row in rows] == ["0", "0", "1", "1", "2", "3"]


def test_validation_is_cut_from_train_only(tmp_path):
    kinds = ["office"] * 22
    write_mat(tmp_path / "a.mat", *blank(22, 2, 2), scene_types=kinds)
    write_splits(tmp_path / "s.mat", range(1, 20), range(20, 23))
    prepare_nyu(tmp_path / "a.mat", tmp_path / "s.mat", tmp_path / "out")
    rows = read_index(tmp_path / "out")
    assert [row["split"] for row in rows] == ["train"] * 18 + ["val"] + ["test"] * 3
    assert [row["official_split"] for row in rows] == ["train"] * 19 + ["test"] * 3


@pytest.mark.nyu
@pytest.mark.skipif(not NYU.is_dir(), reason="needs the NYU Depth V2 folder")
def test_index_equals_that_of_the_shared_folder(tmp_path):
    rows = read_index(NYU)
    columns = ([row[name] for row in rows] for name in ("official_split", "scene_type"))
    nyu_mat._write_index(tmp_path, *columns)
    assert (tmp_path / "index.csv").read_bytes() == (NYU / "index.csv").read_bytes()


def test_second_run_is_refused_and_changes_nothing(small):
    mat, splits, out = small
    prepare_nyu(mat, splits, out)
    before = (out / "index.csv").stat().st_mtime_ns
    with pytest.raises(ValueError, match="out already holds a data set"):
        prepare_nyu(mat, splits, out)
    assert (out / "index.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("stop_at", [1, 8, 19])
def test_interrupted_run_leaves_no_index_and_can_be_repeated(small, monkeypatch, stop_at):
    mat, splits, out = small
    calls = 0

    def interrupted(source, target):
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt
        rename(source, target)

    rename = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare_nyu(mat, splits, out)
    assert not (out / "index.csv").exists()
    assert not list(out.rglob("*.part"))
    assert len([path for path in out.rglob("*") if path.is_file()]) == stop_at - 1
    assert prepare_nyu(mat, splits, out) == 6
    assert len(read_index(out)) == 6


def test_progress_goes_to_stderr(small, capfd):
    prepare_nyu(*small)
    stdout, stderr = capfd.readouterr()
    assert stdout == "" and "6/6" in stderr


def without(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]


def test_missing_files(small, tmp_path):
    mat, splits, out = small
    with pytest.raises(FileNotFoundError, match=r"^none\.mat was not found\.$"):
        prepare_nyu(tmp_path / "none.mat", splits, out)
    with pytest.raises(FileNotFoundError, match=r"^none\.mat was not found\.$"):
        prepare_nyu(mat, tmp_path / "none.mat", out)
    assert not out.exists()


@pytest.mark.parametrize("name", ["images", "depths", "labels", "names", "sceneTypes"])
def test_missing_variable(small, name):
    without(small[0], name)
    with pytest.raises(ValueError, match=f"^small.mat has no variable '{name}'.$"):
        prepare_nyu(*small)
    assert not small[2].exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("images", np.zeros((6, 3, 12, 8))),
        ("images", np.zeros((6, 3, 12, 8), np.uint16)),
        ("depths", None),
        ("depths", np.float32(1)),
        ("labels", np.zeros((6, 12, 8))),
        ("names", np.arange(3)),
    ],
)
def test_a_variable_of_another_type_is_named_before_anything_is_written(small, name, content):
    with h5py.File(small[0], "r+") as file:
        del file[name]
        if content is None:
            file.create_group(name)
        else:
            file[name] = content
    with pytest.raises(ValueError, match=name):
        prepare_nyu(*small)
    assert not small[2].exists()


def test_wrong_mat(small, tmp_path):
    mat, splits, out = small
    with pytest.raises(ValueError, match=r"^splits\.mat is not an HDF5 file"):
        prepare_nyu(splits, splits, out)
    cut = tmp_path / "cut.mat"
    cut.write_bytes(mat.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"^cut\.mat cannot be opened; is the download complete"):
        prepare_nyu(cut, splits, out)
    write_mat(tmp_path / "five.mat", *blank(6, 8, 12), scene_types=SCENE_TYPES[:5])
    with pytest.raises(ValueError, match=r"sceneTypes of five\.mat do not fit"):
        prepare_nyu(tmp_path / "five.mat", splits, out)
    images, depths, labels = blank(6, 8, 12)
    write_mat(tmp_path / "label.mat", images, depths, labels + len(NAMES) + 1)
    with pytest.raises(ValueError, match=r"label\.mat has a label in image 0001 that has no name"):
        prepare_nyu(tmp_path / "label.mat", splits, out)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ([1, 2, 3], [4, 5]),
        ([1, 2, 3], [3, 4, 5, 6]),
        ([0, 1, 2], [3, 4, 5]),
        ([1, 2], [4, 5, 6, 7]),
    ],
)
def test_splits_that_do_not_cover_the_images(small, tmp_path, train, test):
    write_splits(tmp_path / "bad.mat", train, test)
    with pytest.raises(ValueError, match=r"^bad\.mat does not put each of the 6 images in one"):
        prepare_nyu(small[0], tmp_path / "bad.mat", small[2])
    assert not small[2].exists()


def test_wrong_splits(small, tmp_path):
    mat, _, out = small
    for content in (b"", b"no MATLAB file " * 20, mat.read_bytes()):
        (tmp_path / "bad.mat").write_bytes(content)
        with pytest.raises(ValueError, match=r"^bad\.mat is not a MATLAB file, as splits\.mat is"):
            prepare_nyu(mat, tmp_path / "bad.mat", out)
    savemat(tmp_path / "bad.mat", {"trainNdxs": [1]})
    with pytest.raises(ValueError, match=r"^bad\.mat has no variable 'testNdxs'\.$"):
        prepare_nyu(mat, tmp_path / "bad.mat", out)
    savemat(tmp_path / "bad.mat", {"trainNdxs": "123", "testNdxs": [4, 5, 6]})
    with pytest.raises(ValueError, match=r"^bad\.mat does not put each of the 6 images in one"):
        prepare_nyu(mat, tmp_path / "bad.mat", out)


def test_out_is_a_file(small):
    small[2].write_text("")
    with pytest.raises(ValueError, match="out is a file; choose a folder"):
        prepare_nyu(*small)


@pytest.mark.parametrize("package", ["h5py", "tqdm"])
def test_training_extra_is_named_when_missing(small, monkeypatch, package):
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[train\]'"):
        prepare_nyu(*small)
