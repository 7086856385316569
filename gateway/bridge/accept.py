"""Steps 1 and 5 over the bridge: which of OpenAI's operations is asked for, and whether the vendor has it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from gateway.accept import Acceptor
from gateway.bridge.bridging import Bridging
from gateway.bridge.errors import MethodWrong, PathUnknown, unsupported
from gateway.bridge.interface import Operation, Unsupported
from gateway.bridge.view import bridged

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.asgi import Receive
    from gateway.exchange import Exchange
    from gateway.recording.recorder import Recorder
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm, Snapshot
    from gateway.sweep import Sweep

_OPERATIONS: Final[dict[str, Operation]] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/models": "models",
}
MODEL_PREFIX: Final = "/v1/models/"
_READS: Final = frozenset(("GET", "HEAD"))


class BridgeAcceptor(Acceptor):
    """Opens exchanges whose clients speak OpenAI's dialect, whatever their LLM speaks."""

    def __init__(
        self,
        settings: GatewaySettings,
        snapshot: Callable[[], Snapshot],
        recorder: Recorder,
        sweep: Sweep,
        default_output_tokens: int,
    ) -> None:
        super().__init__(settings, snapshot, recorder, sweep)
        self._default_output_tokens = default_output_tokens

    async def accept(self, exchange: Exchange, receive: Receive) -> tuple[Llm, Snapshot]:
        """As of all exchanges; then the path and the method must be ones that the bridge has."""
        if not exchange.route.slug:
            raise PathUnknown("/")
        llm, snapshot = await super().accept(exchange, receive)
        operation = operation_of(exchange.path, exchange.method)
        exchange.bridge = Bridging(operation, snapshot, self._default_output_tokens)
        return llm, snapshot

    def view_of(self, llm: Llm) -> Llm:
        """As one that speaks OpenAI's dialect."""
        return llm.bridged or bridged(llm)

    def understand(self, exchange: Exchange, llm: Llm) -> None:
        """As of all; and what the vendor has not is refused here, before anything is held for it."""
        super().understand(exchange, llm)
        bridging = exchange.bridge
        if bridging is None or bridging.operation == "models":
            return
        try:
            bridging.ask(exchange, llm)
        except Unsupported as error:
            raise unsupported(error) from error


def operation_of(path: str, method: str) -> Operation:
    """What a path and a method ask for. Raises ``PathUnknown`` or ``MethodWrong``."""
    path = path.rstrip("/")
    is_model = path.startswith(MODEL_PREFIX)
    operation = "models" if is_model else _OPERATIONS.get(path)
    if operation is None:
        raise PathUnknown(path)
    if (method in _READS) != (operation == "models") or method not in {*_READS, "POST"}:
        raise MethodWrong(method, path, "GET, HEAD" if operation == "models" else "POST")
    return operation


def model_of(path: str) -> str:
    """The model that is looked up; empty where all are listed."""
    path = path.rstrip("/")
    return unquote(path[len(MODEL_PREFIX) :]) if path.startswith(MODEL_PREFIX) else ""
