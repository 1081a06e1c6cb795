"""The story under the photo: its figures, and each chapter as a reader uses it."""

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import IN_BROWSER, ROOT
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from test_accessibility import findings, visit

from imexnet.data import qtips
from imexnet.data.drawn import BLACK, WHITE
from imexnet.io.photos import read_photo
from imexnet.models.checkpoints import load_pretrained
from imexnet.models.networks import time_steps
from imexnet.models.steps import IMEXStep
from imexnet.models.tasks import KINDS
from imexnet.sensitivity.green import green
from imexnet.ui.components import examples
from imexnet.ui.story import guess, layers, scores, solve

pytestmark = IN_BROWSER
HIDDEN = [9, 9, 11]  # the colour before the window
SECTIONS = ("your-photo", "guess", "layers", "solve", "scoreboard", "laboratory")


@pytest.fixture(scope="module")
def pair():
    return {kind: load_pretrained(f"qtips-{kind}", "cpu") for kind in KINDS}


@pytest.fixture(scope="module")
def rods(pair) -> list[dict]:
    return guess.rods(pair)


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    opened = visit(browser, url, reduced_motion="reduce")
    yield opened
    opened.close()


def picture(address: str) -> np.ndarray:
    content = base64.b64decode(address.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(content)))


# The figures.


def test_rods_are_of_all_classes_and_no_window_holds_both_markers(rods):
    kinds = [rod["kind"] for rod in rods]
    assert sorted(kinds) == [1] * 4 + [2] * 4 + [3] * 4
    for rod in rods:
        grey = picture(rod["picture"])
        ys, xs = np.nonzero((grey == WHITE) | (grey == BLACK))
        apart = np.maximum(abs(ys[:, None] - ys), abs(xs[:, None] - xs))
        near = apart < 27  # in one window: of one marker, whose pixels are at most 10 apart
        assert apart[near].max() < 12


def test_answers_to_the_rods_are_the_networks_own(rods, pair):
    for rod in rods:
        grey = picture(rod["picture"])
        label = qtips.true_label(grey)
        assert label is not None and label.max() == rod["kind"]
        x = torch.from_numpy(grey[None, None] / np.float32(255))
        for kind, network in pair.items():
            with torch.inference_mode():
                classes = network(x)["qtips"][0].argmax(0).numpy()[label > 0]
            shares = [np.mean(classes == k) for k in (1, 2, 3)]
            assert rod[kind]["kind"] == 1 + int(np.argmax(shares))
            assert abs(rod[kind]["share"] - 100 * max(shares)) <= 0.5
            assert picture(rod[kind]["picture"]).shape == (64, 64, 3)


def test_a_network_that_is_missing_leaves_the_others_chapters():
    from imexnet.ui.story.tab import Story

    assert list(Story({}).titles) == ["your-photo", "layers", "scoreboard", "laboratory"]


def test_a_dot_spreads_with_h_in_the_channel_that_reaches_farthest(pair):
    data = solve.data(pair["imexnet"])
    frames = picture(data["sprite"]).reshape(len(solve.STEP_SIZES), 64, 64, 3).sum(-1)
    lit = [(frame > frame.min()).sum() for frame in frames]
    assert lit[0] == 1 and frames[0].argmax() == 32 * 64 + 32
    assert lit[1] < lit[9] < lit[-1]
    lengths = [
        green(step, channel, 1.0, (64, 64)).decay_length
        for step in time_steps(pair["imexnet"])
        if isinstance(step, IMEXStep)
        for channel in range(16)
    ]
    assert (
        f"h = 1, as trained: decay length {max(lengths):.1f} cells" in (data["words"][solve.START])
    )
    assert data["words"][-1].startswith("h = 100:")


def test_the_film_has_each_layer_of_both_networks():
    names = ("indoor-resnet", "indoor-imexnet")
    networks = {name: load_pretrained(name, "cpu") for name in names}
    photo = read_photo(Path(examples.kitchens()[0]))
    film = json.loads(layers.film(networks, photo, "depth"))
    assert picture(film["photo"]).shape == (384, 512, 3)
    assert film["words"][0] == "Before the first layer, both see 7 × 7 of 160 × 120 pixels."
    assert "After layer 4, the ResNet sees 79 × 79 of 160 × 120 pixels." in film["words"][4]
    lit = {kind: [(picture(f) > 0).mean() for f in film["frames"][kind]] for kind in KINDS}
    assert len(lit["resnet"]) == len(lit["imexnet"]) == len(film["words"]) == 5
    assert lit["resnet"] == sorted(lit["resnet"])
    assert lit["resnet"][4] <= 79 * 79 / (160 * 120) < lit["imexnet"][4]
    tele = json.loads(layers.film(networks, replace(photo, focal_length_35mm=135.0), "depth"))
    assert tele["words"][0].startswith("Before the first layer, both see 7 × 7 of")
    assert re.fullmatch(r"After layer 4, both see all \d+ × \d+ pixels\.", tele["words"][4])


WHERE = {  # row of the scoreboard → page, row of a table there, columns of the two figures
    "Q-tips, mIoU": ("results", ("ResNet, 6 steps", "**IMEXNet, 6 steps**"), "mIoU, seed 0"),
    "Many rods, share of them right": (
        "comparisons",
        ("128 × 128, after 6 epochs more",) * 2,
        ("explicit", "IMEX"),
    ),
    "Paths, share of them right": (
        "comparisons",
        ("curves of 128 × 128, after 6 epochs more",) * 2,
        ("explicit", "IMEX"),
    ),
    "Rods at 128 × 128 with noise, σ = 0.1, against the same": (
        "comparisons",
        ("128 × 128, σ = 0.1",) * 2,
        ("dilated 1, 2, 4, 8, 4, 1", "IMEX"),
    ),
    "Rooms, depth, AbsRel": ("results", ("ResNet, plain", "IMEXNet, plain"), "AbsRel ↓"),
    "Rooms, 13 classes, mIoU": ("results", ("ResNet, plain", "IMEXNet, plain"), "mIoU ↑"),
    "Rods at 64 × 64, against a ResNet with dilated kernels": (
        "comparisons",
        ("64 × 64, after 24 epochs",) * 2,
        ("dilated 1, 2, 4, 8, 4, 1", "IMEX"),
    ),
    "Time of a picture of many rods, ms": (
        "comparisons",
        ("time of a picture of 128 × 128, ms",) * 2,
        ("explicit", "IMEX"),
    ),
    "Rooms, accuracy, against a ResNet with dilated kernels": (
        "comparisons",
        ("dilated kernels (1, 2, 4, 8)", "IMEX step, stencils log-spaced"),
        "accuracy ↑",
    ),
    "Paths at 128 × 128, against kernels dilated further": (
        "comparisons",
        ("curves of 128 × 128, after 6 epochs more",) * 2,
        ("dilated 1, 2, 4, 8, 16, 32", "IMEX"),
    ),
    "Rooms with a backbone, AbsRel, scaled by the median": (
        "results",
        ("ResNet, backbone", "IMEXNet, backbone"),
        "AbsRel, scaled by the median ↓",
    ),
    "Rooms with a backbone, AbsRel": (
        "results",
        ("ResNet, backbone", "IMEXNet, backbone"),
        "AbsRel ↓",
    ),
    "Rooms with a backbone, 13 classes, mIoU": (
        "results",
        ("ResNet, backbone", "IMEXNet, backbone"),
        "mIoU ↑",
    ),
    "Rooms with a backbone, edges of depth, F1": (
        "results",
        ("ResNet, backbone", "IMEXNet, backbone"),
        "boundary F1 ↑",
    ),
    "Parameters for Q-tips": (
        "results",
        ("ResNet, 6 steps", "**IMEXNet, 6 steps**"),
        "parameters",
    ),
    "Parameters, against a ResNet that does as well there": (
        "results",
        ("ResNet, 31 steps", "**IMEXNet, 6 steps**"),
        "parameters",
    ),
    "Q-tips with noise, σ = 0.1, rod pixels right": (
        "robustness",
        ("Gaussian, σ = 0.1",) * 2,
        ("ResNet, seed 0", "IMEXNet, seed 0"),
    ),
    "Rooms under PGD, ε = 1/255, δ1": (
        "robustness",
        ("PGD, ε = 1",) * 2,
        ("depth, ResNet", "depth, IMEXNet"),
    ),
}


def documented(name: str, row: str, column: str) -> str:
    """The figure in the first table of a page of the documentation that has both."""
    head: list[str] = []
    for line in (ROOT / "docs" / f"{name}.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if not cells or not head:
            head = cells
        elif column in head and cells[0] == row:
            return cells[head.index(column)].split(" ")[0].strip("*")
    raise AssertionError(f"docs/{name}.md has no {column} of {row}")


def test_scoreboard_has_the_figures_of_the_documentation():
    for row in scores.ROWS:
        name, rows, columns = WHERE[row.what]
        columns = (columns, columns) if isinstance(columns, str) else columns
        found = [documented(name, *at) for at in zip(rows, columns, strict=True)]
        assert [row.resnet, row.imexnet] == found, row.what
    assert {row.what for row in scores.ROWS} == set(WHERE)


# The page.


def pixels(canvas: Locator) -> np.ndarray:
    """What a canvas shows, (H, W, 3)."""
    address = canvas.evaluate("e => e.toDataURL()")
    return picture(address)[..., :3]


def height(page: Page, name: str) -> float:
    box = page.locator(f"#{name}").bounding_box()
    assert box is not None
    return box["height"]


def test_rods_are_guessed_by_the_keyboard_alone_and_counted(page, rods):
    stage, count = page.locator("#guess .stage"), page.locator("#guess .count")
    active = "() => document.activeElement.textContent"
    before = height(page, "guess")
    stage.focus()
    assert (pixels(stage)[:10] == HIDDEN).all()
    expect(page.locator("#guess .unseen")).to_have_text("In the window: grey rod.")
    for _ in range(10):
        page.keyboard.press("ArrowUp")
    open_ = (pixels(stage) != HIDDEN).any(-1)
    assert open_[0].any() and not open_[20:].any()  # the window lies at the upper edge now
    right = {"you": 0, "resnet": 0, "imexnet": 0}
    for number, rod in enumerate(rods[:3], start=1):
        guessed = rod["kind"] if number != 2 else rod["kind"] % 3 + 1
        expect(page.locator("#guess .answers img").first).to_be_hidden()
        if number == 1:
            page.keyboard.press("Tab")
        for _ in range(guessed - 1):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        right["you"] += guessed == rod["kind"]
        for kind in KINDS:
            right[kind] += rod[kind]["kind"] == rod["kind"]
            caption = page.locator(f"#guess .{kind} figcaption")
            expect(caption).to_contain_text(f"on {rod[kind]['share']} % of the rod")
            expect(page.locator(f"#guess .{kind} img")).to_be_visible()
        expect(count).to_contain_text(
            f"you {right['you']} of {number} · ResNet {right['resnet']} of {number} · "
            f"IMEXNet {right['imexnet']} of {number}"
        )
        expect(count).to_contain_text(f"it is {guess.in_words(rod['kind'])}")
        assert (pixels(stage)[..., 0] == picture(rod["picture"])).all()  # the whole rod
        assert page.evaluate(active) == "Another rod"
        page.keyboard.press("Enter")
        assert page.evaluate(active) == "white–white"
    assert height(page, "guess") == before


def test_window_follows_the_pointer(page):
    stage = page.locator("#guess .stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])
    rows, columns = np.nonzero((pixels(stage) != HIDDEN).any(-1))
    middle = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    assert middle == pytest.approx((48, 16), abs=1.1)


def test_layers_grow_on_the_visitors_photo_and_on_the_next_one(page):
    words, slider = page.locator("#layers .words"), page.locator("#layers input")
    page.locator("#kitchen button.gallery-item").nth(3).click()
    before = height(page, "layers")
    page.locator("#layers").scroll_into_view_if_needed()
    expect(words).to_contain_text("After layer 4, the ResNet sees 79 × 79", timeout=90_000)
    canvases = {kind: page.locator(f"#layers .{kind} canvas") for kind in KINDS}
    last = {kind: pixels(canvas) for kind, canvas in canvases.items()}
    assert (last["resnet"][:20] == 0).all() and last["imexnet"][:20].mean() > 20
    slider.focus()
    page.keyboard.press("Home")
    expect(words).to_have_text("Before the first layer, both see 7 × 7 of 160 × 120 pixels.")
    expect(slider).to_have_attribute(
        "aria-valuetext", "Before the first layer, both see 7 × 7 of 160 × 120 pixels."
    )
    assert (pixels(canvases["imexnet"]) > 0).mean() < 0.01
    page.locator("#qtip button.gallery-item").nth(1).click()
    expect(page.locator("#sentence")).to_contain_text("27 of the input", timeout=60_000)
    page.locator("#layers").scroll_into_view_if_needed()
    expect(words).to_contain_text("all 64 × 64 pixels", timeout=90_000)
    expect(slider).to_have_attribute("max", "6")
    assert height(page, "layers") == before


def test_film_leaves_with_its_photo_and_comes_again(page):
    words, slider = page.locator("#layers .words"), page.locator("#layers input")
    page.locator("#qtip button.gallery-item").nth(1).click()
    expect(page.locator("#sentence")).to_contain_text("27 of the input", timeout=60_000)
    page.locator("#layers").scroll_into_view_if_needed()
    expect(words).to_contain_text("all 64 × 64 pixels", timeout=90_000)
    said = words.inner_text()
    page.locator("#photo button[aria-label='Remove Image']").click()
    expect(slider).to_be_disabled(timeout=30_000)
    expect(words).to_have_text("Upload a photo above, or choose an example.")
    for kind in KINDS:
        assert page.locator(f"#layers .{kind} canvas").evaluate("e => e.width") == 0
    page.locator("#qtip button.gallery-item").nth(1).click()
    expect(page.locator("#measures table")).to_be_visible(timeout=60_000)
    page.locator("#layers").scroll_into_view_if_needed()
    expect(slider).to_be_enabled(timeout=90_000)
    expect(words).to_have_text(said)


def test_film_that_is_refused_is_asked_for_again(browser, url):
    page = visit(browser, url, reduced_motion="reduce")
    words, asking = page.locator("#layers .words"), "**/queue/join*"
    refusal = {"status": 429, "json": {"detail": "too fast", "error": "too fast"}}
    page.route(asking, lambda route: route.fulfill(**refusal))
    page.locator("#layers").scroll_into_view_if_needed()
    expect(words).to_contain_text("could not be worked out", timeout=30_000)
    page.unroute(asking)
    page.evaluate("scrollTo(0, 0)")
    page.locator("#your-photo").scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # the browser tells what is near between two frames
    page.locator("#layers").scroll_into_view_if_needed()
    expect(words).to_contain_text("After layer 4", timeout=90_000)
    page.close()


def test_light_spreads_as_h_is_dragged(page):
    words, slider = page.locator("#solve .words"), page.locator("#solve input")
    place = "e => [getComputedStyle(e).backgroundImage.slice(0, 15), e.style.backgroundPosition]"
    expect(words).to_contain_text("h = 1, as trained: decay length")
    trained = page.locator("#solve .sprite").evaluate(place)
    slider.focus()
    page.keyboard.press("Home")
    expect(words).to_contain_text("the dot stays where it is")
    assert page.locator("#solve .sprite").evaluate(place) != trained
    page.keyboard.press("End")
    expect(words).to_contain_text("h = 100: decay length")
    place_now = page.locator("#solve .sprite").evaluate(place)
    assert place_now[0] == 'url("data:image' and re.match(r"0(px)? 100%", place_now[1])


def test_each_chapter_has_an_address(page, browser, url):
    links = page.locator("nav.chapters a")
    targets = [link.get_attribute("href") for link in links.all()]
    assert targets == [f"#{name}" for name in SECTIONS]
    for target in targets:
        assert page.locator(f"[id='{target[1:]}']").count() == 1
    other = browser.new_page(viewport={"width": 1440, "height": 900})
    other.goto(f"{url}/?__theme=dark&task=qtips&example=qtip-1&x=256&y=256")
    expect(other.locator("#measures table")).to_be_visible(timeout=90_000)
    other.evaluate("window.stays = true")
    for target in ("#solve", "#guess"):  # within the page, whatever its address has before the #
        other.locator(f"nav.chapters a[href='{target}']").click()
        expect(other).to_have_url(re.compile(rf"\?__theme=dark&.*{target}$"))
        other.wait_for_function(
            f"() => Math.abs(document.querySelector('{target}').getBoundingClientRect().top) < 30"
        )
    assert other.evaluate("window.stays")
    other.goto(f"{url}/#solve")
    expect(other.locator("#measures table")).to_be_attached(timeout=90_000)
    at_top = "() => Math.abs(document.querySelector('#solve').getBoundingClientRect().top) < 30"
    other.wait_for_function(at_top)
    other.close()


def test_laboratory_is_not_empty_when_it_is_reached(page):
    page.locator("#laboratory h2").scroll_into_view_if_needed()
    expect(page.locator("#growth-words")).to_contain_text("After step 6", timeout=90_000)


@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 820)])
def test_no_serious_finding_of_axe_after_a_guess(browser, url, theme, width):
    page = visit(browser, f"{url}/?__theme={theme}", width, 844, reduced_motion="reduce")
    before = height(page, "guess")
    page.evaluate("document.querySelector('#guess').scrollIntoView()")
    for answer in page.locator("#guess .choices [data-kind]").all():  # on one screen with the rod
        box = answer.bounding_box()
        assert box is not None and box["y"] + box["height"] <= 844
    page.locator("#guess [data-kind='1']").click()
    assert height(page, "guess") == before
    page.locator("#layers").scroll_into_view_if_needed()
    expect(page.locator("#layers .words")).to_contain_text("After layer 4", timeout=90_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []
    page.close()
