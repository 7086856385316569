"""Tests of ``gateway.upstreams.vendors.bedrock.paths``."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.bedrock.paths import call_of, encoded_once, with_model

PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
OWN = "arn:aws-cn:bedrock:cn-north-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


@pytest.mark.parametrize(
    ("path", "operation", "model", "is_opaque"),
    [
        ("/model/anthropic.claude-v2%3A1/converse", "converse", "anthropic.claude-v2:1", False),
        ("/model/anthropic.claude-v2:1/converse-stream", "converse-stream", "anthropic.claude-v2:1", False),
        ("/base/model/amazon.nova-lite-v1%3a0/invoke/", "invoke", "amazon.nova-lite-v1:0", False),
        ("/model/x.y/invoke-with-response-stream", "invoke-with-response-stream", "x.y", False),
        ("/model/x.y/count-tokens?a=b/invoke", "count-tokens", "x.y", False),
        (f"/model/{PROFILE}/converse", "converse", "eu.amazon.nova-lite-v1:0", False),
        (f"/model/{PROFILE.replace(':', '%3A').replace('/', '%2F')}/invoke", "invoke", "eu.amazon.nova-lite-v1:0", 0),
        ("/model/arn:aws:bedrock:us-east-1::foundation-model/a.b/invoke", "invoke", "a.b", False),
        (f"/model/{OWN}/converse", "converse", OWN, True),
    ],
)
def test_a_call_names_its_model_and_operation(path: str, operation: str, model: str, is_opaque: bool) -> None:
    """Decoded; an ARN that ends with a model's name is that model, any other is itself."""
    call = call_of(path)
    assert call is not None
    assert (call.operation, call.model, call.is_opaque) == (operation, model, is_opaque)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/model", "/model/x", "/model//converse", "/model/x/invoke-async", "/model/x/converse/more",
        "/models/x/invoke",
        "/openai/v1/chat/completions", "/guardrail/g/version/1/apply", "/async-invoke", "/model/x?/converse",
    ],
)  # fmt: skip
def test_other_paths_are_no_calls(path: str) -> None:
    """Of which the dialect knows nothing."""
    assert call_of(path) is None
    assert with_model(path, "y") == path == encoded_once(path)


def test_a_model_is_exchanged_and_encoded_once() -> None:
    """As SDKs do, whatever stands around it and however often it happens."""
    assert with_model("/v1/model/x%3A0/invoke?trace=1", PROFILE) == (
        "/v1/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-lite-v1%3A0"
        "/invoke?trace=1"
    )
    for model in ("x:0", "x%3A0", "x%3a0"):
        assert encoded_once(f"/model/{model}/converse") == "/model/x%3A0/converse"
    assert encoded_once("/model/caf%C3%A9/invoke") == "/model/caf%C3%A9/invoke"
