"""The brush that hides a part of the photo, and what both networks then say."""

import json
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from imexnet.ui.compare.hide import painted


def test_strokes_cover_the_pixels_under_the_brush():
    drawn = json.dumps({"radius": 0.1, "strokes": [[[0.25, 0.5], [0.75, 0.5]], [[0.5, 0.1]]]})
    mask = painted(drawn, (200, 100))
    assert mask.shape == (100, 200) and mask.dtype == bool
    assert mask[50, 50] and mask[50, 100] and mask[50, 150]  # along the stroke
    assert mask[50, 32] and not mask[50, 28]  # its round end has the brush's radius, 20 pixels
    assert mask[32, 100] and not mask[77, 100]
    assert mask[10, 100] and not mask[10, 60]  # a dot
    assert not painted(json.dumps({"radius": 0.1, "strokes": []}), (20, 10)).any()


@pytest.mark.parametrize(
    "strokes",
    [
        *("", "{", "[]", '{"radius": "x", "strokes": []}', '{"radius": 1, "strokes": [1]}'),
        json.dumps({"radius": 0.1, "strokes": [[[0, 0]] * 5001] * 2}),  # no hand does that
        *('{"radius": 1, "strokes": [[[1e999, 0]]]}', '{"radius": NaN, "strokes": [[[0, 0]]]}'),
    ],
)
def test_what_the_brush_did_not_write_is_refused(strokes):
    with pytest.raises(ValueError, match="strokes of the brush could not be read"):
        painted(strokes, (20, 10))


def stroke(page: Page, *points: tuple[float, float]) -> None:
    """Draws on the photo; the points are shares of its width and height."""
    box = page.locator("#brush canvas").bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


@pytest.fixture
def page(browser, url) -> Page:
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto(f"{url}/?task=qtips&example=qtip-1&x=256&y=256")
    expect(opened.locator("#summary")).to_contain_text("Right about the rod", timeout=60_000)
    expect(opened.locator("#spot-imexnet img")).to_be_visible(timeout=60_000)
    opened.get_by_role("tab", name="Hide a part", exact=True).click()
    expect(opened.locator("#brush canvas")).to_be_visible()
    return opened


@pytest.mark.filterwarnings("ignore")  # of the browser driver's packages
def test_a_hidden_marker_changes_the_imexnet_alone(page):
    stroke(page, (0.62, 0.15), (0.7, 0.2))  # over one white marker, far from the middle
    words = page.locator("#hidden-words")
    expect(words).to_contain_text("exactly as before", timeout=30_000)
    resnet, imexnet = (line for line in words.inner_text().splitlines() if "at the point" in line)
    assert re.search(r"ResNet at the point: still .*, exactly as before", resnet)
    assert re.search(r"IMEXNet at the point: white-white, p = .* → white-black", imexnet)
    for kind in ("resnet", "imexnet"):
        expect(page.locator(f"#change-{kind} img")).to_be_visible()
    before = page.locator("#change-imexnet img").get_attribute("src") or ""
    page.locator("#filling label", has_text="noise").click()
    expect(page.locator("#change-imexnet img")).not_to_have_attribute("src", before)
    with page.expect_download() as saved:
        page.locator("#card").click()
    with Image.open(saved.value.path()) as card:
        assert card.size == (1200, 630)
    page.get_by_role("button", name="Show all again").click()
    expect(words).not_to_contain_text("at the point", timeout=30_000)
    page.locator("#brush canvas").focus()
    for key in ("ArrowUp", "ArrowUp", "Enter"):  # by the keyboard alone, near the middle
        page.keyboard.press(key)
    expect(words).to_contain_text("ResNet at the point", timeout=30_000)
    expect(words).not_to_contain_text("ResNet at the point: still")
    page.close()


@pytest.mark.filterwarnings("ignore")  # of the browser driver's packages
def test_what_was_hidden_is_asked_at_another_point_and_leaves_with_its_photo(page):
    stroke(page, (0.62, 0.15), (0.7, 0.2))
    words, change = page.locator("#hidden-words"), page.locator("#change-imexnet img")
    expect(words).to_contain_text("ResNet at the point: still", timeout=30_000)
    page.locator("#row input").fill("90")  # in the middle of what is hidden
    page.locator("#column input").fill("338")
    page.locator("#look").click()
    expect(words).to_contain_text("ResNet at the point: ", timeout=30_000)
    expect(words).not_to_contain_text("ResNet at the point: still", timeout=30_000)
    page.locator("#qtip button.gallery-item").nth(2).click()
    expect(words).not_to_contain_text("at the point", timeout=30_000)
    expect(change).not_to_be_visible()
    expect(page.locator("#card")).not_to_be_visible()
    page.locator("#filling label", has_text="noise").click()  # nothing is hidden of this one
    page.wait_for_timeout(1000)
    expect(words).not_to_contain_text("at the point")
    page.close()
