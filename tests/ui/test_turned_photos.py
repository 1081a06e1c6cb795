"""On the page a photo lies as its answers do, and a click asks for the pixel that is clicked."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from conftest import IN_BROWSER
from PIL import Image
from playwright.sync_api import Page, expect
from test_page import click, wait_for_pixel
from test_photos import TURNED, XMP, exif, noisy, scene, stored

from imexnet.io.photos import read_photo

pytestmark = IN_BROWSER
SIZE = 400, 300
TURNS = {"jpg": 6, "webp": 5, "png": 8, "avif": 6, "heic": 7, "tif": 3, "mpo": 8}
KINDS = {"jpg": "JPEG", "webp": "WEBP", "png": "PNG", "avif": "AVIF", "heic": "HEIF", "tif": "TIFF"}


def turned(ending: str) -> bytes:
    """A photo that EXIF or the container turns."""
    photo, told = Image.fromarray(scene(SIZE)), exif(TURNS[ending]).tobytes()
    if ending == "mpo":
        return stored(photo, "MPO", exif=told, save_all=True, append_images=[photo])
    return stored(photo, KINDS[ending], exif=told)


@pytest.fixture(scope="module")
def page(browser, url) -> Page:
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto(url)
    expect(opened.locator("#spot-imexnet img")).to_be_visible(timeout=60_000)
    return opened


def choose(page: Page, path: Path) -> None:
    """By the button above the task."""
    with page.expect_file_chooser() as chooser:
        page.locator("#upload").click()
    chooser.value.set_files(path)


def drop(page: Page, path: Path) -> None:
    """Onto the photo that is there."""
    kind = {"jpg": "image/jpeg", "tif": "image/tiff"}.get(
        path.suffix[1:], f"image/{path.suffix[1:]}"
    )
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        """([content, name, type]) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, {type}));
            document.querySelector('#photo img').dispatchEvent(
                new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer}));
        }""",
        [content, path.name, kind],
    )


def shown(page: Page) -> np.ndarray:
    """The pixels of the photo as the browser has them."""
    content = page.evaluate(
        """async () => {
            const photo = document.querySelector('#photo img');
            await photo.decode();
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [photo.naturalWidth, photo.naturalHeight];
            canvas.getContext('2d').drawImage(photo, 0, 0);
            return canvas.toDataURL('image/png');
        }"""
    )
    with Image.open(io.BytesIO(base64.b64decode(content.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def lies_as_read(page: Page, content: bytes) -> None:
    """That the photo is what was read of it, its answers are of its size, and clicks are right."""
    expected = np.asarray(read_photo(io.BytesIO(content)).picture).astype(int)
    height, width = expected.shape[:2]
    wait_for_pixel(page, width // 2, height // 2, 0)
    pixels = shown(page)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() <= 2
    answers = page.evaluate(
        """() => Promise.all(['resnet', 'imexnet', 'spot-resnet'].map(async (name) => {
            const picture = document.querySelector(`#${name} img`);
            await picture.decode();
            return picture.naturalWidth / picture.naturalHeight;
        }))"""
    )
    assert answers == pytest.approx([width / height] * 3, rel=0.01)
    click(page, "photo", 0.2, 0.85)
    wait_for_pixel(page, 0.2 * width, 0.85 * height, 3)


@pytest.mark.parametrize(
    ("way", "ending"),
    [
        *((choose, ending) for ending in TURNS),
        *((drop, ending) for ending in ("jpg", "heic", "tif")),  # the browser shows the first alone
        *(  # no browser has a type for MPO
            pytest.param(drop, ending, marks=pytest.mark.slow) for ending in ("webp", "png", "avif")
        ),
    ],
)
def test_a_turned_photo_lies_as_its_answers_do(page, tmp_path, way, ending):
    content = turned(ending)
    path = tmp_path / f"turned.{ending}"
    path.write_bytes(content)
    way(page, path)  # over another photo, or one at which a click was elsewhere than its middle
    lies_as_read(page, content)
    upright = TURNED[TURNS[ending]](scene(SIZE))
    assert shown(page).shape == upright.shape
    assert np.abs(shown(page) - upright).mean() < 8


@pytest.mark.parametrize("way", [choose, drop])
def test_xmp_turns_no_photo(page, tmp_path, way):
    content = stored(Image.fromarray(scene((300, 420))), "JPEG", xmp=XMP)
    (tmp_path / "xmp.jpg").write_bytes(content)
    way(page, tmp_path / "xmp.jpg")
    lies_as_read(page, content)
    assert shown(page).shape == (420, 300, 3)


def test_the_history_keeps_a_photo_upright(page, tmp_path):
    content = turned("jpg")
    (tmp_path / "turned.jpg").write_bytes(content)
    choose(page, tmp_path / "turned.jpg")
    wait_for_pixel(page, 150, 200, 0)
    page.locator("button.gallery-item").nth(0).click()
    wait_for_pixel(page, 320, 240, 0)
    page.locator("#history button.thumbnail-item").nth(1).click()
    wait_for_pixel(page, 150, 200, 0)
    assert np.abs(shown(page) - TURNED[6](scene(SIZE))).mean() < 8


@pytest.mark.parametrize("way", [choose, drop])
@pytest.mark.filterwarnings("ignore")
def test_a_file_that_is_cut_short_is_said_to_be_so(page, tmp_path, way):
    whole = stored(Image.fromarray(noisy()), "JPEG")
    content = whole[: len(whole) // 2]
    (tmp_path / "half.jpg").write_bytes(content)
    page.locator("button.gallery-item").nth(0).click()
    wait_for_pixel(page, 320, 240, 0)
    way(page, tmp_path / "half.jpg")
    toast = page.locator("[data-testid=toast-body]", has_text="cut short or damaged")
    expect(toast.first).to_be_visible()
    lies_as_read(page, content)
    for close in page.locator("[data-testid=toast-close]").all():
        close.click()


def test_a_dropped_file_that_is_no_picture_goes(page, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    drop(page, tmp_path / "broken.jpg")
    toast = page.locator("[data-testid=toast-body]", has_text="not a picture")
    expect(toast.first).to_be_visible()
    expect(page.locator("#photo img")).to_have_count(0)
    expect(page.locator("#empty")).to_be_visible()
