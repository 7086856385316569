"""``response_modifier``, its headers and its bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins.response_modifier import ResponseBodyModifier, ResponseModifier
from sluice.sdk.capabilities import hooks_of
from sluice.sdk.testing import make_context, make_plugin, make_response


async def test_headers_are_removed_then_added() -> None:
    """The vendor's others stay."""
    plugin = make_plugin(ResponseModifier, add_headers={"x-served-by": "sluice"}, remove_headers=["Server"])
    response = make_response(headers={"server": "vendor", "content-type": "application/json"})
    answer = await plugin.on_before_write_headers(make_context(), response)
    assert dict(answer.headers or {}) == {"content-type": "application/json", "x-served-by": "sluice"}


def test_changing_headers_costs_no_buffering() -> None:
    """Only the plugin that changes bodies has the body hook, for which streams are read whole."""
    assert set(hooks_of(ResponseModifier)) == {"response_headers"}
    assert set(hooks_of(ResponseBodyModifier)) == {"response_body"}


async def test_text_is_replaced_in_the_order_given() -> None:
    """The second replacement sees what the first one wrote; an answer without the text is left alone."""
    plugin = make_plugin(ResponseBodyModifier, replace={"Ada": "Bob", "Bob": "[name]"})
    answer = await plugin.on_before_write(make_context(), make_response(b'{"text":"Ada and Bob"}'))
    assert answer.body == b'{"text":"[name] and [name]"}'
    assert (await plugin.on_before_write(make_context(), make_response(b"{}"))).decision == "allow"


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
         {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b!"}]}),
        ({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]},
         {"choices": [{"message": {"content": "a!"}}, {"message": {"content": "b!"}}]}),
        ({"choices": [{"text": "a"}]}, {"choices": [{"text": "a!"}]}),
        ({"candidates": [{"content": {"parts": [{"text": "a"}, {"text": "b"}]}}]},
         {"candidates": [{"content": {"parts": [{"text": "a"}, {"text": "b!"}]}}]}),
        ({"output": [{"type": "reasoning"}, {"content": [{"type": "output_text", "text": "a"}]}]},
         {"output": [{"type": "reasoning"}, {"content": [{"type": "output_text", "text": "a!"}]}]}),
    ],
)  # fmt: skip
async def test_text_is_appended_in_every_vendor_s_answer(body: Any, changed: Any) -> None:
    """Behind what was said; headers say that and how it was changed, and keep the others."""
    plugin = make_plugin(ResponseBodyModifier, append_text="!")
    answer = await plugin.on_before_write(make_context(), make_response(json.dumps(body).encode()))
    assert json.loads(answer.body or b"") == changed
    assert dict(answer.headers or {}) == {
        "content-type": "application/json", "x-plugin-modified": "true", "x-modification-type": "append",
    }  # fmt: skip


async def test_both_are_said() -> None:
    """Replaced first, then appended."""
    plugin = make_plugin(ResponseBodyModifier, replace={"Ada": "Bob"}, append_text=" Ada")
    answer = await plugin.on_before_write(make_context(), make_response(b'{"choices":[{"text":"Ada"}]}'))
    assert json.loads(answer.body or b"") == {"choices": [{"text": "Bob Ada"}]}
    assert (answer.headers or {})["x-modification-type"] == "replace,append"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"error":{"message":"a"}}', b'{"content":"a","choices":7}', b'{"choices":[{"message":null}]}',
     b'{"choices":[{"message":{"content":null}}]}', b'{"content":[{"type":"tool_use"}]}', b"[" * 100_000],
)  # fmt: skip
async def test_what_says_nothing_passes_as_it_is(body: bytes) -> None:
    """Errors, calls of tools, and what is no JSON."""
    plugin = make_plugin(ResponseBodyModifier, append_text="!")
    assert (await plugin.on_before_write(make_context(), make_response(body))).decision == "allow"


async def test_an_error_passes_as_it_is() -> None:
    """Whatever is in it."""
    plugin = make_plugin(ResponseBodyModifier, replace={"Ada": "Bob"}, append_text="!")
    error = make_response(b'{"choices":[{"text":"Ada"}]}', status_code=400)
    assert (await plugin.on_before_write(make_context(), error)).decision == "allow"


def test_what_cannot_be_done_is_refused() -> None:
    """A header that cannot be written, before any exchange meets it; a body that is read for nothing; a text that is
    everywhere."""
    with pytest.raises(ValidationError):
        make_plugin(ResponseBodyModifier, replace={"": "x"})
    with pytest.raises(ValidationError):
        make_plugin(ResponseModifier, add_headers={"x": "a\nb"})
    with pytest.raises(ValidationError, match="replace and append_text are both empty"):
        make_plugin(ResponseBodyModifier)
