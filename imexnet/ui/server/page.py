"""The page as a server: errors in words, old files swept, handlers on the GPU, a warm start."""

import asyncio
import inspect
import logging
import math
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi.routing import APIRoute
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from imexnet.memory import return_freed_memory
from imexnet.models.tasks import FAMILIES
from imexnet.program import INTERRUPTED
from imexnet.ui.components import examples
from imexnet.ui.components.inputs import example
from imexnet.ui.components.parts import ON_DEVICE, decoded, forget_photos, user_error
from imexnet.ui.server.address import check_proxies, visitor
from imexnet.ui.server.guard import Guard
from imexnet.ui.server.memory_fallback import with_memory_fallback
from imexnet.ui.server.sent import NO_ADDRESS, OWN, uploaded

LOG = logging.getLogger(__name__)
KEPT = 55 * 60  # seconds that uploads and answers stay on the disk
SWEEP = 60  # seconds between two looks at what is older
QUEUE = 64
THREADS = 8  # one of them at the networks, the others at reading and writing
SESSIONS = 1000  # 40 kilobytes each
UNREAD = 256  # answers that nobody has fetched; a quarter of a megabyte each
FILE_SIZE = "40mb"

NOT_UNDERSTOOD = "The page was given something that it does not understand."
NOT_WORKED_OUT = "The page could not work this out; the fault is the page's, not yours."


class Page(gr.Blocks):
    """Blocks of which no error gets out but as one sentence, and which fetch nothing.

    Args:
        given: as `gr.Blocks` takes them.
    """

    def __init__(self, **given: Any) -> None:
        self._files, chosen = None, os.environ.get("GRADIO_TEMP_DIR")
        if chosen is None:
            self._files = tempfile.TemporaryDirectory(
                prefix="imexnet-",
                ignore_cleanup_errors=True,  # Windows keeps files that are open
            )  # gone with the process
            chosen = self._files.name
        os.environ["GRADIO_TEMP_DIR"] = str(Path(chosen) / OWN)  # all that lies there is swept
        super().__init__(**given)

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """The answer to an event. A program that asks once leaves nothing in memory."""
        session, state, answer = named.get("session_hash"), named.get("state"), {}
        try:
            answer = await super().process_api(*given, **named)
            return answer
        finally:
            if state:
                state.config_values.clear()  # copies of all values, for deep links: there are none
            if session and session == named.get("event_id") and not answer.get("is_generating"):
                self._forget(session)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any):
        """What visitors sent, as values for a handler."""
        # Programs may leave the last values out: the rest are as the page begins.
        inputs = [*inputs, *(component.value for component in block_fn.inputs[len(inputs) :])]
        inputs = [_sent(*given) for given in zip(block_fn.inputs, inputs, strict=False)]
        for name, value in _leaves(inputs):
            if name == "path" and str(value).lower().startswith(("http:", "https:")):
                raise user_error(NO_ADDRESS)
            if isinstance(value, float) and not math.isfinite(value):
                raise user_error(NOT_UNDERSTOOD)
        for component, value in zip(block_fn.inputs, inputs, strict=False):
            if value is None and _must_be_given(component):
                raise user_error(f"Choose a value: {escape(str(component.label))}.")
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **named)
        except gr.Error as error:
            _, choices, allowed = error.message.partition("in the list of choices: ")
            words = f"Choose one of {allowed.strip('[]')}." if choices else error.message
            raise user_error(escape(words, quote=False)) from None
        except Exception:
            raise user_error(NOT_UNDERSTOOD) from None

    async def call_function(self, *given: Any, **named: Any):
        """The handler's answer."""
        try:
            return await super().call_function(*given, **named)
        except gr.Error:
            raise
        except Exception:
            LOG.exception("a handler failed")
            raise user_error(NOT_WORKED_OUT) from None

    def waiting(self, who: str) -> int:
        """How many requests of a visitor are in the queue."""
        queues = self._queue.event_queue_per_concurrency_id.values()
        events = (event for queue in list(queues) for event in list(queue.queue))
        return sum(visitor(event.request.scope) == who for event in events)

    def pending(self, name: str) -> bool:
        """Whether an event, or one of a session, has an answer that is still to be fetched."""
        queue = self._queue
        for session, events in list(queue.pending_event_ids_session.items()):
            box = queue.pending_messages_per_session.get(session)
            if box is not None and (name == session or name in events):
                running = (queue.event_ids_to_events.get(event) for event in events)
                return bool(events) and (
                    not box.empty() or any(event and event.alive for event in running)
                )
        return False

    def decorate(self, on_gpu: Callable[[Callable], Callable] | None) -> None:
        """Makes the handlers that use the networks patient, and lets them borrow a GPU."""
        done: dict[Any, Callable] = {}
        for function in self.fns.values():
            if function.fn and function.concurrency_id == ON_DEVICE["concurrency_id"]:
                if function.fn not in done:
                    asked = with_memory_fallback(function.fn)
                    done[function.fn] = on_gpu(asked) if on_gpu else asked
                function.fn = done[function.fn]

    def warm(self) -> None:
        """Answers one question of each kind, so that the first visitor need not wait longer."""
        named = {function.api_name: function.fn for function in self.fns.values()}
        kitchens = examples.kitchens()
        for task in FAMILIES:
            photo = decoded(kitchens[0]) if kitchens and task != "qtips" else example(0)
            for name, pixel in (("predict", ()), ("field_of_view", (0, 0))):
                handler = named.get(name)
                if handler is None:
                    continue
                with suppress(gr.Error):  # a network is missing
                    answer = handler(photo, task, *pixel)
                    if inspect.isgenerator(answer):
                        list(answer)

    def sweep(self, older: float) -> None:
        """Takes away what is older than so many seconds: files, and what visitors left behind."""
        kept = {path for block in self.blocks.values() for path in _kept(block)}
        root, gone = get_upload_folder(), False
        for folder, _, names in os.walk(root, topdown=False):  # there may be 100,000 files
            for path in (os.path.join(folder, name) for name in names):
                if path not in kept and _older(path, older):
                    with suppress(OSError):  # gone already
                        os.unlink(path)
                        gone = True
            if folder != root and _older(folder, older):
                with suppress(OSError):  # there is something in it
                    os.rmdir(folder)
        if gone:
            forget_photos()  # it may be among them

        for session, state in list(self.state_holder.session_data.items()):
            used = self.state_holder.time_last_used.get(session, datetime.min)
            if state.is_closed and datetime.now() - used > timedelta(seconds=older):
                self._forget(session)

    def forget_answered(self) -> None:
        """Drops the queue's boxes of programs that asked once; within the server's loop.

        Those that are empty, and those with answers that nobody fetches, but for the last ones.
        """
        boxes = self._queue.pending_messages_per_session
        events = self._queue.pending_event_ids_session
        running = self._queue.event_ids_to_events
        left = [
            s for s in events if s not in self.state_holder and running.keys().isdisjoint(events[s])
        ]
        unread = [s for s in left if s in boxes and not boxes[s].empty()]
        fetched = [s for s in left if s not in boxes or (not events[s] and boxes[s].empty())]
        for session in (*fetched, *unread[:-UNREAD]):
            boxes.pop(session, None)
            del events[session]

    def _stop(self, number: int, _frame: Any) -> None:
        """At once, whoever still listens; the folder of this process alone goes with it."""
        if self._files:
            self._files.cleanup()
        os._exit(INTERRUPTED if number == signal.SIGINT else 0)

    def _forget(self, session: str | None) -> None:
        for kept in (self.state_holder.session_data, self.state_holder.time_last_used):
            kept.pop(session, None)  # pyright: ignore[reportCallIssue, reportArgumentType]

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """Sweeps while the server runs."""

        async def sweeping() -> None:
            while True:
                await asyncio.to_thread(self.sweep, KEPT)
                self.forget_answered()
                await asyncio.to_thread(return_freed_memory)
                await asyncio.sleep(SWEEP)

        task = asyncio.create_task(sweeping())
        try:
            yield
        finally:
            task.cancel()

    def serve(self, **look: Any) -> None:
        """Runs the server until it is stopped; `look` is what `gr.Blocks.launch` takes."""
        check_proxies()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # The guard alone decides who a visitor is: uvicorn's own way leaves nothing to tell by.
        os.environ["FORWARDED_ALLOW_IPS"] = ""
        guard = Middleware(
            Guard, waiting=self.waiting, pending=self.pending, folder=Path(get_upload_folder())
        )
        self.queue(max_size=QUEUE, api_open=False)
        self.launch(
            show_error=False,
            ssr_mode=False,
            run_history=False,
            enable_monitoring=False,
            mcp_server=os.environ.get("IMEXNET_MCP") == "1",
            max_file_size=FILE_SIZE,
            state_session_capacity=SESSIONS,
            max_threads=THREADS,
            footer_links=["api", "settings"],
            root_path=_prefix(os.environ.get("GRADIO_ROOT_PATH", "")),
            app_kwargs={
                "routes": [APIRoute("/healthz", lambda: {"status": "ok"})],
                "openapi_url": None,
                "middleware": [guard],
                "lifespan": self.lifespan,
            },
            **look,
        )


def _prefix(given: str) -> str:
    """Where the page is served, as routing compares it: "/demo" for "demo/", too."""
    address = given.strip().rstrip("/")
    return address if not address or "://" in address else f"/{address.lstrip('/')}"


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All values in what a visitor sent, with their names where they have one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield name, value


def _older(path: str, seconds: float) -> bool:
    try:
        return time.time() - os.lstat(path).st_ctime > seconds
    except OSError:  # gone already
        return False


def _sent(component: Any, value: Any) -> Any:
    """What was sent to a component, where it takes files as uploaded ones."""
    if not isinstance(component, gr.Image | gr.File | gr.UploadButton):
        return value
    if isinstance(value, list) and getattr(component, "file_count", "single") != "single":
        return [uploaded(one) for one in value]
    return uploaded(value)


def _must_be_given(component: Any) -> bool:
    chosen = isinstance(component, gr.Slider | gr.Radio | gr.Dropdown)
    return chosen and component.value is not None


def _kept(block: Any) -> set[str]:
    return getattr(block, "keep_in_cache", set())
