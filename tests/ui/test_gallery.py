"""The page's examples: the shipped kitchens, how they are recognised, and their scores."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imexnet.data import nyu, rods
from imexnet.data.drawn import BODY
from imexnet.data.sequences import DRAW
from imexnet.evaluation import predict_room
from imexnet.io.photos import Photo
from imexnet.kitchens.objects.furniture import COUNTER, FLOOR
from imexnet.metrics import depth_scores
from imexnet.models import load_pretrained
from imexnet.ui.components import examples


def kitchen(index: int) -> Photo:
    return Photo.of(examples.kitchens()[index])


def test_the_shipped_kitchens():
    """Twelve JPEGs of 640 × 480 with their truth, under 3 MB in all."""
    rooms = nyu.read_rooms(examples.KITCHENS, "test")
    assert len(rooms) == 12
    assert sum(path.stat().st_size for path in examples.KITCHENS.rglob("*")) < 3e6
    assert [kitchen(i).full_size for i in range(len(examples.kitchens()))] == [(640, 480)] * 12
    for number, room in enumerate(rooms, start=1):
        assert room.depth.shape == room.labels.shape == (240, 320)
        assert room.depth.min() >= 0.3 and room.depth.max() <= 10 and room.labels.min() >= 1
        with Image.open(examples.KITCHENS / "label40" / f"{number:04d}.png") as image:
            assert np.isin(np.asarray(image), (FLOOR, COUNTER)).any()


def test_kitchens_are_known_by_their_pixels_alone(tmp_path: Path):
    photo, room = kitchen(3), nyu.read_rooms(examples.KITCHENS, "test")[3]
    depth = examples.true_values(photo, "depth")
    labels = examples.true_values(photo, "segmentation")
    assert depth is not None and np.array_equal(depth, room.depth)
    assert labels is not None and np.array_equal(labels, room.labels)
    picture = photo.picture
    picture.save(tmp_path / "copy.png")
    assert examples.true_values(Photo.of(tmp_path / "copy.png"), "depth") is not None
    changed = np.array(picture)
    changed[0, 0, 0] ^= 1
    for other in (changed, picture.resize((320, 240)), picture.crop((0, 0, 480, 640))):
        assert examples.true_values(Photo.of(other), "depth") is None
        assert examples.true_values(Photo.of(other), "segmentation") is None
    assert examples.true_values(photo, "qtips") is None and examples.drawn_task(photo) is None


@pytest.mark.parametrize("task", examples.DRAWN)
def test_drawn_pictures_are_known_at_every_size(task):
    of = examples.DRAWN[task]
    for index, longest in itertools.product(range(examples.OFFERED), (of.side, 512)):
        photo = examples.drawn(task, index, longest)
        truth = examples.true_values(photo, task)
        assert truth is not None
        assert np.array_equal(truth, DRAW[task](of.seed, index, of.side).label)
        assert examples.drawn_task(photo) == task
        column, row = (at * of.side // longest for at in examples.first_pixel(photo, task))
        assert truth[row, column] > 0 and (task != "qtips" or abs(row - of.side // 2) <= 1)


def test_the_first_pixel_of_a_stretched_drawing_lies_on_an_object():
    picture = examples.drawn("rods", 0, 512).picture
    tall = Photo.of(picture.resize((512, 1536), Image.Resampling.NEAREST))
    truth, (column, row) = examples.true_values(tall, "rods"), examples.first_pixel(tall, "rods")
    assert truth is not None
    side = examples.DRAWN["rods"].side
    assert truth[row * side // 1536, column * side // 512] > 0


def test_the_rods_truth_is_refused_where_a_rod_has_no_markers():
    picture = rods.draw(0, 0).picture
    assert rods.true_label(picture) is not None
    picture[(rods.draw(0, 0).objects == 1) & (picture != BODY)] = BODY
    assert rods.true_label(picture) is None


def test_the_opening_example_says_on_how_many_of_all_the_imexnet_is_nearer():
    """With one network in both places it is nearer on none; with the shipped ones, as counted."""
    pair = {kind: load_pretrained(f"indoor-{kind}", "cpu") for kind in ("resnet", "imexnet")}
    assert examples.nearer_on(dict.fromkeys(pair, pair["resnet"])).endswith("on 0.")
    said = examples.nearer_on(pair)
    ahead = 0
    for room in nyu.read_rooms(examples.KITCHENS, "test"):
        score = {kind: predict_room(network, room)[0] for kind, network in pair.items()}
        errors = {k: np.mean(np.abs(v - room.depth) / room.depth) for k, v in score.items()}
        ahead += errors["imexnet"] < errors["resnet"]
    assert said.endswith(f"Of the 12 kitchens, the IMEXNet is nearer to the truth on {ahead}.")


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_scores_and_errors_of_depth(factor):
    """A prediction 1.5 times too far: AbsRel 0.5, δ1 0, and one colour of error all over."""
    truth = np.full((24, 32), 2.0, np.float32)
    outputs = {"resnet": {"depth": torch.full((1, 1, 24, 32), 2.0 * factor)}}
    answers = examples.answers_on(truth, "depth", outputs)
    text = examples.verdict("depth", answers, truth)
    expected = depth_scores(factor * truth, truth)
    assert f"{expected['abs_rel']:.3f}" in text and f"{expected['delta1']:.3f}" in text
    assert f"{expected['rmse']:.2f} m" in text
    pixels = examples.error_pictures(answers, truth, 64)["resnet"].reshape(-1, 3)
    assert (pixels == pixels[0]).all()
    red, _, blue = pixels[0].astype(int)
    assert abs(red - blue) < 5 if factor == 1 else blue > red + 40  # too far is blue


def test_scores_of_classes_by_hand():
    """Half of the wall taken for floor: IoU 1/2 of the wall and 2/3 of the floor, accuracy 3/4."""
    truth = np.full((8, 8), 12, np.uint8)
    truth[4:] = 5
    logits = torch.zeros(1, 13, 8, 8)
    logits[0, 11, :2], logits[0, 4, 2:] = 9, 9  # classes count from 1
    outputs = {"imexnet": {"segmentation": logits}}
    answers = examples.answers_on(truth, "segmentation", outputs)
    text = examples.verdict("segmentation", answers, truth)
    assert f"{(16 / 32 + 32 / 48) / 2:.3f}" in text and "0.750" in text


def test_other_photos_get_no_verdict():
    assert examples.verdict("depth", {"resnet": np.ones((4, 4))}, None) == ""
    assert examples.verdict("qtips", {}, None) == ""
