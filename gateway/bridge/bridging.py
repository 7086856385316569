"""One exchange's way over the bridge: what was wanted, what the vendor was asked, and what it counted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from gateway.access.input_tokens import InputCount, count_input
from gateway.bridge.interface import Invalid, Operation, Translator, Unsupported, Wanted
from gateway.bridge.legacy import Legacy
from gateway.bridge.passing import Passing
from gateway.bridge.registry import translator_of
from gateway.routes import climbs
from gateway.upstreams.vendors.dialect import Answer

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm, Snapshot
    from gateway.upstreams.failover import Candidate
    from gateway.upstreams.vendors.dialect import StreamScanner

_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*")
"""What a path is made of (RFC 3986, 3.3)."""
_PREFIXES: Final[dict[Operation, str]] = {"chat": "chatcmpl-", "completions": "cmpl-"}


class Asking:
    """One LLM asked over the bridge, with a body that is this one."""

    __slots__ = ("base_path", "body", "llm_id", "model", "translated", "translator", "wanted")

    def __init__(
        self, exchange: Exchange, llm: Llm, base_path: str, bridging: Bridging, body: bytes, model: str | None
    ) -> None:
        self.body, self.llm_id, self.base_path, self.model = body, llm.id, base_path, model
        self.translator = _translator(llm, bridging.operation)
        needs_reading = exchange.is_stream or not self.passes
        document = bridging.document(body) if needs_reading else {}
        self.wanted = _wanted(exchange, llm, self, bridging, document)
        if isinstance(self.translator, Passing):
            self.translated = self.translator.pass_on(self.wanted, body)
        else:
            self.translated = self.translator.request(self.wanted, document)
        if not _PATH.fullmatch(self.translated.path) or climbs(self.translated.path):  # models stand in some paths
            raise Invalid("model", f"'model' is no name that {llm.vendor} could have: {self.model!r:.80}")

    @property
    def passes(self) -> bool:
        """Whether the vendor's answer is OpenAI's as it comes."""
        return isinstance(self.translator, Passing)

    def is_of(self, exchange: Exchange, llm: Llm, base_path: str) -> bool:
        """Whether it need not be made again."""
        return exchange.body is self.body and (llm.id, base_path, exchange.model) == (
            self.llm_id,
            self.base_path,
            self.model,
        )


class Bridging:
    """What an exchange over the bridge has beside the others."""

    __slots__ = ("_asking", "_document", "_read", "answer", "default_output_tokens", "operation", "scanner", "snapshot")

    def __init__(self, operation: Operation, snapshot: Snapshot, default_output_tokens: int) -> None:
        self.operation = operation
        self.snapshot = snapshot
        self.default_output_tokens = default_output_tokens
        self.answer: Answer | None = None
        """What the vendor counted of a whole answer."""
        self.scanner: StreamScanner | None = None
        """What counts the vendor's stream."""
        self._asking: Asking | None = None
        self._read: bytes = b""
        self._document: dict[str, Any] = {}

    def ask(self, exchange: Exchange, llm: Llm, base_path: str | None = None) -> Asking:
        """What this LLM is asked, with the exchange's present body. Raises ``Unsupported``."""
        base_path = llm.base_path if base_path is None else base_path
        if self._asking is None or not self._asking.is_of(exchange, llm, base_path):
            self._asking = Asking(exchange, llm, base_path, self, exchange.body, exchange.model)
        return self._asking

    def sent(self, asking: Asking) -> None:
        """The vendor answers: what it was sent is kept no longer, as streams may last."""
        self._read, self._document = b"", {}
        asking.body, asking.translated = b"", msgspec.structs.replace(asking.translated, body=b"")

    def suits(self, exchange: Exchange, candidate: Candidate) -> bool:
        """Whether an LLM that may take over can be asked all that was asked."""
        try:
            self._would_ask(exchange, candidate)
        except Unsupported:
            return False
        return True

    def largest_input(self, exchange: Exchange, llm: Llm) -> InputCount:
        """The largest count of what anybody may be asked, as it goes to them: vendors read images and tools in their
        own ways. Without a bound where one has none."""
        counted = count_input(self.ask(exchange, llm).translated.body, llm, exchange.model)
        for candidate in exchange.failover:
            body = self._would_ask(exchange, candidate).translated.body
            other = count_input(body, candidate.llm, candidate.model)
            if counted.is_bounded and (other.tokens > counted.tokens or not other.is_bounded):
                counted = other
        return counted

    def _would_ask(self, exchange: Exchange, candidate: Candidate) -> Asking:
        llm, body, model = candidate.llm, exchange.body, candidate.model
        if candidate.is_renamed and model:
            body = llm.dialect.with_model(body, exchange.path, model)[0]
        return Asking(exchange, llm, llm.base_path, self, body, model)

    def document(self, body: bytes) -> dict[str, Any]:
        """The body, decoded once. Raises ``Invalid``."""
        if not self._read or body is not self._read:
            try:
                document = orjson.loads(body)
            except ValueError as error:
                raise Invalid("", f"the body is not JSON: {error}") from error
            if not isinstance(document, dict):
                raise Invalid("", "the body is not a JSON object")
            self._read, self._document = body, document
        return self._document

    def counted(self, answer: Answer) -> Answer:
        """What the vendor's own bytes say of their worth; ``answer``, of the client's, where these are the vendor's."""
        if self.scanner is not None:
            return self.scanner.answer
        return answer if self.answer is None else self.answer


def _translator(llm: Llm, operation: Operation) -> Translator:
    """Who translates this operation for an LLM. Raises ``Unsupported``."""
    translator = translator_of(llm.spoken or llm.dialect)
    if operation in translator.operations:
        return translator
    if operation == "completions" and "chat" in translator.operations:
        return Legacy(translator)
    name = "chat completions" if operation == "chat" else operation
    message = f"{llm.vendor} has no {name} that the bridge could translate to; ask another LLM for {name}"
    raise Unsupported("", message)


def _wanted(exchange: Exchange, llm: Llm, asking: Asking, bridging: Bridging, document: dict[str, Any]) -> Wanted:
    if asking.model is None:
        raise Invalid("model", "'model' is missing: name one, or configure default_model for the LLM")
    options = document.get("stream_options")
    return Wanted(
        operation=bridging.operation,
        model=asking.model,
        is_stream=exchange.is_stream,
        wants_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        wants_base64=document.get("encoding_format") == "base64",
        created=exchange.occurred_at // 1_000_000,
        completion_id=_PREFIXES.get(bridging.operation, "") + exchange.exchange_id,
        vendor=llm.vendor,
        base_path=asking.base_path,
        max_tokens=llm.max_tokens or bridging.default_output_tokens,
    )
