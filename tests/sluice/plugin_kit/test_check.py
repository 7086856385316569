"""A look at a plugin says what it is and what it does wrong, and never falls over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.plugin_kit.check import Report, check_plugin
from sluice.plugin_kit.scaffold import write_scaffold
from sluice.plugin_kit.templates import TEMPLATES, Kind

HEAD = """
import asyncio, time
from sluice.sdk import BasePlugin, CustomEndpointHandler, EndpointRegistration, PluginResponse, PostAuthHandler

class It(BasePlugin, PostAuthHandler):
    async def handle_post_auth(self, ctx, request):
"""


async def looked_at(folder: Path, body: str, head: str = HEAD) -> Report:
    """The report on a plugin whose hook has this body."""
    (folder / "it.py").write_text(head + "\n".join(f"        {line}" for line in body.splitlines()))
    return await check_plugin("it.py", {}, folder)


def problems(report: Report) -> str:
    """Everything that is wrong, in one text."""
    return " | ".join(f"{each.what} {each.remedy}" for each in report.findings if each.level == "problem")


@pytest.mark.parametrize("kind", list(TEMPLATES))
async def test_what_new_writes_is_good(kind: Kind, tmp_path: Path) -> None:
    """Each kind, as it is written."""
    made = write_scaffold("mine", tmp_path, kind)
    config = {"token": "right", "app_id": 7} if kind == "auth" else {}
    report = await check_plugin(str(made.plugin), config, tmp_path)
    assert report.is_good, report
    assert report.described is not None
    assert report.described.name == "mine"
    assert [each for each in report.findings if each.level == "warning"] == []


async def test_a_hook_is_called_and_its_decision_told(tmp_path: Path) -> None:
    """With how long it took."""
    report = await looked_at(tmp_path, "return PluginResponse.block(402, 'no')")
    assert report.is_good
    assert any(each.what.startswith("post_auth: block in ") for each in report.findings)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {'modified': True}", "answered dict"),
        ("raise ValueError('oops')", "raised ValueError: oops"),
        ("await asyncio.sleep(60)", "no answer within 1 s"),
        ("return PluginResponse.modify(headers={'x': 'a\\r\\nb: c'})", "control character"),
        ("time.sleep(0.2)\nreturn PluginResponse.allow()", "held the event loop for"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
async def test_what_a_hook_does_wrong_is_told(body: str, said: str, tmp_path: Path) -> None:
    """In the words in which a gateway would say it."""
    report = await looked_at(tmp_path, body)
    assert not report.is_good
    assert said in problems(report)


async def test_a_blocking_call_is_found_where_it_stands(tmp_path: Path) -> None:
    """Also where the sample does not come by it."""
    report = await looked_at(tmp_path, "if request.path == '/never':\n    time.sleep(1)\nreturn PluginResponse.allow()")
    assert report.is_good
    (warning,) = [each for each in report.findings if each.level == "warning"]
    assert "line 8" in warning.what
    assert "time.sleep" in warning.what


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module_here", "no_such_module_here"),
        ("def (:", "SyntaxError"),
        ("x = 1", "has 0 plugins"),
        ("from sluice.sdk import *\nclass A(BasePlugin): pass\n", "plugins"),
        ("raise SystemExit", "SystemExit"),
    ],
)
async def test_what_cannot_be_loaded_is_a_finding(source: str, said: str, tmp_path: Path) -> None:
    """With the remedy that a gateway would name."""
    (tmp_path / "it.py").write_text(source)
    report = await check_plugin("it.py", {}, tmp_path)
    assert not report.is_good
    assert said in problems(report)


@pytest.mark.parametrize("command", ["", "nothing", "ftp://x", "file://relative", "grpc://no-port", "gone.py"])
async def test_what_is_no_plugin_is_a_finding(command: str, tmp_path: Path) -> None:
    """Whatever was written."""
    assert not (await check_plugin(command, {}, tmp_path)).is_good


async def test_a_configuration_that_is_missing_is_named(tmp_path: Path) -> None:
    """By its key."""
    made = write_scaffold("mine", tmp_path, "auth")
    assert "config.token" in problems(await check_plugin(str(made.plugin), {}, tmp_path))


async def test_a_bad_endpoint_is_named(tmp_path: Path) -> None:
    """By its path."""
    source = HEAD.replace("PostAuthHandler):", "CustomEndpointHandler):").replace(
        "handle_post_auth(self, ctx, request)", "get_endpoint_registrations(self)"
    )
    report = await looked_at(tmp_path, "return [EndpointRegistration(path='no/slash')]", source)
    assert "no/slash" in problems(report)


STREAMS = """
from sluice.sdk import BasePlugin, ResponseHandler, ResponseWriteResponse

class It(BasePlugin, ResponseHandler):
    handles_chunks = True

    async def on_before_write(self, ctx, request):
"""


async def test_a_plugin_that_takes_streams_is_given_one(tmp_path: Path) -> None:
    """Its pieces and its end: one that knows whole answers alone is not good."""
    body = "if request.is_last_chunk:\n    raise KeyError('end')\nreturn ResponseWriteResponse.allow()"
    assert "response_body of a stream: raised KeyError" in problems(await looked_at(tmp_path, body, STREAMS))
    assert (await looked_at(tmp_path, "return ResponseWriteResponse.allow()", STREAMS)).is_good


COLLECTS = """
import time
from sluice.sdk import BasePlugin, DataCollectionResponse, DataCollector

class It(BasePlugin, DataCollector):
    async def handle_analytics(self, ctx, analytics):
"""


@pytest.mark.parametrize(
    ("body", "level", "said"),
    [
        ("return None", "ok", "analytics: taken"),
        ("return DataCollectionResponse.failed('not now')", "ok", "analytics: asked for again"),
        ("return True", "problem", "analytics: answered bool, not DataCollectionResponse or None"),
        ("raise OSError('away')", "warning", "analytics: raised OSError"),
        ("time.sleep(0.2)", "problem", "analytics held the event loop"),
    ],
)
async def test_a_collector_is_given_events(body: str, level: str, said: str, tmp_path: Path) -> None:
    """What it answers must be an answer; raising is its right, and told."""
    report = await looked_at(tmp_path, body, COLLECTS)
    assert [each.level for each in report.findings if said in each.what] == [level]
