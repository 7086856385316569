"""The sink of a rebuild: the entry's own, with other indices, each made before its first document."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.errors import Halt, Retryable
from collectors.jobs.rebuild.indices import RebuiltIndices
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from schemas.events import Kind

_ACTION = len('{"create":{"_index":"')


class RebuildSink(ElasticsearchSink):
    """A ``Sink``. Never lets the server make an index by itself: it would have no mapping of ours."""

    def __init__(
        self, settings: ElasticsearchSettings, kinds: Sequence[Kind], indices: RebuiltIndices, *, connections: int = 10
    ) -> None:
        super().__init__(settings, kinds, connections=connections, targets=indices.targets)
        self._indices = indices

    async def write(self, documents: Sequence[bytes]) -> Verdict:
        """As the sink does, once the indices are there."""
        try:
            await self._indices.make({_index_of(lines) for lines in documents})
        except (Retryable, Halt) as cause:
            verdict = Verdict()
            verdict.postpone(range(len(documents)), cause)
            return verdict
        return await super().write(documents)


def _index_of(lines: bytes) -> str:
    return lines[_ACTION : lines.index(b'"', _ACTION)].decode()
