"""The tab "Receptive field" on the real page."""

import re
from collections.abc import Iterator

import pytest
from conftest import IN_BROWSER
from playwright.sync_api import Browser, Page, expect

pytestmark = IN_BROWSER
RECORD = """() => {
    window.counts = []
    const words = document.querySelector("#averages")
    const note = () => {
        const count = words.textContent.match(/(\\d+) pixels/)
        if (count) window.counts.push(Number(count[1]))
    }
    new MutationObserver(note).observe(words, {childList: true, subtree: true, characterData: true})
}"""


@pytest.fixture(scope="module")
def tab(browser: Browser, url: str) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto(url)
    opened.get_by_role("tab", name="Receptive field").click()
    yield opened
    opened.close()


def choose(tab: Page, name: str) -> None:
    tab.get_by_role("tab", name=name, exact=True).click()


def test_windows_grow_step_by_step_and_all_at_once(tab):
    choose(tab, "Steps")
    words = tab.locator("#growth-words")
    expect(words).to_contain_text("After step 6", timeout=60_000)
    expect(words).to_contain_text(re.compile(r"After step 2: [^\n]*11 × 11 px"))
    expect(words).to_contain_text("64 × 64 px")
    expect(tab.locator("#growth button img")).to_have_count(14)
    tab.locator("#reach-task label", has_text="Depth").click()
    tab.locator("#reach-kitchen button.gallery-item").first.click()
    expect(words).to_contain_text("160 × 120 px", timeout=60_000)
    expect(words).not_to_contain_text("After step 5")


def test_averages_come_one_by_one_and_again_from_memory(tab):
    choose(tab, "Whole")
    tab.evaluate(RECORD)
    tab.locator("#average").click()
    words, image = tab.locator("#averages"), tab.locator("#average-imexnet img")
    expect(words).to_contain_text("48 pixels", timeout=90_000)
    expect(words).to_contain_text("±")
    counts = tab.evaluate("window.counts")
    assert len(set(counts)) > 1 and counts == sorted(counts) and counts[-1] == 48
    assert all(count % 8 == 0 for count in counts)  # 8 pixels of each picture
    said, shown = words.inner_text(), image.get_attribute("src")
    assert shown is not None
    tab.evaluate("window.counts = []")
    tab.locator("#average").click()
    expect(image).not_to_have_attribute("src", shown, timeout=30_000)
    expect(words).to_have_text(re.compile("48 pixels"))
    assert words.inner_text() == said
    assert set(tab.evaluate("window.counts")) <= {48}  # not one by one
    expect(tab.locator(".generating")).to_have_count(0)  # the answer has come to its end
    tab.locator("#reach-task label", has_text="Q-tips").click()
    expect(words).to_be_empty()


def test_greens_function_follows_h(tab):
    choose(tab, "Green's function")
    words = tab.locator("#green-words")
    expect(words).to_contain_text("grid 64 × 64", timeout=30_000)

    def length() -> float:
        found = re.search(r"Decay length ([\d.]+)", words.inner_text())
        assert found is not None
        return float(found[1])

    before = length()
    number = tab.locator("#green-h input[type=number]")
    number.fill("80")
    number.press("Enter")
    expect(words).not_to_contain_text(f"{before:.2f}", timeout=30_000)
    assert length() > before


def test_whoever_changes_tasks_quickly_gets_the_last_one(tab):
    """Of 64 channels at first, of 16 at last."""
    choose(tab, "Green's function")
    for task in ("Depth", "Q-tips", "Depth", "Q-tips"):
        tab.locator("#reach-task label", has_text=task).click()
        tab.wait_for_timeout(300)
    expect(tab.locator("#green-words")).to_contain_text("of 16, grid 64 × 64", timeout=30_000)
    tab.wait_for_timeout(1000)
    expect(tab.locator("[data-testid=toast-body]")).to_have_count(0)
