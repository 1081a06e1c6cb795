"""The examples run as their docstrings say."""

import importlib
import io
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from imexnet.inference import predict
from imexnet.io.photos import Photo, read_photo
from imexnet.models.checkpoints import load_pretrained
from imexnet.models.folding import fold

ROOT = Path(__file__).parents[1]
SIZES = [(60, 80), (60, 80), (80, 60), (50, 50), (60, 80)]  # (H, W) of a shard's photos


def write_shards(folder: Path, count: int) -> dict[str, bytes]:
    """Shards of made-up photos and one broken file each; photo name → PNG."""
    written = {}
    for number in range(count):
        with tarfile.open(folder / f"photos-{number}.tar", "w") as tar:
            for i, size in enumerate(SIZES):
                random = np.random.default_rng(10 * number + i)
                photo = Photo.of(random.integers(0, 256, (*size, 3), np.uint8))
                lens = 50 if i == 1 else None
                png = io.BytesIO(replace(photo, focal_length_35mm=lens).encoded("PNG"))
                name = f"room{number}{i}" if i else f"room.{number}"  # a dot within the name
                written[name] = png.getvalue()
                add(tar, f"{name}.png", png.getvalue())
            add(tar, f"broken{number}.jpg", b"no picture")
    return written


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


@pytest.mark.slow
def test_two_processes_predict_shards_as_one_photo_at_a_time_does(tmp_path):
    written = write_shards(tmp_path, 3)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *(str(ROOT / "examples" / "predict_shards.py"), str(tmp_path / "photos-{0..2}.tar")),
        str(tmp_path / "out"),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    assert "process 0: 10 photos" in run.stdout
    assert "process 1: 5 photos" in run.stdout
    assert run.stderr.count("not a picture that can be read") == 3
    check_depths(tmp_path / "out", written)
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert "process 0: 0 photos" in again.stdout  # all shards are there


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # WebDataset leaves its files open
def test_each_process_predicts_its_share_of_the_shards(tmp_path, monkeypatch, capsys):
    """One after the other, with what torchrun tells them."""
    written, main = write_shards(tmp_path, 3), example(monkeypatch, "predict_shards").main
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, words in enumerate(("process 0: 10 photos", "process 1: 5 photos")):
        monkeypatch.setenv("RANK", str(rank))
        main(str(tmp_path / "photos-{0..2}.tar"), str(tmp_path / "out"))
        said, told = capsys.readouterr()
        assert words in said
        assert told.count("not a picture that can be read") == 2 - rank
    check_depths(tmp_path / "out", written)
    main(str(tmp_path / "photos-{0..2}.tar"), str(tmp_path / "out"))
    assert "process 1: 0 photos" in capsys.readouterr().out  # all shards are there


def check_depths(folder: Path, written: dict[str, bytes]) -> None:
    """That the shards hold the depth of each photo, as the network sees it by itself."""
    network, found = fold(load_pretrained("indoor-imexnet", "cpu")), set()
    for shard in sorted(folder.iterdir()):
        with tarfile.open(shard) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                name = member.name.removesuffix(".depth.png")
                metres = np.asarray(Image.open(file), np.float64) / 1000
                photo = read_photo(io.BytesIO(written[name]))
                expected = predict(photo, network, "depth")
                np.testing.assert_allclose(metres, expected.metres, atol=0.002)
                found.add(name)
    assert found == written.keys()


def example(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module(name)


def test_fields_of_view_of_a_module_of_ones_own_and_of_a_packages(monkeypatch, tmp_path, capsys):
    any_network = example(monkeypatch, "any_network")
    any_network.main(tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == list(any_network.NETWORKS)
    row, column = any_network.PIXEL
    s = np.load(tmp_path / "dilated.npy")
    rows, columns = np.nonzero(s)
    assert (rows.min(), rows.max()) == (row - 15, row + 15)  # 1 + 2 + 4 + 8
    assert (columns.min(), columns.max()) == (column - 15, column + 15)
    wide = np.load(tmp_path / "dexined.npy")
    assert wide.shape == any_network.SIZE
    assert np.count_nonzero(wide) > np.count_nonzero(s)
    with Image.open(tmp_path / "dexined.png") as shown:
        assert shown.size == any_network.SIZE[::-1]
