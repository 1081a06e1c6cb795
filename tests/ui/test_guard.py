"""What comes before the page: refusals in words, and headers; without the page itself."""

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Match, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from imexnet.ui.server import guard as guard_module
from imexnet.ui.server.address import check_proxies, scheme, visitor
from imexnet.ui.server.gradio_internals import route_path
from imexnet.ui.server.guard import Guard, Limits

pytestmark = pytest.mark.filterwarnings("ignore")  # of the client's packages
SMALL = Limits(burst=5, per_second=1, waiting=2, upload=2**22, body=2**21, free=0)


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


async def fail(request: Request) -> PlainTextResponse:
    raise KeyError(f"/home/somebody/secret {request.url}")


async def accept(socket: WebSocket) -> None:
    await socket.accept()


async def missing(request: Request) -> JSONResponse:
    if request.path_params["path"] == "/there":
        return JSONResponse("content")
    return JSONResponse({"detail": f"File not found: {request.url}"}, 404)


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """Time that passes when it is told to."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(guard_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


SERVED = [("", ""), ("/demo", "/demo"), ("/demo", ""), ("/demo/demo", "/demo/demo")]
"""Where an application is served, and what stands before the paths that it is asked for."""


@pytest.fixture(params=SERVED, ids=lambda served: f"{served[0] or '/'} as {served[1] or '/'}")
def client(clock, tmp_path, request):
    """Of a small application behind the guard; `client.queue` is what each visitor waits for."""
    from starlette.testclient import TestClient

    root, prefix = request.param

    class Client(TestClient):
        def request(self, method, url, **named):
            return super().request(method, f"{prefix}{url}", **named)

    queue: dict[str, int] = {}
    guard = Middleware(
        Guard, waiting=lambda who: queue.get(who, 0), folder=tmp_path / "new", limits=SMALL
    )
    routes = [
        Route("/fail", fail, methods=["GET", "POST"]),
        WebSocketRoute("/gradio_api/socket", accept),
        Route("/gradio_api/file={path:path}", missing),
        Route("/{path:path}", echo, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    page = Starlette(routes=routes, middleware=[guard])
    with Client(page, root_path=root) as client:
        client.queue = queue  # pyright: ignore[reportAttributeAccessIssue]
        yield client


def refused(response, status: int, words: str) -> None:
    assert response.status_code == status
    assert response.json()["detail"] == response.json()["error"]
    assert words in response.json()["detail"]
    assert response.json()["detail"].endswith(".")


def test_a_visitor_who_asks_too_fast_waits_and_others_do_not(client, clock):
    for _ in range(5):
        assert client.post("/gradio_api/queue/join").status_code == 200
    last = client.post("/gradio_api/queue/join")
    refused(last, 429, "Too many requests")
    assert last.headers["retry-after"] == "5"
    other = {"X-Forwarded-For": "8.8.8.8"}
    assert client.post("/gradio_api/queue/join", headers=other).status_code == 200
    assert client.get("/").status_code == 200  # looking is free
    clock.now = 2
    assert client.post("/gradio_api/queue/join").status_code == 200
    assert client.post("/gradio_api/queue/join").status_code == 200
    refused(client.post("/gradio_api/queue/join"), 429, "Too many requests")
    clock.now = 1000  # a bucket never holds more than a burst
    answers = [client.post("/gradio_api/queue/join").status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]


def test_megabytes_count_as_requests(client):
    assert client.post("/gradio_api/upload", content=bytes(3 * 2**20)).status_code == 200
    refused(client.post("/gradio_api/upload", content=bytes(2**20)), 429, "Too many")


def test_a_visitor_with_enough_in_the_queue_waits(client):
    client.queue["testclient"] = 2
    refused(client.post("/gradio_api/call/predict"), 429, "are waiting")
    assert client.post("/gradio_api/cancel").status_code == 200
    client.queue["testclient"] = 1
    assert client.post("/gradio_api/call/predict").status_code == 200


def scope(peer: str, *forwarded: str) -> dict:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"type": "http", "client": (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("8.8.8.8", [], "8.8.8.8"),
        ("8.8.8.8", ["1.1.1.1"], "8.8.8.8"),  # no proxy of ours: the header is the visitor's word
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),
        ("192.168.0.4", [], "192.168.0.4"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("", ["9.9.9.9"], "9.9.9.9"),  # a proxy at a Unix socket
        ("127.0.0.1", ["made up, 9.9.9.9"], "9.9.9.9"),
        ("127.0.0.1", ["8.8.8.8, 127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["192.168.0.4"], "192.168.0.4"),
        ("172.17.0.1", ["192.168.0.4"], "192.168.0.4"),
        ("10.0.0.3", ["8.8.8.8, 192.168.0.4"], "192.168.0.4"),  # the proxy wrote the last alone
        ("10.0.0.3", ["8.8.8.8", "9.9.9.9"], "9.9.9.9"),  # two lines
        ("10.0.0.3", ["9.9.9.9, ", ""], "9.9.9.9"),
        ("10.0.0.3", ["9.9.9.9, unknown"], "10.0.0.3"),
        ("10.0.0.3", [" 9.9.9.9:51234 "], "9.9.9.9"),
        ("10.0.0.3", ["9.9.9.9:_hidden"], "9.9.9.9"),
        ("10.0.0.3", ["192.168.0.4:80"], "192.168.0.4"),
        ("10.0.0.3", ['"[2001:4860:4860::8888]:4711"'], "2001:4860:4860::/64"),
        ("10.0.0.3", ["[2001:4860:4860::8888]"], "2001:4860:4860::/64"),
        ("::1", ["2001:4860:4860::1"], "2001:4860:4860::/64"),
        ("2001:4860:4860:0:1:2:3:4", [], "2001:4860:4860::/64"),
        ("2001:4860:4860:1::", [], "2001:4860:4860:1::/64"),
        ("::ffff:9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        ("::ffff:10.0.0.3", ["::ffff:9.9.9.9"], "9.9.9.9"),
        ("fd00::1", ["fd00::7:1"], "fd00::/64"),
        ("fe80::1%eth0", ["9.9.9.9"], "9.9.9.9"),
    ],
)
def test_who_a_visitor_is(peer, forwarded, expected, monkeypatch):
    monkeypatch.delenv("IMEXNET_PROXIES", raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert visitor(scope(peer, *forwarded)) == expected


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "expected"),
    [
        ("10.0.0.0/8", "10.0.0.3", "1.1.1.1, 9.9.9.9, 10.0.0.7", "9.9.9.9"),
        ("10.0.0.3, 10.0.0.7", "10.0.0.3", "1.1.1.1, 10.0.0.8, 10.0.0.7:81", "10.0.0.8"),
        ("10.0.0.0/8", "10.0.0.3", "9.9.9.9, unknown, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.0/8", "10.0.0.3", "10.0.0.9, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.0/8", "192.168.0.4", "9.9.9.9", "192.168.0.4"),  # on the same network, no proxy
        ("8.8.8.8", "8.8.8.8", "1.1.1.1, 9.9.9.9", "9.9.9.9"),
        ("2001:db8::/32", "2001:db8::1", "9.9.9.9", "9.9.9.9"),
        ("", "127.0.0.1", "9.9.9.9", "127.0.0.1"),  # no proxies at all
    ],
)
def test_proxies_can_be_named(proxies, peer, forwarded, expected, monkeypatch):
    monkeypatch.setenv("IMEXNET_PROXIES", proxies)
    assert visitor(scope(peer, forwarded)) == expected


def test_on_a_space_all_private_addresses_are_proxies(monkeypatch):
    monkeypatch.delenv("IMEXNET_PROXIES", raising=False)
    monkeypatch.setenv("SPACE_ID", "someone/imexnet")
    assert visitor(scope("10.0.0.3", "1.1.1.1, 9.9.9.9, 10.0.0.7")) == "9.9.9.9"


def test_proxies_that_nobody_can_be_are_refused(monkeypatch):
    monkeypatch.setenv("IMEXNET_PROXIES", "10.0.0.3, nginx")
    with pytest.raises(ValueError, match=r"IMEXNET_PROXIES takes .*'nginx'"):
        check_proxies()


def test_https_is_what_the_proxy_says_and_no_visitor():
    said = [(b"x-forwarded-proto", b"https")]
    assert scheme({"client": ("127.0.0.1", 1), "headers": said, "scheme": "http"}) == "https"
    assert scheme({"client": ("8.8.8.8", 1), "headers": said, "scheme": "http"}) == "http"
    assert scheme({"client": ("127.0.0.1", 1), "headers": [], "scheme": "http"}) == "http"


def test_one_who_makes_up_addresses_is_limited(client):
    answers = [
        client.post("/gradio_api/cancel", headers={"X-Forwarded-For": f"8.8.8.{i}, 192.168.0.4"})
        for i in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    answers = [  # and whoever has a network of IPv6 for themselves
        client.post(
            "/gradio_api/cancel", headers={"X-Forwarded-For": f"[2001:db8::{i}]:{5000 + i}"}
        )
        for i in range(6)
    ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


def test_visitors_behind_a_private_proxy_are_many(client):
    for i in range(40):
        headers = {"X-Forwarded-For": f"192.168.0.{i}:{5000 + i}"}
        assert client.post("/gradio_api/queue/join", headers=headers).status_code == 200


class Joins:
    """An application that takes its time to put what it is asked for into the queue."""

    def __init__(self) -> None:
        self.queue: list[str] = []
        self.fails = False

    async def __call__(self, scope, receive, send) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        if self.fails:
            raise KeyError("secret")
        self.queue.append(visitor(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def joins(clock, tmp_path):
    """Such an application, its guard, and what asks it many times at once: the answers' states."""
    app = Joins()
    guard = Guard(app, app.queue.count, tmp_path, replace(SMALL, burst=1000, waiting=16))

    async def ask(door: str, root: str) -> int:
        states = []

        async def send(message) -> None:
            states.append(message.get("status"))

        asked = {**scope("8.8.8.8"), "method": "POST", "path": door, "root_path": root}
        await guard(asked, None, send)  # pyright: ignore[reportArgumentType]
        return states[0]

    async def at_once(door: str, root: str = "") -> list[int]:
        return await asyncio.gather(*(ask(door, root) for _ in range(50)))

    return app, guard, at_once


@pytest.mark.parametrize("door", ["queue/join", "call/predict", "call/v2/predict/"])
@pytest.mark.parametrize("root", ["", "/demo"])
def test_of_many_questions_at_once_no_more_are_admitted_than_may_wait(joins, door, root):
    app, guard, at_once = joins
    states = asyncio.run(at_once(f"{root}/gradio_api/{door}", root))
    assert sorted(states) == [200] * 16 + [429] * 34
    app.queue[:] = app.queue[:10]
    assert asyncio.run(at_once(f"{root}/gradio_api/{door}", root)).count(200) == 6
    assert not guard.joining


def test_places_are_free_again_after_errors_and_disconnects(joins):
    app, guard, at_once = joins
    app.fails = True
    states = asyncio.run(at_once("/gradio_api/queue/join"))
    assert sorted(states) == [400] * 16 + [429] * 34

    async def cut_off() -> None:
        asking = asyncio.create_task(at_once("/gradio_api/queue/join"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert guard.joining == {"8.8.8.8": 16}
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(cut_off())
    app.fails = False
    assert not guard.joining and not app.queue
    assert asyncio.run(at_once("/gradio_api/queue/join")).count(200) == 16


def breaking(declared: bool):
    async def app(scope, receive, send) -> None:
        headers = [(b"content-length", b"9")] if declared else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise KeyError("secret")

    return app


@pytest.mark.parametrize(("declared", "ends"), [(False, [True, False]), (True, [True])])
def test_an_answer_that_breaks_off_is_ended_unless_its_length_was_told(
    clock, tmp_path, declared, ends
):
    sent = []

    async def send(message) -> None:
        sent.append(message)

    guard = Guard(breaking(declared), lambda who: 0, tmp_path, SMALL)
    asked = {**scope("8.8.8.8"), "method": "GET", "path": "/"}
    asyncio.run(guard(asked, None, send))  # pyright: ignore[reportArgumentType]
    assert [message.get("more_body", False) for message in sent[1:]] == ends
    assert b"secret" not in b"".join(message["body"] for message in sent[1:])


class TestAnswers:
    """Each is fetched once; Gradio would wait for ever at a second time."""

    @pytest.fixture
    def fetch(self, clock, tmp_path):
        """Of a page that has one answer to come, and gives it when it is told to."""
        pending, told = {"known"}, asyncio.Event()

        async def app(scope, receive, send) -> None:
            await told.wait()
            pending.clear()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"answer"})

        guard = Guard(app, lambda who: 0, tmp_path, SMALL, pending.__contains__)

        async def fetch(path: str, query: str = "") -> tuple[int, bytes]:
            sent = []

            async def send(message) -> None:
                sent.append(message)

            asked = {**scope("8.8.8.8"), "method": "GET", "query_string": query.encode()}
            await guard({**asked, "path": f"/demo{path}", "root_path": "/demo"}, None, send)  # pyright: ignore
            return sent[0]["status"], sent[1]["body"]

        fetch.told = told  # pyright: ignore[reportFunctionMemberAccess]
        return fetch

    @pytest.mark.parametrize("door", ["call/predict", "call/v2/predict"])
    def test_an_answer_is_fetched_once(self, fetch, door):
        async def twice() -> list[tuple[int, bytes]]:
            path = f"/gradio_api/{door}/known"
            first = asyncio.create_task(fetch(path))
            await asyncio.sleep(0)
            meanwhile = await fetch(path)
            fetch.told.set()
            return [await first, meanwhile, await fetch(path)]

        (state, body), meanwhile, again = asyncio.run(asyncio.wait_for(twice(), 10))
        assert (state, body) == (200, b"answer")
        assert meanwhile[0] == 409 and b"being fetched already." in meanwhile[1]
        assert again[0] == 404 and b"fetched already, or is on another server." in again[1]

    def test_a_session_without_answers_is_told_so_as_the_page_understands_it(self, fetch):
        fetch.told.set()
        known = asyncio.run(fetch("/gradio_api/queue/data", "session_hash=known"))
        assert known == (200, b"answer")
        state, body = asyncio.run(fetch("/gradio_api/queue/data", "session_hash=known"))
        said = json.loads(body.removeprefix(b"data: "))
        assert state == 200 and body.endswith(b"\n\n")
        assert said["msg"] == "unexpected_error" and said["session_not_found"]
        assert said["message"].endswith("on another server.")


def test_the_guard_forgets_the_oldest_visitors(client, monkeypatch):
    monkeypatch.setattr(guard_module, "VISITORS_KEPT", 3)
    guard = Guard(Starlette(), lambda who: 0, None, SMALL)  # pyright: ignore[reportArgumentType]
    for last in range(9):
        guard._take(f"8.8.8.{last}", 1)
    assert list(guard.buckets) == ["8.8.8.6", "8.8.8.7", "8.8.8.8"]


def test_too_many_bytes_are_refused_with_and_without_a_length(client):
    refused(client.post("/gradio_api/queue/join", content=bytes(2**21 + 1)), 413, "2 megabytes")
    refused(client.post("/gradio_api/upload", content=bytes(2**22 + 1)), 413, "4 megabytes")

    def pieces():
        for _ in range(40):
            yield bytes(2**16)

    whole = client.post("/gradio_api/upload", content=pieces())
    assert whole.json() == {"bytes": 40 * 2**16}
    refused(client.post("/gradio_api/queue/join", content=pieces()), 413, "2 megabytes")


def test_uploads_leave_room_on_the_disk(client, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    refused(client.post("/gradio_api/upload", content=bytes(101)), 503, "no room")
    assert client.post("/gradio_api/upload", content=bytes(99)).status_code == 200


@pytest.mark.parametrize(("free", "status"), [(99, 503), (100, 200)])
def test_answers_leave_room_on_the_disk(monkeypatch, free, status):
    from starlette.testclient import TestClient  # it warns of its own packages, which is ignored

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    routes = [Route("/gradio_api/queue/join", echo, methods=["POST"])]
    app = Guard(Starlette(routes=routes), lambda who: 0, Path(), Limits(free=400))
    assert TestClient(app).post("/gradio_api/queue/join").status_code == status


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/openapi.json",
        "/gradio_api/openapi.json/",
        "/gradio_api/open%61pi.json",
        "/gradio%5Fapi/runs",
        "/gradio_api/proxy=https://example.org/x",
        "/gradio_api/file=https://example.org/x",
        "/gradio_api/file=http%3A%2F%2F127.0.0.1/x",
        "/gradio_api/file/ftp://example.org",
        "/gradio_api/component_server",
        "/gradio_api/deep_link",
        "/monitoring/summary",
    ],
)
def test_doors_that_lead_nowhere(client, path, method):
    answer = client.request(method, path, headers={"X-Forwarded-Prefix": "/elsewhere"})
    if method == "HEAD":
        assert answer.status_code == 404
    else:
        refused(answer, 404, "nothing here")


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("", "/gradio_api/runs"),
        ("/demo", "/demo/gradio_api/runs"),
        ("/demo", "/gradio_api/runs"),
        ("/demo", "/demo/demo/gradio_api/runs"),
        ("/demo/", "/demo/gradio_api/runs"),
        ("/demo", "/demogradio_api/runs"),
        ("/demo", "/demo//gradio_api/runs"),
        ("/demo", "//gradio_api/runs"),
        ("/demo", "/DEMO/gradio_api/runs"),
        ("https://example.org/demo", "/gradio_api/runs"),
    ],
)
def test_the_guard_and_routing_compare_the_same_path(root, path):
    asked = {"type": "http", "method": "GET", "path": path, "root_path": root}
    route = Route("/gradio_api/runs", echo)
    assert (route.matches(asked)[0] == Match.FULL) == (route_path(asked) == "/gradio_api/runs")


def test_there_are_no_websockets(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/gradio_api/socket"):
        pass


def test_other_methods_than_looking_count_too(client):
    answers = [client.put("/gradio_api/cancel").status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]


def test_a_file_that_is_not_there_is_told_of_without_its_path(client):
    assert client.get("/gradio_api/file=/there").json() == "content"
    answer = client.get("/gradio_api/file=/home/somebody/photo.jpg")
    refused(answer, 404, "no longer on this server")
    assert "somebody" not in answer.text and "sandbox" in answer.headers["content-security-policy"]


def test_an_error_is_never_shown(client):
    for method in ("GET", "POST"):
        response = client.request(method, "/fail")
        refused(response, 400, "could not make sense")
        assert "secret" not in response.text and "KeyError" not in response.text


def test_every_answer_has_the_headers(client):
    answers = [client.get("/"), client.get("/fail"), client.get("/gradio_api/proxy=x")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "connect-src 'self'" in policy and "frame-ancestors 'self' https://" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "x-frame-options" not in answer.headers  # a Space shows the page in a frame
    stored = client.get("/gradio_api/file=/tmp/x.svg").headers["content-security-policy"]
    assert stored.startswith("default-src 'none'") and "sandbox" in stored
