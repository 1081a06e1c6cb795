"""The tabs "Stability" and "Inside the solve": their answers, called as the page calls them."""

import re
import time
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from imexnet.io.photos import Photo
from imexnet.models.checkpoints import WEIGHTS, load_pretrained
from imexnet.models.spec import shipped_names
from imexnet.models.tasks import KINDS
from imexnet.stability import severity_curves
from imexnet.ui.components.inputs import example
from imexnet.ui.solve.ode import Ode
from imexnet.ui.solve.tab import FRAMES, Solve
from imexnet.ui.stability.tab import STAGES, Stability
from imexnet.viz.ode_figures import PLANE_PIXELS, plane_point

pytestmark = [
    pytest.mark.skipif(not (WEIGHTS / "indoor-imexnet.safetensors").exists(), reason="no weights"),
    pytest.mark.filterwarnings("ignore"),  # of Gradio's and the browser driver's packages
    pytest.mark.usefixtures("no_open_event_loops"),
]


@pytest.fixture(scope="module")
def networks():
    return {name: load_pretrained(name, "cpu") for name in shipped_names()}


@pytest.fixture(scope="module")
def stability(networks) -> Stability:
    with gr.Blocks(), gr.Tab("Stability") as tab:
        return Stability(tab, networks)


@pytest.fixture(scope="module")
def solve(networks) -> Solve:
    with gr.Blocks(), gr.Tab("Inside the solve") as tab:
        return Solve(tab, networks)


@pytest.fixture(scope="module")
def ode(networks) -> Ode:
    with gr.Blocks(), gr.Tab("Inside the solve") as tab:
        return Solve(tab, networks).ode


@pytest.fixture
def room() -> Photo:
    pixels = np.full((120, 160, 3), (200, 190, 170), np.uint8)
    pixels[80:] = (120, 80, 50)
    pixels[30:80, 100:130] = (40, 30, 20)
    return Photo.of(pixels)


def layer(**chosen) -> dict:
    """What the page sends for a layer."""
    return {"photo": example("qtips", 0), "task": "qtips", "kind": "imexnet", "number": 3} | chosen


def cells(html: str, label: str) -> list[str]:
    """The texts of a table's row, without what explains its terms."""
    plain = re.sub(r'<span class="tip".*?</span>|</?(span|u)\b[^>]*>', "", html)
    rows = (row for row in plain.split("<tr>") if "<th>" not in row)
    row = next(row for row in rows if f"<td>{label}" in row)
    return re.findall("<td>(.*?)</td>", row)[1:]


def test_perturbed_qtip_is_scored_against_its_truth(stability):
    answered = stability.perturb(example("qtips", 0), "qtips", "gaussian", 0.02, 0, 10)
    pictures, measures = stability.pictures, answered[stability.measures]
    assert list(pictures) == [(kind, stage) for kind in KINDS for stage in STAGES]
    assert all(answered[component].shape == (512, 512, 3) for component in pictures.values())
    np.testing.assert_array_equal(  # both are shown the same noise
        answered[pictures["resnet", "shown"]], answered[pictures["imexnet", "shown"]]
    )
    assert float(cells(measures, "Score of the clean picture")[1]) > 0.95
    resnet, imexnet = (float(v) for v in cells(measures, "Local Lipschitz constant"))
    assert 0 < resnet < imexnet  # as measured; see docs/results.md
    assert "pixels of the rod" in measures
    bounds = [[float(b) for b in c.split(", ")] for c in cells(measures, "Bound of each step")]
    assert bounds == [  # as in docs/results.md#not-forward-stable
        pytest.approx([14.4, 8.25, 17.2, 8.09, 15.4, 11.7], rel=0.01),
        pytest.approx([17.1, 5.48, 21.8, 9.07, 22.5, 12.3], rel=0.01),
    ]
    assert cells(measures, "Steps that cannot amplify") == ["0 of 6", "0 of 6"]


def test_the_switch_asks_the_bounded_pair(stability):
    answered = stability.perturb(example("qtips", 0), "qtips", "gaussian", 0.02, 0, 10, True)
    measures = answered[stability.measures]
    assert cells(measures, "Steps that cannot amplify") == ["6 of 6", "6 of 6"]
    growth = [float(v) for v in cells(measures, "‖δY‖ / ‖δY₀‖ after the last step")]
    assert all(0 < g < 1 for g in growth)
    stretch = stability.stretch
    words = stretch.run(example("qtips", 0), "qtips", 20, 8, True)[stretch.words]
    assert words.count("finite: ") == 2 and "blows up: " not in words
    with pytest.raises(gr.Error, match="Only Q-tips and the plain networks"):
        stability.perturb(example("qtips", 0), "rods", "gaussian", 0.02, 0, 10, True)


def test_no_noise_changes_nothing(stability):
    answered = stability.perturb(example("qtips", 1), "qtips", "gaussian", 0, 0, 10)
    for kind in KINDS:
        before, after = (stability.pictures[kind, stage] for stage in ("before", "after"))
        np.testing.assert_array_equal(answered[before], answered[after])
    measures = answered[stability.measures]
    assert cells(measures, "Change of the answer") == ["0", "0"]
    assert cells(measures, "Score of the clean") == cells(measures, "Score of the perturbed")


@pytest.mark.parametrize("task", ["depth", "segmentation"])
def test_attacked_room_comes_with_its_two_controls(stability, room, task):
    answered = stability.perturb(room, task, "pgd", 2, 0, 3)
    measures = answered[stability.measures]
    resnet, imexnet = (answered[stability.pictures[kind, "shown"]] for kind in KINDS)
    assert np.abs(resnet.astype(int) - imexnet).max() > 0  # each has an attack of its own
    clean = [float(v) for v in cells(measures, "Score of the clean picture")]
    assert clean == [1, 1]
    for label in ("… of random signs", "… of PGD made for the other"):
        assert all(0 <= float(v) <= 1 for v in cells(measures, label))
    attacked = [float(v) for v in cells(measures, "Score of the perturbed picture")]
    random = [float(v) for v in cells(measures, "… of random signs")]
    assert all(a < r for a, r in zip(attacked, random, strict=True))


def test_bad_severity_and_missing_photo_are_told_in_a_sentence(stability):
    with pytest.raises(gr.Error, match="from 1 to 100"):
        stability.perturb(example("qtips", 0), "qtips", "jpeg", 0, 0, 10)
    with pytest.raises(gr.Error, match="Upload a photo first"):
        stability.perturb(None, "qtips", "gaussian", 0.1, 0, 10)
    with pytest.raises(gr.Error, match="above 0"):
        stability.stretch.run(example("qtips", 0), "qtips", 0, 1)
    with pytest.raises(gr.Error, match="Choose one photo or more"):
        stability.curves.draw("depth", None, "gaussian", 4, 0)


def test_stretched_networks_say_whether_they_stay_finite(stability, room):
    stretch = stability.stretch
    answered = stretch.run(room, "depth", 1, 1)
    assert all(answered[stretch.pictures[kind]].shape == (384, 512, 3) for kind in KINDS)
    assert "Depth, one scale" in answered[stretch.legend]
    assert answered[stretch.words].count("finite: ") == 2
    answered = stretch.run(example("qtips", 0), "qtips", 20, 8)
    words = answered[stretch.words]
    assert "blows up: " in words
    absent = answered[stretch.pictures["resnet"]] is None
    assert absent == ("not finite, so there is no picture" in words)


def test_curves_are_those_of_the_library(stability, networks, room, tmp_path):
    pair = {kind: networks[f"qtips-{kind}"] for kind in ("resnet", "imexnet")}
    config, device = pair["resnet"].config, pair["resnet"].mean.device
    samples = severity_curves.fresh(3, 4, config, device)
    expected = severity_curves.curves(
        pair, "qtips", samples, "blur", severity_curves.severities("blur"), 3
    )
    _, words = stability.curves.draw("qtips", None, "blur", 4, 3)
    for i, label in enumerate(("clean", "0.5", "1<", "1.5")):
        got = cells(words, label)
        wanted = [f"{points[i].mean:.3f} ± {points[i].std:.3f}" for points in expected.values()]
        assert got == wanted
    bounded = stability.curves.draw("qtips", None, "blur", 4, 3, True)[1]
    assert "Bounded weights" in bounded and cells(bounded, "clean") != cells(words, "clean")
    path = tmp_path / "room.png"
    room.picture.save(path)
    with pytest.raises(gr.Error, match="at most 8 photos; these are 9"):
        stability.curves.draw("depth", [str(path)] * 9, "pgd", 4, 0)
    _, words = stability.curves.draw("segmentation", [str(path)], "jpeg", 4, 0)
    assert cells(words, "clean") == ["1.000 ± 0.000"] * 2
    assert "1 pictures" in words


@pytest.mark.parametrize("operator", ["learned", "laplacian", "identity"])
@pytest.mark.parametrize("grid", ["photo", "features"])
def test_recipe_shows_nine_stages_and_a_residual_of_rounding(solve, grid, operator):
    stages, words = solve.recipe(2, grid, operator, 5, 1, "mirrored", **layer())
    assert [caption[0] for _, caption in stages] == list("123456789")
    assert all(image.ndim == 3 and image.dtype == np.uint8 for image, _ in stages)
    residual = re.search(r"<b>(.*?)</b>", words)
    assert residual is not None
    assert float(residual[1]) < 1e-12
    assert "grid 64 × 64" in words


def test_recipe_asks_for_a_network_that_has_the_operator(solve):
    stages, words = solve.recipe(2, "photo", "learned", 5, 1, "periodic", **layer(kind="resnet"))
    assert stages == [] and "no learned L" in words


def test_propagation_shows_three_rows_of_feature_maps(solve, room):
    maps, words = solve.propagation(0, 1.5, **layer())
    assert len(maps) == 15
    explicit, few, implicit = (
        float(re.search(f"{name}: ([0-9.e+]+)", words)[1].rstrip("."))  # pyright: ignore[reportOptionalSubscript]
        for name in ("explicit × 20", "explicit × 5", "IMEX × 5")
    )
    assert explicit / 1e3 > few > 2 * implicit
    np.testing.assert_array_equal(maps[0][0], maps[10][0])
    last = layer(photo=room, task="depth", kind="resnet", number=6)
    assert len(solve.propagation(999, 0.2, **last)[0]) == 15


@pytest.mark.parametrize(
    ("setting", "start", "ended"),
    [
        ("stripes", "photo", "coming to rest"),
        ("spots", "noise", "coming to rest"),
        ("layer", "photo", "coming to rest"),
        ("spirals", "designed", "still moving"),
        ("dividing", "photo", "still moving"),
    ],
)
def test_animation_has_frames_that_differ_and_a_last_picture(solve, room, setting, start, ended):
    photo = Photo.of(np.asarray(room.picture)[::2, ::2])
    played = solve.play(0, setting, start, 0, **layer(photo=photo, task="depth", number=1))
    path, last, words = played[solve.pattern], played[solve.last], played[solve.rest]
    with Image.open(path) as film, Image.open(last) as still:
        assert getattr(film, "n_frames", 1) > FRAMES // 2
        first = np.asarray(film.convert("RGB")).astype(int)
        assert film.size == still.size == (512, 384)
        assert np.abs(first - np.asarray(still.convert("RGB"))).mean() > 3
    assert Path(last).suffix == ".png"
    assert "steps of h" in words
    assert f"; {ended}: it changes by" in words


def test_plane_shows_the_factors_of_the_point(ode):
    shown = ["forward-euler", "imex", "backward-euler"]
    plane, _, words = ode.plane(1, shown, 0.5, 3, -2.5, 0, **layer())
    assert plane.shape == (PLANE_PIXELS[1], PLANE_PIXELS[0], 3)
    assert cells(words, "|R(z)|") == ["1.5", "0.375", "0.286"]
    assert cells(words, "</td>") == ["grows", "stable", "stable"]
    assert "1024 eigenvalues" in words


def test_clicks_on_the_plane_are_where_the_marks_are(ode):
    """The cross that is drawn at z lies round the pixel that `plane_point` calls z."""
    for z in (-10 + 5j, 3 - 6.5j):
        plane = ode.plane(0.1, [], 0.5, 3, z.real, z.imag, **layer())[0]
        dark = np.argwhere(plane.max(-1) < 60)
        points = [plane_point(column + 0.5, row + 0.5) for row, column in dark]
        near = np.array([p for p in points if abs(p - z) < 0.6])
        assert len(near) > 10
        assert abs(near.mean() - z) < 0.05


def test_tie_makes_the_spectrum_real_and_the_loose_one_is_not(ode):
    _, words = ode.tie(0, **layer())
    tied, loose = (float(v) for v in cells(words, "largest |Im λ|"))
    assert tied == 0 < loose
    assert float(cells(words, "largest Re λ")[1]) > 0


@pytest.mark.parametrize("solver", ["newton-krylov", "fixed-point"])
def test_steppers_show_error_evaluations_and_the_factor(ode, solver):
    _, words = ode.steppers(0.3, solver, **layer())
    rows = [cells(words, f"{n} steps") for n in (16, 32)]
    assert [row[1].split()[1] for row in rows] == ["(16)", "(32)"]
    coarse, fine = (float(row[1].split()[0]) for row in rows)
    assert 1.6 < coarse / fine < 2.4  # first order
    factor = re.search(r"<b>(\d+) times", words)
    assert factor is not None
    assert int(factor[1]) > 3


def test_cost_is_calculated_and_measured(ode):
    words = ode.cost(4, 16, 2)
    assert cells(words, "Parameters") == ["304", "376"]
    assert cells(words, "Window") == ["9 pixels", "every pixel"]
    assert all(float(v.split()[0]) > 0 for v in cells(words, "Measured here"))
    with pytest.raises(gr.Error, match="at least 1"):
        ode.cost(0, 16, 2)
    with pytest.raises(gr.Error, match="too long"):
        ode.cost(512, 512, 64)


@pytest.fixture(scope="module")
def page(browser: Browser, url: str):
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto(url)
    yield opened
    opened.close()


@pytest.mark.browser
def test_page_perturbs_when_the_tab_is_opened_and_on_request(page: Page):
    page.get_by_role("tab", name="Stability").click()
    expect(page.locator("#perturbation-growth img")).to_be_visible(timeout=60_000)
    expect(page.locator("#stability-measures")).to_contain_text("Local Lipschitz")
    before = page.locator("#imexnet-after img").get_attribute("src")
    page.locator("#severity input[type=number]").fill("0.2")
    page.locator("#perturb").click()
    shown = expect(page.locator("#imexnet-after img"))
    shown.not_to_have_attribute("src", before or "", timeout=30_000)
    expect(page.locator("#stability-measures")).to_contain_text("severity 0.2")
    page.get_by_role("tab", name="Step size and depth").click()
    page.locator("#stretch").click()
    expect(page.locator("#stretched-words")).to_contain_text("finite: ", timeout=30_000)
    page.get_by_role("tab", name="Noise and attacks").click()
    page.locator("#bounded input").click()
    expect(page.locator("#stability-measures")).to_contain_text("6 of 6", timeout=60_000)
    page.locator("#stability-task label", has_text="Paths").click()  # has no bounded pair
    expect(page.locator("#stability-measures table")).to_have_count(0, timeout=30_000)
    page.locator("#bounded input").click()
    page.locator("#stability-task label", has_text="Q-tips").click()
    expect(page.locator("#stability-measures table")).to_be_visible(timeout=60_000)


@pytest.mark.browser
def test_page_solves_plays_and_takes_clicks_on_the_plane(page: Page):
    page.get_by_role("tab", name="Inside the solve").click()  # shows the recipe by itself
    expect(page.locator("#residual")).to_contain_text("e-1", timeout=30_000)
    expect(page.locator("#stages img").first).to_be_visible(timeout=30_000)
    page.get_by_role("tab", name="Diffusion-reaction").click()
    page.locator("#play").click()
    expect(page.locator("#rest")).to_contain_text("coming to rest", timeout=60_000)
    assert (page.locator("#pattern img").get_attribute("src") or "").endswith(".webp")
    page.locator("#stop").click()
    expect(page.locator("#pattern img")).to_have_attribute(
        "src", re.compile("png$"), timeout=10_000
    )
    page.get_by_role("tab", name="Model problem").click()
    page.locator("#plane-run").click()
    expect(page.locator("#factors")).to_contain_text("z = -2.50", timeout=60_000)
    page.locator("#plane img").scroll_into_view_if_needed()
    box = page.locator("#plane img").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#factors")).not_to_contain_text("z = -2.50", timeout=60_000)
    words = re.search(r"z = (\S+)j,", page.locator("#factors").inner_text())
    assert words is not None
    middle = plane_point(PLANE_PIXELS[0] / 2, PLANE_PIXELS[1] / 2)
    assert abs(complex(words[1] + "j") - middle) < 0.1  # a pixel or two
    page.locator("#layer-network label", has_text="ResNet").click()
    expect(page.locator("#factors")).to_be_empty(timeout=30_000)  # of another layer
    expect(page.locator("#residual")).to_contain_text("no learned L", timeout=30_000)
    expect(page.locator("#stages img")).to_have_count(0)
    page.locator("#layer-network label", has_text="IMEXNet").click()
    expect(page.locator("#residual")).to_contain_text("e-1", timeout=30_000)
    page.locator("#plane-run").click()
    expect(page.locator("#factors")).to_contain_text("z = ", timeout=60_000)
    solution = page.locator("#stages img").last
    before = solution.get_attribute("src") or ""
    page.locator("#solve-fresh").click()  # another photo: nothing of the old one stays
    expect(page.locator("#factors")).to_be_empty(timeout=30_000)
    expect(solution).not_to_have_attribute("src", before, timeout=30_000)
    page.locator("#solve-photo button[aria-label='Remove Image']").click()
    expect(page.locator("#residual")).to_be_empty(timeout=30_000)
    expect(page.locator("#stages img")).to_have_count(0)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("tab", "button", "photo", "words"),
    [
        ("Receptive field", None, "reach", "growth-words"),
        ("Noise and attacks", None, "stability", "stability-measures"),
        ("Step size and depth", "stretch", "stability", "stretched-words"),
        ("Certificate", "certify", "stability", "certificate"),
    ],
)
def test_results_leave_with_their_photo(page: Page, tab, button, photo, words):
    for name in ("Stability",) * (photo == "stability") + (tab,):
        page.get_by_role("tab", name=name, exact=True).click()
        chosen = page.get_by_role("tab", name=name, exact=True)
        expect(chosen).to_have_attribute("aria-selected", "true", timeout=30_000)
    shown = page.locator(f"#{words} table")
    page.locator(f"#{photo}-qtip button.gallery-item").first.click()
    if button:
        page.locator(f"#{photo}-photo img").wait_for()
        page.locator(f"#{button}").click()
    expect(shown).to_be_visible(timeout=90_000)
    page.locator(f"#{photo}-photo button[aria-label='Remove Image']").click()
    expect(shown).to_have_count(0, timeout=30_000)


@pytest.mark.browser
def test_what_was_asked_about_the_photo_before_does_not_come(page: Page):
    """A certificate takes seconds; another photo is chosen meanwhile."""
    page.get_by_role("tab", name="Stability", exact=True).click()
    page.get_by_role("tab", name="Certificate", exact=True).click()
    example, shown = (
        page.locator("#stability-qtip button.gallery-item"),
        page.locator("#certificate table"),
    )
    example.first.click()
    begun = time.monotonic()
    page.locator("#certify").click()
    expect(shown).to_be_visible(timeout=90_000)
    taken = time.monotonic() - begun
    with page.expect_response("**/queue/join*"):
        page.locator("#certify").click()
    example.nth(1).click()
    expect(shown).to_have_count(0, timeout=30_000)
    page.wait_for_timeout(2000 * taken)  # until the certificate would have come
    expect(shown).to_have_count(0)


@pytest.mark.browser
def test_an_answer_that_comes_after_its_photo_has_left_leaves_too(page: Page):
    page.get_by_role("tab", name="Receptive field", exact=True).click()
    example, shown = (
        page.locator("#reach-qtip button.gallery-item"),
        page.locator("#growth-words table"),
    )
    example.first.click()
    expect(shown).to_be_visible(timeout=90_000)
    asked: list[Route] = []

    def hold_the_third(route: Route) -> None:
        asked.append(route)  # for the task of the photo, for the place to look at, for the answer
        if len(asked) != 3:
            route.continue_()

    page.route("**/queue/join*", hold_the_third)
    example.nth(1).click()
    while len(asked) < 3:
        page.wait_for_timeout(50)
    page.locator("#reach-photo button[aria-label='Remove Image']").click()
    expect(shown).to_have_count(0, timeout=30_000)
    with page.expect_response("**/queue/data*"):
        asked[2].continue_()
    page.wait_for_timeout(2000)  # until the answer is there
    expect(shown).to_have_count(0, timeout=30_000)
    page.unroute("**/queue/join*")
