"""The page as a server: error messages, removal of old files, GPU handlers, a warm start."""

import asyncio
import inspect
import logging
import math
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi.routing import APIRoute
from gradio.components import Component
from starlette.middleware import Middleware

from imexnet.memory import return_freed_memory
from imexnet.models.tasks import TASKS
from imexnet.program import INTERRUPTED
from imexnet.ui.compare import links
from imexnet.ui.components.inputs import first
from imexnet.ui.components.parts import ON_DEVICE, decoded, forget_photos, user_error
from imexnet.ui.server import gradio_internals as internals
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
NOT_WORKED_OUT = "The page could not compute this. The error is on the page's side, not yours."


class Page(internals.HookedBlocks):
    """Blocks whose errors reach a visitor as one sentence, and which fetch nothing.

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

    def check_inputs(self, components: Sequence[Component], values: list[Any]) -> list[Any]:
        """What visitors sent, if it is something for these components."""
        values = [_sent(*given) for given in zip(components, values, strict=False)]
        for name, value in _leaves(values):
            if name == "path" and str(value).lower().startswith(("http:", "https:")):
                raise user_error(NO_ADDRESS)
            if isinstance(value, float) and not math.isfinite(value):
                raise user_error(NOT_UNDERSTOOD)
        for component, value in zip(components, values, strict=False):
            if value is None and _must_be_given(component):
                raise user_error(f"Choose a value: {escape(str(component.label))}.")
        return values

    def input_error(self, error: Exception) -> gr.Error:
        """What a component refuses, in a sentence."""
        if not isinstance(error, gr.Error):
            return user_error(NOT_UNDERSTOOD)
        choices = internals.offered_choices(error)
        words = error.message if choices is None else f"Choose one of {choices}."
        return user_error(escape(words, quote=False))

    def handler_error(self, error: Exception) -> gr.Error:
        """What a handler says to a visitor; what it does not expect goes to the log."""
        if isinstance(error, gr.Error):
            return error
        LOG.error("a handler failed", exc_info=error)
        return user_error(NOT_WORKED_OUT)

    def waiting(self, who: str) -> int:
        """How many requests of a visitor are in the queue."""
        return sum(visitor(scope) == who for scope in internals.waiting(self))

    def decorate(self, on_gpu: Callable[[Callable], Callable] | None) -> None:
        """Gives the handlers of the networks a fallback for full memory, and lends them a GPU."""

        def decorated(handler: Callable) -> Callable:
            safe = with_memory_fallback(handler)
            return on_gpu(safe) if on_gpu else safe

        internals.decorate(self, ON_DEVICE["concurrency_id"], decorated)

    def warm(self) -> None:
        """Answers one question of each kind, so that the first visitor need not wait longer."""
        named = internals.named_handlers(self)
        for task in TASKS:
            shown = first(task)
            photo = decoded(shown) if isinstance(shown, str) else shown
            for name, pixel in (("predict", ()), ("field_of_view", (0, 0))):
                handler = named.get(name)
                if handler is None:
                    continue
                with suppress(gr.Error):  # a network is missing
                    answer = handler(photo, task, *pixel)
                    if inspect.isgenerator(answer):
                        list(answer)

    def sweep(self, older: float) -> None:
        """Removes files and the state of closed pages that are older than so many seconds."""
        kept = internals.kept_files(self)
        root, gone = internals.upload_folder(), False
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
        links.SHARED.forget_old()
        internals.forget_closed_sessions(self, older)

    def _stop(self, number: int, _frame: Any) -> None:
        """At once, whoever still listens; the folder of this process alone goes with it."""
        if self._files:
            self._files.cleanup()
        os._exit(INTERRUPTED if number == signal.SIGINT else 0)

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """Removes old files and state while the server runs."""

        async def sweeping() -> None:
            while True:
                await asyncio.to_thread(self.sweep, KEPT)
                internals.forget_answered(self, UNREAD)
                await asyncio.to_thread(return_freed_memory)
                await asyncio.sleep(SWEEP)

        task = asyncio.create_task(sweeping())
        try:
            yield
        finally:
            task.cancel()

    def serve(self, **look: Any) -> None:
        """Runs the server until it is stopped; `look` is what `gr.Blocks.launch` takes."""
        internals.check_release()
        check_proxies()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # The guard alone decides who a visitor is: uvicorn's own way leaves nothing to tell by.
        os.environ["FORWARDED_ALLOW_IPS"] = ""
        guard = Middleware(
            Guard,
            waiting=self.waiting,
            pending=partial(internals.is_pending, self),
            folder=Path(internals.upload_folder()),
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
