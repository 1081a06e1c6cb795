"""Records clicks on the running page: python assets/record_click.py http://127.0.0.1:7860 FILE.webp

Needs the test extra and Chromium. The picture in the README was made by it.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from imexnet.io.files import write_bytes
from imexnet.program import run

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from browser import find

PIXELS = ((0.5, 0.5), (0.3, 0.85))
"""Across and down the IMEXNet's answer."""
STROKE = ((0.62, 0.15), (0.7, 0.2))
"""Over one marker of the second Q-tip: across and down the photo."""
SHOWN, WIDTH = 2200, 1000  # milliseconds a picture; pixels of it


def frames(page: Page) -> Iterator[bytes]:
    """The page after each click on a kitchen, with a backbone, a Q-tip, a marker of it hidden."""
    for across, down in PIXELS:
        with new_light(page):
            at(page, "#imexnet img", across, down)
            page.mouse.down()
            page.mouse.up()
        yield page.screenshot()
    with new_light(page):
        page.locator("#trunk label", has_text="Backbone").click()
    yield page.screenshot()
    with new_light(page):
        page.locator("#qtip .gallery-item").nth(1).click()
    yield page.screenshot()
    page.get_by_role("tab", name="Hide a part").click()
    page.wait_for_timeout(1000)
    at(page, "#brush canvas", *STROKE[0])
    page.mouse.down()
    at(page, "#brush canvas", *STROKE[1])
    page.mouse.up()
    page.wait_for_selector("#change-imexnet img", timeout=30_000)
    page.wait_for_timeout(1500)
    yield page.screenshot()


def at(page: Page, element: str, across: float, down: float) -> None:
    """Moves the mouse there."""
    box = page.locator(element).first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])


@contextmanager
def new_light(page: Page) -> Iterator[None]:
    """Waits until the photo is lit for what was done."""
    before = page.locator("#spot-imexnet img").get_attribute("src")
    yield
    page.wait_for_function(
        "before => document.querySelector('#spot-imexnet img')?.src !== before", arg=before
    )
    page.wait_for_timeout(1500)


def main(arguments: list[str]) -> None:
    if len(arguments) != 2:
        raise ValueError("usage: python assets/record_click.py ADDRESS FILE.webp")
    url, file = arguments
    program = find()  # by a driver of its own: two cannot run at once
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url)
        page.wait_for_selector("#decay img", timeout=60_000)
        pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in frames(page)]
        browser.close()
    height = round(pictures[0].height * WIDTH / pictures[0].width)
    first, *others = (picture.resize((WIDTH, height)) for picture in pictures)
    content = io.BytesIO()
    first.save(
        content, "WEBP", save_all=True, append_images=others, duration=SHOWN, loop=0, quality=72
    )
    write_bytes(Path(file), content.getvalue())


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]), "record_click")
