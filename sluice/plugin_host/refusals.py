"""Links that stand where a plugin should act and cannot: they refuse the exchange, and say why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.gate import Gate
from sluice.plugin_host.link import Link
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.running import Handler
from sluice.plugin_host.services import bare_services
from sluice.sdk.capabilities import HOOKS, Hook
from sluice.sdk.context import Context

_SECONDS = 1.0  # nobody waits for one


def refusals_of(registration: PluginRegistration, error: PluginLoadError) -> Mapping[Hook, Link]:
    """Of a plugin that is not there; none where its failures are open.

    At the hook that every exchange passes before its vendor is called, and where others could go before it: at
    ``pre_auth`` one of them may answer, at ``auth`` tokens would be asked instead.
    """
    wanted = [hook for hook in HOOKS if registration.wants(hook)]
    if not wanted or all(registration.fails_open(hook) for hook in wanted):
        return {}
    hooks: list[Hook] = ["post_auth"]
    if "pre_auth" in wanted:
        hooks.append("pre_auth")
    if registration.hook_types and "auth" in wanted:
        hooks.append("auth")
    services = bare_services(registration.id, registration.name, "gateway")
    handler = _refusing(error)
    return {hook: Link(registration.name, hook, handler, services, _SECONDS, fails_open=False) for hook in hooks}


def too_early(link: Link) -> Link:
    """At ``post_auth``, instead of a plugin's place at ``pre_auth`` that is for one app alone."""
    problem = "it acts at pre_auth, where no app is known, and is attached for one app alone"
    remedy = "attach it for all apps, or name its other hooks alone in hook_types"
    handler = _refusing(PluginLoadError(link.plugin, problem, remedy))
    return replace(link, hook="post_auth", handler=handler, fails_open=False, gate=Gate())


def _refusing(error: PluginLoadError) -> Handler:
    async def refuse(_context: Context, _message: Any) -> NoReturn:
        raise PluginLoadError(error.plugin, error.problem, error.remedy)

    return refuse
