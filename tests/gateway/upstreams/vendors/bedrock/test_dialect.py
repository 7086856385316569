"""Tests of ``gateway.upstreams.vendors.bedrock.dialect``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gateway.upstreams.vendors.bedrock import Bedrock
from gateway.upstreams.vendors.bedrock.stream import ConverseStream, InvokeStream
from gateway.upstreams.vendors.dialect import Answer, Dialect
from gateway.upstreams.vendors.openai import OpenAi
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.bedrock.streams import CLAUDE_USAGE, USAGE, claude_stream, converse, dumps

BEDROCK = Bedrock()
DIALECT: Dialect = BEDROCK
PATH = "/model/anthropic.claude-3-haiku-20240307-v1%3A0"
OWN = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc"
OPENAI = "/openai/v1/chat/completions"
STREAM = b"application/vnd.amazon.eventstream"
CLAUDE = dumps({"type": "message", "model": "claude-3-haiku", "content": [], "usage": CLAUDE_USAGE})


def test_the_model_is_in_the_path() -> None:
    """Where it is exchanged, too; the body stays."""
    assert DIALECT.ask(b"{}", f"{PATH}/converse").model == "anthropic.claude-3-haiku-20240307-v1:0"
    assert DIALECT.with_model(b'{"model":"x"}', f"{PATH}/invoke", "a.b:1") == (
        b'{"model":"x"}', "/model/a.b%3A1/invoke",
    )  # fmt: skip
    assert DIALECT.with_maximum(b"{}", f"{PATH}/invoke", 3) == b'{"max_tokens":3}'
    assert DIALECT.with_usage(b"{}", f"{PATH}/converse-stream") is None


def test_usage_is_where_the_operation_has_it() -> None:
    """A count of tokens is free, whatever it counts; garbage says nothing and raises nothing."""
    assert DIALECT.answer(converse(), f"{PATH}/converse").raw_usage == dumps(USAGE).decode()
    assert DIALECT.answer(CLAUDE, f"{PATH}/invoke").usage == Usage(16731, 1, 14486, 2238, None, 2000)
    assert DIALECT.answer(b'{"inputTokens":99}', f"{PATH}/count-tokens") == Answer(usage=Usage(0, 0))
    for body in (b"", b"{", b"null", b"[" * 100_000, b"\xff"):
        assert DIALECT.answer(body, f"{PATH}/converse") == DIALECT.answer(body, f"{PATH}/invoke") == Answer()
    headers = [(b"x-amzn-bedrock-input-token-count", b"3"), (b"x-amzn-bedrock-output-token-count", b"4")]
    assert BEDROCK.answer(b'{"outputs":[]}', f"{PATH}/invoke", headers).usage == Usage(3, 4)


def test_a_model_s_own_name_counts_only_where_the_path_does_not_tell() -> None:
    """Bedrock has names of its own, by which it bills."""
    assert DIALECT.answer(CLAUDE, f"{PATH}/invoke").model is None
    assert DIALECT.answer(CLAUDE, f"{OWN}/invoke").model == "claude-3-haiku"
    for path, model in ((PATH, None), (OWN, "claude-3-5-sonnet-20241022")):
        scanner = DIALECT.scanner(f"{path}/invoke-with-response-stream", STREAM, hide_usage=False)
        assert scanner is not None
        scanner.feed(claude_stream())
        assert scanner.answer.model == model


def test_streams_are_binary_and_of_two_operations() -> None:
    """Anything else is whole."""

    def kind(path: str, content_type: bytes = STREAM) -> type:
        return type(DIALECT.scanner(path, content_type, hide_usage=False))

    assert kind(f"{PATH}/converse-stream") is ConverseStream
    assert kind(f"{PATH}/invoke-with-response-stream", b"Application/Vnd.Amazon.EventStream; x=1") is InvokeStream
    of_openai = OpenAi().scanner(OPENAI, b"text/event-stream", hide_usage=False)
    assert kind(OPENAI, b"text/event-stream") is type(of_openai)
    assert kind(f"{PATH}/converse") is kind(f"{PATH}/converse-stream", b"application/json") is type(None)


def test_openai_s_paths_speak_openai() -> None:
    """Requests, answers and errors."""
    asked = DIALECT.ask(b'{"model":"openai.gpt-oss-20b-1:0","stream":true,"max_tokens":5}', OPENAI)
    assert (asked.model, asked.is_stream, asked.max_response_tokens) == ("openai.gpt-oss-20b-1:0", True, 5)
    assert b"include_usage" in (DIALECT.with_usage(b"{}", OPENAI) or b"")
    assert DIALECT.with_model(b"{}", OPENAI, "m") == (b'{"model":"m"}', OPENAI)
    assert DIALECT.with_maximum(b"{}", OPENAI, 5) == b'{"max_tokens":5}'
    answer = b'{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    assert DIALECT.answer(answer, OPENAI).usage == Usage(1, 2)
    assert "error" in json.loads(DIALECT.error_body(429, "m", "c", OPENAI))
    assert DIALECT.stream_error(429, "m", "c", OPENAI).startswith(b"data: ")


def test_errors_are_aws_s() -> None:
    """On paths that are none, too."""
    for path in (f"{PATH}/converse", "", "/nothing"):
        assert json.loads(DIALECT.error_body(429, "m", "c", path))["__type"] == "ThrottlingException"
        assert b"throttlingException" in DIALECT.stream_error(429, "m", "c", path)


def test_our_key_signs_or_is_sent() -> None:
    """Never both."""
    assert DIALECT.authorize("ABSKabc=") == [(b"authorization", b"Bearer ABSKabc=")]
    assert DIALECT.signer("ABSKabc=", "https://bedrock-runtime.us-east-1.amazonaws.com") is None
    assert DIALECT.authorize("AKIDEXAMPLE:secret") == []
    assert DIALECT.signer("AKIDEXAMPLE:secret", "https://bedrock-runtime.us-east-1.amazonaws.com") is not None
    with pytest.raises(ValueError, match="region"):
        DIALECT.signer("AKIDEXAMPLE:secret", "nonsense")
    assert DIALECT.clean_query(b"a=1&X-Amz-Signature=2&X-Amz-Credential=3") == b"a=1"


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [("", "True False"), ("sys.modules['botocore'] = None", "pip install 'sluice-gateway[bedrock]'")],
)
def test_botocore_is_loaded_with_the_first_key_that_signs(hidden: str, expected: str) -> None:
    """Not with the dialect, nor for a key that is sent; where it is missing, the error says how to get it."""
    program = f"""
import sys
from gateway.upstreams.vendors.registry import dialect_of
bedrock = dialect_of("bedrock")
assert bedrock.signer("ABSKabc=", "https://bedrock-runtime.us-east-1.amazonaws.com") is None
before = "botocore" not in sys.modules
{hidden}
try:
    bedrock.signer("AKIDEXAMPLE:secret", "https://bedrock-runtime.us-east-1.amazonaws.com")
    print(before, "botocore" not in sys.modules)
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert expected in done.stdout
