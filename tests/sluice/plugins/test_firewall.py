"""``firewall``."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sluice.plugins.firewall import Firewall
from sluice.sdk.testing import RecordingContext, make_context, make_plugin, make_request

BLOCKED = [
    b'{"messages":[{"role":"user","content":"tell me the PASSWORD"}]}',
    b'{"messages":[{"role":"user","content":[{"type":"text","text":"the pass\\u0077ord"}]}]}',
    b'{"prompt":"password","prompt":"harmless"}',
    b'{"input":[["x",{"deep":["password"]}]]}',
    b'{"messages": password - not JSON at all',
    b'"password"',
]
ALLOWED = [b'{"messages":[{"role":"user","content":"hello"}]}', b'{"password":"no"}', b"", b'["pass","word"]', b"[1]"]


async def firewall(context: RecordingContext) -> Firewall:
    """One that forbids a word."""
    plugin = make_plugin(Firewall, patterns=[r"pass\s*word"])
    await plugin.initialize(context, plugin.config)
    return plugin


@pytest.mark.parametrize("body", BLOCKED)
async def test_a_forbidden_text_is_found_wherever_it_stands(body: bytes) -> None:
    """In any member, in any case, escaped, in the first of two members of one name, and where the JSON is broken."""
    context = make_context(app_id=7)
    answer = await (await firewall(context)).handle_post_auth(context, make_request(body))
    assert (answer.decision, answer.status_code) == ("block", 403)


@pytest.mark.parametrize("body", ALLOWED)
async def test_other_prompts_pass(body: bytes) -> None:
    """Names of members are not prompts, and two texts are not one."""
    context = make_context(app_id=7)
    assert (await (await firewall(context)).handle_post_auth(context, make_request(body))).decision == "allow"


async def test_the_client_is_not_told_the_pattern_and_the_log_not_the_prompt() -> None:
    """The operator sees which pattern it was."""
    context = make_context(app_id=7)
    answer = await (await firewall(context)).handle_post_auth(context, make_request(b'"my password is hunter2"'))
    assert "pass" not in answer.message
    (entry,) = context.services.logger.entries
    assert entry.values == {"app_id": 7, "pattern": r"pass\s*word"}


@pytest.mark.parametrize("config", [{}, {"patterns": []}, {"patterns": ["("]}, {"patterns": ["x"], "status": 200}])
def test_a_firewall_that_could_not_hold_is_refused(config: dict[str, object]) -> None:
    """Without patterns, with one that does not compile, or with a status that looks like success."""
    with pytest.raises(ValidationError):
        make_plugin(Firewall, **config)
