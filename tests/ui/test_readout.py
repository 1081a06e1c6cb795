"""What the page tells beside the pictures: values, distances, the room, several photos, history."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from conftest import IN_BROWSER
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from imexnet.inference import Depth, predict_input, to_input
from imexnet.io import point_cloud
from imexnet.io.photos import read_photo
from imexnet.models.checkpoints import load_pretrained
from imexnet.ui.components import examples
from imexnet.ui.components.style import static

KITCHEN = Path(examples.kitchens()[3])  # the one that is shown first
pytestmark = IN_BROWSER


def metres(name: str, path: Path = KITCHEN) -> np.ndarray:
    network = load_pretrained(name, "cpu")
    answered = predict_input(network, "depth", to_input(read_photo(path), network.config, "cpu"))
    assert isinstance(answered, Depth)
    return answered.metres


def visit(browser: Browser, url: str) -> Page:
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto(url)
    expect(opened.locator("#summary")).to_contain_text("Depth, on average", timeout=60_000)
    expect(opened.locator("#measures table")).to_be_visible(timeout=60_000)
    return opened


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    """One for all tests that leave the photo, the task and the settings as they are."""
    opened = visit(browser, url)
    yield opened
    opened.close()


@pytest.fixture
def fresh(browser: Browser, url: str) -> Iterator[Page]:
    opened = visit(browser, url)
    yield opened
    opened.close()


def over(page: Page, picture: str, cell: tuple[int, int], grid: tuple[int, int]) -> None:
    """Moves the mouse to the middle of a cell of the network's grid."""
    image = page.locator(f"#{picture} img")
    box = image.bounding_box()
    assert box is not None
    (row, column), (height, width) = cell, grid
    across, down = (column + 0.5) / width, (row + 0.5) / height
    image.hover(
        position={"x": across * box["width"], "y": down * box["height"]}
    )  # once it is still


def test_metres_at_the_pointer_are_those_of_the_networks(page):
    expected = {name: metres(f"indoor-{name}") for name in ("resnet", "imexnet")}
    tip = page.locator(".pointer-tip")
    for picture, cell in (("resnet", (60, 20)), ("imexnet", (100, 140)), ("truth", (5, 80))):
        over(page, picture, cell, (120, 160))
        expect(tip).to_be_visible()
        found = dict(re.findall(r"(ResNet|IMEXNet|Truth) (\d+\.\d\d) m", tip.inner_text()))
        # A pointer stands on whole pixels of the screen, and a cell is two of them: see around.
        rows, columns = (slice(max(0, i - 1), i + 2) for i in cell)
        for label, name in (("ResNet", "resnet"), ("IMEXNet", "imexnet")):
            near = expected[name][rows, columns]
            assert near.min() - 0.006 <= float(found[label]) <= near.max() + 0.006
        assert 0.3 < float(found["Truth"]) < 10
    page.mouse.move(5, 5)
    expect(tip).not_to_be_visible()


def test_a_click_counts_though_the_page_is_mounted_anew(fresh):
    """Gradio may run the script of a component twice while a page loads."""
    over(fresh, "imexnet", (60, 20), (120, 160))
    fresh.mouse.down()
    fresh.mouse.up()
    expect(fresh.locator(".readout")).to_contain_text("At the point")
    fresh.evaluate(
        """source => new Function("element", "props", "watch", source)(
            document.querySelector("#values"), { value: window.imexnetClicked.of }, () => {})""",
        static("pictures.js"),
    )
    over(fresh, "imexnet", (70, 120), (120, 160))
    fresh.mouse.down()
    fresh.mouse.up()
    expect(fresh.locator(".readout")).to_contain_text("Between the last two clicks")


def test_distance_between_two_clicks(fresh):
    a, b = (60, 20), (70, 120)
    for cell in (a, b):
        over(fresh, "imexnet", cell, (120, 160))
        fresh.mouse.down()
        fresh.mouse.up()
    line = fresh.locator(".readout")
    expect(line).to_contain_text("Between the last two clicks")
    expect(line).to_contain_text("63°")
    depths = metres("indoor-imexnet")
    told = re.search(r"previous point: .*?IMEXNet (\d+\.\d\d) m", line.inner_text())
    assert told is not None and float(told[1]) == pytest.approx(depths[a], rel=0.03)
    box = fresh.locator("#imexnet img").bounding_box()
    drawn = fresh.locator("#imexnet .crosshair.measured")
    length = drawn.evaluate("e => parseFloat(getComputedStyle(e, '::after').width)")
    across, down = (b[1] - a[1]) / 160 * box["width"], (b[0] - a[0]) / 120 * box["height"]
    assert length == pytest.approx(math.hypot(across, down), abs=3)
    found = re.search(r"Between.*IMEXNet (\d+\.\d\d) m", line.inner_text())
    assert found is not None
    expected = point_cloud.distance(metres("indoor-imexnet"), a, b)
    assert float(found[1]) == pytest.approx(expected, rel=0.03)  # a cell is 1 % of the way
    fresh.locator("#task label", has_text="Segmentation").click()
    expect(fresh.locator("#legend .chip").first).to_be_visible(timeout=30_000)
    over(fresh, "truth", (60, 80), (120, 160))
    names = set(examples.TASKS["segmentation"].classes)
    tip = fresh.locator(".pointer-tip").inner_text()
    assert {line.split(" ", 1)[1] for line in tip.splitlines()} <= names


def test_another_trunk_and_other_colours_answer_anew(fresh):
    fresh.locator("#settings > button").click()
    before = {name: fresh.locator(f"#{name} img").get_attribute("src") for name in ("resnet",)}
    bar = fresh.locator("#legend .bar-colours").get_attribute("style")
    fresh.locator("#colours input").click()
    fresh.get_by_role("option", name="Even steps").click()
    expect(fresh.locator("#legend .bar-colours")).not_to_have_attribute("style", bar or "")
    expect(fresh.locator("#resnet img")).not_to_have_attribute("src", before["resnet"] or "")
    expect(fresh.locator("#sentence")).to_contain_text("83 of the input's 160 pixels wide")
    fresh.locator("#trunk label", has_text="Backbone").click()
    expect(fresh.locator("#measures")).to_contain_text("643 px", timeout=60_000)
    expect(fresh.locator("#sentence")).to_contain_text("95 % of what decided the ResNet's answer")


def test_history_brings_a_photo_back_and_is_each_visitors_own(fresh, browser, url):
    fresh.locator("#qtip .gallery-item").first.click()
    expect(fresh.locator("#history")).to_be_visible(timeout=60_000)
    expect(fresh.locator("#history .thumbnail-lg")).to_have_count(2)
    box = fresh.locator("#history .thumbnail-lg").first.bounding_box()
    assert box["height"] == pytest.approx(0.75 * box["width"], abs=2)
    other = browser.new_page()
    other.goto(url)
    expect(other.locator("#measures table")).to_be_visible(timeout=60_000)
    other.locator("#kitchen .gallery-item").nth(7).click()
    expect(other.locator("#history .thumbnail-lg")).to_have_count(2, timeout=60_000)
    other.locator("#history .thumbnail-lg").nth(1).click()  # its own first one: a kitchen
    expect(other.locator("#legend")).to_contain_text("Depth, one scale", timeout=60_000)
    other.close()
    fresh.locator("#history .thumbnail-lg").nth(1).click()
    expect(fresh.locator("#summary")).to_contain_text("Depth, on average", timeout=60_000)


def test_several_photos_in_a_table(page, tmp_path):
    Image.new("RGB", (90, 160), "teal").save(tmp_path / "upright.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.locator("#several > button").click()
    files = [KITCHEN, tmp_path / "upright.png", tmp_path / "broken.png"]
    page.locator("#several-files input[type=file]").set_input_files(files)
    expect(page.locator("#several-files")).to_contain_text("broken", timeout=30_000)
    page.locator("#several-run").click()
    rows = page.locator("#several-rows tr")
    expect(rows).to_have_count(4, timeout=60_000)
    expect(rows.nth(1)).to_contain_text(f"{metres('indoor-resnet').mean():.2f} m")
    expect(rows.nth(3)).to_contain_text("not a picture")
    expect(page.locator("#several-pictures img")).to_have_count(2)
    page.locator("#task label", has_text="Segmentation").click()
    expect(rows).to_have_count(0, timeout=30_000)  # they were of another task
    page.locator("#task label", has_text="Depth").click()
    page.locator("#several-run").click()
    expect(rows).to_have_count(4, timeout=60_000)
    page.locator("#several-files").get_by_label("Clear").click()
    expect(rows).to_have_count(0, timeout=30_000)


def test_slider_compares_what_the_visitor_chooses(page, tmp_path):
    def shown() -> list[str]:
        sources = [image.get_attribute("src") for image in page.locator("#slider img").all()]
        return [Path(source or "").name for source in sources]

    def choose(side: str, name: str) -> None:
        page.locator(f"#side-{side} input").click()
        page.locator(f"#side-{side}").get_by_role("option", name=name).click()

    page.locator("#kitchen button.gallery-item").nth(1).click()
    expect(page.locator("#summary")).to_contain_text("Depth, on average", timeout=60_000)
    page.get_by_role("tab", name="Slider").click()
    expect(page.locator("#slider img")).to_have_count(2, timeout=30_000)
    assert shown() == ["resnet.png", "imexnet.png"]
    choose("resnet", "Truth")
    choose("imexnet", "Photo")
    expect(page.locator("#slider img").first).to_have_attribute("src", re.compile("truth.png"))
    assert shown()[1].endswith(".jpg")
    Image.new("RGB", (90, 160), "teal").save(tmp_path / "upright.png")
    page.locator("#photo input[type=file]").first.set_input_files(tmp_path / "upright.png")
    expect(page.locator("#side-resnet input")).to_have_value("ResNet", timeout=60_000)
    expect(page.locator("#side-imexnet input")).to_have_value("Photo")
    expect(page.locator("#slider img").first).to_have_attribute("src", re.compile("resnet.png"))
    page.locator("#side-resnet input").click()
    offered = page.locator("#side-resnet").get_by_role("option")
    expect(offered).to_have_count(3)  # without the truth, which is not known
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Side by side").click()
    page.locator("#kitchen button.gallery-item").nth(3).click()
    expect(page.locator("#summary")).to_contain_text("Depth, on average", timeout=60_000)


def test_rooms_of_both_networks_turn_together_with_the_ray_that_was_clicked(page):
    def seen() -> dict[str, str]:
        names = ("resnet", "imexnet", "truth")
        drawn = {name: page.locator(f"#room .{name} canvas") for name in names}
        return {name: canvas.evaluate("e => e.toDataURL()") for name, canvas in drawn.items()}

    page.get_by_role("tab", name="In 3-D").click()  # built when opened, without a button
    expect(page.locator("#room .words")).to_contain_text("One camera", timeout=60_000)
    first = seen()
    assert len(set(first.values())) == 3
    canvas = page.locator("#room .resnet canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 60, steps=3)
    page.mouse.up()
    turned = seen()
    assert all(turned[name] != first[name] for name in first)
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    zoomed = seen()
    assert all(zoomed[name] != turned[name] for name in first)
    page.locator("#column input").fill("60")  # the ray follows the pixel
    page.wait_for_timeout(300)
    assert all(picture != zoomed[name] for name, picture in seen().items())
    with page.expect_download() as saved:
        page.locator("#scan").click()
    cloud = trimesh.load(saved.value.path(), file_type="ply")
    assert isinstance(cloud, trimesh.PointCloud) and len(cloud.vertices) == 160 * 120
    page.locator("#task label", has_text="Segmentation").click()
    expect(page.locator("#room .words")).to_contain_text("Choose the task Depth", timeout=60_000)
    expect(page.locator("#room canvas").first).not_to_be_visible()
    page.locator("#task label", has_text="Depth").click()
    expect(page.locator("#room .words")).to_contain_text("One camera", timeout=60_000)


@pytest.fixture(scope="module")
def client(url, tmp_path_factory) -> Client:
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("client"))


def test_room_as_a_file(client):
    given = {"photo": handle_file(KITCHEN), "api_name": "/room"}
    path = client.predict(source="truth", angle=70, trunk="plain", **given)
    (room,) = trimesh.load_scene(path).geometry.values()
    truth = examples.true_values(read_photo(KITCHEN), "depth")
    assert truth is not None
    assert room.vertices[:, 2].min() == pytest.approx(-truth.max(), rel=1e-3)
    for wrong, words in (
        ({"source": "nobody"}, "Choose one of .*truth"),
        ({"angle": 180}, "maximum value 120"),
        ({"trunk": "round"}, "Choose one of .*backbone"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(**{"source": "imexnet", "angle": 63, "trunk": "plain", **wrong}, **given)


def test_trunk_and_colours_are_optional_for_programs(client):
    plain = client.predict(photo=handle_file(KITCHEN), task="depth", api_name="/predict")
    backbone = client.predict(
        photo=handle_file(KITCHEN), task="depth", trunk="backbone", api_name="/predict"
    )
    pictures = []
    for answered in (plain, backbone):
        with Image.open(answered[0]) as picture:
            pictures.append(np.asarray(picture))
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()
