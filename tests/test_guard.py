"""What comes before the page: refusals in words, and headers; without the page itself."""

import shutil
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from imexnet.ui import server
from imexnet.ui.server import Guard, Limits, visitor

pytestmark = pytest.mark.filterwarnings("ignore")  # of the client's packages
SMALL = Limits(burst=5, per_second=1, waiting=2, upload=2**22, body=2**21, free=0)


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


async def fail(request: Request) -> PlainTextResponse:
    raise KeyError(f"/home/somebody/secret {request.url}")


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """Time that passes when it is told to."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def client(clock, tmp_path):
    """Of a small application behind the guard; `client.queue` is what each visitor waits for."""
    from starlette.testclient import TestClient

    queue: dict[str, int] = {}
    guard = Middleware(
        Guard, waiting=lambda who: queue.get(who, 0), folder=tmp_path / "new", limits=SMALL
    )
    routes = [
        Route("/fail", fail, methods=["GET", "POST"]),
        Route("/{path:path}", echo, methods=["GET", "POST"]),
    ]
    with TestClient(Starlette(routes=routes, middleware=[guard])) as client:
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


def scope(peer: str, forwarded: str = "") -> dict:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    return {"type": "http", "client": (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("8.8.8.8", "", "8.8.8.8"),
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),  # no proxy of ours: the header is the visitor's word
        ("10.0.0.3", "1.1.1.1, 9.9.9.9, 10.0.0.7", "9.9.9.9"),
        ("127.0.0.1", "made up, 9.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "192.168.0.4", "127.0.0.1"),
        ("10.0.0.3", "2001:4860:4860::8888", "2001:4860:4860::8888"),
    ],
)
def test_who_a_visitor_is(peer, forwarded, expected):
    assert visitor(scope(peer, forwarded)) == expected


def test_the_guard_forgets_the_oldest_visitors(client, monkeypatch):
    monkeypatch.setattr(server, "VISITORS_KEPT", 3)
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


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=https://example.org/x",
        "/gradio_api/file=https://example.org/x",
        "/gradio_api/file=http%3A%2F%2F127.0.0.1/x",
        "/gradio_api/file/ftp://example.org",
        "/gradio_api/component_server",
        "/gradio_api/deep_link",
        "/monitoring/summary",
    ],
)
def test_doors_that_lead_nowhere(client, path):
    for method in ("GET", "POST"):
        refused(client.request(method, path), 404, "nothing here")


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
        assert "camera=(self)" in answer.headers["permissions-policy"]
        assert "x-frame-options" not in answer.headers  # a Space shows the page in a frame
    stored = client.get("/gradio_api/file=/tmp/x.svg").headers["content-security-policy"]
    assert stored.startswith("default-src 'none'") and "sandbox" in stored
