"""Tests of ``sluice.sdk.texts``."""

from __future__ import annotations

import json
import time

import pytest

from sluice.sdk import models_of, readings_of, rewrite_texts, texts_of
from sluice.sdk.testing import make_request


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (b'{"messages":[{"role":"user","content":"a"},{"content":[{"text":"b"}]}]}', ["user", "a", "b"]),
        (b'{"prompt":"a","prompt":"b"}', ["a", "b"]),
        (b'{"prompt":"\\u0061"}', ["a"]),
        (b"not JSON", ["not JSON"]),
        (b"\xff", ["\udcff"]),
        (b"", [""]),
        (b"[" * 100_000, ["[" * 100_000]),
        (b"7", []),
        (b'"a"', ["a"]),
        (b'{"properties":{"how to":{"a-b.c_d":"x"}}}', ["how to", "x"]),
    ],
)
def test_every_text_is_read(body: bytes, texts: list[str]) -> None:
    """In order, unescaped, both of two members of one name, and names that no program would choose; what is no JSON is
    one text."""
    assert list(texts_of(body)) == texts


HARD = [
    b'{"n":' + b"1" * 5000 + b',"a":"se\\u0063ret"}',
    b'{"a":"se\\u0063ret","b":"\xff"}',
    b"[" * 3000 + b'"se\\u0063ret"' + b"]" * 3000,
    b'{"a":"se\\u0063ret",}',
    '{"a":"se\\u0063ret"}'.encode("utf-16"),
]


@pytest.mark.parametrize("body", HARD)
def test_no_body_hides_a_text_that_a_vendor_might_read(body: bytes) -> None:
    """Numbers too long for us, bytes that are no UTF-8, too deep a nest, a comma too many: escapes are undone there
    too, and a text is rewritten where it stands."""
    assert any("secret" in text for text in texts_of(body))
    written = rewrite_texts(body, lambda text: text.replace("secret", "*"))
    assert not any("secret" in text for text in texts_of(written))
    assert any("*" in text for text in texts_of(written))


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 500_000, b'"' * 500_001, b'["\\n' + b'",' * 300_000])
def test_no_body_takes_for_ever(body: bytes) -> None:
    """What has no end is looked at once: a megabyte takes well under a second, not an hour."""
    started = time.process_time()
    assert rewrite_texts(body, lambda text: text) is body
    assert sum(1 for _ in texts_of(body))
    assert time.process_time() - started < 5


def test_no_depth_is_too_deep() -> None:
    """What can be read can be written: nothing is raised where the one ends and the other does not."""
    for depth in range(150, 1100, 7):
        body = b'{"a":' * depth + b'"secret"' + b"}" * depth
        assert b"*" in rewrite_texts(body, lambda text: text.replace("secret", "*"))


@pytest.mark.parametrize(
    ("body", "path", "models"),
    [
        (b'{"model":"a"}', "/chat/completions", ["a"]),
        (b'{"model":"a","model":"b"}', "", ["a", "b"]),
        (b'{"contents":[]}', "/v1beta/models/gemini-pro:generateContent", ["gemini-pro"]),
        (b"{}", "/model/claude-3/invoke", ["claude-3"]),
        (b'{"model":"harmless"}', "/v1beta/models/gemini-pro:generateContent", ["harmless", "gemini-pro"]),
        (b'{"model":7}', "", []),
        (b'{"deep":{"model":"a"}}', "", []),
        (b"[]", "", []),
        (b"\xff", "", []),
    ],
)
def test_the_model_is_in_the_body_or_in_the_path(body: bytes, path: str, models: list[str]) -> None:
    """All that are named: a rule for one of them must not be got around by naming two."""
    assert models_of(make_request(body, path=path)) == models


def test_texts_are_rewritten_and_nothing_else() -> None:
    """Ids, types, URLs, encoded files stay; a tool's arguments are text."""
    body = {
        "id": "a", "model": "a", "tool_call_id": "a", "n": 1.5,
        "messages": [{"role": "a", "content": [{"type": "a", "text": "a"}, {"image_url": {"url": "a"}}]}],
        "tools": [{"input": {"to": "a"}}],
    }  # fmt: skip
    written = json.loads(rewrite_texts(json.dumps(body).encode(), lambda text: text.replace("a", "b")))
    assert written["messages"] == [{"role": "a", "content": [{"type": "a", "text": "b"}, {"image_url": {"url": "a"}}]}]
    assert written["tools"] == [{"input": {"to": "b"}}]
    assert (written["id"], written["model"], written["tool_call_id"], written["n"]) == ("a", "a", "a", 1.5)


@pytest.mark.parametrize("body", [b'{ "a" : "x" }', b"", b"\xff\xfe", b"7", b"null", b"plain", b'{"a":'])
def test_what_does_not_change_is_the_same_object(body: bytes) -> None:
    """So that who asks can tell by ``is``; bytes that are no text are left alone."""
    assert rewrite_texts(body, lambda text: text.replace("secret", "")) is body


def test_a_body_that_is_no_json_is_one_text() -> None:
    """Its other bytes stay; a text that is JSON stays JSON. A lone surrogate in JSON survives too."""
    assert rewrite_texts(b"\xff secret \xfe", lambda text: text.replace("secret", "*")) == b"\xff * \xfe"
    assert rewrite_texts(b'"a secret"', lambda text: text.replace("secret", "*")) == b'"a *"'
    assert rewrite_texts(b'"\\ud800 secret"', lambda text: text.replace("secret", "*")) == b'"\\ud800 *"'
    assert rewrite_texts(b"a secret", lambda text: text.replace("secret", "*")) == b"a *"
    assert rewrite_texts(b'{"a":"\\ud800 x"}', lambda text: text.replace("x", "y")) == b'{"a":"\\ud800 y"}'


def test_of_two_members_of_one_name_the_rewritten_one_remains() -> None:
    """A vendor that reads the first of them would read what nobody looked at."""
    assert rewrite_texts(b'{"a":"secret","a":"x"}', lambda text: text) == b'{"a":"x"}'


def test_probabilities_do_not_tell_what_was_rewritten() -> None:
    """They name each token; where nothing was rewritten they stay."""
    body = b'{"choices":[{"text":"secret","logprobs":{"tokens":["sec","ret"]}}]}'
    assert b"ret" not in rewrite_texts(body, lambda text: text.replace("secret", "*"))
    assert rewrite_texts(body, lambda text: text) is body


@pytest.mark.parametrize("text", ["bo\u200bmb", "\uff42omb", "b\u00ado\ufe0fmb", "bomb\U000e0041"])
def test_a_text_is_read_as_it_looks(text: str) -> None:
    """And as it is written; where the two cannot differ there is one reading."""
    assert readings_of(text) == {text, "bomb"}
    assert readings_of("bomb") == {"bomb"}
    assert "caf\u00e9" in readings_of("cafe\u0301")
