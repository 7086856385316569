"""What the host's errors say, and that even a hostile exception can be described."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.plugin_host.errors import (
    CredentialRejected,
    OversizeError,
    PluginBlocked,
    PluginFailed,
    PluginLoadError,
    described,
)


class UnreadableError(Exception):
    """Raises when it is read."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised


@settings(deadline=None)
@given(st.text())
def test_what_was_raised_is_told_by_type_and_text(text: str) -> None:
    """Both, cut to the length of a log line."""
    said = described(ValueError(text))
    assert said == f"ValueError: {text}"[: len(said)]
    assert len(said) == min(len(text) + len("ValueError: "), 200)


@pytest.mark.parametrize("raised", [RuntimeError("no"), SystemExit(3), KeyboardInterrupt()])
def test_an_exception_that_cannot_be_read_is_still_told(raised: BaseException) -> None:
    """Its ``__str__`` is the plugin's code too, and may raise what would end the process."""
    assert described(UnreadableError(raised)) == "UnreadableError: (its text cannot be read)"


def test_exits_are_described_too() -> None:
    """A plugin that exits while it is imported is told like one that raises."""
    assert described(SystemExit(3)) == "SystemExit: 3"


def test_a_load_error_names_plugin_problem_and_remedy() -> None:
    """In one line, and each by itself."""
    error = PluginLoadError("limit", "config.max is unknown", "did you mean 'maximum'?")
    assert str(error) == "plugin 'limit': config.max is unknown; did you mean 'maximum'?"
    assert (error.plugin, error.problem, error.remedy) == ("limit", "config.max is unknown", "did you mean 'maximum'?")


def test_a_failure_names_plugin_and_hook() -> None:
    """With its reason, which is for operators."""
    error = PluginFailed("limit", "post_auth", "raised KeyError: 'x'")
    assert str(error) == "plugin 'limit' failed in post_auth: raised KeyError: 'x'"
    assert (error.plugin, error.hook, error.reason) == ("limit", "post_auth", "raised KeyError: 'x'")


def test_a_block_is_the_answer_to_the_client() -> None:
    """Status, headers, body and message as the plugin gave them; no body is not an empty one."""
    error = PluginBlocked("limit", "pre_auth", 413, [(b"x-why", b"size")], None, "too large")
    assert (error.status_code, error.headers, error.body, error.message) == (
        413,
        [(b"x-why", b"size")],
        None,
        "too large",
    )
    assert (str(error), error.plugin, error.hook) == ("too large", "limit", "pre_auth")


def test_a_rejection_has_the_plugin_s_words() -> None:
    """Or none, where nobody said anything."""
    rejected = CredentialRejected("custom-auth", "expired yesterday")
    assert (str(rejected), rejected.plugin, rejected.message) == (
        "expired yesterday",
        "custom-auth",
        "expired yesterday",
    )
    assert (CredentialRejected().plugin, CredentialRejected().message) == ("", "")


def test_what_is_too_large_says_by_how_much() -> None:
    """Both figures, for whoever chooses another limit."""
    error = OversizeError(4_194_304, 5_000_000)
    assert str(error) == "5000000 bytes are more than the 4194304 that it can be given"
    assert (error.limit_bytes, error.size) == (4_194_304, 5_000_000)
