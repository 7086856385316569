"""``custom_auth``."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins.custom_auth import CustomAuth
from sluice.sdk import Credential, PluginResponse
from sluice.sdk.testing import make_auth_request, make_context, make_plugin, start_plugin


async def decide(credential: str, **config: Any) -> Credential | PluginResponse:
    """What the plugin makes of a credential."""
    ctx = make_context()
    plugin = await start_plugin(CustomAuth, ctx, **config)
    return await plugin.handle_auth(ctx, make_auth_request(credential))


async def test_the_right_token_is_somebody() -> None:
    """Whose app it is, the attachment says."""
    answer = await decide("right", valid_token="right")
    assert answer == Credential(
        user_id="plugin-user", username="Plugin User", claims={"source": "custom-auth-plugin"}, app_id=None
    )


async def test_each_token_is_its_own_caller() -> None:
    """With its app, where it names one."""
    tokens = [{"token": "a", "app_id": 7, "user_id": "ada"}, {"token": "b", "app_id": 8}]
    first, second = await decide("a", tokens=tokens), await decide("b", tokens=tokens)
    assert isinstance(first, Credential)
    assert isinstance(second, Credential)
    assert ((first.app_id, first.user_id), (second.app_id, second.user_id)) == ((7, "ada"), (8, "plugin-user"))


@pytest.mark.parametrize("credential", ["", "wrong", "righ", "rightt", "RIGHT", "r\u00efght", "x" * 100_000])
async def test_any_other_is_answered_401(credential: str) -> None:
    """With what is wanted instead; also what is no text that could be sent."""
    answer = await decide(credential, valid_token="right")
    assert isinstance(answer, PluginResponse)
    assert (answer.decision, answer.status_code, answer.message) == ("block", 401, "Invalid token")
    assert answer.headers == {"www-authenticate": "Bearer"}


async def test_no_token_is_told() -> None:
    """Neither the one that is right nor the one that came, in the log or where the configuration is shown."""
    ctx = make_context()
    plugin = await start_plugin(CustomAuth, ctx, valid_token="the right one")
    await plugin.handle_auth(ctx, make_auth_request("the wrong one"))
    assert [entry.values for entry in ctx.services.logger.entries] == [
        {"runtime": "gateway", "tokens": 1}, {"token_provided": True},
    ]  # fmt: skip
    assert "the right one" not in repr(plugin.config)


@pytest.mark.parametrize("config", [{}, {"valid_token": ""}, {"tokens": [{"token": "a", "app_id": 0}]}])
def test_there_is_no_token_by_default(config: dict[str, Any]) -> None:
    """A plugin that anybody could guess, or that names no app that can be, is not loaded."""
    with pytest.raises(ValidationError):
        make_plugin(CustomAuth, **config)
