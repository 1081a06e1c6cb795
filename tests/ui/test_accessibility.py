"""For everybody: names, contrast, the keyboard alone, small screens, still pictures."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import IN_BROWSER
from playwright.sync_api import Browser, Page, expect

pytestmark = IN_BROWSER

UNSEEN = """() => [...document.querySelectorAll("button, a, input, [tabindex]")].filter((stop) => {
    const shown = { opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true };
    const box = stop.getBoundingClientRect();
    return stop.tabIndex >= 0 && !stop.disabled && box.width > 2 && !stop.checkVisibility(shown)
        && getComputedStyle(stop).visibility === "visible";
}).map((stop) => stop.outerHTML.slice(0, 100))"""  # what takes the focus of a keyboard unseen


def visit(browser: Browser, address: str, width: int = 1440, height: int = 900, **options) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.goto(address)
    expect(page.locator("#summary")).to_contain_text("Their input has", timeout=60_000)
    expect(page.locator("#measures table")).to_be_visible(timeout=60_000)
    return page


def findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {node['html'][:150]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


@pytest.fixture(scope="module", params=["light", "dark"])
def still(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in both themes for somebody who asks for less motion."""
    page = visit(browser, f"{url}/?__theme={request.param}", reduced_motion="reduce")
    yield page
    page.close()


def test_no_serious_finding_of_axe(still):
    page = still
    for name in ("settings", "against-truth", "downloads", "several"):
        page.locator(f"#{name} > button").click()
    expect(page.locator("#scores table")).to_be_visible()
    assert findings(page) == []
    for tab, there in (("Hide a part", "#brush button"), ("In 3-D", "#build")):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(there)).to_be_visible()
        assert findings(page) == []
    assert page.evaluate(UNSEEN) == []
    page.evaluate("document.querySelector('#build').insertAdjacentHTML('afterend', '<button/>')")
    assert len(findings(page)) == 1  # axe sees a button without a name
    page.evaluate("document.querySelector('#build + button').remove()")


def test_no_serious_finding_of_axe_in_the_laboratory(still):
    page = still
    for name, sign in (
        ("Receptive field", "Sensitivity after each step"),
        ("Stability", "Perturbation"),
        ("Inside the solve", "Residual|stencil|recipe"),
    ):
        page.get_by_role("tab", name=name, exact=True).click()
        expect(
            page.get_by_text(re.compile(sign, re.I)).locator("visible=true").first
        ).to_be_visible()
        assert findings(page) == [], name


def test_reduced_motion_is_respected(still):
    seconds = still.locator("#upload").evaluate("e => getComputedStyle(e).transitionDuration")
    assert seconds in ("0s", "0.00001s", "1e-05s")


def test_a_photo_and_a_pixel_by_the_keyboard_alone(browser, url):
    page = visit(browser, url)
    kitchen = page.locator("#given").get_by_role("button", name="Kitchen 2", exact=True)
    kitchen.focus()
    outline = "e => getComputedStyle(e).outlineStyle"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert kitchen.evaluate("e => e === document.activeElement")
    assert kitchen.evaluate(outline) == "solid"
    before = page.locator("#spot-imexnet img").get_attribute("src") or ""
    page.keyboard.press("Enter")
    shown = expect(page.locator("#spot-imexnet img"))
    shown.not_to_have_attribute("src", before, timeout=30_000)
    page.locator("#column input").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("33")
    page.keyboard.press("Enter")
    expect(page.locator("#measures")).to_contain_text("column 33", timeout=30_000)
    term = page.locator(".intro .term").first
    expect(term.locator(".tip")).not_to_be_visible()
    term.focus()
    expect(term.locator(".tip")).to_contain_text("forward Euler")
    page.close()


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180)])
def test_small_screens(browser, url, width, height):
    """No sideways scroll, whole pictures; on a phone: photo, answers, invitation, the rest."""
    page = visit(browser, url, width, height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    tops = {}
    for name in (
        *("photo", "resnet", "imexnet", "truth", "invitation", "kitchen"),
        *("spot-resnet", "spot-imexnet"),
    ):
        box = page.locator(f"#{name}").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, name
        tops[name] = box["y"]
    for name in ("photo", "resnet", "imexnet", "truth"):
        shape = page.locator(f"#{name} img").evaluate(
            "e => [e.getBoundingClientRect().height, e.closest('.block').clientHeight]"
        )
        assert shape[0] <= shape[1] + 1, name  # not cut off
    assert tops["resnet"] == tops["imexnet"] < tops["spot-resnet"] == tops["spot-imexnet"]
    if width < 640:
        assert tops["photo"] < tops["resnet"] and tops["invitation"] < tops["kitchen"]
    page.get_by_role("tab", name="Receptive field").click()
    captions = page.locator("#growth .caption-label")
    expect(captions).to_have_count(14, timeout=60_000)
    assert captions.evaluate_all("all => all.filter((e) => e.scrollWidth > e.clientWidth)") == []
    page.close()
