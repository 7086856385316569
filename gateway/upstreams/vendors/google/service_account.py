"""Google's service accounts: a key file in JSON, exchanged for access tokens. The one place that knows google-auth."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from gateway.upstreams.vendors.google.tokens import AccessToken, TokenRefusedError
from sluice.clock import now_micros

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_SECONDS: Final = 3600
_SKEW_SECONDS: Final = 10
"""So much our clock may be ahead of Google's."""
_TIMEOUT_SECONDS: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 << 10
_MAX_LIFE_SECONDS: Final = 43_200.0  # what Google grants at most
_TOKEN_HOSTS: Final = frozenset(("oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"))
_NEEDED: Final = ("client_email", "private_key", "token_uri")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")


def token_fetcher(key: str, endpoint: str) -> Callable[[], AccessToken]:
    """What gets access tokens for this service account, blocking. ``endpoint`` is the LLM's base URL.

    Raises ``ValueError`` for what is no such key, or where google-auth is missing; what it gives raises
    ``TokenRefusedError``. Neither says anything of the private key.
    """
    account = _account(key, endpoint)
    sign = _signing(account)

    def fetch() -> AccessToken:
        now = now_micros() // 1_000_000 - _SKEW_SECONDS
        claims = {
            "iss": account["client_email"],
            "scope": _SCOPE,
            "aud": account["token_uri"],
            "iat": now,
            "exp": now + _LIFE_SECONDS,
        }
        return _exchange(account["token_uri"], sign(claims))

    return fetch


def _account(key: str, endpoint: str) -> dict[str, str]:
    try:
        account = orjson.loads(key)
    except ValueError:
        account = None
    if not isinstance(account, dict) or account.get("type") != "service_account":
        message = "the key is JSON, but no service account's; give the key file that Google made, or an access token"
        raise ValueError(message) from None  # the cause shows the key
    for name in _NEEDED:
        if not isinstance(account.get(name), str) or not account[name]:
            message = f"the service account's key has no {name}; give the key file as Google made it"
            raise ValueError(message)
    _check_token_uri(account["token_uri"], endpoint)
    return account


def _check_token_uri(token_uri: str, endpoint: str) -> None:
    """A key could otherwise send us to any address of the network we are in."""
    url = urlsplit(token_uri)
    if url.scheme == "https" and url.hostname in _TOKEN_HOSTS:
        return
    if url.scheme in {"http", "https"} and url.hostname and url.hostname == urlsplit(endpoint).hostname:
        return
    message = f"the service account's token_uri {token_uri[:200]!r} is neither Google's nor on the LLM's own host"
    raise ValueError(message)


def _signing(account: dict[str, str]) -> Callable[[dict[str, Any]], str]:
    """What signs claims with the account's key."""
    try:
        from google.auth import crypt, jwt  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        message = "service accounts need google-auth: pip install 'sluice-gateway[vertex]'"
        raise ValueError(message) from None
    try:
        signer = crypt.RSASigner.from_service_account_info(account)  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - of any library below, and it may show the key
        message = "the service account's private_key cannot be read; give the key file as Google made it"
        raise ValueError(message) from None

    def sign(claims: dict[str, Any]) -> str:
        signed: bytes = jwt.encode(signer, claims)  # type: ignore[no-untyped-call]
        return signed.decode("ascii")

    return sign


def _exchange(token_uri: str, assertion: str) -> AccessToken:
    form = {"grant_type": _GRANT, "assertion": assertion}
    try:
        with httpx.Client(timeout=_TIMEOUT_SECONDS) as client, client.stream("POST", token_uri, data=form) as response:
            return _token(response.status_code, _read(response))
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        message = f"its token endpoint cannot be reached ({type(error).__name__})"
        raise TokenRefusedError(message) from None


def _read(response: httpx.Response) -> bytes:
    """Within bounds of size and time, whatever comes."""
    ends_at = time.monotonic() + _TIMEOUT_SECONDS
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES or time.monotonic() > ends_at:
            message = "its token endpoint gave no answer that ends"
            raise TokenRefusedError(message)
    return bytes(body)


def _token(status: int, body: bytes) -> AccessToken:
    try:
        answer = orjson.loads(body)
    except ValueError:
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    if status != httpx.codes.OK:
        code = answer.get("error")
        named = f" ({code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
        message = f"its token endpoint answered {status}{named}"
        raise TokenRefusedError(message)
    value, lives = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        message = "its token endpoint gave no access token"
        raise TokenRefusedError(message)
    if isinstance(lives, bool) or not isinstance(lives, int | float) or lives <= 0:
        message = "its token endpoint gave a token without a time to live"
        raise TokenRefusedError(message)
    return AccessToken(value, min(float(lives), _MAX_LIFE_SECONDS))
