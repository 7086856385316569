"""Refusals: each knows its outcome and its answer, as the table says."""

from __future__ import annotations

import inspect
import re
from typing import get_args

import pytest

from gateway import outcomes
from gateway.outcomes import (
    AuthFailed,
    Blocked,
    BudgetExceeded,
    ClientGone,
    EventLogUnavailable,
    Outcome,
    Overloaded,
    PluginBroke,
    RateLimited,
    Refusal,
    RequestInvalid,
    RequestTooLarge,
    UpstreamFailed,
)

OUTCOMES = set(get_args(Outcome))
LINE = re.compile(r"^[├└]── (\w+) +(.*)$", re.MULTILINE)


def refusals() -> dict[str, type[Refusal]]:
    """Every kind of refusal."""
    members = inspect.getmembers(outcomes, inspect.isclass)
    return {name: kind for name, kind in members if issubclass(kind, Refusal) and kind is not Refusal}


def test_the_table_is_complete_and_true() -> None:
    """Every refusal stands in the docstring, with its own status and outcome where these are fixed."""
    table = dict(LINE.findall(outcomes.__doc__ or ""))
    assert set(table) == set(refusals())
    for name, kind in refusals().items():
        if "outcome" in vars(kind):
            assert table[name].startswith(f"{kind.status} "), name
            assert kind.outcome in table[name], name


def test_every_outcome_of_the_table_is_one() -> None:
    """No misspelt outcome in the table or in a class."""
    text = "\n".join(rest for _, rest in LINE.findall(outcomes.__doc__ or ""))
    named = set(re.findall(r"\b[a-z]+_[a-z_]+\b|\boverloaded\b", text))
    assert named <= OUTCOMES
    assert {kind.outcome for kind in refusals().values()} <= OUTCOMES


def test_a_refusal_that_says_nothing_is_the_gateway_s_own_fault() -> None:
    """500, and the connection may go on."""
    refusal = Refusal("the gateway failed")
    assert (refusal.status, refusal.outcome, refusal.code, refusal.close) == (
        500,
        "gateway_error",
        "gateway_error",
        False,
    )
    assert (refusal.headers, refusal.body, refusal.detail) == ((), None, "")


def test_the_code_is_the_outcome_unless_one_is_given() -> None:
    """Clients branch on it, so it is stable."""
    assert RequestInvalid("why").code == "request_invalid"
    assert RequestInvalid("why", "stream_refused").code == "stream_refused"
    assert str(RequestInvalid("why")) == RequestInvalid("why").message == "why"


def test_what_was_not_read_to_its_end_closes_the_connection() -> None:
    """Or the rest of that body would be taken for the next request."""
    closing = {name for name, kind in refusals().items() if kind.close}
    assert closing == {RequestTooLarge.__name__, Overloaded.__name__, EventLogUnavailable.__name__}


def test_a_missing_credential_is_asked_for() -> None:
    """RFC 9110, 11.6.1: a 401 names the scheme."""
    refusal = AuthFailed("no credential", "missing_credential")
    assert refusal.headers == ((b"www-authenticate", b'Bearer realm="sluice"'),)
    assert refusal.code == "missing_credential"


@pytest.mark.parametrize("kind", [Overloaded, EventLogUnavailable])
def test_what_passes_says_when_to_come_back(kind: type[Refusal]) -> None:
    """A ``Retry-After`` in whole seconds."""
    ((name, seconds),) = kind("later").headers
    assert name == b"retry-after"
    assert int(seconds) > 0


def test_who_is_too_fast_is_told_how_fast_and_when() -> None:
    """429 with the four numbers that SDKs read; the connection goes on."""
    refusal = RateLimited("slower", limit=60, remaining=3, reset_seconds=60, retry_after_seconds=7)
    assert (refusal.status, refusal.outcome, refusal.close) == (429, "rate_limited", False)
    assert refusal.headers == (
        (b"retry-after", b"7"),
        (b"x-ratelimit-limit", b"60"),
        (b"x-ratelimit-remaining", b"3"),
        (b"x-ratelimit-reset", b"60"),
    )


def test_a_spent_budget_is_not_for_trying_again() -> None:
    """403, without a ``Retry-After``: an SDK would only repeat it."""
    refusal = BudgetExceeded("Budget limit exceeded")
    assert (refusal.status, refusal.outcome, refusal.code, refusal.headers) == (
        403,
        "budget_exceeded",
        "budget_exceeded",
        (),
    )


@pytest.mark.parametrize(
    ("status", "outcome"), [(502, "upstream_unreachable"), (504, "upstream_timeout"), (502, "upstream_error")]
)
def test_a_failed_upstream_says_how(status: int, outcome: Outcome) -> None:
    """Status and outcome are given, and the code follows."""
    refusal = UpstreamFailed(status, outcome, "why")
    assert (refusal.status, refusal.outcome, refusal.code) == (status, outcome, outcome)
    assert UpstreamFailed.status == Refusal.status


def test_why_a_plugin_broke_is_not_the_client_s_to_read() -> None:
    """The reason may quote a secret: it stands in the event alone."""
    refusal = PluginBroke("plugin 'limit' failed", reason="raised ValueError: the secret")
    assert refusal.detail == "plugin 'limit' failed: raised ValueError: the secret"
    assert "secret" not in refusal.message
    assert "secret" not in str(refusal)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "answered_by_plugin"),
        (399, "answered_by_plugin"),
        (400, "blocked_post_auth"),
        (599, "blocked_post_auth"),
    ],
)
def test_a_block_below_400_is_an_answer(status: int, outcome: str) -> None:
    """A cache hit is no refusal; its code follows its outcome."""
    blocked = Blocked(status, "blocked_post_auth", "why", ((b"x-a", b"1"),), b"")
    assert (blocked.status, blocked.outcome, blocked.code) == (status, outcome, outcome)
    assert (blocked.headers, blocked.body) == (((b"x-a", b"1"),), b"")


def test_a_client_that_left_is_no_refusal() -> None:
    """There is nobody to answer: who handles refusals must not see it."""
    assert not issubclass(ClientGone, Refusal)
