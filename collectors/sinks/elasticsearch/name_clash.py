"""Whether what the sink writes to is what its name stands for: a data stream, or the alias of dated indices.

The name of either is the one that readers ask, so it can be only one of them; where it is the other, every document
would be refused one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from collectors.errors import Halt
from collectors.sinks.elasticsearch.access import cause_of_silence
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp, ElasticsearchUnreachableError


class _Named(msgspec.Struct):
    name: str


class _Resolved(msgspec.Struct):
    indices: list[_Named] = []
    aliases: list[_Named] = []
    data_streams: list[_Named] = []


async def refuse_clashes(http: ElasticsearchHttp, settings: ElasticsearchSettings, stems: Sequence[str]) -> None:
    """Raises ``Halt`` for a name that is taken, and ``Retryable``. Where we may not ask, nothing is refused."""
    for stem in stems:
        found = await _resolve(http, settings, stem)
        if settings.data_streams and (found.aliases or found.indices):
            what = "an alias of indices" if found.aliases else "an index"
            raise Halt(
                f"{stem} is {what} and cannot be a data stream", "give indices other names, or remove data_streams"
            )
        if not settings.data_streams and (found.data_streams or found.indices):
            what = "a data stream" if found.data_streams else "an index"
            remedy = (
                "give indices other names, or set data_streams"
                if found.data_streams
                else "delete it, or give indices other names"
            )
            raise Halt(f"{stem} is {what} and cannot be the alias of dated indices", remedy)


async def _resolve(http: ElasticsearchHttp, settings: ElasticsearchSettings, stem: str) -> _Resolved:
    try:
        answer = await http.request("GET", f"_resolve/index/{quote(stem)}")
    except ElasticsearchUnreachableError as error:
        raise cause_of_silence(error, settings) from error
    if answer.status != 200:
        return _Resolved()
    try:
        return msgspec.json.decode(answer.body, type=_Resolved)
    except msgspec.DecodeError:
        return _Resolved()
