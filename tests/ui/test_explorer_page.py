"""The field of view on the real page: links, arrow keys, boxes, both directions, files."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from conftest import IN_BROWSER
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from imexnet.benchmark.page import Visitor

pytestmark = IN_BROWSER
DIMMED = """() => {
    const shown = document.querySelector("#spot-imexnet")
    window.dimmed = []
    const note = () => window.dimmed.push(shown.classList.contains("following"))
    new MutationObserver(note).observe(shown, {attributes: true, attributeFilter: ["class"]})
}"""
LINK = "task=segmentation&example=kitchen-0004&x=320&y=200&x2=220&y2=300&about=furniture"


def visit(browser: Browser, address: str) -> Page:
    """Opens the page with a query and waits for its field of view."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    expect(page.locator("#measures")).to_contain_text("RMS radius", timeout=60_000)
    return page


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator:
    opened: list[Page] = []

    def visit_and_close(query: str) -> Page:
        opened.append(visit(browser, f"{url}/?{query}"))
        return opened[-1]

    yield visit_and_close
    for page in opened:
        page.close()


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_own_photo_has_a_link_when_its_visitor_asks_for_one(open_page, browser, url, tmp_path):
    page = open_page("")
    share, measures = page.locator("#share"), page.locator("#measures")
    expect(share).not_to_be_visible()  # an example has a link without
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8).repeat(9, 0)
    Image.fromarray(pixels.repeat(9, 1)).save(tmp_path / "own.png")
    page.locator("#photo input[type=file]").first.set_input_files(tmp_path / "own.png")
    expect(measures).to_contain_text("Answer at column 180, row 135", timeout=60_000)
    assert "photo" not in query(page)
    page.locator("#column input").fill("33")
    page.locator("#look").click()
    expect(measures).to_contain_text("Answer at column 33, row 135", timeout=60_000)
    said = measures.locator("td").nth(1).inner_text()
    share.click()
    link = page.locator("#shared-link a")
    expect(link).to_be_visible(timeout=30_000)
    address = (link.get_attribute("href") or "")[1:]
    other = open_page(address)
    expect(other.locator("#measures")).to_contain_text("column 33, row 135", timeout=60_000)
    assert other.locator("#measures td").nth(1).inner_text() == said
    assert query(other)["photo"] in address
    page.evaluate(DIMMED)
    page.locator("#column input").fill("34")
    page.locator("#look").click()
    expect(link).to_have_count(0)
    expect(measures).to_contain_text("Answer at column 34", timeout=60_000)
    expect(page.locator(".following")).to_have_count(0, timeout=30_000)
    assert page.evaluate("window.dimmed") == [True, False]  # until the answer was there
    expired = browser.new_page()
    expired.goto(f"{url}/?task=depth&photo=no-such-photo&x=1&y=1")
    toast = expired.locator("[data-testid=toast-body]").first
    expect(toast).to_contain_text("only for an hour", timeout=60_000)
    expect(expired.locator("#summary")).to_contain_text("Depth, on average", timeout=60_000)
    expired.close()


def test_link_restores_the_view_and_the_address_follows_it(open_page):
    page = open_page(f"{LINK}&part=signed&lines=95&boundary=mirrored")
    measures = page.locator("#measures")
    expect(measures).to_contain_text("columns 220 … 320, rows 200 … 300", timeout=30_000)
    expect(measures).to_contain_text("furniture, p =")
    box, spot = page.locator("#resnet .crosshair.boxed"), page.locator("#spot-imexnet")
    sides = box.evaluate(
        "(of) => { const s = getComputedStyle(of, '::after'); "
        "return ['left', 'top', 'width', 'height'].map((side) => parseFloat(s[side])) }"
    )
    scale = page.locator("#resnet img").bounding_box()["width"] / 640
    assert sides == pytest.approx([scale * n for n in (-100.5, -0.5, 101, 101)], abs=0.5)
    expect(spot).to_contain_text("IMEXNet looked here")
    page.locator("#heat-maps button").first.click()
    expect(page.locator("#heat-bar")).to_contain_text("−10⁻¹")
    page.locator("#asked button").first.click()
    expect(page.locator("#other-column input")).to_have_value("220")
    page.locator("#direction label", has_text="which outputs").click()
    expect(measures).to_contain_text("Answer at column 320, row 200", timeout=30_000)
    expect(box).to_have_count(0)
    expect(spot).to_contain_text("IMEXNet: what this point moves")
    assert query(page) == {
        "task": "segmentation", "example": "kitchen-0004", "x": "320", "y": "200",
        "about": "furniture", "show": "outputs", "boundary": "mirrored", "part": "signed",
        "lines": "95",
    }  # fmt: skip
    link = measures.locator("a").get_attribute("href")
    assert link is not None
    assert parse_qs(link.removeprefix("?")) == parse_qs(urlsplit(page.url).query)


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    opened = visit(browser, f"{url}/?task=depth&example=kitchen-0004&x=320&y=240&__theme=dark")
    yield opened
    opened.close()


def test_arrow_keys_move_the_pixel_by_a_cell_of_the_input(page):
    expect(page.locator("#measures")).to_contain_text("column 320, row 240", timeout=30_000)
    page.locator("#spot-imexnet img").click(position={"x": 60, "y": 90})
    expect(page.locator("#measures")).not_to_contain_text("column 320", timeout=30_000)
    found = re.search(r"column (\d+), row (\d+)", page.locator("#measures").inner_text())
    assert found is not None
    column, row = int(found[1]), int(found[2])
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight"):
        page.keyboard.press(key)
    words = f"column {column + 48}, row {row + 4}"
    expect(page.locator("#measures")).to_contain_text(words, timeout=30_000)
    assert query(page)["x"] == str(column + 48)
    assert query(page)["__theme"] == "dark"
    page.mouse.wheel(0, 10)
    page.wait_for_timeout(500)  # the wheel's event comes later than the call ends
    page.keyboard.press("ArrowLeft")  # belongs to the page after that
    page.locator("#column input").click()
    page.keyboard.press("ArrowLeft")  # belongs to the number now
    page.wait_for_timeout(500)
    expect(page.locator("#measures")).to_contain_text(words)


def test_a_box_lies_between_the_last_two_clicks(open_page):
    page = open_page("task=depth&example=kitchen-0001&x=100&y=100")
    expect(page.locator("#measures")).to_contain_text("column 100, row 100", timeout=30_000)
    page.locator("#asked button").first.click()
    page.locator("#place label", has_text="a box").click()
    expect(page.locator("#measures")).to_contain_text("columns 100 … 206, rows 100 … 180")
    shown = page.locator("#spot-resnet img")
    for across, down, expected in (
        (0.25, 0.5, (100, 160, 100, 240)),
        (0.75, 0.25, (160, 480, 120, 240)),
    ):
        box = shown.bounding_box()
        assert box is not None
        shown.click(position={"x": across * box["width"], "y": down * box["height"]})
        wait_for_box(page, expected)


def wait_for_box(page: Page, expected: tuple[int, ...]) -> None:
    """Until the page shows the field of view of that box: columns, then rows."""
    got = None
    for _ in range(300):
        words = page.locator("#measures").inner_text()
        found = re.search(r"columns (\d+) … (\d+), rows (\d+) … (\d+)", words)
        got = found and tuple(map(int, found.groups()))
        if got == pytest.approx(expected, abs=4):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the page shows {got}, not {expected}")


@pytest.fixture(scope="module")
def client(url, tmp_path_factory) -> Client:
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("client"))


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    path = tmp_path / "room.png"
    Image.fromarray(pixels).save(path)
    return path


def test_api_takes_every_setting_and_says_what_is_wrong(client, photo):
    asked = {"photo": handle_file(photo), "task": "segmentation", "column": 10, "row": 20}
    name = {"api_name": "/field_of_view"}
    answered = client.predict(
        **asked, about="wall", other_column=50, other_row=40, boundary="mirrored",
        scale="linear", part="red", opacity=0.5, contours=[50, 99], **name,
    )  # fmt: skip
    assert "columns 10 … 50, rows 20 … 40" in answered[2]
    assert "wall, p =" in answered[2]
    reverse = client.predict(**asked, direction="outputs", **name)
    assert "column 10, row 20" in reverse[2]
    for wrong, words in [
        ({"about": "spaceship"}, "Segmentation can be asked about answer, bed"),
        ({"other_column": 90, "other_row": 2}, "Column 90, row 2 lies outside"),
        ({"direction": "outputs", "part": "red"}, "There is no red channel"),
    ]:
        with pytest.raises(AppError, match=words):
            client.predict(**asked, **wrong, **name)


def test_programs_may_leave_the_settings_out(url, photo):
    visitor = Visitor(url)
    sent = visitor.upload(photo.read_bytes(), "room.png")
    assert "column 10, row 20" in visitor.ask("field_of_view", sent, "depth", 10, 20)[2]


def test_figure_and_data_are_files(page):
    page.locator("#save-view").click()
    for kind in ("png", "svg", "pdf", "npz"):
        expect(page.locator("#saved-view")).to_contain_text(f".{kind}", timeout=60_000)
    links = page.locator("#saved-view a[href]")
    expect(links.first).to_be_visible(timeout=60_000)
    for link in links.all():
        address = link.get_attribute("href") or ""
        body = page.request.get(address).body()
        starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".npz": b"PK"}
        assert body.startswith(starts[Path(urlsplit(address).path).suffix])
    page.locator("#column input").fill("7")
    page.locator("#look").click()  # the files are of the pixel before
    expect(page.locator("#saved-view")).not_to_be_visible()
