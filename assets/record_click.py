"""Records clicks on the running page: python assets/record_click.py http://127.0.0.1:7860 FILE.webp

Needs the test extra and Chromium. The picture in the README was made by it.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from imexnet.io.files import write_bytes
from imexnet.program import run

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from browser import find

PIXELS = ((0.5, 0.5), (0.12, 0.3), (0.3, 0.85), (0.85, 0.75), (0.62, 0.3))
"""Across and down the IMEXNet's answer."""
SHOWN, WIDTH = 2200, 1000  # milliseconds a click; pixels of the picture


def frames(page: Page) -> list[Image.Image]:
    """The page after each click, from the answers down to the maps."""
    found = []
    for across, down in PIXELS:
        before = page.locator("#heat-imexnet img").get_attribute("src")
        shown = page.locator("#imexnet img").first
        box = shown.bounding_box()
        assert box is not None
        shown.click(position={"x": across * box["width"], "y": down * box["height"]})
        page.wait_for_function(
            "before => document.querySelector('#heat-imexnet img').src !== before", arg=before
        )
        page.wait_for_timeout(1500)
        found.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return found


def main(arguments: list[str]) -> None:
    if len(arguments) != 2:
        raise ValueError("usage: python assets/record_click.py ADDRESS FILE.webp")
    url, file = arguments
    program = find()  # by a driver of its own: two cannot run at once
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1080})
        page.add_init_script("localStorage.setItem('imexnet-tour', 'done')")
        page.goto(url)
        page.wait_for_selector("#decay img", timeout=60_000)
        pictures = frames(page)
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
