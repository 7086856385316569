"""Where clients of Bedrock's dialect put their token, and what our own key is.

A client's SigV4 signature proves it to AWS alone and is dropped. Our token comes as ``Authorization: Bearer`` (SDKs
send it where ``AWS_BEARER_TOKEN_BEDROCK`` is set) or in ``x-api-key``, beside a signature or not.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.openai.auth import bearer_header, bearer_of, key_of

_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d+"
_KEY = re.compile(
    r"(?:(?P<id>\w{4,128}):(?P<secret>[\w/+=.-]+)(?::(?P<session>[\w/+=.-]+))?)?(?:@(?P<region>" + _REGION + r"))?",
    re.ASCII,
)
_HOST_REGION = re.compile(r"(?:^|[.-])bedrock[a-z-]*\.(" + _REGION + r")\.")
_HAS_PARTS = frozenset(":@")


class AwsKey(NamedTuple):
    """A key that signs; without an id that of the host's own role, profile or environment."""

    id: str
    secret: str
    session: str
    region: str
    """Empty where the key names none."""


def key_of_aws(api_key: str) -> AwsKey | None:
    """``ID:SECRET[:SESSION_TOKEN][@REGION]``, ``@REGION`` or nothing; ``None`` for a Bedrock API key, which is sent as
    it is. Raises ``ValueError`` for what looks like one that signs, and is none."""
    if api_key and _HAS_PARTS.isdisjoint(api_key):
        return None
    found = _KEY.fullmatch(api_key)
    if found is None:
        message = (
            "its key is neither ACCESS_KEY_ID:SECRET[:SESSION_TOKEN][@REGION] nor @REGION nor a Bedrock API key; "
            "write one of them, or none for the credentials of this host"
        )
        raise ValueError(message)
    return AwsKey(found["id"] or "", found["secret"] or "", found["session"] or "", found["region"] or "")


def region_of(host: str) -> str:
    """The region in the host's name, or empty: ``bedrock-runtime.eu-west-1.amazonaws.com`` and the like."""
    found = _HOST_REGION.search(host.lower())
    return found[1] if found else ""


def token_of(headers: Headers) -> tuple[str, str]:
    """A client's token, and where it stands: ``bearer`` or ``api_key``; two empty strings where there is none."""
    token = bearer_of(headers)
    if token:
        return token, "bearer"
    key = key_of(headers)
    return (key, "api_key") if key else ("", "")


def static_headers(api_key: str) -> Headers:
    """A Bedrock API key as a bearer; nothing for a key that signs."""
    return bearer_header(api_key) if api_key and _HAS_PARTS.isdisjoint(api_key) else []
