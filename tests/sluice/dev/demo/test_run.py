"""The demo as a whole; its good end is in ``tests/sluice/test_up.py``, on the real services."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from sluice.dev.demo.run import DemoError, curl_line, run_demo
from sluice.dev.demo.state import prepare
from sluice.dev.vendor import MockVendor
from tests.sluice.dev.demo.quick import without_delays


def test_the_curl_line_can_be_pasted() -> None:
    """A shell takes it apart as it was meant."""
    words = shlex.split(curl_line("http://127.0.0.1:8080", "a-token"))
    assert words[2] == "http://127.0.0.1:8080/llm/call/demo/chat/completions"
    assert "Authorization: Bearer a-token" in words


async def test_a_gateway_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """With its address."""
    state = prepare(tmp_path, real=False)
    with pytest.raises(DemoError, match=r"http://127\.0\.0\.1:1 did not answer"):
        await run_demo("http://127.0.0.1:1", state, "", Console(file=io.StringIO()), lambda _: None)


async def test_answers_that_are_not_a_gateway_s_are_noticed(
    tmp_path: Path, mock_vendor: MockVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without exchange ids there is nothing to look for."""
    without_delays(monkeypatch)
    state = prepare(tmp_path, real=False)
    address = mock_vendor.url.removesuffix("/v1")
    with pytest.raises(DemoError, match="no X-Sluice-Exchange-Id"):
        await run_demo(address, state, "", Console(file=io.StringIO()), lambda _: None)
