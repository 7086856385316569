"""Puts dashboards into a Kibana or a Grafana by their public HTTP APIs; foreign errors become ``InstallError`` here.

A credential is sent to the one address that was named: redirects are not followed, no proxy of the environment is used.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, urlsplit

from schemas.events import KINDS, Kind
from sluice.eventstore.dashboards.definitions import Dashboard, kinds_of
from sluice.eventstore.elasticsearch_tls import DistrustError, Tls, open_context
from sluice.eventstore.exports.grafana import grafana_dashboard, with_sources
from sluice.eventstore.exports.kibana import ndjson, saved_objects
from sluice.eventstore.names import INDEX_NAMES

if TYPE_CHECKING:
    import httpx

Program = Literal["kibana", "grafana"]

TIMEOUT_SECONDS = 30.0
"""For one request, from the connection to the answer's last byte."""
MAX_ANSWER_BYTES = 4 << 20
_SHOWN_CHARACTERS = 200
_REDIRECTS = range(300, 400)

_CREDENTIALS: Mapping[Program, str] = {
    "kibana": "SLUICE_KIBANA_CREDENTIAL: user:password or an encoded API key",
    "grafana": "SLUICE_GRAFANA_CREDENTIAL: user:password or a service account's token",
}
_RIGHTS: Mapping[Program, str] = {
    "kibana": "the Kibana privilege Saved Objects Management: All in this space",
    "grafana": "the role Editor, and for finding data sources the right datasources:read (or name them: --datasource)",
}


class InstallError(Exception):
    """It was not installed, or not wholly; the message ends with the remedy."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and as whom."""

    program: Program
    url: str
    """With the base path and, for Kibana, the space: ``https://kibana:5601/s/team``."""
    credential: str = field(default="", repr=False)
    """``user:password``, else Kibana's API key, encoded, or a Grafana token; empty where none is asked."""
    ca_file: str = ""
    """PEM; empty: whom the system trusts."""
    timeout_seconds: float = TIMEOUT_SECONDS


async def install_kibana(target: Target, dashboards: Iterable[Dashboard], *, overwrite: bool) -> int:
    """Import them all at once, and say how many objects were; InstallError where one was not."""
    objects = saved_objects(dashboards)
    file = ("sluice.ndjson", ndjson(objects).encode(), "application/ndjson")
    query = f"?overwrite={str(overwrite).lower()}"
    answer = await _asked(target, "POST", f"/api/saved_objects/_import{query}", files={"file": file})
    if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
        raise _strange(target)
    if not answer["success"]:
        raise InstallError(_refused_objects(answer))
    return int(answer["successCount"]) if isinstance(answer.get("successCount"), int) else len(objects)


async def install_grafana(
    target: Target, dashboards: Iterable[Dashboard], *, overwrite: bool, sources: Mapping[Kind, str] | None = None
) -> int:
    """Save one after the other, and say how many; ``sources`` are uids, looked up by index where they are not given."""
    chosen = tuple(dashboards)
    wanted = [kind for kind in KINDS if any(kind in kinds_of(found) for found in chosen)]
    uids = dict(sources or {})
    if any(kind not in uids for kind in wanted):
        uids = _sources_of(await _asked(target, "GET", "/api/datasources"), target, wanted) | uids
    for number, dashboard in enumerate(chosen):
        model = with_sources(grafana_dashboard(dashboard), uids)
        body = {"dashboard": model, "message": "sluice dashboards install", "overwrite": overwrite}
        try:
            answer = await _asked(target, "POST", "/api/dashboards/db", json=body)
        except InstallError as error:
            message = f"dashboard {dashboard.name}: {error} ({number} of {len(chosen)} were installed)"
            raise InstallError(message) from error
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise _strange(target)
    return len(chosen)


def _sources_of(answer: Any, target: Target, wanted: Iterable[Kind]) -> dict[Kind, str]:
    if not isinstance(answer, list):
        raise _strange(target)
    found: dict[Kind, str] = {}
    for kind in wanted:
        index = INDEX_NAMES[kind]
        uids = [each["uid"] for each in answer if isinstance(each, dict) and _reads(each, index)]
        if len(uids) != 1:
            how_many = "no data source" if not uids else f"{len(uids)} data sources"
            message = (
                f"{target.url}: {how_many} of Elasticsearch with the index {index}; make one with the time field "
                f"@timestamp, or name it: --datasource {kind}=UID"
            )
            raise InstallError(message)
        found[kind] = uids[0]
    return found


def _reads(source: Mapping[str, Any], index: str) -> bool:
    options = source.get("jsonData")
    named = options.get("index") if isinstance(options, dict) else None
    is_ours = source.get("type") == "elasticsearch" and index in {named, source.get("database")}
    return is_ours and isinstance(source.get("uid"), str)


async def _asked(target: Target, method: str, path: str, **sent: Any) -> Any:
    """The JSON of one answer."""
    import httpx  # noqa: PLC0415 - whoever exports needs no client

    _check_address(target)
    try:
        async with asyncio.timeout(target.timeout_seconds):
            status, kind, body = await _exchanged(target, method, path, sent)
    except TimeoutError as error:
        message = (
            f"{target.url}: no whole answer in {target.timeout_seconds:g} s; is it {target.program}, and is it up?"
        )
        raise InstallError(message) from error
    except DistrustError as error:
        message = f"{target.url}: {error}"
        raise InstallError(message) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise InstallError(_unreachable(target, error)) from error
    return _judged(target, status, kind, body)


async def _exchanged(target: Target, method: str, path: str, sent: Mapping[str, Any]) -> tuple[int, str, bytes]:
    import httpx  # noqa: PLC0415 - see above

    parts = urlsplit(target.url)
    verify: Any = False  # there is nothing to verify, and no redirect to where there is
    if parts.scheme == "https":
        tls = Tls(ca_file=target.ca_file)
        verify = await open_context(tls, parts.hostname or "", parts.port or 443, target.timeout_seconds)
    options: dict[str, Any] = {"headers": _headers(target), "trust_env": False, "follow_redirects": False}
    async with (
        httpx.AsyncClient(verify=verify, timeout=target.timeout_seconds, **options) as client,
        client.stream(method, target.url.rstrip("/") + path, **sent) as response,
    ):
        return response.status_code, response.headers.get("content-type", ""), await _body(response)


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return b""  # which is no JSON
    return bytes(body)


def _headers(target: Target) -> dict[str, str]:
    found = {"accept": "application/json", "user-agent": "sluice"}
    if target.program == "kibana":
        found["kbn-xsrf"] = "sluice"  # without it Kibana refuses what changes something
    if ":" in target.credential:
        found["authorization"] = f"Basic {base64.b64encode(target.credential.encode()).decode()}"
    elif target.credential:
        found["authorization"] = f"{'ApiKey' if target.program == 'kibana' else 'Bearer'} {target.credential}"
    return found


def _check_address(target: Target) -> None:
    """Raise InstallError for what is no address, or holds a password, which would be in a shell's history."""
    option = f"--{target.program}-url"
    parts = _parts_of(target.url)
    if parts is None:
        message = f"{option}: is no address; write it like https://{target.program}.example.com"
        raise InstallError(message)
    if parts.username is not None or parts.query or parts.fragment:
        who = _CREDENTIALS[target.program]
        message = f"{option}: has a name, a password, a query or a fragment; give who you are as {who}"
        raise InstallError(message)
    if not (target.credential.isascii() and target.credential.isprintable()) and ":" not in target.credential:
        message = f"the credential has characters that no key has; give it as {_CREDENTIALS[target.program]}"
        raise InstallError(message)


def _parts_of(url: str) -> SplitResult | None:
    """``None`` where a URL is no address of a web server."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address else None


def _judged(target: Target, status: int, kind: str, body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == 200 and answer is not None:
        return answer
    said = _said(answer)
    if status in _REDIRECTS:
        raise InstallError(f"{target.url}: answers with a redirect ({status}); give the address that it leads to")
    if status == 200 or (answer is None and status not in _REMEDIES):
        what = kind.partition(";")[0][:60] or "nothing that has a type"
        raise InstallError(f"{target.url}: answered {status} with {what} and no JSON; {_not_it(target)}")
    remedy = _REMEDIES.get(status, "its log says more").format(
        credential=_CREDENTIALS[target.program], rights=_RIGHTS[target.program], not_it=_not_it(target)
    )
    raise InstallError(f"{target.url}: answered {status}{said}; {remedy}")


_REMEDIES: Mapping[int, str] = {
    401: "give who you are as {credential}",
    403: "whoever you are there needs {rights}",
    404: "{not_it}",
    409: "it is there already: add --overwrite",
    412: "it is there already, or was changed since: add --overwrite",
    429: "try again later",
    502: "try again when it is up",
    503: "try again when it is up",
}


def _said(answer: Any) -> str:
    message = answer.get("message") if isinstance(answer, dict) else None
    if not isinstance(message, str) or not message:
        return ""
    return f" ({''.join(each if each.isprintable() else ' ' for each in message[:_SHOWN_CHARACTERS])})"


def _refused_objects(answer: Mapping[str, Any]) -> str:
    errors = [each for each in answer.get("errors") or () if isinstance(each, dict)]
    kinds = {str(each["error"].get("type")) for each in errors if isinstance(each.get("error"), dict)}
    names = ", ".join(f"{str(each.get('type'))[:20]} {str(each.get('id'))[:80]}" for each in errors[:5])
    names = "".join(each if each.isprintable() else " " for each in names)
    what = f"{len(errors)} objects were not imported ({', '.join(sorted(kinds))[:100]}): {names or 'none is named'}"
    if kinds & {"conflict", "ambiguous_conflict"}:
        return f"{what}; they are there already: add --overwrite"
    if "missing_references" in kinds:
        return f"{what}; import all of a dashboard at once: name whole dashboards"
    return f"{what}; is it Kibana 8.0 or later? its log says more"


def _not_it(target: Target) -> str:
    return f"is this {target.program.title()} itself, with its base path, and no login page or proxy before it?"


def _strange(target: Target) -> InstallError:
    return InstallError(f"{target.url}: its answer is not {target.program.title()}'s; {_not_it(target)}")


def _unreachable(target: Target, error: Exception) -> str:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{target.url}: its certificate is of nobody whom we trust; name who signed it: --ca-file FILE"
    return f"{target.url}: cannot be reached ({type(error).__name__}); is it up, and is the address right?"
