"""What stands between visitors and the page: limits, closed doors, headers, words for failures."""

import ipaddress
import json
import logging
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger(__name__)
API = "/gradio_api"
UPLOAD = f"{API}/upload"
FILES = f"{API}/file"
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
"""Doors of Gradio that lead to nothing on this page."""

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
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}

NOTHING_HERE = "There is nothing here."
TOO_FAST = "Too many requests from your address; wait a few seconds and try again."
TOO_MANY = "Too many of your requests are waiting; wait for their answers and try again."
NO_ROOM = "The server has no room for more files at the moment; try again later."
FAILED = "The page could not make sense of this request."


@dataclass(frozen=True)
class Limits:
    """What one visitor may do.

    Attributes:
        burst: requests at once; a megabyte sent counts as one more.
        per_second: requests after that.
        waiting: of them in the queue.
        upload: bytes of one upload, which may be several files.
        body: bytes of any other request.
        free: bytes that uploads leave on the disk.
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
    """ASGI middleware: refuses in words, adds security headers, lets no error out as it is.

    Args:
        app: what it protects.
        waiting: how many requests of a visitor are in the queue.
        folder: where uploads go.
        limits: of a visitor.
    """

    def __init__(
        self,
        app: ASGIApp,
        waiting: Callable[[str], int],
        folder: Path,
        limits: Limits | None = None,
    ) -> None:
        self.app, self.waiting, self.folder = app, waiting, folder
        self.limits = limits or Limits()
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # level and its time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _add_headers(scope["path"], message)
            await send(message)

        try:
            most = self._admit(scope)
            await self.app(scope, _counted(receive, most), with_headers)
        except RefusalError as refusal:
            if not begun:
                await _refuse(refusal, with_headers)
        except Exception as error:
            LOG.warning("%s %s: %s", scope["method"], scope["path"], type(error).__name__)
            if not begun:
                await _refuse(RefusalError(400, FAILED), with_headers)

    def _admit(self, scope: Scope) -> int:
        """Bytes that the request may bring.

        Raises:
            RefusalError: if it may not come in at all.
        """
        path = scope["path"]
        if path.startswith(CLOSED) or "://" in path:
            raise RefusalError(404, NOTHING_HERE)
        if scope["method"] != "POST":
            return self.limits.body
        uploads = path.startswith(UPLOAD)
        most = self.limits.upload if uploads else self.limits.body
        length = Headers(scope=scope).get("content-length", "0")
        size = int(length) if length.isdecimal() else 0
        _check_size(size, most)
        who = visitor(scope)
        if not self._take(who, 1 + size / MEGABYTE):
            raise RefusalError(429, TOO_FAST)
        if path.startswith(JOINS) and self.waiting(who) >= self.limits.waiting:
            raise RefusalError(429, TOO_MANY)
        if uploads and _free(self.folder) < self.limits.free + size:
            raise RefusalError(503, NO_ROOM)
        return most

    def _take(self, who: str, tokens: float) -> bool:
        """Whether the visitor's bucket, which fills steadily, holds so many tokens; they go."""
        now = time.monotonic()
        level, since = self.buckets.pop(who, (self.limits.burst, now))
        level = min(self.limits.burst, level + (now - since) * self.limits.per_second)
        enough = tokens <= level
        self.buckets[who] = level - tokens * enough, now
        if len(self.buckets) > VISITORS_KEPT:
            self.buckets.popitem(last=False)
        return enough


def visitor(scope: MutableMapping[str, Any]) -> str:
    """The address that a request comes from.

    Behind a proxy it is the last public one of `X-Forwarded-For`: what stands before that can be
    made up by the visitor.
    """
    peer = (scope.get("client") or ("",))[0]
    if _public(peer):
        return peer
    forwarded = Headers(scope=scope).get("x-forwarded-for", "").split(",")
    return next((a for a in map(str.strip, reversed(forwarded)) if _public(a)), peer)


def _public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise RefusalError(
            413, f"This is more than {most // MEGABYTE} megabytes, the most at once."
        )


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


def _add_headers(path: str, message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers[name] = value
    headers["Content-Security-Policy"] = FILE_POLICY if path.startswith(FILES) else PAGE_POLICY


async def _refuse(refusal: RefusalError, send: Send) -> None:
    # Gradio's page shows `detail`, its clients `error`.
    body = json.dumps({"detail": refusal.words, "error": refusal.words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 429:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
