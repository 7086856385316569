"""What holds the event loop is found in the source."""

from __future__ import annotations

import pytest

from sluice.plugin_kit.blocking import blocking_calls


@pytest.mark.parametrize(
    ("imports", "call", "named"),
    [
        ("import time", "time.sleep(1)", "time.sleep"),
        ("from time import sleep as nap", "nap(1)", "time.sleep"),
        ("import requests", "requests.get('http://x')", "requests.get"),
        ("import requests as http", "http.post('http://x')", "requests.post"),
        ("import urllib.request", "urllib.request.urlopen('http://x')", "urllib.request.urlopen"),
        ("from urllib.request import urlopen", "urlopen('http://x')", "urllib.request.urlopen"),
        ("import subprocess", "subprocess.run(['true'])", "subprocess.run"),
        ("import httpx", "httpx.get('http://x')", "httpx.get"),
        ("import sqlite3", "sqlite3.connect('x')", "sqlite3.connect"),
        ("", "open('x').read()", "open"),
        ("import redis", "redis.Redis()", "redis.Redis"),
    ],
)
def test_what_blocks_is_named_with_what_to_do_instead(imports: str, call: str, named: str) -> None:
    """By whatever name it was imported."""
    source = f"{imports}\n\nasync def hook(ctx):\n    x = 1\n    if x:\n        {call}\n"
    (found,) = blocking_calls(source)
    assert (found.call, found.function, found.line) == (named, "hook", 6)
    assert found.instead


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef plain():\n    time.sleep(1)\n",
        "import asyncio\nasync def hook():\n    await asyncio.sleep(1)\n",
        "import httpx\nasync def hook():\n    async with httpx.AsyncClient() as client:\n        await client.get(1)\n",
        "import time\nasync def hook():\n    def later():\n        time.sleep(1)\n    await to_thread(later)\n",
        "import redis.asyncio\nasync def hook():\n    redis.asyncio.Redis()\n",
        "import socket\nasync def hook():\n    return socket.gethostname()\n",
        "async def hook(session):\n    session.get('x')\n",
        "async def initialize(self, ctx, config):\n    self.words = open('words').read()\n",
        "import time\nasync def hook():\n    return time.monotonic()\n",
    ],
)
def test_what_does_not_block_is_left_alone(source: str) -> None:
    """A warning that is wrong teaches to overlook the others."""
    assert blocking_calls(source) == []


def test_calls_come_in_the_order_of_their_lines() -> None:
    """Of all functions together."""
    source = "import time\nasync def b():\n    time.sleep(1)\nasync def a():\n    open('x')\n    time.sleep(2)\n"
    assert [(call.line, call.call) for call in blocking_calls(source)] == [
        (3, "time.sleep"),
        (5, "open"),
        (6, "time.sleep"),
    ]


def test_what_is_no_python_is_refused() -> None:
    """By the parser itself."""
    with pytest.raises(SyntaxError):
        blocking_calls("async def (:")
