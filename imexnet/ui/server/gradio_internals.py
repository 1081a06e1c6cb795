"""All that depends on the inside of Gradio, of one release; each part has a contract test."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import convert_component_dict_to_list
from gradio.components import Component
from gradio.processing_utils import move_files_to_cache
from gradio.utils import get_upload_folder, is_in_or_equal
from pydantic import BaseModel
from starlette._utils import get_route_path
from starlette.types import Scope

RELEASE = "6.31.0"

API = "/gradio_api"
UPLOAD = f"{API}/upload"
FILES = f"{API}/file"
ANSWER = f"{API}/call/"
STREAM = f"{API}/queue/data"
JOINS = (f"{API}/queue/join", f"{API}/call/", f"{API}/run/", f"{API}/api/")
CLOSED = (
    *(
        f"{API}/{door}"
        for door in (
            "proxy=", "stream/", "process_recording", "component_server", "deep_link", "runs",
            "run-history", "vibe", "undo-vibe", "dev/", "openapi.json",
        )
    ),
    "/monitoring",
)  # fmt: skip
"""Routes of Gradio that this page does not need."""

SERVED = rf"[^?#]*{API}/file=([^?#]+)"  # the address of a file of the page
UPLOADED = {"_type": "gradio.FileData"}  # Gradio then checks that the file is one of the page's


def check_release() -> None:
    """Says on stderr if another release of Gradio is installed than this file was written for."""
    if gr.__version__ != RELEASE:
        print(
            f"imexnet: the page was tested with Gradio {RELEASE}, but {gr.__version__} is "
            "installed; some parts of the page may not work.",
            file=sys.stderr,
        )


class HookedBlocks(gr.Blocks):
    """Blocks whose errors and inputs a subclass can change."""

    def check_inputs(self, components: Sequence[Component], values: list[Any]) -> list[Any]:
        """What visitors sent, one value for each component, as Gradio takes it."""
        return values

    def input_error(self, error: Exception) -> Exception:
        """What to raise instead of an error of a component."""
        return error

    def handler_error(self, error: Exception) -> Exception:
        """What to raise instead of an error of a handler."""
        return error

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """The answer to an event. A program that asks once leaves nothing in memory."""
        session, state, answer = named.get("session_hash"), named.get("state"), {}
        try:
            answer = await super().process_api(*given, **named)
            return answer
        finally:
            if state:
                state.config_values.clear()  # copies of all values, for deep links: there are none
            # Gradio names the session of a single question after the question.
            if session and session == named.get("event_id") and not answer.get("is_generating"):
                forget_session(self, session)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any):
        """What visitors sent, as values for a handler."""
        components = block_fn.inputs
        # Programs may leave the last values out: the rest are as the page begins.
        inputs = [*inputs, *(component.value for component in components[len(inputs) :])]
        inputs = self.check_inputs(components, inputs)
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **named)
        except Exception as error:
            raise self.input_error(error) from None

    async def call_function(self, *given: Any, **named: Any):
        """The handler's answer."""
        try:
            return await super().call_function(*given, **named)
        except Exception as error:
            raise self.handler_error(error) from None


def begin_with(component: Component, value: Any) -> None:
    """Makes a page open with what a handler would answer for a component."""
    update = value if isinstance(value, dict) and "__type__" in value else {"value": value}
    for name in update.keys() - {"__type__", "value"}:
        setattr(component, name, update[name])
    if "value" not in update:
        return
    if isinstance(component, gr.State):
        component.value = update["value"]
        return
    shown = component.postprocess(update["value"])
    plain = shown.model_dump() if isinstance(shown, BaseModel) else shown
    component.value = move_files_to_cache(plain, component, postprocess=True, keep_in_cache=True)


def keep_files(component: Component, paths: Iterable[str]) -> None:
    """Makes files stay as long as the page, see `kept_files`."""
    component.keep_in_cache.update(paths)


def upload_folder() -> str:
    """Where Gradio puts uploads, and serves files from."""
    return get_upload_folder()


def is_within(path: str, folder: str) -> bool:
    """Whether a path lies in a folder, whatever dots and links it goes through."""
    return is_in_or_equal(path, folder)


def route_path(scope: Scope) -> str:
    """The path that routing compares: without the prefix that the page is served under."""
    return get_route_path(scope)


def offered_choices(error: gr.Error) -> str | None:
    """The choices that are named where a value is none of them; None for another error."""
    _, found, choices = error.message.partition("in the list of choices: ")
    return choices.strip("[]") if found else None


def stream_error(words: str) -> str:
    """The answer of `STREAM` that the page shows as an error; it reconnects after any other."""
    said = {"msg": "unexpected_error", "event_id": None, "message": words}
    return f"data: {json.dumps(said | {'success': False, 'session_not_found': True})}\n\n"


def named_handlers(page: gr.Blocks) -> dict[str, Callable]:
    """Name in the API → handler."""
    return {str(f.api_name): f.fn for f in page.fns.values() if f.fn and f.api_name}


def decorate(
    page: gr.Blocks, concurrency_id: str, decorator: Callable[[Callable], Callable]
) -> None:
    """Decorates the handlers of one queue, each once, however many events it answers."""
    done: dict[Any, Callable] = {}
    for function in page.fns.values():
        if function.fn and function.concurrency_id == concurrency_id:
            if function.fn not in done:
                done[function.fn] = decorator(_listed(function))
            function.fn = done[function.fn]


def _listed(function: BlockFunction) -> Callable:
    """The handler with a list for `{component: value}`: another process has other components."""
    handler, outputs = function.fn, list(function.outputs)
    assert handler is not None

    def listed(answer: Any) -> Any:
        return (
            convert_component_dict_to_list(outputs, answer) if isinstance(answer, dict) else answer
        )

    if isgeneratorfunction(handler):

        @wraps(handler)
        def yielded(*given: Any, **named: Any) -> Iterator[Any]:
            for answer in handler(*given, **named):
                yield listed(answer)

        return yielded

    @wraps(handler)
    def returned(*given: Any, **named: Any) -> Any:
        return listed(handler(*given, **named))

    return returned


def kept_files(page: gr.Blocks) -> set[str]:
    """Files that the components of the page begin with."""
    return {path for block in page.blocks.values() for path in getattr(block, "keep_in_cache", ())}


def waiting(page: gr.Blocks) -> Iterator[Scope]:
    """The requests that wait in the queue."""
    for queue in list(page._queue.event_queue_per_concurrency_id.values()):
        for event in list(queue.queue):
            yield event.request.scope


def is_pending(page: gr.Blocks, name: str) -> bool:
    """Whether an event, or one of a session, has an answer that is still to be fetched.

    An open page always counts as waiting for one. An answer may reach it on an old stream before
    it reads that its question was taken; it then opens a new stream, on which nothing waits yet.
    """
    queue, state = page._queue, page.state_holder.session_data.get(name)
    if state is not None and not state.is_closed:
        return True
    for session, events in list(queue.pending_event_ids_session.items()):
        box = queue.pending_messages_per_session.get(session)
        if box is not None and (name == session or name in events):
            running = (queue.event_ids_to_events.get(event) for event in events)
            return bool(events) and (
                not box.empty() or any(event and event.alive for event in running)
            )
    return False


def forget_answered(page: gr.Blocks, unread: int) -> None:
    """Drops the queue's boxes of programs that asked once; within the server's loop.

    Those that are empty, and those with answers that nobody fetches, except for the last `unread`.
    """
    boxes = page._queue.pending_messages_per_session
    events = page._queue.pending_event_ids_session
    running = page._queue.event_ids_to_events
    left = [
        s for s in events if s not in page.state_holder and running.keys().isdisjoint(events[s])
    ]
    full = [s for s in left if s in boxes and not boxes[s].empty()]
    fetched = [s for s in left if s not in boxes or (not events[s] and boxes[s].empty())]
    for session in (*fetched, *full[:-unread]):
        boxes.pop(session, None)
        del events[session]


def forget_closed_sessions(page: gr.Blocks, older: float) -> None:
    """Drops the state of pages that were closed, and not used for so many seconds."""
    for session, state in list(page.state_holder.session_data.items()):
        used = page.state_holder.time_last_used.get(session, datetime.min)
        if state.is_closed and datetime.now() - used > timedelta(seconds=older):
            forget_session(page, session)


def forget_session(page: gr.Blocks, session: str) -> None:
    """Drops the state of one visitor."""
    for kept in (page.state_holder.session_data, page.state_holder.time_last_used):
        kept.pop(session, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
