"""The configuration of an HTTP service: ``GET <url>/plugins/data-collection``, asked for again and again."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from collectors.configuration.last_good import LastGood
from sluice.settings import MAX_DOCUMENT_BYTES, SettingsError

SERVICE_PATH = "/plugins/data-collection"
TIMEOUT_SECONDS = 10.0
_PIECE_BYTES = 64 << 10
_REMEDIES = {
    304: "it was not asked whether anything had changed: serve the configuration",
    401: "it does not take PLUGINS_CONFIG_SERVICE_TOKEN: set the right one",
    403: "it does not take PLUGINS_CONFIG_SERVICE_TOKEN: set the right one, or give it the right",
    404: f"there is no {SERVICE_PATH} below this address: check PLUGINS_CONFIG_SERVICE_URL",
}


class _Answer(NamedTuple):
    status: int
    body: bytes
    etag: str


class ServiceOrigin:
    """A service that serves YAML or JSON; it is as trusted as a file: what it serves names programs to run."""

    tells_unchanged = True

    def __init__(
        self, url: str, token: SecretStr, interval_seconds: float, last_good: LastGood, ca_file: str = ""
    ) -> None:
        """Raises SettingsError for an address or a CA file that cannot be used."""
        self.where = address_of(url)
        self.folder = Path()
        self.file = last_good.path
        self.interval_seconds = interval_seconds
        self._headers = {"accept": "application/yaml, application/json;q=0.9, */*;q=0.1", "accept-encoding": "identity"}
        if token.get_secret_value():
            self._headers["authorization"] = f"Bearer {token.get_secret_value()}"
        self._last_good = last_good
        self._etag = ""
        self._tls = self._trust(ca_file)

    def _trust(self, ca_file: str) -> ssl.SSLContext | bool:
        if not ca_file:
            return True
        try:
            return ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            problem = (
                f"PLUGINS_CONFIG_SERVICE_CA_FILE: {ca_file} cannot be used ({type(error).__name__}); name a PEM file"
            )
            raise SettingsError("environment", [problem]) from error

    async def read(self, *, insists: bool) -> bytes | None:  # noqa: ARG002 - it says by itself what is new
        """What is served; ``None`` where it is what was served before. Raises SettingsError where nothing usable is."""
        try:
            answer = await self._ask()
        except TimeoutError as error:
            raise self._fault(f"does not answer within {TIMEOUT_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._fault(f"cannot be reached ({_reason(error)})") from error
        if answer.status == 304 and self._etag:
            return None
        if answer.status != 200:
            remedy = _REMEDIES.get(answer.status, "redirects are not followed" if answer.status // 100 == 3 else "")
            raise self._fault(f"answers {answer.status}" + (f"; {remedy}" if remedy else ""))
        self._etag = answer.etag
        return answer.body

    def keep(self, data: bytes) -> None:
        """What was served could be used: a start without the service begins with it."""
        self._last_good.write(data)

    def kept(self) -> bytes | None:
        """What could last be used; raises SettingsError where it is not to be trusted."""
        return self._last_good.read()

    async def _ask(self) -> _Answer:
        headers = self._headers | ({"if-none-match": self._etag} if self._etag else {})
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(self.where, headers=headers, allow_redirects=False, ssl=self._tls) as response,
        ):
            body = await self._body_of(response) if response.status == 200 else b""
            return _Answer(response.status, body, response.headers.get("etag", ""))

    async def _body_of(self, response: aiohttp.ClientResponse) -> bytes:
        """Bounded: not compressed, because it was not asked for so, and no longer than a file may be."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._fault("answers compressed, which it was not asked for")
        body = bytearray()
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            body += piece
            if len(body) > MAX_DOCUMENT_BYTES:
                raise self._fault(f"answers more than {MAX_DOCUMENT_BYTES} bytes; that is no configuration")
        return bytes(body)

    def _fault(self, problem: str) -> SettingsError:
        return SettingsError(self.where, [problem])


def address_of(url: str) -> str:
    """What is asked for, of the service's own address or of this one. Raises SettingsError naming what is wrong."""
    parts = urlsplit(url)
    problem = ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        problem = "must be http://HOST[:PORT] or https://HOST[:PORT], and may have a path"
    elif parts.username or parts.password:
        problem = "holds a user or a password; give a token as PLUGINS_CONFIG_SERVICE_TOKEN"
    elif parts.query or parts.fragment:
        problem = "has more than a path behind its host; remove that"
    if problem:
        raise SettingsError("PLUGINS_CONFIG_SERVICE_URL", [problem])
    base = url.rstrip("/")
    return base if base.endswith(SERVICE_PATH) else base + SERVICE_PATH


def _reason(error: Exception) -> str:
    """Why, in the library's words where they have no address or header in them."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}; see PLUGINS_CONFIG_SERVICE_CA_FILE"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return type(error).__name__
