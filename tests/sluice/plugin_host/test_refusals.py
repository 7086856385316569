"""Where a plugin should act and cannot, exchanges are refused, and told by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.plugin_host.errors import PluginFailed, PluginLoadError
from sluice.plugin_host.gate import Gate
from sluice.plugin_host.host import PluginHost
from sluice.plugin_host.refusals import refusals_of, too_early
from sluice.plugin_host.registration import Placement, PluginRegistration
from sluice.sdk import PluginResponse
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import make_request
from tests.sluice.plugin_host.lives import Everything, RefusesToStart, instances, limit
from tests.sluice.plugin_host.lives import registration as present
from tests.sluice.plugin_host.plugins import answering, link

ERROR = PluginLoadError("a", "there is no file", "correct `command`")


def registration(**values: Any) -> PluginRegistration:
    """A plugin that is not there."""
    return PluginRegistration.model_validate({"id": 1, "name": "a", "command": "missing.py", **values})


@pytest.mark.parametrize(
    ("values", "hooks"),
    [
        ({}, {"pre_auth", "post_auth"}),
        ({"hook_types": ["auth"]}, {"auth", "post_auth"}),
        ({"hook_types": ["pre_auth", "response"]}, {"pre_auth", "post_auth"}),
        ({"hook_types": ["response"]}, set()),
        ({"hook_types": ["response"], "on_failure": "closed"}, {"post_auth"}),
        ({"hook_types": ["data_collection"], "on_failure": "closed"}, set()),
        ({"on_failure": "open"}, set()),
    ],
)  # fmt: skip
def test_it_refuses_where_others_would_get_past_it(values: dict[str, Any], hooks: set[str]) -> None:
    """Before a vendor is called whatever its hooks are; not at all where its failures are open."""
    links = refusals_of(registration(**values), ERROR)
    assert set(links) == hooks
    assert all(each.hook == hook and not each.fails_open for hook, each in links.items())


async def test_the_failure_says_what_is_wrong_each_time() -> None:
    """However often: no breaker hides it."""
    place = refusals_of(registration(), ERROR)["post_auth"]
    for _ in range(50):
        with pytest.raises(PluginFailed, match="there is no file"):
            await Chain("post_auth", (place,), Limits()).run(ExchangeFacts(), make_request(), [])
    assert place.failures == 50


async def test_a_place_that_is_too_early_hurts_no_other_place() -> None:
    """The plugin serves elsewhere: that it is refused here opens no breaker there, and is counted."""
    gate = Gate(breaker_failures=1)
    early = link("a", answering(PluginResponse.allow()), hook="pre_auth", fails_open=True, gate=gate)
    with pytest.raises(PluginFailed, match="attach it for all apps") as caught:
        await Chain("post_auth", (too_early(early),), Limits()).run(ExchangeFacts(), make_request(), [])
    assert caught.value.hook == "post_auth"
    assert gate.state == "closed"
    assert early.failures == 1


@pytest.mark.parametrize(
    ("values", "is_refused"),
    [
        ({}, True), ({"on_failure": "closed"}, True), ({"on_failure": "open"}, False),
        ({"hook_types": ["response"]}, False), ({"hook_types": ["response"], "on_failure": "closed"}, True),
        ({"hook_types": ["response", "pre_auth"]}, True),
    ],
)  # fmt: skip
async def test_one_that_was_never_there_refuses_or_is_left_out(values: dict[str, Any], is_refused: bool) -> None:
    """As its policy for the hooks that it may act at says: nobody can know where it would have acted."""
    host = PluginHost(Path())
    await host.reconcile(instances(present(RefusesToStart, "bad", **values), limit("good", 9)))
    chain = host.chain(["bad", "good"], "post_auth")
    assert chain
    assert host.chain(["bad", "good"], "pre_auth") is None
    assert host.chain(["bad", "good"], "response_body") is None
    assert [(health.status, health.is_serving) for health in host.health()] == [("failed", False), ("ready", True)]
    if is_refused:
        with pytest.raises(PluginFailed, match="PluginLoadError") as caught:
            await chain.run(ExchangeFacts(), make_request(b"1"), [])
        assert caught.value.plugin == "bad"
    else:
        await chain.run(ExchangeFacts(), make_request(b"1"), [])


@pytest.mark.parametrize("hook_types", [[], ["pre_auth"], ["pre_auth", "response"]])
async def test_nobody_answers_past_one_that_is_not_there(hook_types: list[str]) -> None:
    """Who acts behind it before authentication could answer, as a cache does, what it would have refused; who acts
    before it could always."""
    host = PluginHost(Path())
    bad = present(RefusesToStart, "bad", hook_types=hook_types)
    await host.reconcile(instances(bad, present(Everything, "answers", id=2)))
    behind = host.chain(["bad", "answers"], "pre_auth")
    assert behind
    with pytest.raises(PluginFailed, match="'bad'"):
        await behind.run(ExchangeFacts(), make_request(), [])
    before = host.chain(["answers", "bad"], "pre_auth")
    assert before
    assert [link.plugin for link in before.links] == ["answers"]
    assert host.chain(["bad"], "pre_auth") is None


@pytest.mark.parametrize(
    ("hook_types", "auth", "post_auth"),
    [([], False, True), (["auth"], True, True), (["post_auth"], False, True), (["auth", "response"], True, True)],
)
async def test_an_authenticator_that_is_not_there_lets_nobody_in(
    hook_types: list[str], auth: bool, post_auth: bool
) -> None:
    """Where it is known to be one, tokens are not asked instead of it; and whoever authenticates beside it does not
    get past it either."""
    host = PluginHost(Path())
    await host.reconcile(instances(present(RefusesToStart, "bad", hook_types=hook_types)))
    assert (host.auth_chain([Placement("bad")]) is not None, host.chain(["bad"], "post_auth") is not None) == (
        auth,
        post_auth,
    )
