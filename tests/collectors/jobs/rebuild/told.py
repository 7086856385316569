"""A cluster that says what it is told, and remembers what it was asked."""

from __future__ import annotations

from typing import Any

import orjson

from collectors.jobs.rebuild.cluster import Cluster
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp


class Told(ElasticsearchHttp):
    """Each request takes the next answer; an exception is raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        super().__init__("http://nobody:1")
        self.answers = list(answers)
        self.asked: list[str] = []
        self.bodies: list[Any] = []

    async def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Answer:
        """What comes next."""
        self.asked.append(f"{method} {path}")
        self.bodies.append(orjson.loads(body) if body is not None and headers is None else body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(document: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(status, orjson.dumps(document))


def error(status: int, kind: str, reason: str = "because") -> Answer:
    """As the server refuses."""
    return said({"error": {"type": kind, "reason": reason}, "status": status}, status)


def told(*answers: Answer | Exception, **settings: Any) -> tuple[Cluster, Told]:
    """A cluster of one that is told."""
    http = Told(*answers)
    return Cluster(ElasticsearchSettings.model_validate(settings), http), http
