"""What stands around data: answers are what OpenAPI says of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.control.api.envelopes import Done, Many, One, Refused
from gateway.control.api.views import AppView, LlmView, NewTokenView, PluginView, PriceView
from tests.gateway.control.api.harness import Api


def strict(model: type[BaseModel], value: Any) -> None:
    """Nothing missing, and nothing that is not said."""
    shown = model.model_validate(value).model_dump(exclude_unset=True, mode="json")
    assert shown == value


@pytest.mark.parametrize(
    ("path", "body", "one", "many"),
    [
        ("/llms", {"name": "x", "vendor": "openai", "endpoint": "https://93.184.215.14"}, One[LlmView], Many[LlmView]),
        ("/apps", {"name": "x"}, One[AppView], Many[AppView]),
        ("/plugins", {"name": "x", "command": "python://a:B"}, One[PluginView], Many[PluginView]),
        ("/pricing", {"vendor": "openai", "model_name": "m", "cpt": 1, "cpit": 1}, One[PriceView], Many[PriceView]),
        ("/tokens", {"app_id": 1}, One[NewTokenView], Many[AppView]),
    ],
)
async def test_answers_are_as_they_are_described(
    api: Api, path: str, body: dict[str, Any], one: Any, many: Any
) -> None:
    """Of a create, a list, a deletion, a refusal."""
    made = await api.post(path, body)
    strict(one, made)
    strict(many, await api.get(path if path != "/tokens" else "/apps"))
    strict(Refused, await api.post(path, {}, 400))
    strict(Done, await api.delete(f"{path}/{made['data']['id']}"))


def test_views_are_frozen() -> None:
    """Nobody changes an answer on its way."""
    assert LlmView.model_config == ConfigDict(frozen=True)
