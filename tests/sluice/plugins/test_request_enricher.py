"""``request_enricher``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins.request_enricher import RequestEnricher
from sluice.sdk.testing import make_context, make_plugin, make_request

INSTRUCTION = "Be brief."


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


async def test_a_person_is_named_as_authentication_did() -> None:
    """Also where the id is no number; what may not stand in a header is percent-encoded there; no exchange fails."""
    plugin = make_plugin(RequestEnricher, headers={"x-user": "{user_id}"}, metadata={"user": "{user_id}"})
    for user_id, written in (("7", "7"), ("a b/c@d", "a b/c@d"), ("\u0141uk", "%C5%81uk"), ("a\r\nb%", "a%0D%0Ab%25")):
        answer = await plugin.handle_post_auth(make_context(), make_request(user_id=user_id))
        assert (answer.headers or {})["x-user"] == written
        assert answer.context_updates == {"user": user_id}


async def test_without_a_configuration_nothing_changes() -> None:
    """Neither headers nor body nor metadata."""
    answer = await make_plugin(RequestEnricher).handle_post_auth(make_context(), make_request())
    assert (answer.headers, answer.body, answer.context_updates) == (None, None, {})


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant"}]},
            {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b\n\nBe brief."},
                          {"role": "assistant"}]},
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": INSTRUCTION}]}]},
        ),
        ({"contents": [{"parts": [{"text": "a"}]}]}, {"contents": [{"parts": [{"text": "a"}, {"text": INSTRUCTION}]}]}),
        ({"input": "a"}, {"input": "a\n\nBe brief."}),
        (
            {"input": [{"role": "user", "content": []}]},
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": INSTRUCTION}]}]},
        ),
        ({"prompt": "a"}, {"prompt": "a\n\nBe brief."}),
    ],
)  # fmt: skip
async def test_an_instruction_stands_at_the_end_of_the_last_user_message(body: Any, changed: Any) -> None:
    """In every vendor's way of asking; what comes behind it, or before, stays."""
    plugin = make_plugin(RequestEnricher, additional_instruction=INSTRUCTION)
    answer = await plugin.handle_post_auth(make_context(), make_request(json.dumps(body).encode()))
    assert json.loads(answer.body or b"") == changed


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b"{}", b'{"messages":[]}', b'{"messages":[{"role":"system","content":"a"}]}',
     b'{"messages":7}', b'{"messages":[7,{"role":"user","content":7}]}', b'{"a":' + b"[" * 100_000],
)  # fmt: skip
async def test_a_request_without_a_message_of_a_user_stays_as_it_is(body: bytes) -> None:
    """Whatever it is."""
    plugin = make_plugin(RequestEnricher, additional_instruction=INSTRUCTION)
    assert (await plugin.handle_post_auth(make_context(), make_request(body))).body is None


@pytest.mark.parametrize(
    "headers", [{"x-app": "{app}"}, {"x app": "1"}, {"x-app": "a\r\nx-evil: 1"}, {"x-app": "{app_id"}]
)
def test_what_cannot_be_written_is_refused_before_it_is_loaded(headers: dict[str, str]) -> None:
    """Unknown placeholders, names that are none, values that would start another header."""
    with pytest.raises(ValidationError):
        make_plugin(RequestEnricher, headers=headers)
