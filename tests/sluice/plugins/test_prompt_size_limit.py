"""``prompt_size_limit``, through the testing kit that authors get."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.plugins.prompt_size_limit import PromptSizeLimit
from sluice.sdk.testing import make_context, make_plugin, make_request


async def test_a_prompt_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    """The limit itself is allowed."""
    plugin = make_plugin(PromptSizeLimit, max_body_bytes=10)
    context = make_context(app_id=7)
    assert (await plugin.handle_post_auth(context, make_request(b"x" * 10))).decision == "allow"
    answer = await plugin.handle_post_auth(context, make_request(b"x" * 11))
    assert (answer.decision, answer.status_code) == ("block", 413)


async def test_a_refusal_is_logged_with_its_app_and_size_alone() -> None:
    """Never the prompt."""
    plugin = make_plugin(PromptSizeLimit, max_body_bytes=1)
    context = make_context(app_id=7)
    await plugin.handle_post_auth(context, make_request(b"secret"))
    assert [entry.values for entry in context.services.logger.entries] == [{"app_id": 7, "size_bytes": 6}]


def test_a_limit_of_nothing_is_refused() -> None:
    """It would refuse every request."""
    with pytest.raises(ValidationError, match="max_body_bytes"):
        make_plugin(PromptSizeLimit, max_body_bytes=0)
