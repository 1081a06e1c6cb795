"""The endpoints as tools for assistants, behind their switch."""

import asyncio
import importlib
import json
from base64 import b64encode
from pathlib import Path

import pytest
from conftest import ROOT, free_port, serving

from imexnet.benchmark.page import RefusedError, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]


PARAMETERS = [
    "photo", "task", "column", "row", "about", "other_column", "other_row", "direction",
    "boundary", "trunk", "scale", "part", "opacity", "contours", "method", "angle",
]  # fmt: skip


def test_tools_are_described_and_answer(tmp_path: Path):
    mcp = pytest.importorskip("mcp")
    client = importlib.import_module("mcp.client.streamable_http").streamablehttp_client

    content = (ROOT / "assets" / "kitchens" / "rgb" / "0001.jpg").read_bytes()
    photo = f"data:image/jpeg;base64,{b64encode(content).decode()}"
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    async def ask(tool: str, **given):
        streams = client(f"{url}/gradio_api/mcp/")
        async with streams as (read, write, _), mcp.ClientSession(read, write) as session:
            await session.initialize()
            return await session.call_tool(tool, given)

    with serving(port, tmp_path, IMEXNET_MCP="1"):
        tools = json.loads(Visitor(url).get("/gradio_api/mcp/schema"))
        described = {tool["name"]: tool for tool in tools}
        assert described.keys() == {"predict", "raw_values", "field_of_view", "room"}
        told = described["field_of_view"]
        assert "depend on" in told["description"]
        properties = told["inputSchema"]["properties"]
        assert list(properties) == PARAMETERS
        assert "from 0 at the left" in properties["column"]["description"]
        answer = asyncio.run(ask("field_of_view", photo=photo, task="depth", column=9, row=9))
        assert not answer.isError
        assert "RMS radius" in str(answer.content)
        answer = asyncio.run(ask("field_of_view", photo=photo, task="depth", column=10**6, row=9))
        assert answer.isError
        assert "lies outside the picture" in str(answer.content)


def test_the_endpoint_of_the_tool_has_these_parameters(url):
    info = json.loads(Visitor(url).get("/gradio_api/info"))
    named = info["named_endpoints"]["/field_of_view"]["parameters"]
    assert [parameter["parameter_name"] for parameter in named] == PARAMETERS


def test_without_the_switch_there_are_no_tools(url):
    with pytest.raises(RefusedError):
        Visitor(url).get("/gradio_api/mcp/schema")
