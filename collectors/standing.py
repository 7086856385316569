"""How each service of a process stands, as one document: what operators ask for when they look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from collectors.metrics import CollectorMetrics
from collectors.service import Service
from sluice.exposition import Family
from sluice.telemetry import Counter

_SAMPLES = 13
SAMPLE_SECONDS = 5.0
"""With the above: a rate is that of the last minute."""


class Rates:
    """Records that each service has finished, sampled now and then."""

    def __init__(self, metrics: CollectorMetrics) -> None:
        self._metrics = metrics
        self._samples: deque[tuple[float, dict[str, int]]] = deque(maxlen=_SAMPLES)

    def sample(self, now: float) -> None:
        """Remember how many there are; ``now`` is monotonic, in seconds."""
        self._samples.append((now, self._totals()))

    def _totals(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for (service, _), count in self._metrics.records.series():
            totals[service] = totals.get(service, 0) + count
        return totals

    def per_second(self, service: str, now: float) -> float | None:
        """Since the oldest sample; ``None`` before there is one."""
        if not self._samples or now <= self._samples[0][0]:
            return None
        at, totals = self._samples[0]
        return (self._totals().get(service, 0) - totals.get(service, 0)) / (now - at)


def standing_of(service: Service, metrics: CollectorMetrics, rate: float | None) -> dict[str, Any]:
    """One service."""
    service.observe()
    health, name = service.health, service.name
    lag = {f"{topic}/{number}": int(count) for (of, topic, number), count in metrics.lag_records.series() if of == name}
    last = health.last_trouble
    return {
        "service": name,
        "group": service.group,
        "collectors": [entry.name for entry in service.plan.entries],
        "state": state_of(service),
        "live": health.is_live,
        "ready": health.is_ready,
        "halted": health.is_halted,
        "paused": health.is_paused,
        "causes": health.causes,
        "assignment": sorted(f"{each.topic}/{each.partition}" for each in service.partitions),
        "lag_records": sum(lag.values()),
        "lag_by_partition": lag,
        "lag_seconds": metrics.lag_seconds.value(name),
        "seconds_to_loss": metrics.seconds_to_loss.value(name),
        "oldest_unfinished_seconds": round(service.oldest_unfinished_seconds, 3),
        "records_per_second": None if rate is None else round(rate, 1),
        "outcomes": _counts(metrics.records, name),
        "retries": _counts(metrics.retries, name),
        "dead_letters": _counts(metrics.dead_letters, name),
        "last_error": None if last is None else {"where": last[0], "reason": last[1], "seconds_ago": round(last[2], 1)},
    }


def state_of(service: Service) -> str:
    """In a word: ``running``, or what keeps it from that."""
    health = service.health
    if health.is_halted:
        return "halted"
    if health.is_paused:
        return "paused"
    if not health.is_running:
        return "not running"
    return "running" if health.is_ready else "in trouble"


def _counts(counter: Counter, service: str) -> dict[str, int]:
    """By the second of its labels."""
    return {of: count for (name, of), count in counter.series() if name == service and count}


def families_of(families: Iterable[Family], service: str) -> list[Family]:
    """What of a process's metrics is one service's."""
    return [
        family._replace(series=[each for each in family.series if each[0][0] == service])
        for family in families
        if family.labels[:1] == ("service",)
    ]
