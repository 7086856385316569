"""Where the control API is, and the token that opens it: from options, the environment, or the settings file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.control.admin.errors import UsageError

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_CONFIG = Path("sluice.yaml")
TOKEN_VARIABLE = "SLUICE_ADMIN_TOKEN"  # noqa: S105 - its name
"""The token of ``sluice admin``, where ``--token`` is not given; by default the one in ``data_dir/admin.token``."""

TOKEN_FILE = "admin.token"  # noqa: S105 - as above
"""In the data_dir; ``bootstrap`` writes it, and is too heavy to import here."""

_API = "/api/v1"
_DATA_DIR = ".sluice"
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}
_DEFAULT_PORT = 8080


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway's control API. ``url`` is without ``/api/v1``."""

    url: str
    token: str = field(repr=False)


def find_target(url: str = "", token: str = "", config: Path = DEFAULT_CONFIG) -> Target:
    """What the options say, else the environment (the token), else ``config``. Raises UsageError.

    Of ``config`` only what is needed is read, so that its ``${VARIABLES}`` need not be set here; it may be missing
    where it is the default.
    """
    document = _document(config)
    return Target(_without_api(url or _url_of(document)), _checked(token or _token_of(document, config)))


def _document(config: Path) -> Mapping[str, Any]:
    if config == DEFAULT_CONFIG and not config.exists():
        return {}
    from sluice.settings import SettingsError, read_document  # noqa: PLC0415 - every sluice command imports this file

    try:
        return read_document(config)
    except SettingsError as error:
        raise UsageError(str(error)) from None


def _without_api(url: str) -> str:
    plain = url.rstrip("/").removesuffix(_API)
    if not plain.startswith(("http://", "https://")):
        raise UsageError(f"--url: {url!r} is no URL; write it like {DEFAULT_URL}")
    return plain


def _url_of(document: Mapping[str, Any]) -> str:
    listen = _plain(document, "control", "listen", "--url")
    if listen:
        host, _, port = listen.rpartition(":")
    else:
        host = _plain(document, "gateway", "host", "--url") or "127.0.0.1"
        port = _plain(document, "gateway", "port", "--url") or str(_DEFAULT_PORT)
    host = host.strip("[]")
    host = _ANYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def _token_of(document: Mapping[str, Any], config: Path) -> str:
    from sluice.settings import environment  # noqa: PLC0415 - as above

    found = environment().get(TOKEN_VARIABLE, "")
    if found:
        return found
    data_dir = _plain({"": document}, "", "data_dir", "--token") or _DATA_DIR
    path = Path(data_dir) / TOKEN_FILE
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"give --token, set {TOKEN_VARIABLE}, or name the gateway's settings file with --config"
        message = f"no admin token: {path} of {config} cannot be read ({type(error).__name__}); {remedy}"
        raise UsageError(message) from None


def _plain(document: Mapping[str, Any], section: str, key: str, option: str) -> str:
    """A value that needs no variable; empty where there is none."""
    found = document.get(section)
    value = found.get(key) if isinstance(found, Mapping) else None
    if value is None:
        return ""
    text = str(value)
    if "${" in text:
        name = f"{section}.{key}".lstrip(".")
        raise UsageError(f"{name}: {text} is known only where the gateway runs; give {option}")
    return text


def _checked(token: str) -> str:
    plain = token.strip()
    if not plain or not plain.isascii() or not plain.isprintable() or " " in plain:
        raise UsageError("--token: is no token; give the one that the gateway printed at its first start")
    return plain
