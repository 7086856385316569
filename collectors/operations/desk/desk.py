"""The desk of a host: dead letters and their redrives, jobs, what gateways reported, asked of one process.

Whatever reads the log is a command in a process of its own, a few at once; who asks for what somebody else asked for a
moment ago gets the same answer. A redrive is ``sluice redrive`` as a child: it has its job's folder, its lock and its
report like any other, so it is seen by whoever looks at the jobs of this host, after a restart as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import structlog

from collectors.jobs.folder import JOBS_FOLDER, PLAN, new_job_name
from collectors.jobs.standing import jobs_standing
from collectors.operations.desk.asking import DeskError, Letters
from collectors.operations.desk.children import COMMAND, ChildError, Running, Said, ask

READ_SECONDS = 30.0
"""What a question to the log may take."""
SHOWN_LETTERS = 50
_SHOWN_BOOTS = 200
_AT_ONCE = 2
_MAX_WAITING = 8
_KEPT_SECONDS = 3.0
_MAX_RUNNING = 20
_STOP_SECONDS = 15.0
_MAX_VALUE = 20_000
"""Characters of one value of a letter that are shown."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Answer:
    """To one question, kept for a moment."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    at: float = -_KEPT_SECONDS
    documents: list[dict[str, Any]] = field(default_factory=list)
    problem: DeskError | None = None
    """Why there is none: who waited for it gets it as well, and does not ask again behind it."""


class Desk:
    """Of one host: ``config`` and ``collectors`` are what commands are given, ``data_dir`` is where jobs lie."""

    def __init__(self, config: Path, collectors: Path, data_dir: Path, command: Sequence[str] = COMMAND) -> None:
        self._config = config
        self._collectors = collectors
        self._data_dir = data_dir
        self._command = tuple(command)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._answers: dict[tuple[str, ...], _Answer] = {}
        self._running: dict[str, Running] = {}
        self._beginning = asyncio.Lock()

    async def counts(self) -> dict[str, Any]:
        """Open letters by reason, collector and kind, the most first. Raises DeskError, as all do."""
        return {"counts": await self._read("dead-letters", "count")}

    async def letters(self, wanted: Letters) -> dict[str, Any]:
        """Open letters, without what they were: that is shown of one."""
        found = await self._read("dead-letters", "list", f"--limit={SHOWN_LETTERS}", *wanted.options())
        return {"letters": [_heading(each) for each in found], "limit": SHOWN_LETTERS}

    async def letter(self, letter: str) -> dict[str, Any]:
        """One letter whole: why, its headers, and what it was as far as that can be decoded."""
        if not letter or letter.startswith("-"):
            raise DeskError(400, "id: must be TOPIC/PARTITION/OFFSET, as letters are listed")
        found = await self._read("dead-letters", "show", letter)
        if not found:
            raise DeskError(404, f"there is no dead letter {letter!r}: retention may have deleted it")
        return {"letter": _cut(found[0])}

    async def gateways(self) -> dict[str, Any]:
        """What gateways reported of themselves lately: the newest boots."""
        return {"boots": (await self._read("gateways"))[:_SHOWN_BOOTS]}

    async def jobs(self) -> dict[str, Any]:
        """Every job of this host, and those that were begun here and did not come so far as to have a folder."""
        found = await asyncio.to_thread(jobs_standing, self._data_dir)
        for each in found:
            each["can_cancel"] = each["state"] == "running" and each["job"] in self._running
        known = {each["job"] for each in found}
        return {"jobs": [_unbegun(name, each) for name, each in self._running.items() if name not in known] + found}

    async def dry_run(self, wanted: Letters) -> dict[str, Any]:
        """What a redrive would give back, and to whom; nothing is written."""
        options = ("--dry-run", f"--collectors={self._collectors}", *wanted.options())
        found = await self._read("redrive", *options, is_kept=False)
        if not found:
            raise DeskError(502, "the command said nothing of what it counted")
        return {"report": found[-1]}

    async def redrive(self, wanted: Letters, by: str) -> dict[str, Any]:
        """Begin one, of all who ask at once; ``by`` is who asked, for the log."""
        name = new_job_name("redrive")
        options = [f"--job={name}", f"--collectors={self._collectors}", f"--config={self._config}", "--json"]
        async with self._beginning:
            self._forget_ended()
            if len(self._running) >= _MAX_RUNNING or any(each.code is None for each in self._running.values()):
                raise DeskError(409, "a redrive that was begun here still runs: wait for it, or cancel it")
            try:
                self._running[name] = await Running.start([*self._command, "redrive", *options, *wanted.options()])
            except ChildError as error:
                raise DeskError(503, str(error)) from error
        self._answers.clear()
        asked = {"collector": wanted.collector, "reason": wanted.reason, "event_kind": wanted.kind}
        _log.info("redrive begun by an operator", job=name, by=by, **asked)
        return {"job": name}

    async def cancel(self, job: str, by: str) -> dict[str, Any]:
        """Have a redrive finish what is in flight and end; what it did not come to stays open."""
        running = self._running.get(job)
        if running is None or running.code is not None:
            how = "press Ctrl-C where it runs, or send SIGTERM to its process"
            raise DeskError(409, f"job {job!r} was not begun here, or has ended; a command's own job ends there: {how}")
        running.stop()
        _log.info("redrive cancelled by an operator", job=job, by=by)
        return {"job": job}

    def stop(self) -> None:
        """Have what was begun here finish what is in flight, while this process does the same."""
        for running in self._running.values():
            if running.code is None:
                running.stop()

    async def close(self) -> None:
        """What was begun here ends with us; ``sluice redrive --resume`` goes on with it."""
        async with asyncio.TaskGroup() as tasks:
            for running in self._running.values():
                tasks.create_task(running.close(_STOP_SECONDS))

    def _forget_ended(self) -> None:
        """Those that have a folder speak by it; of the others the last ones are kept."""
        ended = [name for name, each in self._running.items() if each.code is not None]
        for name in ended:
            if (self._data_dir / JOBS_FOLDER / name / PLAN).exists() or len(ended) > _MAX_RUNNING // 2:
                self._running.pop(name).forget()

    async def _read(self, *arguments: str, is_kept: bool = True) -> list[dict[str, Any]]:
        """What a command prints as JSON, asked for once by all who ask at once."""
        now = asyncio.get_running_loop().time
        came_at = now()
        old = [
            key for key, each in self._answers.items() if not each.lock.locked() and came_at - each.at > _KEPT_SECONDS
        ]
        for key in old:
            del self._answers[key]
        answer = self._answers.setdefault(arguments, _Answer()) if is_kept else _Answer()
        async with answer.lock:
            if answer.problem is not None and answer.at >= came_at:
                raise DeskError(answer.problem.status, str(answer.problem))
            if answer.problem is not None or now() - answer.at >= _KEPT_SECONDS:
                await self._learn(answer, arguments)
        return answer.documents

    async def _learn(self, answer: _Answer, arguments: Sequence[str]) -> None:
        problem: DeskError | None = None
        documents: list[dict[str, Any]] = []
        try:
            # In a thread: to read 16 MiB of JSON takes longer than heartbeats should wait.
            documents = await asyncio.to_thread(_documents, await self._asked(arguments))
        except DeskError as error:
            problem = error
        answer.documents, answer.problem, answer.at = documents, problem, asyncio.get_running_loop().time()
        if problem is not None:
            raise problem

    async def _asked(self, arguments: Sequence[str]) -> Said:
        if self._waiting >= _MAX_WAITING:
            raise DeskError(503, "too much is being asked for at once; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turns:
                first, *others = arguments
                options = [each for each in others if each.startswith("--")]
                names = [each for each in others if not each.startswith("--")]
                command = [*self._command, first, "--json", f"--config={self._config}", *options, "--", *names]
                return await ask(command, READ_SECONDS)
        except ChildError as error:
            raise DeskError(504, str(error)) from error
        finally:
            self._waiting -= 1


def _documents(said: Said) -> list[dict[str, Any]]:
    """1 is what commands say where something is open; without a document it is a failure of theirs."""
    try:
        found = [orjson.loads(line) for line in said.out.splitlines()]
    except ValueError as error:
        raise DeskError(502, "the command answered something else than JSON") from error
    if said.code not in {0, 1} or (said.code == 1 and not found):
        raise DeskError(404 if said.code == 2 else 502, said.err or f"the command ended with {said.code}")
    return [each for each in found if isinstance(each, dict)]


def _heading(letter: dict[str, Any]) -> dict[str, Any]:
    kept = {name: letter.get(name) for name in ("id", "kind", "appended_at", "key", "state", "dead_letter", "problem")}
    return {**kept, "event_id": (letter.get("headers") or {}).get("ce_id")}


def _cut(value: Any) -> Any:
    """The same with what is too long for a page cut."""
    if isinstance(value, str):
        return value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return {name: _cut(each) for name, each in value.items()} if isinstance(value, dict) else value


def _unbegun(name: str, running: Running) -> dict[str, Any]:
    """A job without a folder: it has not come so far, or was refused before it had one."""
    state = "starting" if running.code is None else "refused" if running.code > 0 else "stopped"
    problems = (
        [] if running.code is None else [running.said or f"it ended ({running.code}) before it gave anything back"]
    )
    return {"job": name, "command": "redrive", "asked": {}, "state": state, "problems": problems, "can_cancel": False}
