"""The command line as a user calls it: results, one JSON object, one line for bad input."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import made_room
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

import imexnet
from imexnet.cli.main import app, main
from imexnet.data import qtips
from imexnet.inference import predict, to_input
from imexnet.io.camera import KINECT_FOCAL_LENGTH
from imexnet.io.files import write_picture
from imexnet.io.photos import read_photo
from imexnet.models.checkpoints import WEIGHTS, load_pretrained, save
from imexnet.models.config import MODELS
from imexnet.models.networks import build
from imexnet.stability import attacks
from imexnet.stability.bounds import StepBound
from imexnet.stability.growth import perturbation_growth

pytestmark = pytest.mark.skipif(
    not (WEIGHTS / "indoor-imexnet.safetensors").exists(), reason="weights are not there"
)


@pytest.fixture
def here(monkeypatch, capsys):
    """Runs a command in this process: (exit status, stdout, stderr)."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["imexnet", *map(str, words)])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def complaint(here):
    """The one line on stderr of a command that ends with status 2, in this process."""

    def run(*words: str | Path) -> str:
        status, out, err = here(*words)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    path = tmp_path / "room.jpg"
    Image.fromarray(pixels).save(path)
    return path


def commands(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The words that call a command or a family, and those of all within it."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *words, name)


def test_help_of_every_command():
    found = list(commands(get_command(app)))
    assert {(), ("draw",), ("train",), ("train", "rods"), ("evaluate", "paths")} <= {*found}
    for words in found:
        done = CliRunner().invoke(app, [*words, "--help"], prog_name="imexnet")
        assert done.exit_code == 0
        assert f"Usage: {' '.join(('imexnet', *words))} " in done.stdout


def test_predict_depth_writes_pictures_and_raw_values(photo, here, tmp_path):
    out = tmp_path / "out"
    assert here("predict", photo, "--task", "depth", "--out", out)[0] == 0
    names = {p.name for p in out.iterdir()}
    assert names == {
        f"room-{model}-depth{end}"
        for model in ("resnet", "imexnet")
        for end in (".png", ".npy", "-mm.png")
    }
    metres = np.load(out / "room-imexnet-depth.npy")
    assert (metres.shape, metres.dtype) == ((60, 90), np.float32)
    with Image.open(out / "room-imexnet-depth-mm.png") as image:
        assert np.abs(np.asarray(image) / 1000 - metres).max() < 0.001


@pytest.fixture
def tele(tmp_path):
    """The same picture in two files: EXIF names twice the Kinect's focal length, or nothing."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    told = Image.Exif()
    told.get_ifd(0x8769)[0xA405] = 56
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "tele.png", exif=told.tobytes())
    return tmp_path / "tele.png", tmp_path / "plain.png"


def test_predict_scales_depth_by_the_focal_length_and_says_so(tele, here, tmp_path):
    words = ("--task", "depth", "--model", "resnet", "--out", tmp_path)
    found = {}
    for photo, more, said in (
        (tele[1], (), ""),
        (
            tele[0],
            (),
            "Focal length from the photo: 56 mm (35 mm equivalent), shown at 71 % of the usual "
            "size, depths × 1.41.\n",
        ),
        (tele[0], ("--focal-length", "14"), "Focal length as given: 14 mm"),
    ):
        (tmp_path / f"{photo.stem}-resnet-depth.png").unlink(missing_ok=True)
        status, out, told = here("predict", photo, *words, *more)
        assert status == 0 and told.startswith(said) and bool(told) == bool(said)
        assert len(out.splitlines()) == 3  # the files
        stem = tmp_path / f"{photo.stem}-resnet-depth"
        found[said] = np.load(f"{stem}.npy")
        with Image.open(f"{stem}-mm.png") as image:
            assert np.abs(np.asarray(image) / 1000 - found[said]).max() < 0.001
    plain, own, given = found.values()
    with Image.open(tele[1]) as picture:
        longer = predict(picture, load_pretrained("indoor-resnet"), "depth", 56).metres
    np.testing.assert_allclose(own, longer, rtol=1e-5)
    assert (own / plain).mean() > 1.1
    np.testing.assert_allclose(given, plain * (14 / KINECT_FOCAL_LENGTH), rtol=1e-5)
    status, _, told = here(
        "predict", tele[0], "--task", "segmentation", "--model", "resnet", "--out", tmp_path
    )
    assert (status, told) == (0, "")


@pytest.mark.parametrize("command", ["predict", "stability", "robustness"])
def test_every_command_about_a_network_knows_the_trunks(photo, here, tmp_path, command):
    words = {
        "predict": ("predict", photo, "--out", tmp_path),
        "stability": ("stability", photo, "--severity", "0.1", "--json"),
        "robustness": ("robustness", "--severities", "0.1", "--data", tmp_path),
    }[command]
    status, _, told = here(*words, "--task", "depth", "--trunk", "unet")
    assert status == 2 and "--trunk must be one of plain, backbone, got 'unet'" in told
    status, _, told = here(*words, "--task", "qtips", "--trunk", "backbone")
    assert status == 2 and "is for depth and segmentation alone, got --task qtips" in told


@pytest.mark.slow
def test_stability_of_the_backbone_has_a_bound_for_each_of_its_steps(photo, here):
    words = ("stability", photo, "--severity", "0.1", "--json", "--task", "depth")
    status, out, _ = here(*words, "--trunk", "backbone")
    assert status == 0 and len(json.loads(out)["imexnet"]["bound"]) == 5


def test_stability_takes_the_networks_of_a_trunk(photo, here, monkeypatch):
    asked = []

    def step_bounds(network, x):
        asked.append(network.config)
        return []

    monkeypatch.setattr("imexnet.stability.bounds.step_bounds", step_bounds)
    words = ("stability", photo, "--severity", "0.1", "--json", "--task", "depth")
    status, out, _ = here(*words, "--trunk", "backbone")
    assert asked == [MODELS[f"indoor-backbone-{kind}"] for kind in ("resnet", "imexnet")]
    assert status == 0 and len(json.loads(out)["imexnet"]["growth"]) == 5


def test_weights_of_another_size_of_pictures_are_of_the_same_kind(photo, here, tmp_path):
    network = build(replace(MODELS["indoor-resnet"], size=(60, 80))).eval()
    save(network, tmp_path / "small.safetensors", {}, {})
    status, out, _ = here(
        "predict", photo, "--task", "depth", "--model", "resnet", "--out", tmp_path,
        "--weights", tmp_path / "small.safetensors",
    )  # fmt: skip
    assert status == 0 and len(out.splitlines()) == 3


def test_metres_of_field_of_view_and_hide_are_those_of_the_camera(tele, here, tmp_path):
    at = ("--task", "depth", "--model", "resnet", "--x", "40", "--y", "30", "--json")
    hide = ("--box", "20,10,60,50")
    found = {}
    for photo, more in ((tele[1], ()), (tele[0], ()), (tele[1], ("--focal-length", "56"))):
        out = tmp_path / f"out{len(found)}"
        seen = json.loads(here("field-of-view", photo, *at, *more, "--out", out)[1])["resnet"]
        s = np.load(out / f"{photo.stem}-resnet-depth-field-of-view.npy")
        hidden = json.loads(here("hide", photo, *at, *hide, *more, "--out", out)[1])["resnet"]
        for told in (seen, hidden):
            length = KINECT_FOCAL_LENGTH if not found else 56
            assert told["focal_length_35mm"] == pytest.approx(length)
            assert told["depth_scale"] == pytest.approx((length / KINECT_FOCAL_LENGTH) ** 0.5)
            assert told["shown"] == pytest.approx(1 / told["depth_scale"])
        found[out] = s, seen, hidden
    (s, seen, hidden), (longer, *told), (again, *also) = found.values()
    np.testing.assert_array_equal(longer, again)
    assert told == also
    assert longer.shape != s.shape and told[0]["rms_radius"] != seen["rms_radius"]
    assert told[1]["before"] > hidden["before"]
    assert "depth_scale" in here("field-of-view", tele[0], *at[:-1], "--out", tmp_path / "said")[1]


@pytest.mark.parametrize("length", ["0", "-5", "nan", "inf", "1e9"])
@pytest.mark.parametrize("command", ["predict", "field-of-view", "hide"])
def test_focal_lengths_of_no_camera_get_one_line(photo, complaint, tmp_path, command, length):
    at = {"predict": (), "field-of-view": ("--x", "1", "--y", "2")}
    more = at.get(command, ("--x", "1", "--y", "2", "--box", "0,0,3,3"))
    words = (command, photo, "--task", "depth", *more, "--focal-length", length)
    told = complaint(*words, "--out", tmp_path / "out")
    assert "the focal length lies between 1 and 10000 mm, got" in told
    assert not (tmp_path / "out").exists()


def test_predict_segmentation_of_one_model(photo, here, tmp_path):
    out = tmp_path / "out"
    words = ("predict", photo, "--task", "segmentation", "--model", "imexnet", "--out", out)
    assert here(*words)[0] == 0
    classes = np.load(out / "room-imexnet-segmentation.npy")
    assert (classes.shape, classes.dtype) == ((60, 90), np.uint8)
    assert 1 <= classes.min() <= classes.max() <= 13
    assert len(list(out.iterdir())) == 2


def test_field_of_view_prints_one_json_object(photo, here, tmp_path):
    status, out, told = here(
        "field-of-view", photo, "--task", "depth", "--model", "both", "--x", "89", "--y", "0",
        "--out", tmp_path, "--json",
    )  # fmt: skip
    assert (status, told) == (0, "")
    result = json.loads(out)
    assert set(result) == {"resnet", "imexnet"}
    names = {"area50", "area95", "area99", "rms_radius", "outside_window"}
    assert all(names <= set(measures) for measures in result.values())
    assert result["resnet"]["outside_window"] == 0
    assert result["imexnet"]["outside_window"] > 0
    s = np.load(tmp_path / "room-resnet-depth-field-of-view.npy")
    row, column = np.unravel_index(s.argmax(), s.shape)
    assert row < s.shape[0] / 2
    assert column > s.shape[1] / 2


def test_field_of_view_of_a_box_a_class_and_the_backbone(photo, here, tmp_path):
    words = ("field-of-view", photo, "--task", "segmentation", "--x", "10", "--y", "20", "--json")
    box = (*words, "--to", "40,50", "--about", "wall", "--model", "resnet", "--trunk", "backbone")
    look = ("--part", "signed", "--contours", "50,95", "--figure", "svg")
    status, out, told = here(*box, *look, "--out", tmp_path)
    assert (status, told) == (0, "")
    assert set(json.loads(out)) == {"resnet"}
    stem = tmp_path / "room-segmentation-field-of-view"
    assert b"</svg>" in Path(f"{stem}-figure.svg").read_bytes()
    with np.load(f"{stem}.npz") as found:
        assert found["resnet_area95"] == json.loads(out)["resnet"]["area95"]
        assert tuple(found["pixel"]) == (20, 10)
        assert tuple(found["other"]) == (50, 40)
        assert str(found["question"]) == "segmentation, wall, inputs"
        s = np.load(tmp_path / "room-resnet-segmentation-field-of-view.npy")
        np.testing.assert_array_equal(found["resnet_sensitivity"], s)
    with Image.open(tmp_path / "room-resnet-segmentation-field-of-view.png") as heat:
        assert heat.size == (90, 60)


def test_mirrored_boundary_takes_the_wrap_around_away(photo, here, tmp_path):
    words = ("field-of-view", photo, "--task", "depth", "--x", "0", "--y", "30", "--json")
    found = {
        boundary: json.loads(here(*words, "--boundary", boundary, "--out", tmp_path)[1])
        for boundary in ("trained", "periodic", "mirrored")
    }
    assert found["trained"] == found["periodic"]
    assert found["mirrored"]["resnet"] == found["periodic"]["resnet"]
    around = {name: views["imexnet"]["wrap_around"] for name, views in found.items()}
    assert around["mirrored"] < 0.7 * around["periodic"]


def test_field_of_view_of_what_an_input_moves(photo, here, tmp_path):
    words = ("field-of-view", photo, "--task", "depth", "--x", "10", "--y", "20", "--json")
    status, out, _ = here(*words, "--direction", "outputs", "--out", tmp_path)
    assert status == 0
    assert json.loads(out)["resnet"]["outside_window"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--about", "spaceship"), "can be asked about answer, bed"),
        (("--to", "90,3"), "column 90, row 3 lies outside"),
        (("--to", "3"), "--to takes a column and a row"),
        (("--to", "1.5,3"), "--to takes whole numbers"),
        (("--contours", "inf"), "--contours takes whole numbers"),
        (("--to", "3,4", "--direction", "outputs"), "for a pixel, not for a box"),
        (("--scale", "cubic"), "the scale must be one of"),
        (("--part", "alpha"), "the part must be one of"),
        (("--contours", "0,50"), "between 0 and 100"),
        (("--opacity", "2"), "from 0 to 1"),
        (("--figure", "gif"), "png, svg, pdf"),
        (("--trunk", "oak"), "--trunk must be"),
        (("--method", "magic"), "the method must be one of usual, gradient"),
        (("--method", "occlusion-mean", "--direction", "outputs"), "what an input moves is a"),
        (("--boundary", "open"), "the boundary is trained, periodic or mirrored"),
    ],
)
def test_field_of_view_bad_input_gives_one_line(photo, here, tmp_path, words, sentence):
    asked = ("field-of-view", photo, "--task", "segmentation", "--x", "1", "--y", "2")
    status, out, told = here(*asked, *words, "--out", tmp_path / "out")
    assert (status, out, told.count("\n")) == (2, "", 1)
    assert sentence in told
    assert not (tmp_path / "out").exists()


def test_field_of_view_by_another_method(photo, here, tmp_path):
    words = ("field-of-view", photo, "--task", "depth", "--x", "10", "--y", "20", "--json")
    for method in ("gradient-times-difference", "usual"):
        status, out, _ = here(*words, "--method", method, "--out", tmp_path / method)
        assert (status, json.loads(out)["resnet"]["outside_window"]) == (0, 0)
    maps = [
        np.load(tmp_path / method / "room-imexnet-depth-field-of-view.npy")
        for method in ("gradient-times-difference", "usual")
    ]
    assert maps[0].shape == maps[1].shape and (maps[0] != maps[1]).mean() > 0.9


def test_hide_tells_before_and_after(photo, here, tmp_path):
    words = ("hide", photo, "--task", "depth", "--box", "0,0,9,59", "--x", "80", "--y", "30")
    status, out, told = here(*words, "--fill", "noise", "--out", tmp_path / "out", "--json")
    assert (status, told) == (0, "")
    found = json.loads(out)
    assert found["resnet"]["before"] == found["resnet"]["after"]  # it cannot see that far
    assert found["imexnet"]["before"] != found["imexnet"]["after"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"room-depth-hidden{end}" for end in (".png", "-card.png", ".npz")}
    with Image.open(tmp_path / "out" / "room-depth-hidden.png") as hidden, Image.open(photo) as old:
        same = (np.asarray(hidden) == np.asarray(old)).all(-1)
    assert same[:, 10:].all() and same[:, :10].mean() < 0.1
    with np.load(tmp_path / "out" / "room-depth-hidden.npz") as arrays:
        largest = np.abs(arrays["imexnet_change"]).max()
    assert largest == pytest.approx(abs(found["imexnet"]["largest_change"]))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--box", "0,0,90,3"), "column 90, row 3 lies outside"),
        (("--box", "0,0,9"), "--box takes two corners"),
        (("--box", "0,0,9,x"), "--box takes whole numbers"),
        (("--fill", "ink"), "the filling must be one of grey, blur, noise"),
        (("--x", "90"), "column 90, row 2 lies outside"),
        (("--task", "heat"), "--task must be one of"),
    ],
)
def test_hide_bad_input_gives_one_line(photo, here, tmp_path, words, sentence):
    asked = ("hide", photo, "--task", "depth", "--box", "0,0,5,5", "--x", "1", "--y", "2")
    status, out, told = here(*asked, *words, "--out", tmp_path / "out")
    assert (status, out, told.count("\n")) == (2, "", 1)
    assert sentence in told
    assert not (tmp_path / "out").exists()


def test_receptive_field_prints_means_and_spreads(photo, here):
    words = ("receptive-field", photo, photo, "--task", "depth", "--pixels", "2", "--json")
    status, out, _ = here(*words)
    result = json.loads(out)
    assert status == 0
    for kind in ("resnet", "imexnet"):
        assert result[kind]["count"] == 4
        assert set(result[kind]["area95"]) == {"mean", "std"}
    assert result["resnet"]["outside_window"] == {"mean": 0, "std": 0}
    folder = ("receptive-field", photo.parent, "--task", "depth", "--pixels", "1", "--json")
    assert json.loads(here(*folder)[1])["resnet"]["count"] == 1
    words = ("receptive-field", "--task", "qtips", "--images", "2", "--pixels", "1")
    status, out, _ = here(*words, "--model", "imexnet")
    assert (status, "count: 2" in out, "resnet" in out) == (0, True, False)
    status, out, told = here("receptive-field", "--task", "depth")
    assert (status, out, told.count("\n")) == (2, "", 1)
    assert "needs photos" in told
    (photo.parent / "empty").mkdir()
    told = here("receptive-field", photo.parent / "empty", "--task", "depth")[2]
    assert told.endswith("empty holds none\n")
    status, out, told = here("receptive-field", photo, "--task", "qtips")
    assert (status, out) == (2, "")
    assert "leave the photos out" in told


def test_receptive_field_of_photos_of_two_shapes(photo, here, tmp_path):
    Image.new("RGB", (60, 90)).save(tmp_path / "tall.png")
    status, out, told = here("receptive-field", photo, tmp_path / "tall.png", "--task", "depth")
    assert (status, out) == (2, "")
    assert "of one shape" in told


def test_stability_prints_growth_and_change(photo, here, complaint):
    words = ("stability", photo, "--task", "depth", "--noise", "gaussian", "--severity", "0.1")
    result = json.loads(here(*words, "--json")[1])
    assert set(result) == {"resnet", "imexnet"}
    for answered in result.values():
        assert set(answered) == {
            "growth", "output_change", "bound", "smallest_scale", "nonexpansive",
        }  # fmt: skip
        assert all(len(answered[name]) == 4 for name in set(answered) - {"output_change"})
        assert min(answered["smallest_scale"]) > 0
        assert answered["nonexpansive"] == [bound <= 2 for bound in answered["bound"]]
        assert answered["output_change"] > 0
    assert "one of gaussian" in complaint(*words[:5], "snow", "--severity", "0.1")


def test_bounded_networks_are_picked_and_missing_ones_named(photo, here, tmp_path, monkeypatch):
    """With weights there: theirs are read; without: one sentence."""
    monkeypatch.setattr("imexnet.models.checkpoints.WEIGHTS", tmp_path)
    image = tmp_path / "rod.png"
    Image.fromarray(qtips.qtip(7, 0)[0]).save(image)
    commands = [
        ("predict", image, "--task", "qtips", "--out", tmp_path / "out"),
        ("evaluate", "qtips", "--model", "imexnet", "--images", "2", "--json"),
        ("stability", image, "--task", "qtips", "--severity", "0.02", "--json"),
        ("robustness", "--task", "qtips", "--images", "2", "--severities", "0", "--json"),
    ]
    never_shipped = ("evaluate", "rods", "--model", "resnet", "--json")
    for words in [*commands, never_shipped]:
        status, out, told = here(*words, "--bounded")
        assert (status, out, told.count("\n")) == (2, "", 1)
        missing = "no weights of rods-resnet-bounded come with the package"
        assert (missing if words == never_shipped else "bounded.safetensors are not there") in told
    for kind in ("resnet", "imexnet"):
        torch.manual_seed(0)
        network = build(MODELS[f"qtips-{kind}-bounded"]).eval()
        save(network, tmp_path / f"qtips-{kind}-bounded.safetensors", {}, {})
    results = [here(*words, "--bounded") for words in commands]
    assert [status for status, _, _ in results] == [0] * 4
    answered = json.loads(results[2][1])
    for found in answered.values():
        assert all(found["nonexpansive"]) and max(found["bound"]) <= 2
        assert max(found["growth"]) <= 1
    wrong = ("--resnet", WEIGHTS / "qtips-resnet.safetensors")
    status, _, told = here(*commands[3], "--bounded", *wrong)
    assert status == 2 and "no network of the kind qtips-resnet-bounded" in told
    given = ("--model", "imexnet", "--weights", tmp_path / "qtips-imexnet-bounded.safetensors")
    again = (*commands[0][:-1], tmp_path / "again")
    assert here(*again, *given, "--bounded")[0] == 0
    status, _, told = here(*again, *given)
    assert status == 2 and "no network of the kind qtips-imexnet\n" in told


def test_evaluate_qtips_on_a_folder(here, tmp_path):
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    for index in range(3):
        picture, label = qtips.qtip(7, index)
        Image.fromarray(picture).save(tmp_path / "images" / f"{index}.png")
        Image.fromarray(label).save(tmp_path / "labels" / f"{index}.png")
    words = ("evaluate", "qtips", "--model", "imexnet", "--json")
    result = json.loads(here(*words, "--data", tmp_path)[1])
    assert result == json.loads(here(*words, "--images", "3", "--seed", "7")[1])
    assert set(result) == {
        "model", "parameters", "images", "mean_iou", "iou", "pixel_accuracy", "object_accuracy",
    }  # fmt: skip
    assert (result["model"], result["parameters"], result["images"]) == ("imexnet", 15124, 3)
    noise = ("--noise", "1", "--seed", "7")
    noisy = json.loads(here(*words, "--data", tmp_path, *noise)[1])
    assert noisy == json.loads(here(*words, "--images", "3", *noise)[1])
    assert noisy.keys() == result.keys() and noisy["mean_iou"] < 0.9 * result["mean_iou"]


def test_objects_are_scored_only_where_they_are_known(here, tmp_path):
    assert here("draw", "rods", "--count", "2", "--out", tmp_path / "drawn")[0] == 0
    words = ("evaluate", "rods", "--model", "imexnet")
    for given, known in ((("--images", "2"), True), (("--data", tmp_path / "drawn"), False)):
        status, out, _ = here(*words, *given, "--json")
        assert (status, json.loads(out)["images"], "objects" in out) == (0, 2, known)
    out = here(*words, "--images", "2")[1]
    assert re.search(r"by_length: \(from \d+\.\d{4}, to \d+\.\d{4}, objects \d+, right ", out)


def test_version(here):
    assert here("--version") == (0, f"{imexnet.__version__}\n", "")


@pytest.mark.parametrize("side", [64, 128])
def test_scores_of_qtips_are_those_of_the_answers_at_the_size_of_the_pictures(here, tmp_path, side):
    network, right, pixels = load_pretrained("qtips-resnet"), 0, 0
    for index in range(3):
        picture, label = (
            p.repeat(side // 64, 0).repeat(side // 64, 1) for p in qtips.qtip(7, index)
        )
        for part, plane in (("images", picture), ("labels", label)):
            write_picture(plane, tmp_path / part / f"{index}.png")
        right += (np.asarray(predict(picture, network, "qtips")) == label)[label > 0].sum()
        pixels += (label > 0).sum()
    words = ("evaluate", "qtips", "--model", "resnet", "--data", tmp_path, "--json")
    assert json.loads(here(*words)[1])["object_accuracy"] == right / pixels


def test_what_is_not_defined_is_null_in_json(photo, here, write_rooms, monkeypatch):
    room = made_room("val", 1)
    folder = write_rooms([room._replace(label40=np.zeros_like(room.label40))])
    words = ("evaluate", "indoor", "--model", "resnet", "--data", folder, "--json")
    status, out, told = here(*words)
    assert (status, told) == (0, "")
    found = json.loads(out, parse_constant=pytest.fail)  # NaN or Infinity
    assert found["segmentation"] == {"mean_iou": None, "pixel_accuracy": None}
    assert found["kitchens"]["segmentation"] == found["segmentation"]
    assert found["depth"]["abs_rel"] > 0

    none = StepBound(float("inf"), 1.0)
    monkeypatch.setattr("imexnet.stability.bounds.step_bounds", lambda *_: [none] * 4)
    words = ("stability", photo, "--task", "depth", "--severity", "0.1", "--json")
    found = json.loads(here(*words)[1], parse_constant=pytest.fail)
    assert found["imexnet"]["bound"] == [None] * 4


def test_bad_input_gives_one_line(photo, tmp_path, complaint):
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    out = ("--out", tmp_path / "out")
    assert "text.jpg is not a picture" in complaint("predict", text, "--task", "depth", *out)
    assert "no file" in complaint("predict", tmp_path / "none.jpg", "--task", "depth", *out)
    assert "--task must be one of" in complaint("predict", photo, "--task", "heat", *out)
    assert "--model must be" in complaint(
        "predict", photo, "--task", "depth", "--model", "unet", *out
    )
    assert "outside the picture of 90 × 60" in complaint(
        "field-of-view", photo, "--task", "depth", "--x", "90", "--y", "0", *out
    )
    assert "no images" in complaint("evaluate", "qtips", "--model", "resnet", "--data", tmp_path)
    assert "index.csv" in complaint("evaluate", "indoor", "--model", "resnet", "--data", tmp_path)
    deep = ("--model", "resnet-deep", "--weights", WEIGHTS / "indoor-resnet.safetensors")
    told = complaint("evaluate", "indoor", *deep, "--data", tmp_path)
    assert "no model 'indoor-resnet-deep'; there are qtips-resnet" in told
    assert "nosuch" in complaint("nosuch")
    command = [sys.executable, "-m", "imexnet", "nosuch"]  # as a user starts it
    alone = subprocess.run(command, capture_output=True, text=True)
    assert (alone.returncode, alone.stdout, alone.stderr.count("\n")) == (2, "", 1)
    assert "--model" in complaint("evaluate", "qtips")
    assert not (tmp_path / "out").exists()


def test_photos_of_one_name_do_not_share_results(photo, here, tmp_path):
    other = tmp_path / "room.png"
    Image.new("RGB", (90, 60), "red").save(other)
    out = tmp_path / "out"
    predict = ("--task", "segmentation", "--model", "resnet", "--out", out)
    view = ("--task", "depth", "--x", "1", "--y", "2", "--model", "resnet", "--out", out)
    for words in (("predict", photo, *predict), ("field-of-view", photo, *view)):
        assert here(*words)[0] == here(*words)[0] == 0  # its own results may be made again
    before = {path: path.read_bytes() for path in out.iterdir()}
    for words in (("predict", other, *predict), ("field-of-view", other, *view)):
        status, printed, told = here(*words)
        assert (status, printed) == (2, "")
        assert "was not made of" in told
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_where_results_cannot_go_is_told_before_any_work(photo, complaint, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setattr("imexnet.inference.forward", None)  # no network is asked
    view = ("field-of-view", photo, "--task", "depth", "--x", "1", "--y", "2")
    render = ("render", "--count", "1")
    train = ("train", "qtips", "--model", "imexnet")
    for words in (("predict", photo, "--task", "depth"), view, render):
        assert "file is a file; choose a folder" in complaint(*words, "--out", file)
        assert "file is a file; choose a folder" in complaint(*words, "--out", file / "out")
    draw = ("draw", "qtips", "--count", "1")
    assert "file is a file; choose a folder" in complaint(*draw, "--out", file)
    assert "file is there already" in complaint(*train, "--out", file)
    assert "file is there already" in complaint("convert-encoder", file)
    assert "is a folder" in complaint(*train, "--out", tmp_path)
    assert "is a folder" in complaint(*train, "--out", "")
    assert file.read_text() == "mine"


def test_a_folder_in_the_place_of_a_photo_is_named(complaint, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    out = ("--task", "depth", "--out", "out")
    assert ". is a folder; name one photo" in complaint("predict", ".", *out)
    assert "is a folder" in complaint("field-of-view", tmp_path, *out, "--x", "1", "--y", "1")
    stability = ("stability", tmp_path, "--task", "depth", "--severity", "0.1")
    assert "is a folder" in complaint(*stability)


def test_missing_training_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setattr(
        sys, "argv", ["imexnet", "train", "qtips", "--model", "imexnet", "--out", "a.st"]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "accelerate is not installed: pip install -e '.[train]'" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["160", "160x", "160x120x3", "160,120", "ax120"])
def test_a_training_size_is_read_as_that_of_renderings(complaint, tmp_path, size):
    words = ("train", "indoor", "--model", "imexnet", "--data", tmp_path, "--size", size)
    told = complaint(*words, "--out", tmp_path / "a.safetensors")
    assert f"a size is given as 320x240, got '{size}'" in told


def jpeg(x: torch.Tensor, quality: int) -> torch.Tensor:
    """(1, 3, H, W) through a JPEG file."""
    file = io.BytesIO()
    pixels = (x[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    read = np.asarray(Image.open(file), np.float32) / 255
    return torch.from_numpy(read).permute(2, 0, 1).unsqueeze(0)


@pytest.mark.parametrize(("noise", "severity"), [("jpeg", 20), ("pgd", 1), ("transfer", 1)])
def test_stability_under_other_noises_and_attacks(photo, here, noise, severity):
    words = ("stability", photo, "--task", "depth", "--noise", noise, "--severity", str(severity))
    status, out, _ = here(*words, "--model", "imexnet", "--json")
    result = json.loads(out)
    assert status == 0
    assert set(result) == {"imexnet"}
    network = load_pretrained("indoor-imexnet")
    x = to_input(read_photo(photo), network.config, "cpu")
    if noise == "jpeg":
        moved = jpeg(x, severity)
    else:  # an attack is made for the network, or for the other one, against its own clean answer
        victim = network if noise == "pgd" else load_pretrained("indoor-resnet")
        objective = attacks.loss(victim, "depth", attacks.own_answer(victim, "depth", x))
        moved = attacks.attack("pgd", objective, x, severity / 255)
        assert (moved - x).abs().max() <= severity / 255 + 1e-6
    expected = perturbation_growth(network, "depth", x, moved)
    assert result["imexnet"]["growth"] == pytest.approx(expected.growth, rel=1e-3)
    assert result["imexnet"]["output_change"] == pytest.approx(expected.output_change, rel=1e-3)
    assert expected.output_change > 0


def test_robustness_of_qtips_prints_curves(here):
    words = ("robustness", "--task", "qtips", "--images", "3", "--severities", "0,0.05")
    result = json.loads(here(*words, "--json")[1])
    facts = {name: result[name] for name in ("task", "noise", "severity", "images")}
    assert facts == {
        "task": "qtips", "noise": "gaussian", "severity": "σ on the [0, 1] image", "images": 3,
    }  # fmt: skip
    for kind in ("resnet", "imexnet"):
        assert [point["severity"] for point in result[kind]] == [0, 0.05]
        assert all(set(point) == {"severity", "mean", "std"} for point in result[kind])
    assert result["imexnet"][0]["mean"] > 0.9
    table = here(*words)[1].splitlines()
    assert table[0] == "qtips, 3 pictures, gaussian: σ on the [0, 1] image"
    assert f"imexnet {result['imexnet'][1]['mean']:.3f}" in table[2]


def test_robustness_takes_other_weights(here, tmp_path):
    words = ("robustness", "--task", "qtips", "--images", "2", "--severities", "0.01", "--json")
    seeds = [here(*words)[1]]
    seeds.append(here(*words, "--imexnet", WEIGHTS / "qtips-imexnet-seed1.safetensors")[1])
    first, second = (json.loads(seed) for seed in seeds)
    assert first["resnet"] == second["resnet"]
    assert first["imexnet"] != second["imexnet"]
    status, _, told = here(*words, "--imexnet", WEIGHTS / "qtips-resnet.safetensors")
    assert (status, "no network of the kind qtips-imexnet" in told) == (2, True)
    large = load_pretrained("qtips-imexnet", "cpu")
    large.config = replace(large.config, size=(128, 128))
    save(large, tmp_path / "large.safetensors", {}, {})
    status, _, told = here(*words, "--imexnet", tmp_path / "large.safetensors")
    assert (status, "trained at different sizes: 64x64 and 128x128" in told) == (2, True)


def test_robustness_of_rooms_and_bad_input(here, write_rooms, tmp_path):
    folder = write_rooms([made_room("val", 1), made_room("train", 2)])
    words = ("robustness", "--task", "segmentation", "--data", folder, "--noise", "fgsm")
    result = json.loads(here(*words, "--severities", "0.5", "--json")[1])
    assert result["images"] == 1
    assert 0 <= result["resnet"][0]["mean"] <= 1
    for bad, sentence in [
        (("robustness", "--task", "depth"), "needs --data"),
        ((*words, "--severities", "a few"), "numbers with commas"),
        ((*words[:-1], "jpeg", "--severities", "200"), "from 1 to 100"),
        ((*words[:-1], "snow"), "one of gaussian"),
        (("robustness", "--task", "heat"), "--task must be"),
        (("robustness", "--task", "depth", "--data", tmp_path), "no index.csv"),
    ]:
        status, out, told = here(*bad)
        assert (status, out, told.count("\n")) == (2, "", 1)
        assert sentence in told
