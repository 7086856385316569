"""What ``sluice doctor`` looks at for the gateway: settings, port, journals, payloads, Kafka, vendors."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.payloads.count import Count
from gateway.payloads.queue import FOLDER as PAYLOADS_FOLDER
from gateway.payloads.queue import QUEUE_BYTES
from gateway.settings import Settings
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.commands import Finding
from sluice.eventlog.journal.header import BadHeaderError
from sluice.eventlog.journal.lock import LOCK_FILE, is_held
from sluice.eventlog.journal.segment import read_header, segment_numbers, segment_path
from sluice.eventlog.kafka.admin import find_problems
from sluice.eventlog.places import COLLECTORS_FOLDER, all_journals
from sluice.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from gateway.entity_settings import LlmSettings
    from gateway.settings import GatewaySettings

_TIMEOUT_SECONDS = 2.0


def check_gateway(config: Path) -> Iterator[Finding]:
    """Everything, in the order of an exchange."""
    try:
        settings = load_settings(config, Settings)
    except SettingsError as error:
        yield Finding(False, str(error), "correct the file; sluice validate FILE says the same")
        return
    yield Finding(True, f"{config} is valid: {len(settings.llms)} LLMs, {len(settings.apps)} apps")
    yield _data_folder(settings.data_dir)
    yield _port(settings.gateway)
    yield _control(settings)
    for llm in settings.llms:
        yield _vendor(llm)
    yield from _journals(settings)
    yield from _payloads(settings.data_dir / PAYLOADS_FOLDER)
    yield from _kafka(settings)


def _data_folder(folder: Path) -> Finding:
    existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    if os.access(existing, os.W_OK | os.X_OK):
        return Finding(True, f"data_dir {folder} can be written")
    return Finding(False, f"data_dir {folder} cannot be written", "set data_dir, or change the rights of the folder")


def _control(settings: Settings) -> Finding:
    """Reads the control database; one in ``data_dir`` that is not there yet is made by the first start."""
    from gateway.control.database import DATABASE_FILE, ControlDatabase, control_url  # noqa: PLC0415 - SQL belongs to an extra
    from gateway.control.errors import ControlDatabaseError  # noqa: PLC0415 - as above
    from gateway.control.reading import read_generation  # noqa: PLC0415 - as above

    if not settings.control.database_url and not (settings.data_dir / DATABASE_FILE).exists():
        return Finding(True, "the control database is made at the first start")

    async def generation() -> int:
        database = ControlDatabase(control_url(settings.control.database_url, settings.data_dir))
        try:
            async with database.read() as connection:
                return await read_generation(connection)
        finally:
            await database.close()

    try:
        changes = asyncio.run(generation())
    except ControlDatabaseError as error:
        return Finding(False, str(error), "see control.database_url in sluice.yaml")
    return Finding(True, f"the control database can be read: {changes} changes")


def _port(settings: GatewaySettings) -> Finding:
    """Either free, or ours and ready."""
    where = f"{settings.host}:{settings.port}"
    connection = HTTPConnection(settings.host, settings.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        body = answer.read(4096).decode("utf-8", "replace")
    except ConnectionRefusedError:
        return Finding(True, f"nothing listens on {where}: sluice gateway can")
    except (OSError, HTTPException) as error:
        return Finding(False, f"{where} does not answer as a gateway ({type(error).__name__})", "set gateway.port")
    finally:
        connection.close()
    if answer.status == 200:
        return Finding(True, f"the gateway on {where} is ready")
    remedy = "see its problems above, and its log" if "problems" in body else "set gateway.port: this is no gateway"
    return Finding(False, f"{where} answered /ready with {answer.status}: {body[:300]}", remedy)


def _vendor(llm: LlmSettings) -> Finding:
    url = urlsplit(llm.base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname or "", port), _TIMEOUT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # the second for names that no resolver is asked for
        what = f"LLM {llm.slug}: {url.hostname}:{port} cannot be reached ({error})"
        return Finding(False, what, f"correct llms.{llm.slug}.base_url, or the network")
    return Finding(True, f"LLM {llm.slug}: {url.hostname}:{port} accepts connections")


def _journals(settings: Settings) -> Iterator[Finding]:
    for directory in all_journals(settings.data_dir):
        if directory.parent.name == COLLECTORS_FOLDER:
            continue
        name = f"journal {directory.parent.name}/{directory.name}"
        used = sum(path.stat().st_size for path in directory.glob("*.seg"))
        room = settings.journal.max_bytes - used
        if not is_held(directory / LOCK_FILE):
            what = f"{name} is held by nobody ({used / 1e6:,.1f} MB)"
            yield Finding(True, f"{what}: the next gateway on this data_dir adopts it")
            continue
        minutes = _minutes(directory, room)
        rate = "" if minutes is None else f", {minutes:,.0f} minutes at the present rate"
        ok = room > settings.journal.max_bytes // 5
        yield Finding(
            ok,
            f"{name}: {used / 1e6:,.1f} MB of {settings.journal.max_bytes / 1e6:,.0f}{rate}",
            "" if ok else "find out why it is not relayed (Kafka, collectors), or raise journal.max_bytes",
        )


def _minutes(directory: Path, room: int) -> float | None:
    """How long the room lasts at the rate at which the segment that is written grows."""
    numbers = segment_numbers(directory)
    try:
        path = segment_path(directory, numbers[-1])
        age_micros = now_micros() - read_header(path).created_at
        size = path.stat().st_size
    except (IndexError, BadHeaderError, FileNotFoundError):
        return None
    bytes_per_minute = size / max(age_micros, 1) * 60e6
    return max(room, 0) / bytes_per_minute if bytes_per_minute else None


def _payloads(root: Path) -> Iterator[Finding]:
    """What plugins sent to the control side and nobody took yet."""
    queues = all_journals(root)
    if not queues:
        return
    count = Count(root)
    waiting = count.value()
    count.close()
    fullest = max(sum(path.stat().st_size for path in queue.glob("*.seg")) for queue in queues)
    ok = not waiting or fullest < QUEUE_BYTES // 3  # sending is refused at 70 %
    yield Finding(
        ok,
        f"payloads: {waiting} wait to be delivered, the fullest queue has {fullest / 1e6:,.1f} MB",
        "" if ok else "find out why they are not taken: whether Kafka answers, and the receivers in sluice plugins",
    )


def _kafka(settings: Settings) -> Iterator[Finding]:
    servers = settings.kafka.bootstrap_servers
    if not servers:
        yield Finding(True, "kafka.bootstrap_servers is empty: the journals are the event log")
        return
    problems = asyncio.run(find_problems(settings, Topics(settings.kafka.namespace, settings.kafka.partitions)))
    if not problems:
        yield Finding(True, f"Kafka at {servers} is reachable and its topics are as they should be")
    for problem in problems:
        yield Finding(False, problem, "see kafka.* in sluice.yaml")
