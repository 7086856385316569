"""``response_modifier``, its headers and its bodies."""

from __future__ import annotations

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
    """Only the plugin that changes bodies has the body hook, which refuses streams."""
    assert set(hooks_of(ResponseModifier)) == {"response_headers"}
    assert set(hooks_of(ResponseBodyModifier)) == {"response_body"}


async def test_text_is_replaced_in_the_order_given() -> None:
    """The second replacement sees what the first one wrote; an answer without the text is left alone."""
    plugin = make_plugin(ResponseBodyModifier, replace={"Ada": "Bob", "Bob": "[name]"})
    answer = await plugin.on_before_write(make_context(), make_response(b'{"text":"Ada and Bob"}'))
    assert answer.body == b'{"text":"[name] and [name]"}'
    assert (await plugin.on_before_write(make_context(), make_response(b"{}"))).decision == "allow"


def test_a_header_that_cannot_be_written_is_refused() -> None:
    """Before any exchange meets it."""
    with pytest.raises(ValidationError):
        make_plugin(ResponseModifier, add_headers={"x": "a\nb"})
    with pytest.raises(ValidationError):
        make_plugin(ResponseBodyModifier)
