"""What ``sluice doctor`` looks at for the gateway: settings, port, journals, payloads, Kafka, vendors."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from functools import partial
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
from sluice.command_line.findings import Finding, Fix
from sluice.eventlog.journal.header import BadHeaderError
from sluice.eventlog.journal.lock import LOCK_FILE, is_held
from sluice.eventlog.journal.segment import read_header, segment_numbers, segment_path
from sluice.eventlog.kafka.admin import MISSING, ensure_topics, find_problems
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
        why = "no gateway starts with it"
        yield Finding(False, str(error), "correct the file; sluice validate FILE says the same", why)
        return
    yield Finding(True, f"{config} is valid: {len(settings.llms)} LLMs, {len(settings.apps)} apps")
    yield _data_folder(settings.data_dir)
    yield from _secrets(settings)
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
        if folder.is_dir():
            return Finding(True, f"data_dir {folder} can be written")
        fix = Fix(f"make the folder {folder}, for its owner alone", partial(_make_folder, folder))
        return Finding(True, f"data_dir {folder} can be written, and is made at the first start", fix=fix)
    remedy, why = "set data_dir, or change the rights of the folder", "no gateway starts without a journal"
    return Finding(False, f"data_dir {folder} cannot be written", remedy, why)


def _make_folder(folder: Path) -> str:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return "made"


def _secrets(settings: Settings) -> Iterator[Finding]:
    """The admin token is its owner's alone; a key file may be read by its group, which volumes need."""
    from gateway.control.bootstrap import TOKEN_FILE  # noqa: PLC0415 - SQL belongs to an extra
    from gateway.control.keys import key_file  # noqa: PLC0415 - as above

    others, group_writes = stat.S_IRWXO, stat.S_IWGRP
    places = [(settings.data_dir / TOKEN_FILE, stat.S_IRWXG | others)]
    if not settings.control.secret_key.get_secret_value():
        places.append((key_file(settings.control, settings.data_dir), group_writes | others))
    for path, refused in places:
        if path.is_file():
            yield _private(path, refused)


def _private(path: Path, refused: int) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & refused:
        return Finding(True, f"{path} is private ({mode:04o})")
    why = "whoever reads it manages this gateway, or decrypts its vendor keys"
    fix = Fix(f"let only its owner read and write {path}", partial(_make_private, path))
    return Finding(False, f"{path} has mode {mode:04o}: others can read or change it", f"chmod 600 {path}", why, fix)


def _make_private(path: Path) -> str:
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return f"{path} has mode 0600"


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
        why = "the gateway cannot start: apps, tokens and budgets are there"
        return Finding(False, str(error), "see control.database_url in sluice.yaml", why)
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
        why = "a gateway cannot listen there, and clients meet something else"
        what = f"{where} does not answer as a gateway ({type(error).__name__})"
        return Finding(False, what, "set gateway.port", why)
    finally:
        connection.close()
    if answer.status == 200:
        return Finding(True, f"the gateway on {where} is ready")
    remedy = "see its problems above, and its log" if "problems" in body else "set gateway.port: this is no gateway"
    why = "load balancers send it no requests"
    return Finding(False, f"{where} answered /ready with {answer.status}: {body[:300]}", remedy, why)


def _vendor(llm: LlmSettings) -> Finding:
    url = urlsplit(llm.base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname or "", port), _TIMEOUT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # the second for names that no resolver is asked for
        what = f"LLM {llm.slug}: {url.hostname}:{port} cannot be reached ({error})"
        why = "its requests are answered with 502"
        return Finding(False, what, f"correct llms.{llm.slug}.base_url, or the network", why)
    return Finding(True, f"LLM {llm.slug}: {url.hostname}:{port} accepts connections")


def _journals(settings: Settings) -> Iterator[Finding]:
    for directory in all_journals(settings.data_dir):
        if directory.parent.name == COLLECTORS_FOLDER:
            continue
        name = f"journal {directory.parent.name}/{directory.name}"
        used = sum(path.stat().st_size for path in directory.iterdir() if path.is_file())  # as the journal counts it
        room = settings.journal.max_bytes - used
        if not is_held(directory / LOCK_FILE):
            what = f"{name} is held by nobody ({used / 1e6:,.1f} MB)"
            yield Finding(True, f"{what}: the next gateway on this data_dir adopts it")
            continue
        minutes = _minutes(directory, room)
        rate = "" if minutes is None else f", {_span(minutes)} at the present rate"
        ok = room > settings.journal.max_bytes // 5
        yield Finding(
            ok,
            f"{name}: {used / 1e6:,.1f} MB of {settings.journal.max_bytes / 1e6:,.0f}{rate}",
            "" if ok else "find out why it is not relayed (Kafka, collectors), or raise journal.max_bytes",
            "" if ok else "a journal that is full refuses requests with 503",
        )


def _span(minutes: float) -> str:
    """In days, where nobody would count minutes."""
    return f"{minutes:,.0f} minutes" if minutes < 2 * 1440 else f"{minutes / 1440:,.0f} days"


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
        "" if ok else "plugins are refused when a queue is at 70 %",
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
        why = "events wait in the journals until Kafka takes them, and a journal that is full refuses requests"
        yield Finding(False, problem, "see kafka.* in sluice.yaml", why, _fix_of_topics(settings, problem))


def _fix_of_topics(settings: Settings, problem: str) -> Fix | None:
    """Missing topics are made, each time all of them; what exists is left as it is."""
    if MISSING not in problem:
        return None

    def make() -> str:
        asyncio.run(ensure_topics(settings, Topics(settings.kafka.namespace, settings.kafka.partitions)))
        return "made"

    return Fix(f"make it ({problem.partition(':')[0]})", make)
