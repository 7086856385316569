"""``request_enricher``."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.plugins.request_enricher import RequestEnricher
from sluice.sdk.testing import make_context, make_plugin, make_request


async def test_headers_are_added_to_the_clients_and_replace_their_own_name() -> None:
    """What the client sent under such a name does not reach the vendor: it would be a claim about itself."""
    plugin = make_plugin(RequestEnricher, headers={"X-App": "app-{app_id}", "x-llm": "{llm_slug}"})
    request = make_request(headers={"accept": "a", "x-app": "forged"})
    answer = await plugin.handle_post_auth(make_context(app_id=7), request)
    assert dict(answer.headers or {}) == {"accept": "a", "x-app": "app-7", "x-llm": "demo"}
    assert answer.body is None


async def test_metadata_is_for_later_plugins_and_leaves_headers_alone() -> None:
    """An unknown user is empty, not the word None."""
    plugin = make_plugin(RequestEnricher, metadata={"caller": "{user_id}/{request_id}"})
    answer = await plugin.handle_post_auth(make_context(app_id=7), make_request())
    assert answer.context_updates == {"caller": "/request-1"}
    assert answer.headers is None


@pytest.mark.parametrize(
    "headers", [{"x-app": "{app}"}, {"x app": "1"}, {"x-app": "a\r\nx-evil: 1"}, {"x-app": "{app_id"}]
)
def test_what_cannot_be_written_is_refused_before_it_is_loaded(headers: dict[str, str]) -> None:
    """Unknown placeholders, names that are none, values that would start another header."""
    with pytest.raises(ValidationError):
        make_plugin(RequestEnricher, headers=headers)
