"""The page in browsers: whom it calls, what visitors see of each other, what it says in trouble."""

import io
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import IN_BROWSER, free_port, serving
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from imexnet.ui.server.guard import TOO_FAST

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor with a browser of their own."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


def opened(context: BrowserContext, url: str) -> Page:
    """The page with its first answer."""
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#summary")).to_contain_text("Their input has", timeout=60_000)
    expect(page.locator("#decay img")).to_be_visible(timeout=60_000)
    return page


class Heard(NamedTuple):
    """What became of a visit: the addresses of other hosts, and what the browser complained of."""

    page: Page
    elsewhere: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def visit(context: BrowserContext, url: str) -> Heard:
    elsewhere, complaints = [], []

    def decide(route) -> None:
        here = route.request.url.startswith((url, "data:", "blob:"))
        if not here:
            elsewhere.append(route.request.url)
        route.continue_() if here else route.abort()

    context.route("**/*", decide)
    context.on("console", lambda said: complaints.append(said.text))
    return Heard(opened(context, url), elsewhere, complaints)


def upload(page: Page, name: str) -> None:
    """A photo that nobody has had before; waits for its answer."""
    before = page.locator("#imexnet img").get_attribute("src") or ""
    blocks = np.random.default_rng(time.time_ns()).integers(0, 256, (6, 8, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(blocks).resize((320, 240)).save(content, "JPEG")
    file = {"name": name, "mimeType": "image/jpeg", "buffer": content.getvalue()}
    page.locator("#photo input[type=file]").first.set_input_files(file)  # pyright: ignore
    expect(page.locator("#imexnet img")).not_to_have_attribute("src", before, timeout=60_000)


def test_two_visitors_see_nothing_of_each_other(visit, browser, url):
    theirs = browser.new_context()
    try:
        mine, other = visit.page, opened(theirs, url)
        heard: list[str] = []
        other.on("response", lambda response: heard.append(response.url))
        first = other.locator("#imexnet img").get_attribute("src")
        upload(mine, "secret-of-mine.jpg")
        answer = mine.locator("#imexnet img").get_attribute("src") or ""
        assert answer and answer != first
        other.locator("#task label", has_text="Segmentation").click()
        expect(other.locator("#summary")).to_contain_text("Right class", timeout=60_000)
        assert "secret-of-mine" not in other.content()
        assert answer not in other.content()
        assert not [address for address in heard if "secret-of-mine" in address]
        assert other.locator("#photo img").get_attribute("src") != mine.locator(
            "#photo img"
        ).get_attribute("src")
        other.wait_for_url("**task=segmentation*", timeout=60_000)  # else the reload is too early
        other.reload()
        expect(other.locator("#summary")).to_contain_text("Right class", timeout=60_000)
        assert "secret-of-mine" not in other.content()
    finally:
        theirs.close()


def test_a_refusal_is_shown_as_it_is_said(visit, context):
    page = visit.page
    body = json.dumps({"detail": TOO_FAST, "error": TOO_FAST})
    asking = "**/gradio_api/queue/join*"
    context.route(
        asking,
        lambda route: route.fulfill(status=429, body=body, content_type="application/json"),
    )
    page.locator("#spot-imexnet img").click()
    toast = page.locator("[data-testid=toast-body]").first
    expect(toast).to_contain_text(TOO_FAST, timeout=10_000)
    expect(page.locator(".following")).to_have_count(0)  # they are not dim for ever
    context.unroute(asking)
    page.locator("[data-testid=toast-close]").first.click()


def test_a_visit_calls_no_other_host_and_breaks_no_policy(visit):
    page, elsewhere, complaints = visit
    upload(page, "mine.jpg")
    for tab in ("Stability", "Inside the solve", "Receptive field"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(1500)
    page.get_by_role("button", name="Use via API").click()
    page.wait_for_timeout(1000)
    assert page.evaluate("fetch('http://192.0.2.1/').then(() => 1, () => 0)") == 0
    assert not [address for address in elsewhere if "192.0.2.1" not in address]
    policy = [text for text in complaints if "Content Security Policy" in text]
    assert len(policy) >= 1  # of that last call alone
    assert all("192.0.2.1" in text for text in policy), policy


@pytest.mark.slow
def test_a_killed_server_is_told_of_and_the_page_comes_back(browser, tmp_path: Path):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving(port, tmp_path) as server:
        page = opened(context, url)
        server.kill()
        page.locator("#look").click()
        toast = page.locator("[data-testid=toast-body]").first
        expect(toast).to_contain_text("Connection", timeout=20_000)
    with serving(port, tmp_path):
        expect(page.locator("#summary")).to_contain_text("Their input has", timeout=60_000)
        expect(page.locator("[data-testid=toast-body]")).to_have_count(0, timeout=60_000)
        page.locator("#look").click()
        expect(page.locator("#decay img")).to_be_visible(timeout=60_000)
        with urllib.request.urlopen(f"{url}/healthz") as response:
            assert response.status == 200
    context.close()
