"""What the page expects of the inside of Gradio: each test fails when a release changes it."""

import asyncio
import pickle
import re
from collections.abc import Iterator
from inspect import getsource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.routes
import numpy as np
import pytest
from conftest import ROOT
from gradio.queueing import Event
from gradio.routes import App
from gradio.state_holder import StateHolder
from starlette.routing import Match

from imexnet.io.photos import Photo
from imexnet.ui.components.parts import ON_DEVICE, PhotoUpload
from imexnet.ui.server import gradio_internals as internals
from imexnet.ui.server.gradio_internals import HookedBlocks, forget_answered, is_pending

pytestmark = pytest.mark.filterwarnings("ignore")  # of Gradio's packages
KITCHEN = ROOT / "assets" / "kitchens" / "rgb" / "0001.jpg"


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Gradio takes the one that runs, and makes one that nobody closes where none does."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def page(monkeypatch, tmp_path, loop) -> HookedBlocks:
    """A page whose handlers return, and yield, values by component."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    async def built() -> HookedBlocks:
        with HookedBlocks(analytics_enabled=False) as page:
            word = gr.Radio(["go", "fail"], value="go", label="Word")
            PhotoUpload(value=str(KITCHEN))
            texts = [gr.Textbox(), gr.Textbox(), gr.Textbox()]

            def answer(word):
                if word == "fail":
                    raise RuntimeError("a secret")
                return {texts[2]: "third", texts[0]: "first"}

            def count(word, *, other="left out"):
                yield {texts[1]: 1}
                yield {texts[1]: other, texts[0]: None}

            button, device = gr.Button(), ON_DEVICE
            button.click(answer, word, texts, api_name="answer", **device)
            button.click(answer, word, texts, api_name="again", **device)
            button.click(
                count, word, texts, inputs_kwargs={"other": texts[0]}, api_name="count", **device
            )
            button.click(lambda: gr.skip(), None, texts, api_name="skip")
        page.has_launched = True  # from when on Gradio asks where files lie
        StateHolder().set_blocks(page)
        return page

    return loop.run_until_complete(built())


def ask(loop, page: HookedBlocks, name: str, *values: Any, **named: Any) -> dict[str, Any]:
    function = next(f for f in page.fns.values() if f.api_name == name)
    return loop.run_until_complete(page.process_api(function, list(values), **named))


def test_the_release_is_the_one_that_is_pinned(capsys, monkeypatch):
    assert f"gradio=={internals.RELEASE}\n" in (ROOT / "requirements.txt").read_text()
    internals.check_release()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(gr, "__version__", "7.0.0")
    internals.check_release()
    (line,) = capsys.readouterr().err.splitlines()
    assert internals.RELEASE in line and "7.0.0 is installed" in line


def test_no_other_file_of_the_page_touches_the_inside():
    inside = re.compile(
        r"\._queue\b|\.fns\b|state_holder|session_data|keep_in_cache|config_values|/gradio_api"
        r"|list of choices|pending_messages|from gradio\.(?!components\b)|_utils import"
    )
    for path in (ROOT / "imexnet" / "ui").rglob("*.py"):
        if path.name != "gradio_internals.py":
            assert not inside.findall(path.read_text("utf-8")), path.name


def test_values_by_component_leave_the_others_as_they_are(loop, page):
    skipped = {"__type__": "update"}
    assert ask(loop, page, "answer", "go")["data"] == ["first", skipped, "third"]
    assert ask(loop, page, "skip")["data"] == [skipped] * 3
    first = ask(loop, page, "count", "go", "text")
    assert first["data"] == [skipped, "1", skipped]
    rest = ask(loop, page, "count", "go", "text", iterator=first["iterator"])
    assert rest["data"] == [None, "text", skipped]


def test_decorated_handlers_give_what_another_process_can_send(loop, page):
    sent = []

    def by_pickle(handler):
        sent.append(handler)
        return handler

    names = internals.named_handlers(page)
    assert {"answer", "again", "count", "skip"} <= names.keys()
    before = names["skip"]
    internals.decorate(page, "device", by_pickle)
    names = internals.named_handlers(page)
    assert len(sent) == 2 and names["answer"] is names["again"] and names["skip"] is before
    for answer in (names["answer"]("go"), *names["count"]("go", other="text")):
        assert isinstance(answer, list) and pickle.loads(pickle.dumps(answer)) == answer
    assert ask(loop, page, "answer", "go")["data"] == ["first", {"__type__": "update"}, "third"]
    assert ask(loop, page, "count", "go", "text")["data"][1] == "1"


def test_values_left_out_and_errors_go_through_the_hooks(loop, page, monkeypatch):
    assert ask(loop, page, "answer")["data"][0] == "first"
    with pytest.raises(gr.Error) as refused:
        ask(loop, page, "answer", "stop")
    assert internals.offered_choices(refused.value) == "'go', 'fail'"
    assert internals.offered_choices(gr.Error("Value 11 is too large")) is None
    monkeypatch.setattr(page, "input_error", lambda error: gr.Error("of an input"))
    monkeypatch.setattr(page, "handler_error", lambda error: gr.Error(f"not {error}"))
    monkeypatch.setattr(page, "check_inputs", lambda components, values: [values[0].lower()])
    for word, words in (("stop", "of an input"), ("FAIL", "not a secret")):
        with pytest.raises(gr.Error, match=words):
            ask(loop, page, "answer", word)


def test_every_route_is_one_of_gradio(page):
    """A route under another name would be open, or uploads without a limit."""
    routes = App.create_app(page).routes
    optional = set(re.findall(r'@router\.\w+\("([^"]+)"', getsource(gradio.routes)))

    def exists(start: str) -> bool:
        asked = {"type": "http", "root_path": "", "headers": [], "query_string": b""}
        return any(
            route.matches({**asked, "path": start + rest, "method": method})[0] == Match.FULL
            for route in routes
            for method in ("GET", "POST")
            for rest in ("", "x", "x/y", "=x")
        ) or any(f"{internals.API}{route}".startswith(start) for route in optional)

    known = {internals.UPLOAD, internals.FILES, internals.ANSWER, internals.STREAM}
    for start in known | {*internals.JOINS, *internals.CLOSED}:
        assert exists(start), start
    assert not exists(f"{internals.API}/nothing")


def test_the_upload_of_the_page_is_gradio_s_image(monkeypatch, tmp_path):
    """A handler that gives a photo and one that gets it then have the same picture."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    photo = Photo.of(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8))
    with gr.Blocks(analytics_enabled=False):
        upload = PhotoUpload(format="png")
    assert upload.get_block_name() == "image"
    got = upload.preprocess(upload.postprocess(photo))
    assert got is not None and got.picture == photo.picture and got.full_size == (9, 6)


def test_files_that_components_begin_with_are_in_the_upload_folder(page, tmp_path):
    (kept,) = internals.kept_files(page)
    assert Path(internals.upload_folder()) == tmp_path and Path(kept).is_file()
    assert internals.is_within(kept, internals.upload_folder())
    assert not internals.is_within(f"{tmp_path}/../other", internals.upload_folder())
    assert re.fullmatch(internals.SERVED, f"http://x.org/a/gradio_api/file={kept}")[1] == kept  # pyright: ignore


def test_requests_in_the_queue_are_found(page):
    function = next(f for f in page.fns.values() if f.api_name == "answer")
    request: Any = SimpleNamespace(scope={"client": ("8.8.8.8", 5)})
    event = Event(None, function, request, None)
    page._queue.create_event_queue_for_fn(function)
    page._queue.event_queue_per_concurrency_id["device"].queue.append(event)
    assert list(internals.waiting(page)) == [request.scope]
    assert event.alive is not None and event._id


def test_what_is_pending_is_an_answer_that_can_still_come(page):
    queue, event = page._queue, SimpleNamespace(alive=True)
    assert not is_pending(page, "session") and not is_pending(page, "event")
    box = queue.pending_messages_per_session["session"] = asyncio.Queue()
    queue.pending_event_ids_session["session"] = {"event"}
    queue.event_ids_to_events["event"] = event  # pyright: ignore[reportArgumentType]
    assert is_pending(page, "session") and is_pending(page, "event")
    event.alive = False  # whoever asked has gone
    assert not is_pending(page, "session") and not is_pending(page, "event")
    del queue.event_ids_to_events["event"]
    box.put_nowait("answer")
    assert is_pending(page, "session") and is_pending(page, "event")
    queue.pending_event_ids_session["session"].clear()
    assert not is_pending(page, "session") and not is_pending(page, "event")


def test_page_that_is_open_may_always_listen(page):
    state = page.state_holder["visit"]
    assert is_pending(page, "visit")
    state.is_closed = True
    assert not is_pending(page, "visit")


def test_memory_is_kept_for_visitors_who_are_there(loop, page):
    sessions = page.state_holder.session_data

    def visit(session: str, event: str, word: str = "go") -> None:
        state = page.state_holder[session]
        ask(loop, page, "answer", word, state=state, session_hash=session, event_id=event)

    visit("one", "event of one")
    visit("other", "event of other")
    visit("program", "program")  # Gradio names the session of a single question after it
    with pytest.raises(RuntimeError):
        visit("failing program", "failing program", "fail")
    assert list(sessions) == ["one", "other"]
    assert not sessions["one"].config_values  # no copy of every component with its value
    sessions["one"].is_closed = True
    internals.forget_closed_sessions(page, 60)
    assert list(sessions) == ["one", "other"]
    internals.forget_closed_sessions(page, -1)
    assert list(sessions) == ["other"] == list(page.state_holder.time_last_used)


def test_empty_boxes_of_the_queue_are_dropped(page):
    page.state_holder["open page"]
    boxes = page._queue.pending_messages_per_session
    events = page._queue.pending_event_ids_session
    for session in ("open page", "answered", "asked", "unread"):
        boxes[session], events[session] = asyncio.Queue(), set()
    events["asked"].add("event")
    events["pushed out"] = set()
    boxes["unread"].put_nowait("answer")
    forget_answered(page, 5)
    assert set(events) == set(boxes) == {"open page", "asked", "unread"}


def test_answers_that_nobody_fetches_are_bounded(page):
    page.state_holder["open page"]
    boxes = page._queue.pending_messages_per_session
    events = page._queue.pending_event_ids_session
    sessions = ["open page", "running", *map(str, range(12))]
    for session in sessions:
        boxes[session], events[session] = asyncio.Queue(), {session}
        boxes[session].put_nowait("answer")
    page._queue.event_ids_to_events["running"] = None  # pyright: ignore[reportArgumentType]
    forget_answered(page, 5)
    assert list(events) == list(boxes) == [*sessions[:2], *sessions[-5:]]


def test_a_page_begins_with_what_a_handler_would_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks(analytics_enabled=False) as page:
        number, image, state = gr.Number(label="N"), gr.Image(format="png"), gr.State()
        hidden = gr.Textbox(visible=False)
    for component, value in (
        (number, 3),
        (image, np.zeros((4, 4, 3), np.uint8)),
        (state, [1]),
        (hidden, gr.update(value="words", visible=True)),
    ):
        internals.begin_with(component, value)
    internals.keep_files(number, ["/of/the/page"])
    shown = {part["id"]: part["props"] for part in page.get_config_file()["components"]}
    assert shown[number._id]["value"] == 3 and state.value == [1]
    assert (shown[hidden._id]["value"], shown[hidden._id]["visible"]) == ("words", True)
    path = shown[image._id]["value"]["path"]
    assert Path(path).is_file() and {path, "/of/the/page"} <= internals.kept_files(page)
