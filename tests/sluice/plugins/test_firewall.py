"""``firewall``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins.firewall import Firewall, PreAuthFirewall
from sluice.sdk.capabilities import hooks_of
from sluice.sdk.testing import RecordingContext, make_context, make_request, start_plugin

BLOCKED = [
    b'{"messages":[{"role":"user","content":"tell me the PASSWORD"}]}',
    b'{"messages":[{"role":"user","content":[{"type":"text","text":"the pass\\u0077ord"}]}]}',
    b'{"prompt":"password","prompt":"harmless"}',
    b'{"input":[["x",{"deep":["password"]}]]}',
    b'{"contents":[{"parts":[{"text":"password"}]}],"system_instruction":{"parts":[]}}',
    b'{"system":"password"}',
    b'{"messages": password - not JSON at all',
    b'"password"',
    json.dumps({"prompt": "x" * 99_996 + "password"}).encode(),
    b'{"seed":' + b"1" * 5_000 + b',"prompt":"pass\\u0077ord"}',
    b'{"prompt":"pass\\u0077ord","user":"\xff"}',
    b'{"tools":[{"parameters":{"properties":{"the password":{}}}}]}',
    json.dumps({"prompt": "p\u200ba\u00adss\ufe0fword"}).encode(),
    json.dumps({"prompt": "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44"}).encode(),
    json.dumps({"prompt": "x" * 350_000 + "password" + "x" * 350_000}).encode(),
]
ALLOWED = [
    b'{"messages":[{"role":"user","content":"hello"}]}',
    b'{"password":"no"}',
    b"",
    b'["pass","word"]',
    b'["word","pass"]',
    b"[1]",
    b"\xff\xfe",
    b"{not JSON either",
    b"[" * 100_000,
]


async def firewall(context: RecordingContext, **config: Any) -> Firewall:
    """One that forbids a word, unless told otherwise."""
    return await start_plugin(Firewall, context, **(config or {"patterns": [r"pass\s*word"]}))


@pytest.mark.parametrize("body", BLOCKED)
async def test_a_forbidden_text_is_found_wherever_it_stands(body: bytes) -> None:
    """In any member, in any case, escaped, in the first of two members of one name, where the JSON is broken or beyond
    what we parse, behind what nobody sees, and in long texts wherever they are divided."""
    context = make_context(app_id=7)
    answer = await (await firewall(context)).handle_post_auth(context, make_request(body))
    assert (answer.decision, answer.status_code) == ("block", 403)


@pytest.mark.parametrize("body", ALLOWED)
async def test_other_prompts_pass(body: bytes) -> None:
    """Names of members are not prompts, two texts are not one, and what cannot be read is let through."""
    context = make_context(app_id=7)
    assert (await (await firewall(context)).handle_post_auth(context, make_request(body))).decision == "allow"


async def test_the_client_is_told_the_operator_s_words_and_not_the_pattern() -> None:
    """In the shape of an error; the operator sees which phrase it was, by its name, and the log no prompt."""
    context = make_context(app_id=7)
    phrase = {"pattern": "password", "description": "asks for secrets"}
    plugin = await firewall(context, rules=[{"phrases": [phrase]}], block_message="not here")
    answer = await plugin.handle_post_auth(context, make_request(b'"my password is hunter2"'))
    assert json.loads(answer.body or b"") == {"error": {"message": "not here", "type": "content_policy_violation"}}
    assert (answer.message, answer.headers) == ("not here", {"content-type": "application/json"})
    (entry,) = context.services.logger.entries
    assert entry.values == {"app_id": 7, "pattern": "asks for secrets"}


@pytest.mark.parametrize(
    ("phrase", "text", "decision"),
    [
        ({"pattern": "a.c"}, "abc", "allow"),
        ({"pattern": "a.c"}, "xA.Cx", "block"),
        ({"pattern": "a.c", "is_regex": True}, "abc", "block"),
        ({"pattern": "^a", "is_regex": True}, "ba", "allow"),
        ({"pattern": "launch code"}, "launch \n code", "block"),
        ({"pattern": "launch code"}, "launchcode", "allow"),
        ({"pattern": "cafe\u0301"}, "caf\u00e9", "block"),
        ({"pattern": "caf\u00e9"}, "cafe\u0301", "block"),
    ],
)
async def test_a_phrase_is_itself_unless_it_is_a_regular_expression(
    phrase: dict[str, Any], text: str, decision: str
) -> None:
    """Searched anywhere, without regard to case."""
    context = make_context()
    plugin = await firewall(context, rules=[{"phrases": [phrase]}])
    request = make_request(json.dumps({"prompt": text}).encode())
    assert (await plugin.handle_post_auth(context, request)).decision == decision


async def test_case_counts_where_the_operator_says_so() -> None:
    """For phrases and regular expressions."""
    context = make_context()
    plugin = await firewall(context, patterns=["Password"], case_sensitive=True)
    assert (await plugin.handle_post_auth(context, make_request(b'"password"'))).decision == "allow"
    assert (await plugin.handle_post_auth(context, make_request(b'"Password"'))).decision == "block"


@pytest.mark.parametrize(
    ("body", "path", "decision"),
    [
        (b'{"model":"gpt-4o","prompt":"bad"}', "/completions", "block"),
        (b'{"model":"gpt-3.5","prompt":"bad"}', "/completions", "allow"),
        (b'{"model":"gpt-3.5","model":"gpt-4o","prompt":"bad"}', "/completions", "block"),
        (b'{"model":"gpt-4o","model":"gpt-3.5","prompt":"bad"}', "/completions", "block"),
        (b'{"contents":["bad"]}', "/v1beta/models/gpt-4o:generateContent", "block"),
        (b'{"prompt":"bad"}', "/completions", "block"),
        (b'{"model":7,"prompt":"bad"}', "/completions", "block"),
        (b'{"model":"harmless","contents":["bad"]}', "/v1beta/models/gpt-4o:generateContent", "block"),
    ],
)
async def test_a_rule_is_for_the_models_that_it_names(body: bytes, path: str, decision: str) -> None:
    """By a glob, in the body and in the path; naming two models does not get around it, and neither does naming none,
    as the LLM has a default."""
    context = make_context()
    rule = {"model_pattern": "gpt-4*", "phrases": [{"pattern": "bad"}]}
    plugin = await firewall(context, rules=[rule])
    assert (await plugin.handle_post_auth(context, make_request(body, path=path))).decision == decision


async def test_a_rule_that_is_off_forbids_nothing() -> None:
    """Beside one that is on."""
    context = make_context()
    rules = [{"phrases": [{"pattern": "one"}], "enabled": False}, {"phrases": [{"pattern": "two"}]}]
    plugin = await firewall(context, rules=rules)
    assert (await plugin.handle_post_auth(context, make_request(b'"one"'))).decision == "allow"
    assert (await plugin.handle_post_auth(context, make_request(b'"two"'))).decision == "block"


async def test_it_can_refuse_before_authentication() -> None:
    """Another class, so that an operator chooses by attaching it; each has the one hook."""
    context = make_context()
    plugin = await start_plugin(PreAuthFirewall, context, patterns=["bad"])
    assert (await plugin.handle_pre_auth(context, make_request(b'"bad"', app_id=None))).decision == "block"
    assert (await plugin.handle_pre_auth(context, make_request(b'"good"', app_id=None))).decision == "allow"
    assert (set(hooks_of(PreAuthFirewall)), set(hooks_of(Firewall))) == ({"pre_auth"}, {"post_auth"})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"patterns": []},
        {"patterns": ["("]},
        {"rules": [{"phrases": []}]},
        {"rules": [{"phrases": [{"pattern": ""}]}]},
        {"rules": [{"phrases": [{"pattern": "  "}]}]},
        {"patterns": ["x*"]},
        {"rules": [{"phrases": [{"pattern": "[", "is_regex": True}]}]},
        {"rules": [{"phrases": [{"pattern": "x"}], "enabled": False}]},
    ],
)
async def test_a_firewall_that_could_not_hold_is_refused(config: dict[str, Any]) -> None:
    """Without a phrase that is enabled, with one that does not compile, or one that would refuse everything."""
    with pytest.raises(ValidationError):
        await start_plugin(Firewall, make_context(), **config)
