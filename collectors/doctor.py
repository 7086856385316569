"""What ``sluice doctor`` looks at for collectors: their file, their server, stores, and the sections of services."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path

from collectors.doctor_stores import check_store
from collectors.services.archive.settings import ArchiveSettings
from collectors.settings import HostSettings, ServerSettings, Settings
from sluice.command_line.findings import Finding, Fix, Installation
from sluice.settings import SettingsError, load_settings

_TIMEOUT_SECONDS = 2.0
_MAX_BODY_BYTES = 64 << 10
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def check_collectors(installation: Installation) -> Iterator[Finding]:
    """Everything, from the file to what it names."""
    file = installation.collectors
    if not file.exists():
        yield Finding(True, f"there is no {file}: nothing is carried from this folder (--collectors names another)")
        return
    try:
        settings = load_settings(file, Settings)
        host = load_settings(installation.config, HostSettings)
    except SettingsError as error:
        why = "sluice collect does not start with it; one that runs goes on with what it had"
        yield Finding(False, str(error), "correct the file; sluice validate FILE says the same", why)
        return
    services = settings.services()
    yield Finding(True, f"{file} is valid: {len(services)} services")
    yield _server(settings.server)
    for entry in settings.entries():
        yield from check_store(entry)
    yield from _budget_truth(settings, host.data_dir)
    yield from _reconcile(settings)
    if settings.archive is not None:
        yield _archive(settings.archive, file.parent)


def _server(server: ServerSettings) -> Finding:
    """Nobody there, or ours: ready, or with its reasons."""
    where = f"{server.host}:{server.port}"
    if not server.port:
        return Finding(True, "server.port is 0: the health server's port is known from its log alone")
    connection = HTTPConnection(_LOCAL.get(server.host, server.host), server.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        body = answer.read(_MAX_BODY_BYTES)
    except ConnectionRefusedError:
        return Finding(True, f"nothing listens on {where}: no sluice collect runs here")
    except (OSError, HTTPException) as error:
        why = "nobody sees whether events are carried"
        return Finding(False, f"{where} does not answer as collectors ({type(error).__name__})", "set server.port", why)
    finally:
        connection.close()
    if answer.status == 200:
        return Finding(True, f"the collectors on {where} are ready")
    why = "events of these services wait in the log, for as long as that keeps them"
    remedy = "sluice collectors shows each service and its last error"
    return Finding(False, f"{where} answered /ready with {answer.status}: {_reasons(body)}", remedy, why)


def _reasons(body: bytes) -> str:
    """Which services are not ready, and why; of what is no answer of ours its beginning."""
    try:
        services = json.loads(body)["services"].items()
        ill = {name: how.get("causes") for name, how in services if not how.get("ready")}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return body[:200].decode("utf-8", "replace")
    return "; ".join(f"{name} ({_told(causes)})" for name, causes in ill.items())


def _told(causes: object) -> str:
    if isinstance(causes, dict) and causes:
        return ", ".join(f"{where}: {cause}" for where, cause in causes.items())
    return str(causes or "no cause given")


def _budget_truth(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    section = settings.budget_truth
    if section is None:
        return
    if not settings.control.url:
        why = "spending is counted, but nobody notices where the ledger says something else"
        remedy = "set control.url and control.token in collectors.yaml"
        yield Finding(False, "budget_truth cannot ask the ledger: control.url is empty", remedy, why)
    else:
        yield Finding(True, f"budget_truth asks the ledger at {settings.control.url}")
    if section.database is None:
        folder = _existing(data_dir)
        if not os.access(folder, os.W_OK | os.X_OK):
            why = "totals cannot be kept, so nothing is counted"
            yield Finding(False, f"budget_truth cannot write to {data_dir}", "set budget_truth.database", why)


def _reconcile(settings: Settings) -> Iterator[Finding]:
    section = settings.reconcile
    if section is None:
        return
    if section.every is None:
        why = "a loss is seen only when somebody asks"
        yield Finding(True, "reconcile.every is not set: only sluice reconcile compares", why=why)
    else:
        yield Finding(True, f"reconcile compares every {section.every:g} s")


def _archive(section: ArchiveSettings, beside: Path) -> Finding:
    why = "hours that the log lets go of are then nowhere"
    if section.folder is None:
        if find_spec("botocore") is None:
            return Finding(False, "archive.s3 needs botocore", "pip install 'sluice-gateway[s3]'", why)
        return Finding(True, "archive goes to S3; sluice archive verify reads it")
    folder = beside / section.folder
    if not os.access(_existing(folder), os.W_OK | os.X_OK):
        return Finding(False, f"archive.folder {folder} cannot be written", "change its rights, or archive.folder", why)
    if folder.is_dir():
        return Finding(True, f"archive.folder {folder} can be written")
    fix = Fix(f"make the folder {folder}, for its owner alone", partial(make_folder, folder))
    return Finding(True, f"archive.folder {folder} is made with the first hour", fix=fix)


def _existing(folder: Path) -> Path:
    """The nearest that there is."""
    return next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())


def make_folder(folder: Path) -> str:
    """With those above it; only its owner sees into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return "made"
