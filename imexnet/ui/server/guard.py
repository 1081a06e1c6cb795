"""Middleware before the page: limits, closed routes, security headers, messages for failures."""

import json
import logging
import shutil
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imexnet.ui.server import gradio_internals as internals
from imexnet.ui.server.address import scheme, visitor

LOG = logging.getLogger(__name__)
LOOKS = ("GET", "HEAD", "OPTIONS")  # methods that only look, which is free
VISITORS_KEPT = 10_000
MEGABYTE = 2**20

# Gradio writes its scripts and styles into the page. `connect-src` keeps it from calling others.
PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}

NOTHING_HERE = "There is nothing here."
TOO_FAST = "Too many requests from your address; wait a few seconds and try again."
TOO_MANY = "Too many of your requests are waiting; wait for their answers and try again."
NO_ROOM = "The server has no room for more files at the moment; try again later."
FAILED = "The page could not make sense of this request."
NO_FILE = "This file is no longer on this server: files are kept for an hour."
NO_ANSWER = "This answer is not available: it was fetched already, or is on another server."
FETCHED = "This answer is being fetched already."


@dataclass(frozen=True)
class Limits:
    """What one visitor may do.

    Attributes:
        burst: requests at once; a megabyte sent counts as one more.
        per_second: requests after that.
        waiting: of them in the queue.
        upload: bytes of one upload, which may be several files.
        body: bytes of any other request.
        free: bytes that uploads leave on the disk; answers may use three quarters of them.
    """

    burst: float = 400
    per_second: float = 4
    waiting: int = 16
    upload: int = 320 * MEGABYTE
    body: int = 16 * MEGABYTE
    free: int = 1024 * MEGABYTE


class RefusalError(Exception):
    """A status and one sentence instead of an answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Guard:
    """ASGI middleware: refuses in a sentence, adds security headers, hides internal errors.

    Args:
        app: what it protects.
        waiting: how many requests of a visitor are in the queue.
        folder: where uploads go.
        limits: of a visitor.
        pending: whether an event, or one of a session, has an answer that is still to be fetched.
    """

    def __init__(
        self,
        app: ASGIApp,
        waiting: Callable[[str], int],
        folder: Path,
        limits: Limits | None = None,
        pending: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self.app, self.waiting, self.folder, self.pending = app, waiting, folder, pending
        self.limits = limits or Limits()
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # level and its time
        self.joining: Counter[str] = Counter()  # each visitor's requests on their way to the queue
        self.fetched: Counter[str] = Counter()  # events whose answer is on its way out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the page has none
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scope["scheme"] = scheme(scope)
        path = internals.route_path(scope)
        with ExitStack() as joining, ExitStack() as fetching:
            reply = Reply(path, send, joining.close)
            try:
                most = self._admit(scope, path, joining)
                self._fetch(scope, path, fetching)
                await self.app(scope, _counted(receive, most), reply)
            except RefusalError as refusal:
                await reply.refuse(refusal)
            except Exception as error:
                LOG.warning("%s %s: %s", scope["method"], path, type(error).__name__)
                await reply.refuse(RefusalError(400, FAILED))

    def _admit(self, scope: Scope, path: str, joining: ExitStack) -> int:
        """Bytes that the request may bring; it counts as on its way to the queue until `joining`.

        Raises:
            RefusalError: if it may not come in at all.
        """
        if path.startswith(internals.CLOSED) or "://" in path:
            raise RefusalError(404, NOTHING_HERE)
        if scope["method"] in LOOKS:
            return self.limits.body
        uploads = path.rstrip("/") == internals.UPLOAD
        most = self.limits.upload if uploads else self.limits.body
        length = Headers(scope=scope).get("content-length", "0")
        size = int(length) if length.isdecimal() else 0
        _check_size(size, most)
        who = visitor(scope)
        if not self._take(who, 1 + size / MEGABYTE):
            raise RefusalError(429, TOO_FAST)
        if path.startswith(internals.JOINS):
            if self.waiting(who) + self.joining[who] >= self.limits.waiting:
                raise RefusalError(429, TOO_MANY)
            joining.enter_context(_one_more(self.joining, who))
            _check_room(self.folder, self.limits.free // 4)
        if uploads:
            _check_room(self.folder, self.limits.free + size)
        return most

    def _fetch(self, scope: Scope, path: str, fetching: ExitStack) -> None:
        """Checks that an answer is there and is fetched only once: otherwise Gradio waits for ever.

        Raises:
            RefusalError: if it is not.
        """
        if scope["method"] != "GET" or not path.startswith((internals.ANSWER, internals.STREAM)):
            return
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        (name,) = (
            query.get("session_hash", [""])[:1]
            if path == internals.STREAM
            else [path.split("/")[-1]]
        )
        if name and not self.pending(name):
            raise RefusalError(404, NO_ANSWER)
        if path.startswith(internals.ANSWER):
            if self.fetched[name]:
                raise RefusalError(409, FETCHED)
            fetching.enter_context(_one_more(self.fetched, name))

    def _take(self, who: str, tokens: float) -> bool:
        """Takes tokens from the visitor's bucket, which fills steadily; False if too few."""
        now = time.monotonic()
        level, since = self.buckets.pop(who, (self.limits.burst, now))
        level = min(self.limits.burst, level + (now - since) * self.limits.per_second)
        enough = tokens <= level
        self.buckets[who] = level - tokens * enough, now
        if len(self.buckets) > VISITORS_KEPT:
            self.buckets.popitem(last=False)
        return enough


class Reply:
    """A response with security headers, which always ends.

    Args:
        path: the route that was asked for.
        send: to the visitor.
        begins: is called before the first of it goes out.
    """

    def __init__(self, path: str, send: Send, begins: Callable[[], None]) -> None:
        self.path, self.send, self.begins = path, send, begins
        self.begun = self.ended = self.measured = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.path.startswith(internals.FILES) and message["status"] in (403, 404):
                raise RefusalError(404, NO_FILE)  # Gradio's words have the path in them
            self._begin(message)
        elif message["type"] == "http.response.body":
            self.ended = not message.get("more_body", False)
        await self.send(message)

    async def refuse(self, refusal: RefusalError) -> None:
        """Sends the refusal; a response that has begun is ended, unless it has a length."""
        if not self.begun:
            start, body = _refusal(refusal, self.path)
            self._begin(start)
            await self.send(start)
            await self.send(body)
        elif not self.ended and not self.measured:
            await self.send({"type": "http.response.body", "body": b""})

    def _begin(self, message: Message) -> None:
        self.begun = True
        self.begins()
        headers = MutableHeaders(scope=message)
        self.measured = "content-length" in headers
        for name, value in HEADERS.items():
            headers[name] = value
        policy = FILE_POLICY if self.path.startswith(internals.FILES) else PAGE_POLICY
        headers["Content-Security-Policy"] = policy


@contextmanager
def _one_more(counter: Counter[str], name: str) -> Iterator[None]:
    counter[name] += 1
    try:
        yield
    finally:
        counter[name] -= 1
        if not counter[name]:
            del counter[name]


def _check_room(folder: Path, least: int) -> None:
    while not folder.exists():
        folder = folder.parent
    if shutil.disk_usage(folder).free < least:
        raise RefusalError(503, NO_ROOM)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise RefusalError(413, f"This is larger than the limit of {most // MEGABYTE} megabytes.")


def _counted(receive: Receive, most: int) -> Receive:
    """Receives no more bytes than that, whatever the header said of them."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        _check_size(size, most)
        return message

    return counted


def _refusal(refusal: RefusalError, path: str) -> tuple[Message, Message]:
    """Head and body of a refusal."""
    if path == internals.STREAM and refusal.status == 404:
        status, kind, body = (
            200,
            b"text/event-stream",
            internals.stream_error(refusal.words).encode(),
        )
    else:
        # Gradio's page shows `detail`, its clients `error`.
        body = json.dumps({"detail": refusal.words, "error": refusal.words}).encode()
        status, kind = refusal.status, b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if refusal.status == 429:
        headers.append((b"retry-after", b"5"))
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}
