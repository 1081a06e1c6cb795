"""The tab "Compare": its answers, called as the page calls them."""

import base64
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from imexnet.inference import predict, predict_input, to_input
from imexnet.io.camera import KINECT_ANGLE, KINECT_FOCAL_LENGTH
from imexnet.io.photos import Photo
from imexnet.models.checkpoints import WEIGHTS, load_pretrained
from imexnet.models.spec import ModelSpec, shipped_names
from imexnet.models.tasks import KINDS
from imexnet.ui.compare.history import MOST, History, thumb
from imexnet.ui.compare.tab import Compare
from imexnet.ui.components import kept
from imexnet.ui.components.answers import COLOURS, pointer_values
from imexnet.ui.components.inputs import example
from imexnet.ui.components.parts import Folder
from imexnet.ui.components.words import GLOSSARY, explain

pytestmark = [
    pytest.mark.skipif(not (WEIGHTS / "indoor-imexnet.safetensors").exists(), reason="no weights"),
    pytest.mark.filterwarnings("ignore"),  # of Gradio's packages
    pytest.mark.usefixtures("no_open_event_loops"),
]


@pytest.fixture(scope="module")
def tab() -> Compare:
    with gr.Blocks() as demo:
        return Compare(demo, {name: load_pretrained(name, "cpu") for name in shipped_names()})


@pytest.fixture
def room() -> Photo:
    pixels = np.full((120, 160, 3), (200, 190, 170), np.uint8)
    pixels[80:] = (120, 80, 50)
    return Photo.of(pixels)


def test_photos_of_the_same_pixels_in_another_order_have_answers_of_their_own():
    network = load_pretrained("indoor-imexnet", "cpu")
    for shape in ((1, 3, 120, 160), (1, 3, 160, 120)):
        answer = kept.forward(network, torch.ones(shape))[0]["depth"]
        assert answer.shape[-2:] == shape[-2:]


def test_slow_networks_show_the_first_answer_before_the_second(tab, room, monkeypatch):
    monkeypatch.setattr("imexnet.ui.compare.tab.SOON", 0)
    first, second = tab.predict(room, "depth")
    assert first[tab.resnet] and first[tab.imexnet] is None and first[tab.slider] is None
    assert "IMEXNet is still computing" in first[tab.summary]
    assert second[tab.resnet] and second[tab.imexnet] and second[tab.slider]
    assert "still" not in second[tab.summary]
    assert set(json.loads(first[tab.values])["grids"]) == {"resnet"}
    assert set(json.loads(second[tab.values])["grids"]) == {"resnet", "imexnet"}
    assert set(first) == set(second) == set(tab.predicted)  # a program is told of all of them
    monkeypatch.setattr("imexnet.ui.compare.tab.SOON", 1e9)
    assert len(list(tab.predict(room, "depth"))) == 1  # nothing flickers on a fast machine


@pytest.mark.parametrize("task", ["depth", "segmentation", "qtips"])
def test_values_for_the_pointer_are_the_networks_own(tab, room, task):
    outputs, expected = {}, {}
    for kind in KINDS:
        network = tab.networks[ModelSpec.for_task(task, "plain", kind).name]
        x = to_input(room, network.config, "cpu")
        outputs[kind] = network(x)
        expected[kind] = predict_input(network, task, x, outputs[kind][task].shape[-2:]).values
    told = json.loads(pointer_values(task, outputs, None, room.full_size))
    assert told["size"] == [160, 120]
    for kind, grid in told["grids"].items():
        values = np.frombuffer(base64.b64decode(grid["data"]), "<u2")
        values = values.reshape(grid["height"], grid["width"])
        wanted = 1000 * expected[kind] if task == "depth" else expected[kind]
        np.testing.assert_allclose(values, wanted, atol=0.51 if task == "depth" else 0)
    assert (told["classes"] is None) == (task == "depth")


def test_one_scale_for_both_in_every_colour_map(tab, room):
    shown = {}
    for name in COLOURS.values():
        (answered,) = list(tab.predict(room, "depth", colours=name))
        shown[name] = answered[tab.legend]
        with Image.open(answered[tab.resnet]) as picture:
            assert picture.size == (512, 384)
    ticks = {html.split("bar-ticks")[1] for html in shown.values()}
    assert len(ticks) == 1 and len(set(shown.values())) == len(COLOURS)


@pytest.fixture
def tele(room) -> Photo:
    """Twice the Kinect's focal length, by EXIF."""
    return replace(room, focal_length_35mm=2 * KINECT_FOCAL_LENGTH)


def metres_at_the_pointer(answered, tab) -> np.ndarray:
    grid = json.loads(answered[tab.values])["grids"]["imexnet"]
    return np.frombuffer(base64.b64decode(grid["data"]), "<u2") / 1000


def depths_of_the_room(path: str) -> np.ndarray:
    (surface,) = trimesh.load_scene(path).geometry.values()
    return -np.asarray(surface.vertices)[:, 2]


def test_everything_in_metres_is_of_the_same_camera(tab, room, tele, tmp_path):
    """Words, bar, pointer, files, 3-D, view, hiding and table, by EXIF and by what is set."""
    half = 2 * math.degrees(math.atan(math.tan(math.radians(KINECT_ANGLE) / 2) / 2))
    strokes = json.dumps({"radius": 0.2, "strokes": [[[0.2, 0.2], [0.7, 0.8]]]})
    by_length: dict = {}
    for photo, angle, said in (
        (room, 0, "The photo has no focal length; a view of 63° across is assumed."),
        (
            tele,
            0,
            "Focal length from the photo: 56.1 mm (35 mm equivalent), shown at 71 % of the usual "
            "size, depths × 1.41.",
        ),
        (
            room,
            half,
            f"Field of view as set: {half:.0f}° across, shown at 71 % of the usual size, "
            "depths × 1.41.",
        ),
        (tele, KINECT_ANGLE, "Field of view as set: 63° across, depths × 1.00."),
    ):
        *_, answered = tab.predict(photo, "depth", angle=angle)
        assert said in answered[tab.summary]
        told = json.loads(answered[tab.values])
        files = tab.raw_values(photo, "depth", angle=angle)
        (array,) = [f for f in files if f.endswith("imexnet-depth.npy")]
        (picture,) = [f for f in files if f.endswith("imexnet-depth-mm.png")]
        with Image.open(picture) as image:
            millimetres = np.asarray(image)
        view = tab.explorer.field_of_view(photo, "depth", 80, 60, angle=angle)
        words = tab.hide.hide(photo, "depth", 80, 60, strokes, "grey", "plain", angle)
        (tmp_path / "photo.png").write_bytes(photo.encoded("PNG"))
        _, rows = tab.several.compare([str(tmp_path / "photo.png")], "depth", angle=angle)
        assert said in rows
        found = {
            "pointer": metres_at_the_pointer(answered, tab),
            "bar": metres_in(answered[tab.legend]),
            "array": np.load(array),
            "picture": millimetres / 1000,
            "room": depths_of_the_room(tab.room.room(photo, "imexnet", angle)),
            "view": metres_in(view[tab.explorer.measures])[:2],
            "hidden": metres_in(words[tab.hide.words].partition('class="bar"')[0]),
            "several": metres_in(rows),
        }
        times = 2 if "1.41" in said else 1
        expected = predict(
            room, tab.networks["indoor-imexnet"], "depth", times * KINECT_FOCAL_LENGTH
        )
        np.testing.assert_allclose(found["array"], expected.metres, rtol=1e-4, atol=1e-3)
        usual = by_length.setdefault(times, found)
        for name, metres in found.items():
            assert len(metres) and usual[name].shape == metres.shape, name
            rounded = 0.11 if name == "bar" else 0.016  # as it is written
            np.testing.assert_allclose(metres, usual[name], rtol=1e-4, atol=rounded)
        assert told["angle"] == pytest.approx(half if times == 2 else KINECT_ANGLE)
        np.testing.assert_allclose(found["array"].mean(), found["several"][1], atol=0.006)
        np.testing.assert_allclose(found["array"], found["picture"], atol=0.001)
        pointed = [found[name].mean() for name in ("array", "pointer", "room")]
        np.testing.assert_allclose(pointed, pointed[0], rtol=0.02)
        assert found["view"][1] == found["hidden"][2]  # both are of the answer that is shown


def test_answers_that_mean_nothing_are_called_so(tab, room, tmp_path):
    paths = []
    for name, photo in (("room", room), ("q-tip", example("qtips", 0))):
        paths.append(str(tmp_path / f"{name}.png"))
        photo.picture.save(paths[-1])
    for task, at, words in (
        ("depth", "q-tip", "This is a drawing: depth means nothing."),
        ("segmentation", "q-tip", "This is a drawing: these classes mean nothing."),
        ("qtips", "room", "These two networks know only Q-tips"),
        ("rods", "q-tip", "These two networks know only pictures of 3 to 5 rods"),
    ):
        _, rows = tab.several.compare(paths, task)
        assert f"{at}.png:</b> {words}" in rows
        photo = room if at == "room" else example("qtips", 0)
        *_, answered = tab.predict(photo, task)
        assert words in answered[tab.summary]
    _, rows = tab.several.compare(paths[:1], "depth")
    assert "nothing" not in rows
    *_, answered = tab.predict(room, "depth")
    assert "nothing" not in answered[tab.summary]


def metres_in(html: str) -> np.ndarray:
    return np.array([float(number) for number in re.findall(r"(\d+\.\d+) m\b", html)])


def test_a_photo_keeps_its_focal_length_on_the_page(tab, tele, history):
    """Browsers get pictures without EXIF's turns: the PNG for them, and the copy of the history."""
    shown = tab.photo.postprocess(tele)
    assert tab.photo.preprocess(shown).focal_length_35mm == tele.focal_length_35mm
    kept, _ = history.remember(tele, [])
    recalled = history.recall(kept, gr.SelectData(None, {"index": 0, "value": None}))
    assert recalled.focal_length_35mm == tele.focal_length_35mm


def test_a_new_photo_has_its_own_camera(tab, tele):
    assert tab.begin(tele, "depth")[tab.angle] == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"colours": "jet"}, "no such colour map"),
        ({"trunk": "round"}, "no such trunk"),
        ({"task": "smell"}, "no such task"),
        ({"photo": None}, "Upload a photo first"),
        ({"angle": -3}, "angle lies between 0 and 180 degrees, got -3"),
        ({"angle": 1e-6}, "focal length lies between 1 and 10000 mm"),
    ],
)
def test_wrong_parameters_get_a_sentence(tab, room, wrong, words):
    with pytest.raises(gr.Error, match=words):
        list(tab.predict(**{"photo": room, "task": "depth", **wrong}))


def test_a_new_photo_and_none_change_what_belongs_to_them(tab, room):
    begun = tab.begin(room, "qtips")
    form = tab.explorer.form
    assert (begun[tab.task], begun[tab.size]) == ("depth", (160, 120))
    assert [begun[number] for number in (*form.pixel, *form.corner)] == [80, 60, None, None]
    assert begun[tab.raw] is begun[tab.room.model] is None  # files of another photo


def test_no_answer_goes_to_a_part_of_the_page_with_many_others_in_it(tab):
    """The browser copies an output and all in it whenever the state of any question changes."""
    blocks = tab.photo.parent
    while blocks.parent is not None:
        blocks = blocks.parent
    for function in blocks.fns.values():
        for output in function.outputs:
            assert len(getattr(output, "children", ())) <= 2, function.name


STROKE = json.dumps({"radius": 0.1, "strokes": [[[0.4, 0.5], [0.6, 0.5]]]})  # over the rod, too


@pytest.mark.parametrize("task", ["qtips", "depth", "segmentation"])
def test_a_stroke_asks_each_network_once(tab, room, task, monkeypatch):
    """About what is left: their answers to the photo itself are known from before."""
    asked, real = [], kept.inference.forward
    monkeypatch.setattr(
        kept.inference, "forward", lambda network, x: asked.append(x) or real(network, x)
    )
    kept.forget_answers()
    photo = example("qtips", 0) if task == "qtips" else room
    list(tab.predict(photo, task))
    assert len(asked) == 2
    first = tab.hide.hide(photo, task, 80, 60, STROKE, "grey", "plain")
    assert len(asked) == 4
    assert (
        tab.hide.hide(photo, task, 80, 60, STROKE, "grey", "plain")[tab.hide.words]
        == (first[tab.hide.words])
    )
    with pytest.raises(gr.Error, match="Draw over a part of the photo first"):
        tab.hide.share(photo, task, 80, 60, "", "grey", "plain")
    with Image.open(tab.hide.share(photo, task, 80, 60, STROKE, "grey", "plain")) as card:
        assert card.size == (1200, 630)
    assert len(asked) == 4
    kept.forget_answers()
    again = tab.hide.hide(photo, task, 80, 60, STROKE, "grey", "plain")
    assert again[tab.hide.words] == first[tab.hide.words] and len(asked) == 8


def test_a_field_of_view_is_asked_for_once_however_it_is_drawn(tab, room, monkeypatch):
    asked, real = [], kept.questions.ask_all
    monkeypatch.setattr(
        kept.questions, "ask_all", lambda *given: asked.append(given[3].pixel) or real(*given)
    )
    kept.forget_answers()
    explorer = tab.explorer
    first = explorer.field_of_view(room, "depth", 80, 60)
    other = explorer.field_of_view(room, "depth", 80, 60, scale="linear", opacity=0.2)
    assert asked == [(60, 80)] and other[explorer.measures].startswith(
        first[explorer.measures].partition('<span id="view-state"')[0]
    )
    explorer.field_of_view(room, "depth", 81, 60)
    explorer.field_of_view(room, "segmentation", 80, 60)
    explorer.field_of_view(room, "depth", 80, 60, boundary="mirrored")
    explorer.field_of_view(room, "depth", 80, 60, angle=30)
    assert len(asked) == 5


def test_what_is_kept_is_bounded_and_the_least_asked_for_goes_first():
    few = kept.Kept(10, len)
    for word in ("four", "two", "six"):
        few.put(word, word)
    assert few.get("four") == "four"
    few.put("ten", "ten")
    assert (few.get("two"), few.values()) == (None, ["six", "four", "ten"])
    few.put("eleven letters", "eleven letters")
    assert few.values() == []


def test_choices_make_a_box_and_end_it(tab):
    form = tab.explorer.form
    box = form.placed("box", (640, 480), 630, 10)
    assert (box[form.other_column], box[form.other_row], box[form.direction]) == (639, 90, "inputs")
    turned = form.turned("outputs")
    assert turned[form.place] == "pixel" and turned[form.other_row] is None
    assert form.turned("inputs") == gr.skip()


@pytest.fixture
def history(monkeypatch, tmp_path) -> History:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks():
        return History(Folder())


def test_history_is_short_and_holds_each_photo_once(history, room):
    kept, _ = history.remember(room, [])
    kept, strip = history.remember(room, kept)
    assert len(kept) == 1 and not strip["visible"]
    for shade in range(20):
        kept, _ = history.remember(Photo.of(Image.new("RGB", (900, 600), (shade, 0, 0))), kept)
    kept, strip = history.remember(room, kept)
    assert len(kept) == MOST == len(strip["value"]) and strip["visible"]
    assert len(json.dumps(kept)) < 3000  # all that stays in memory: the copies are files
    assert sum(Path(path).stat().st_size for path in kept) < 200_000
    assert max(thumb(kept[0]).size) <= 120


def test_history_keeps_pixels_that_tell_the_truth(history):
    kept, _ = history.remember(example("qtips", 0), [])
    event = gr.SelectData(None, {"index": 0, "value": None})
    assert history.recall(kept, event).picture == example("qtips", 0).picture


def test_history_forgets_copies_that_were_swept(history, room):
    kept, _ = history.remember(example("qtips", 0), [])
    Path(kept[0]).unlink()
    for left in (kept, []):  # the copies go after an hour, the state of a closed page as well
        with pytest.raises(gr.Error, match="for an hour"):
            history.recall(left, gr.SelectData(None, {"index": 0, "value": None}))
    kept, strip = history.remember(room, kept)
    assert len(kept) == len(strip["value"]) == 1


def test_words_are_explained_and_escaped():
    html = explain("<b>AbsRel ↓")
    assert html.startswith('<span class="term" tabindex="0">&lt;b&gt;<u>AbsRel</u> ↓')
    assert GLOSSARY["AbsRel"].split(".")[0] in html.replace("&lt;", "<")
    assert "mIoU</u>" in explain("mIoU ↑")  # not the IoU in it
    assert explain("nothing < here") == "nothing &lt; here"
