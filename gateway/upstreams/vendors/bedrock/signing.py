"""Signature Version 4, made by botocore: the only file that knows it, imported with the first LLM whose key signs.

Signed are the exact path, query and body that go out, the host, and the headers that are AWS's; not what a proxy on the
way may change.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.client import Headers, UpstreamRequest
from gateway.upstreams.vendors.bedrock.auth import AwsKey, region_of
from gateway.upstreams.vendors.bedrock.paths import encoded_once

_SERVICE: Final = "bedrock"
_SIGNED: Final = frozenset((b"host", b"content-type"))
_SIGNED_PREFIXES: Final = (b"x-amz-", b"x-amzn-")
_UNSIGNED: Final = frozenset((b"x-amzn-trace-id",))
_PROOF: Final = frozenset((b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"))
CREDENTIALS_SECONDS: Final = 10.0
"""In which the host must give its credentials; a role's come from a service beside it."""


class SigV4Signer:
    """Signs requests with one key, or with what the host gives (a role, a profile, the environment), refreshed in
    time."""

    def __init__(self, key: AwsKey, endpoint_host: str) -> None:
        """Raises ``ValueError`` where nothing tells the region."""
        self._session = Session()
        self._named_region = key.region
        self._region = key.region or region_of(endpoint_host) or self._session.get_config_variable("region") or ""
        if not self._region:
            message = (
                f"nothing tells the region of {endpoint_host!r}; write it behind the key (…@eu-west-1), or set "
                "AWS_DEFAULT_REGION"
            )
            raise ValueError(message)
        self._credentials: Any = Credentials(key.id, key.secret, key.session or None) if key.id else None
        self._finding = asyncio.Lock()

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """With its signature; raises ``UpstreamUnreachable`` where the host gives no credentials."""
        credentials = self._credentials
        if credentials is None or _is_stale(credentials):
            credentials = await self._found()
        region = self._named_region or region_of(request.origin.host) or self._region
        path, mark, query = request.target.decode("ascii").partition("?")
        target = encoded_once(path) + mark + query
        proof = _proof(request, target, credentials.get_frozen_credentials(), region)
        headers = [pair for pair in request.headers if pair[0] not in _PROOF]
        return msgspec.structs.replace(request, target=target.encode("ascii"), headers=headers + proof)

    async def _found(self) -> Any:
        """Credentials of the host, asked for in a thread: finding or renewing them may take seconds. One at a time."""
        async with self._finding:
            if self._credentials is not None and not _is_stale(self._credentials):
                return self._credentials
            try:
                async with asyncio.timeout(CREDENTIALS_SECONDS):
                    found = await asyncio.to_thread(self._find)
            except TimeoutError:
                message = f"the host gave no AWS credentials within {CREDENTIALS_SECONDS:g} s"
                raise UpstreamUnreachable(message) from None
            except Exception as error:  # botocore has many, of any of its sources
                message = f"the host's AWS credentials cannot be had ({type(error).__name__})"
                raise UpstreamUnreachable(message) from error
            if found is None:
                message = "the host has no AWS credentials; write a key for the LLM, or give the host a role"
                raise UpstreamUnreachable(message)
            self._credentials = found
            return found

    def _find(self) -> Any:
        credentials = self._credentials or self._session.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()  # renews them where it is time
        return credentials


def _proof(request: UpstreamRequest, target: str, credentials: Any, region: str) -> Headers:
    host = next(value for name, value in request.headers if name == b"host").decode("latin-1")
    asked = AWSRequest(request.method.decode("ascii"), f"{request.origin.scheme}://{host}{target}", data=request.body)
    for name, value in request.headers:
        if _is_signed(name):
            asked.headers[name.decode("latin-1")] = value.decode("latin-1")
    SigV4Auth(credentials, _SERVICE, region).add_auth(asked)
    made = ((name.lower().encode(), value) for name, value in asked.headers.items())
    return [(name, value.encode("latin-1")) for name, value in made if name in _PROOF]


def _is_stale(credentials: Any) -> bool:
    """Whether it is time to renew them; those that are written down never are."""
    refresh_needed = getattr(credentials, "refresh_needed", None)
    return refresh_needed is not None and bool(refresh_needed())


def _is_signed(name: bytes) -> bool:
    return name in _SIGNED or (name.startswith(_SIGNED_PREFIXES) and name not in _PROOF and name not in _UNSIGNED)
