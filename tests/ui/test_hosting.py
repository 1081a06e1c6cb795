"""The page under a path of its own: by itself, and behind nginx as docs/hosting.md has it."""

import http.client
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import IN_BROWSER, ROOT, free_port, serving
from playwright.sync_api import expect

from imexnet.benchmark.page import RefusedError, Visitor

pytestmark = IN_BROWSER
PHOTO = (ROOT / "assets/kitchens/rgb/0001.jpg").read_bytes()
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[str]:
    """The address of a page that is served under /demo, without that path."""
    port = free_port()
    with serving(port, tmp_path_factory.mktemp("page"), GRADIO_ROOT_PATH="/demo"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def proxied(page: str, tmp_path_factory) -> Iterator[str]:
    """The address of that page behind nginx."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        pytest.skip("there is no nginx")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    page_of_docs = (ROOT / "docs" / "hosting.md").read_text("utf-8")
    (location,) = re.findall(r"```nginx\n(.*?)```", page_of_docs, re.DOTALL)
    assert "http://127.0.0.1:7860" in location
    text = CONFIGURATION.format(
        folder=folder, port=port, location=location.replace("http://127.0.0.1:7860", page)
    )
    (folder / "nginx.conf").write_text(text)
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    proxy = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        address = f"http://127.0.0.1:{port}/demo"
        for _ in range(50):
            try:
                urllib.request.urlopen(f"{address}/").close()
                break
            except OSError:
                assert proxy.poll() is None, proxy.stderr and proxy.stderr.read()
                time.sleep(0.1)
        yield address
    finally:
        proxy.terminate()
        proxy.communicate(timeout=10)


def said(url: str, method: str = "GET") -> tuple[int, str]:
    """Status and text of what is there."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("prefix", ["", "/demo"])
class TestUnderAPath:
    """Every rule holds with the path and, for a proxy that takes it off, without."""

    @pytest.mark.parametrize(
        "door",
        ["gradio_api/openapi.json", "gradio%5Fapi/openapi.json", "gradio_api/runs", "monitoring",
         "monitoring/", "monitoring/summary", "gradio_api/deep_link?session_hash=a",
         "gradio_api/proxy=https://x.hf.space/a", "gradio_api/file=https://x.org/a"],
    )  # fmt: skip
    def test_doors_are_closed(self, page, prefix, door):
        for method in ("GET", "POST", "PUT"):
            state, text = said(f"{page}{prefix}/{door}", method)
            assert (state, json.loads(text)["error"]) == (404, "There is nothing here.")
        assert said(f"{page}/demo{prefix}/{door}")[0] == 404

    def test_files_are_sandboxed_and_an_upload_may_be_large(self, page, prefix):
        photo = Visitor(f"{page}{prefix}").upload(bytes(20 * 2**20))
        address = f"{page}{prefix}/gradio_api/file={photo['path']}"
        with urllib.request.urlopen(address) as response:
            assert "sandbox" in response.headers["Content-Security-Policy"]
        state, text = said(f"{page}{prefix}/gradio_api/file=/etc/passwd")
        assert state == 404 and "no longer on this server" in text and "/etc" not in text

    def test_other_requests_may_not(self, page, prefix):
        asking = http.client.HTTPConnection(page.removeprefix("http://"))
        asking.putrequest("POST", f"{prefix}/gradio_api/call/predict")
        asking.putheader("Content-Length", str(17 * 2**20))
        asking.endheaders()
        answer = asking.getresponse()
        assert (answer.status, b"limit of 16 megabytes" in answer.read()) == (413, True)
        asking.close()

    def test_an_answer_is_fetched_once_and_every_reply_ends(self, page, prefix):
        visitor = Visitor(f"{page}{prefix}")
        body = json.dumps({"data": [None, "depth"]}).encode()
        address = "/gradio_api/call/predict"
        event = json.loads(visitor.post(address, body))["event_id"]
        assert b"Upload a photo first" in visitor.get(f"{address}/{event}")
        for name in (event, "nothing"):
            with pytest.raises(RefusedError, match="fetched already"):
                visitor.get(f"{address}/{name}")
        stream = visitor.get("/gradio_api/queue/data?session_hash=nothing").decode()
        assert json.loads(stream.removeprefix("data: "))["session_not_found"]


def test_programs_get_answers_through_nginx(proxied):
    visitor = Visitor(proxied)
    answer = visitor.ask("predict", visitor.upload(PHOTO), "depth")
    assert answer[0]["url"].startswith(f"{proxied}/gradio_api/file=")
    with urllib.request.urlopen(answer[0]["url"]) as response:
        assert response.read().startswith(b"\x89PNG")
    again = visitor.ask("predict", {"path": None, "url": answer[0]["url"]}, "depth")
    assert again[0]["path"].endswith("resnet.png")


def test_the_page_works_in_a_browser_through_nginx(proxied, browser, tmp_path: Path):
    lost: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.on("response", lambda response: response.status >= 400 and lost.append(response.url))
    page.goto(f"{proxied}/")
    expect(page.locator("#summary")).to_contain_text("Their input has", timeout=60_000)
    expect(page.locator("#decay img")).to_be_visible(timeout=60_000)
    before = page.locator("#imexnet img").get_attribute("src")
    photo = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": PHOTO}
    page.locator("#photo input[type=file]").first.set_input_files(photo)  # pyright: ignore
    expect(page.locator("#imexnet img")).not_to_have_attribute("src", before, timeout=60_000)
    decay = page.locator("#decay img").get_attribute("src")
    page.locator("#imexnet img").click(position={"x": 40, "y": 60})
    expect(page.locator("#decay img")).not_to_have_attribute("src", decay, timeout=60_000)
    sources = page.locator("img").evaluate_all("all => all.map(one => one.src)")
    served = [source for source in sources if "/file=" in source]
    assert served and all(source.startswith(f"{proxied}/gradio_api/") for source in served)
    assert not lost
    page.close()


def test_one_who_makes_up_addresses_is_limited_through_nginx(proxied):
    states = set()
    for i in range(450):
        made_up = {"X-Forwarded-For": f"8.8.{i // 250}.{i % 250}"}
        request = urllib.request.Request(f"{proxied}/gradio_api/reset", b"{}", made_up)
        try:
            urllib.request.urlopen(request).close()
        except urllib.error.HTTPError as error:
            states.add(error.code)
    assert 429 in states
