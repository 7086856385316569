"""Tests of ``sluice.sdk.serving.logger``."""

from __future__ import annotations

import io
import json

import pytest

from sluice.sdk.serving.logger import StderrLogger


@pytest.mark.parametrize(
    ("method", "level"), [("debug", "debug"), ("info", "info"), ("warning", "warn"), ("error", "error")]
)
def test_a_call_is_a_line_that_hosts_read(method: str, level: str) -> None:
    """With the keys of go-plugin's logs."""
    out = io.StringIO()
    getattr(StderrLogger("mine", out), method)("prompt refused", size_bytes=3)
    line = json.loads(out.getvalue())
    assert line.pop("@timestamp").endswith("Z")
    assert line == {"@level": level, "@message": "prompt refused", "@module": "mine", "size_bytes": 3}


def test_no_value_is_a_failure() -> None:
    """A log must never be why an exchange failed: what is no JSON is its ``repr``; a line stays one line."""
    out = io.StringIO()
    logger = StderrLogger("mine", out)
    endless: dict[str, object] = {}
    endless["self"] = endless
    logger.info("a\nb", value=object(), text="c\nd", **{"@level": "fake"})
    logger.info("endless", value=endless)
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["@message"] == "a\nb"
    assert json.loads(line)["@level"] == "info"


def test_nobody_reads_it_any_more() -> None:
    """The host is gone: the plugin ends in order all the same."""
    out = io.StringIO()
    out.close()
    StderrLogger("mine", out).error("unheard")
