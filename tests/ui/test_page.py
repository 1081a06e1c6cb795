"""The real page: in Chromium as a visitor uses it, and over HTTP as a program does."""

import io
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import IN_BROWSER
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from imexnet.data import qtips
from imexnet.inference import Depth, predict_input, to_input
from imexnet.models.checkpoints import load_pretrained
from imexnet.models.folding import fold

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def first_visit(browser: Browser, url: str) -> Iterator[Page]:
    """The page after its first example has been answered; one for all tests, as it is slow."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto(url)
    expect(opened.locator("#summary")).to_contain_text("Depth, on average", timeout=60_000)
    expect(opened.locator("#decay img")).to_be_visible(timeout=60_000)
    yield opened
    opened.close()


@pytest.fixture
def page(first_visit: Page) -> Page:
    """The page with a Q-tip and all that belongs to it, and no message of an earlier test."""
    for _ in range(first_visit.locator("[data-testid=toast-close]").count()):
        first_visit.locator("[data-testid=toast-close]").first.click()
    if first_visit.locator("#spot-imexnet img").count():
        before = first_visit.locator("#spot-imexnet img").get_attribute("src") or ""
    else:
        before = ""
    first_visit.locator("#fresh").click()
    shown = expect(first_visit.locator("#spot-imexnet img"))
    shown.not_to_have_attribute("src", before, timeout=30_000)
    wait_for_pixel(first_visit, 256, 256, 0)
    return first_visit


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    """A made-up room 480 × 360: a floor, a wall and a dark door."""
    pixels = np.full((360, 480, 3), (200, 190, 170), np.uint8)
    pixels[240:] = (120, 80, 50)
    pixels[100:240, 300:380] = (40, 30, 20)
    path = tmp_path_factory.mktemp("photo") / "room.png"
    Image.fromarray(pixels).save(path)
    return path


def upload(page: Page, path: Path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(path)


def click(page: Page, picture: str, across: float, down: float) -> None:
    shown = page.locator(f"#{picture} img").first
    shown.scroll_into_view_if_needed()
    box = shown.bounding_box()
    assert box is not None
    sides = shown.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    scale = min(box["width"] / sides[0], box["height"] / sides[1])  # in the middle of its box
    x, y = ((share - 0.5) * scale * side for share, side in zip((across, down), sides, strict=True))
    page.mouse.click(box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y)


def open_accordion(page: Page, name: str) -> None:
    """What lies in a closed accordion is not in the page."""
    head = page.locator(f"#{name} > button")
    expect(head).to_be_visible(timeout=30_000)
    if "open" not in (head.get_attribute("class") or "").split():
        head.click()


def wait_for_pixel(page: Page, column: float, row: float, tolerance: float) -> None:
    """Until the page shows the field of view of that pixel of the photo, and says so."""
    got = None
    for _ in range(300):
        text = page.locator("#measures").inner_text()
        if found := re.search(r"Answer at column (\d+), row (\d+)", text):
            got = int(found[1]), int(found[2])
            if abs(got[0] - column) <= tolerance and abs(got[1] - row) <= tolerance:
                for name, value in zip(("column", "row"), got, strict=True):
                    expect(page.locator(f"#{name} input")).to_have_value(str(value))
                return
        page.wait_for_timeout(100)
    raise AssertionError(f"the page shows {got}, not {(column, row)}")


def test_first_visit_shows_a_kitchen_with_truth_errors_and_both_scores(browser, url):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    summary, scores = page.locator("#summary"), page.locator("#scores")
    expect(summary).to_contain_text("Depth, on average", timeout=60_000)
    expect(summary).to_contain_text("Their input has 160 × 120 pixels")
    expect(page.locator("#decay img")).to_be_visible(timeout=60_000)
    for picture in ("photo", "resnet", "imexnet", "legend", "invitation", "kitchen", "qtip"):
        box = page.locator(f"#{picture}").bounding_box()
        assert box is not None and box["y"] + box["height"] <= 900, picture  # without scrolling
    open_accordion(page, "against-truth")
    for words in ("the whole rendered picture (no crop)", "AbsRel", "RMSE", "δ1"):
        expect(scores).to_contain_text(words)
    for picture in ("resnet", "imexnet", "truth", "error-resnet", "error-imexnet", "spot-resnet"):
        expect(page.locator(f"#{picture} img")).to_be_visible()
    click(page, "error-imexnet", 0.25, 0.5)
    wait_for_pixel(page, 160, 240, 4)
    page.locator("#task label", has_text="Segmentation").click()
    expect(scores).to_contain_text("mIoU", timeout=60_000)
    expect(scores).to_contain_text("Accuracy")
    expect(page.locator("#truth img")).to_be_visible()
    expect(page.locator("#error-resnet img")).not_to_be_visible()
    expect(page.locator("#trunk")).to_be_visible()
    page.locator("button.gallery-item").nth(13).click()  # the second Q-tip
    expect(scores).to_contain_text("True label: ", timeout=60_000)
    expect(page.locator("#trunk")).not_to_be_visible()  # it is of the networks for rooms
    expect(scores).to_contain_text("IoU of the rod")
    page.locator("button.gallery-item").nth(4).click()
    expect(scores).to_contain_text("AbsRel", timeout=60_000)
    page.close()


def test_qtip_with_truth_and_both_scores(page):
    open_accordion(page, "against-truth")
    expect(page.locator("#scores")).to_contain_text("True label: ")
    expect(page.locator("#scores")).to_contain_text("IoU of the rod")
    for picture in ("resnet", "imexnet", "truth", "spot-resnet", "spot-imexnet"):
        expect(page.locator(f"#{picture} img")).to_be_visible()


def test_photo_in_two_depths_out_then_segmentation(page, photo):
    upload(page, photo)
    expect(page.locator("#legend")).to_contain_text("Depth, one scale", timeout=60_000)
    expect(page.locator("#summary")).to_contain_text("Their input has 160 × 120 pixels")
    expect(page.locator("#measures")).to_contain_text(" m", timeout=60_000)
    wait_for_pixel(page, 240, 180, 0)
    expect(page.locator("#truth img")).not_to_be_visible()
    expect(page.locator("#error-resnet img")).not_to_be_visible()
    expect(page.locator("#summary")).not_to_contain_text("truth")
    expect(page.locator("#against-truth")).not_to_be_visible()
    page.locator("#task label", has_text="Segmentation").click()
    expect(page.locator("#legend .chip").first).to_be_visible(timeout=60_000)
    expect(page.locator("#measures")).to_contain_text("p = 0.", timeout=60_000)
    open_accordion(page, "downloads")
    page.locator("#write").click()
    files = page.locator("#raw")
    expect(files).to_contain_text("resnet-segmentation")


def test_click_on_every_picture_finds_the_pixel(page, photo):
    upload(page, photo)
    expect(page.locator("#legend")).to_contain_text("Depth, one scale", timeout=60_000)
    wait_for_pixel(page, 240, 180, 0)
    pictures = ("photo", "resnet", "imexnet", "spot-resnet", "spot-imexnet")
    for picture, across in zip(pictures, (0.75, 0.1, 0.6, 0.3, 0.9), strict=True):
        click(page, picture, across, 0.4)
        wait_for_pixel(page, across * 480, 144, 3)


def test_fast_clicks_end_on_the_last_one(page):
    page.wait_for_timeout(300)
    open_accordion(page, "heat-maps")
    before = page.locator("#heat-imexnet img").get_attribute("src")
    for across in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        click(page, "imexnet", across, 0.8)
    for picture in ("photo", "resnet", "spot-imexnet"):  # at once, before the server has answered
        assert crosshair(page, picture) == pytest.approx((0.7, 0.8), abs=0.01), picture
    wait_for_pixel(page, 0.7 * 512, 0.8 * 512, 4)
    page.wait_for_timeout(4000)
    wait_for_pixel(page, 0.7 * 512, 0.8 * 512, 4)
    source = page.locator("#heat-imexnet img").get_attribute("src")
    assert source != before
    content = page.request.get(source).body()
    with Image.open(io.BytesIO(content)) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    # The marker is the only pure white beside pure black; the rod is not near it.
    around = shown[int(0.8 * 512) - 20 : int(0.8 * 512) + 20, int(0.7 * 512) - 20 :][:, :40]
    assert (around.min(-1) > 250).any()


def crosshair(page: Page, picture: str) -> tuple[float, float]:
    """Where it is drawn on a picture: shares of its width and height."""
    cross = page.locator(f"#{picture} > .crosshair").bounding_box()
    image = page.locator(f"#{picture} img").first.bounding_box()
    assert cross is not None and image is not None
    return (cross["x"] - image["x"]) / image["width"], (cross["y"] - image["y"]) / image["height"]


def test_typed_pixel_and_one_outside(page):
    page.locator("#column input").fill("100")
    page.locator("#row input").fill("40")
    before = page.locator("#spot-resnet img").get_attribute("src")
    page.locator("#look").click()
    expect(page.locator("#spot-resnet img")).not_to_have_attribute("src", before, timeout=30_000)
    page.locator("#column input").fill("9999")
    page.locator("#look").click()
    toast = page.locator("[data-testid=toast-body]").first
    expect(toast).to_contain_text("outside the picture of 512 × 512", timeout=30_000)


def test_file_that_is_no_picture_gives_one_sentence(page, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    upload(page, broken)
    toast = page.locator("[data-testid=toast-body]").first
    expect(toast).to_contain_text("not a picture", timeout=30_000)
    assert "/" not in toast.inner_text()
    assert "Error:" not in toast.inner_text()
    expect(page.locator("#empty")).to_contain_text("No photo yet")  # nor answers to another one
    expect(page.locator("#answered")).not_to_be_visible()


def test_pasting_a_photo_replaces_the_one_that_is_there(page, photo):
    page.locator("#qtip .gallery-item").first.click()
    expect(page.locator("#legend")).to_contain_text("white-black", timeout=60_000)
    page.evaluate(
        """bytes => {
            const given = new DataTransfer();
            given.items.add(new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" }));
            const paste = new ClipboardEvent("paste", { clipboardData: given, bubbles: true });
            document.body.dispatchEvent(paste);
        }""",
        list(Path(photo).read_bytes()),
    )
    expect(page.locator("#legend")).to_contain_text("Depth, one scale", timeout=60_000)


def test_a_photo_stays_until_another_has_come(page):
    """Nothing on it but the cross takes it away, nor does the upload button before a choice."""
    page.locator("#photo img").wait_for()
    buttons = page.locator("#photo button").all()
    names = {button.get_attribute("aria-label") for button in buttons if button.is_visible()}
    assert names - {None} == {"Fullscreen", "Remove Image"}
    before = page.locator("#photo img").get_attribute("src") or ""
    with page.expect_file_chooser():  # which the visitor closes again
        page.locator("#upload").click()
    page.wait_for_timeout(500)
    expect(page.locator("#photo img")).to_have_attribute("src", before)
    expect(page.locator("#answered")).to_be_visible()


def test_upload_button_takes_photos_and_explains_other_files(page, photo, tmp_path):
    button = page.locator("input[type=file]:not(#photo input)").first
    button.set_input_files(photo)
    expect(page.locator("#legend")).to_contain_text("Depth, one scale", timeout=60_000)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    button.set_input_files(broken)
    toast = page.locator("[data-testid=toast-body]").first
    expect(toast).to_contain_text("not a picture", timeout=30_000)


def test_cleared_photo_empties_the_results_and_asks_for_another(page, photo):
    remove = page.locator("#photo button[aria-label='Remove Image']")
    remove.click()
    expect(page.locator("#imexnet img")).not_to_be_visible(timeout=10_000)
    expect(page.locator("#answered")).not_to_be_visible()
    expect(page.locator(".pointer-tip")).not_to_be_visible()
    expect(page.locator("#empty")).to_contain_text("No photo yet")
    # A task chosen before there is a photo, or a photo that is removed at once, is no mistake.
    page.locator("#task label", has_text="Depth").click()
    page.locator("#photo input[type=file]").first.set_input_files(photo)
    remove.click()
    page.wait_for_timeout(3000)
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)
    expect(page.locator("#empty")).to_contain_text("No photo yet")


def test_another_qtip_can_be_drawn(page):
    before = page.locator("#spot-imexnet img").get_attribute("src")
    page.locator("#fresh").click()
    expect(page.locator("#spot-imexnet img")).not_to_have_attribute("src", before, timeout=30_000)
    open_accordion(page, "against-truth")
    expect(page.locator("#scores")).to_contain_text("True label")


@pytest.fixture(scope="module")
def client(url, tmp_path_factory) -> Client:
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("client"))


def test_api_gives_pictures_and_the_raw_values_of_the_network(client, photo):
    answered = client.predict(photo=handle_file(photo), task="depth", api_name="/predict")
    for file in answered[:2]:
        with Image.open(file["path"] if isinstance(file, dict) else file) as picture:
            assert picture.size == (512, 384)
    answered = client.predict(photo=handle_file(photo), task="depth", api_name="/raw_values")
    paths = [Path(item) for item in answered]
    assert [path.suffix for path in paths] == [*[".npy", ".png"] * 2, ".npz"]
    with np.load(paths[-1], allow_pickle=False) as both:
        assert "metres" in str(both["readme"])
        np.testing.assert_array_equal(both["resnet"], np.load(paths[0]))
    metres = np.load(next(p for p in paths if p.name == "imexnet-depth.npy"))
    network = fold(load_pretrained("indoor-imexnet", "cpu"))
    with Image.open(photo) as image:
        x = to_input(image, network.config, "cpu")
    expected = predict_input(network, "depth", x, (360, 480))
    assert isinstance(expected, Depth)
    np.testing.assert_allclose(metres, expected.metres, rtol=1e-4)


def test_api_field_of_view(client, photo):
    answered = client.predict(
        photo=handle_file(photo), task="segmentation", column=479, row=0, api_name="/field_of_view"
    )
    assert "RMS radius" in answered[2]
    with pytest.raises(AppError, match="Column 480, row 0 lies outside"):
        client.predict(
            photo=handle_file(photo), task="depth", column=480, row=0, api_name="/field_of_view"
        )


def strange_pictures() -> dict[str, Image.Image]:
    """Of strange sizes; those of strange modes are in test_malformed.py."""
    grey = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    exif = Image.fromarray(np.dstack([grey] * 3))
    exif.getexif()[0x0112] = 6
    return {
        "tiny.png": Image.new("RGB", (1, 1), "red"),
        "sliver.png": Image.new("RGB", (900, 2), "blue"),
        "rotated.jpg": exif,
        "large.jpg": Image.new("RGB", (4000, 3000), "green"),
    }


@pytest.mark.parametrize("name", list(strange_pictures()))
def test_strange_pictures_get_an_answer(client, tmp_path, name):
    path, picture = tmp_path / name, strange_pictures()[name]
    picture.save(path, exif=picture.getexif())
    client.predict(photo=handle_file(path), task="depth", api_name="/predict")
    raw = client.predict(photo=handle_file(path), task="depth", api_name="/raw_values")
    metres = np.load(raw[0])
    size = picture.size[::-1] if name != "rotated.jpg" else picture.size
    longest = min(2048, max(size))
    assert max(metres.shape) == longest
    assert metres.shape[0] / metres.shape[1] == pytest.approx(size[0] / size[1], rel=0.01)
    assert np.isfinite(metres).all()
    assert metres.min() > 0
    column, row = size[1] - 1, size[0] - 1
    viewed = client.predict(
        photo=handle_file(path), task="depth", column=column, row=row, api_name="/field_of_view"
    )
    assert "RMS radius" in viewed[2]


def test_animated_and_huge_pictures(client, tmp_path):
    frames = [Image.fromarray(qtips.qtip(0, i)[0]) for i in range(3)]
    animated = tmp_path / "animated.gif"
    frames[0].save(animated, save_all=True, append_images=frames[1:])
    raw = client.predict(photo=handle_file(animated), task="qtips", api_name="/raw_values")
    assert np.load(raw[0]).shape == (64, 64)
    huge = tmp_path / "huge.png"
    Image.new("1", (9000, 9000)).save(huge)
    with pytest.raises(AppError, match="64 megapixels"):
        client.predict(photo=handle_file(huge), task="depth", api_name="/predict")


def test_functions_cannot_be_run_past_the_queue(url):
    request = urllib.request.Request(
        f"{url}/gradio_api/run/predict",
        data=b'{"data": [null, "depth"]}',
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 404
    error.value.close()
