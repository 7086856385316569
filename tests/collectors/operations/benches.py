"""A log for commands to look at: the benches of the event log's contracts, as the settings of a host."""

from __future__ import annotations

import io
import json
from typing import Any

from collectors.operations.log import Log
from collectors.operations.printing import Printer
from collectors.settings import HostSettings
from sluice.eventlog.interface import Record
from tests.contracts.eventlog_laws import JournalBench, KafkaBench

DAMAGED = b"\xc3\x01garbage of no schema at all"


def host_of(bench: JournalBench) -> HostSettings:
    """As ``sluice.yaml`` would say it."""
    if isinstance(bench, KafkaBench):
        kafka: dict[str, Any] = bench._kafka.kafka.model_dump()
    else:
        kafka = {"namespace": bench.topics.namespace, "partitions": bench.topics.partitions}
    return HostSettings.model_validate({"data_dir": bench._folder, "kafka": kafka})


def log_of(bench: JournalBench) -> Log:
    """Closed at the end of the test."""
    log = Log(host_of(bench))
    bench.stack.push_async_callback(log.__aexit__)
    return log


class Seen:
    """What a command printed."""

    def __init__(self, *, as_json: bool = True) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.printer = Printer(as_json=as_json, out=self.out, err=self.err)

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def letter(bench: JournalBench, value: bytes | None, reason: str = "bad_body", **facts: str) -> Record:
    """A dead letter of analytics, as collectors publish it."""
    named = {"error.type": reason, "error.reason": "", "collector": "search", "attempts": "1", **facts}
    headers = [("ce_id", b"x-a"), *((f"dlq.{name}", text.encode()) for name, text in named.items())]
    return Record(bench.topics.event("analytics").dead_letters().name, b"key", value, tuple(headers))
