"""Tests of ``gateway.upstreams.vendors.bedrock.auth``."""

from __future__ import annotations

import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.bedrock.auth import AwsKey, key_of_aws, region_of, static_headers, token_of

SIGNED = (b"authorization", b"AWS4-HMAC-SHA256 Credential=AKID/20250101/us-east-1/bedrock/aws4_request, Signature=0")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([(b"authorization", b"Bearer t ")], ("t", "bearer")),
        ([SIGNED, (b"x-api-key", b" k ")], ("k", "api_key")),
        ([(b"x-api-key", b"k"), (b"authorization", b"bearer t")], ("t", "bearer")),
        ([SIGNED], ("", "")),
        ([SIGNED, (b"x-api-key", b" ")], ("", "")),
        ([], ("", "")),
    ],
)
def test_our_token_is_a_bearer_s_or_a_key(headers: Headers, found: tuple[str, str]) -> None:
    """A signature is no credential of ours."""
    assert token_of(headers) == found


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("AKIDEXAMPLE:abc/+=", AwsKey("AKIDEXAMPLE", "abc/+=", "", "")),
        ("AKIDEXAMPLE:abc:ses/+==", AwsKey("AKIDEXAMPLE", "abc", "ses/+==", "")),
        ("AKIDEXAMPLE:abc@us-gov-west-1", AwsKey("AKIDEXAMPLE", "abc", "", "us-gov-west-1")),
        ("@ap-southeast-2", AwsKey("", "", "", "ap-southeast-2")),
        ("", AwsKey("", "", "", "")),
        ("ABSKQmVkcm9ja0FQSUtleQ==", None),
        ("bedrock-api-key-YmVkcm9jaw==&Version=1", None),
    ],
)
def test_a_key_signs_or_is_sent(key: str, parts: AwsKey | None) -> None:
    """What has no parts is a Bedrock API key; only that is a header."""
    assert key_of_aws(key) == parts
    assert static_headers(key) == ([(b"authorization", b"Bearer " + key.encode())] if parts is None else [])


@pytest.mark.parametrize(
    "key", ["AKID:", ":secret", "AKID:s e", "a:b", "AKID:s:t:u", "AKID:s@nowhere", "key@eu-west-1"]
)
def test_what_is_no_key_is_refused_without_being_told(key: str) -> None:
    """The message says which forms there are, and nothing of the key."""
    with pytest.raises(ValueError, match="ACCESS_KEY_ID:SECRET") as raised:
        key_of_aws(key)
    assert "nowhere" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("bedrock-runtime.us-east-1.api.aws", "us-east-1"),
        ("vpce-0abc-1def.bedrock-runtime.ap-south-1.vpce.amazonaws.com", "ap-south-1"),
        ("Bedrock-Runtime.EU-Central-1.amazonaws.com", "eu-central-1"),
        ("127.0.0.1", ""),
        ("proxy.internal", ""),
        ("notbedrock-runtime.eu-west-1.evil", ""),
    ],
)
def test_the_host_tells_the_region(host: str, region: str) -> None:
    """Where it is one of AWS's."""
    assert region_of(host) == region
