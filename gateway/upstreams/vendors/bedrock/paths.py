"""What a path of Bedrock's runtime asks for, and of which model: ``/model/<model>/<operation>``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

Operation = Literal["converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens"]

_CALL = re.compile(
    r"/model/(?P<model>[^?]+)/(?P<operation>converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)/?"
    r"(?=\?|$)"
)
_ARN_OF_A_NAMED_MODEL = re.compile(r"arn:aws[^:]*:bedrock:[^:]*:[^:]*:(?:foundation-model|inference-profile)/([^/]+)")
"""Those that end with a model's own name; provisioned, custom and imported models have none."""
STREAMS = frozenset(("converse-stream", "invoke-with-response-stream"))


class Call(NamedTuple):
    """One operation on one model."""

    operation: Operation
    identifier: str
    """The model as the path names it, decoded: a name or an ARN."""
    model: str
    """The same by the name that people allow and price it by."""
    is_opaque: bool
    """Whether that is an ARN of somebody's own, which does not tell the model: then what answers may. Else Bedrock's
    name holds, which is another than the model's own."""
    start: int
    """Where in the path the identifier stands."""
    end: int


@lru_cache(maxsize=1024)
def call_of(path: str) -> Call | None:
    """The call that a path makes; ``None`` where it is another one."""
    found = _CALL.search(path)
    if found is None:
        return None
    identifier = unquote(found["model"])
    named = _ARN_OF_A_NAMED_MODEL.fullmatch(identifier)
    operation: Operation = found["operation"]  # type: ignore[assignment] # the pattern's alternatives
    model = named[1] if named else identifier
    return Call(operation, identifier, model, model.startswith("arn:"), found.start("model"), found.end("model"))


def with_model(path: str, model: str) -> str:
    """The path with another model, encoded as SDKs do: an ARN's slashes and colons too."""
    call = call_of(path)
    return path if call is None else path[: call.start] + quote(model, safe="") + path[call.end :]


def encoded_once(path: str) -> str:
    """The path with its model percent-encoded exactly once, however a client wrote it: so it is signed, too."""
    call = call_of(path)
    return path if call is None else with_model(path, call.identifier)
