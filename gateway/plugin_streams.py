"""Streams that plugins act on: gathered whole, or piece by piece.

Usage and cost are read from the vendor's own bytes, whatever plugins make of them; what is counted and copied as the
answer is what the client gets. A block or a failure in mid-stream ends the stream with an error in the vendor's
dialect, since its status is out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.headers import header
from gateway.hooks import plugin_refusal
from gateway.outcomes import ClientGone, Refusal, ResponseRefused
from gateway.stream_copy import StreamCopy
from gateway.transfer import Transfer, more_than_plugins_read, note_refusal
from gateway.upstreams.sse_frames import MAX_FRAME_BYTES, FrameTooLargeError, WholeFrames
from gateway.usage import take_answer
from sluice.plugin_host.errors import PluginBlocked, PluginFailed

if TYPE_CHECKING:
    from gateway.asgi import Message, Send
    from gateway.exchange import Exchange
    from gateway.hooks import Hooks
    from gateway.recording.recorder import Recorder
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm
    from gateway.stream_pieces import StreamPieces
    from gateway.upstreams.client import UpstreamResponse
    from gateway.upstreams.vendors.dialect import StreamScanner
    from sluice.plugin_host.chain import Chain

_PART_BYTES = 64 << 10
"""A gathered stream goes out in parts of this size: a client must take each in time, not all of it."""
_DEFAULT_BLOCK_STATUS = 403
_SSE_END = (b"\n\n",)


def begin_stream(exchange: Exchange, llm: Llm, response: UpstreamResponse, max_copy_bytes: int) -> None:
    """What plugins have to do with a stream before it begins. Raises ``ResponseRefused`` for one that none asked for
    where a plugin refuses them: one that is asked for never gets here."""
    chains = llm.chains
    if chains.stream_refused_by:
        response.abort()
        exchange.partial = True
        message = f"the vendor answered with a stream, which plugin {chains.stream_refused_by!r} refuses"
        raise ResponseRefused(message, "stream_refused")
    for link in chains.stream_skipped:
        link.skip_stream()
        exchange.timings.append({"plugin": link.plugin, "hook": link.hook, "micros": 0, "decision": "skipped"})
    if chains.stream_complete:
        exchange.stream_copy = StreamCopy(max_copy_bytes)


class PluginStreams:
    """Carries such streams for one worker."""

    def __init__(self, settings: GatewaySettings, hooks: Hooks, recorder: Recorder) -> None:
        self._settings = settings
        self._hooks = hooks
        self._recorder = recorder
        self._max_frame_bytes = min(MAX_FRAME_BYTES, settings.max_response_bytes)

    async def whole(
        self, exchange: Exchange, llm: Llm, response: UpstreamResponse, send: Send, scanner: StreamScanner
    ) -> list[Message]:
        """Gather a stream to its end, give it to its plugins, and send what they leave, but for its terminal event."""
        transfer = PluginTransfer(self._settings, exchange, send, llm.max_response_bytes)
        try:
            body = await self._gather(exchange, response, transfer, scanner)
        finally:
            take_answer(exchange, scanner.answer)
        if exchange.client_left:
            raise ClientGone
        changed = await self._hooks.stream_whole(exchange, llm, body)
        exchange.response_headers = [pair for pair in exchange.response_headers if pair[0] != b"content-length"]
        splitter = _splitter(exchange, llm, response)
        out = splitter.feed(changed)
        await transfer.start()
        for start in range(0, len(out), _PART_BYTES):
            await transfer.forward(out[start : start + _PART_BYTES])
        return transfer.last(splitter.finish())

    async def _gather(
        self, exchange: Exchange, response: UpstreamResponse, transfer: PluginTransfer, scanner: StreamScanner
    ) -> bytes:
        parts: list[bytes] = []
        while not scanner.ended:
            chunk = await transfer.next(response)
            if not chunk:
                transfer.ended()
                break
            parts.append(scanner.feed(chunk))
            exchange.sse_frames = scanner.sse_frames
            self._recorder.progress(exchange)
            if transfer.received_bytes > self._settings.max_response_bytes:
                raise more_than_plugins_read(exchange, response)
        else:
            transfer.terminated()
        parts.append(scanner.finish())
        return b"".join(parts)

    async def pieces(
        self,
        exchange: Exchange,
        llm: Llm,
        response: UpstreamResponse,
        send: Send,
        scanner: StreamScanner,
        chain: Chain,
    ) -> list[Message]:
        """Take a stream through its plugins as it comes, in whole SSE frames; the next is read when they are done."""
        transfer = PluginTransfer(self._settings, exchange, send, llm.max_response_bytes)
        transfer.frame_ends = scanner.frame_ends
        plugins = self._hooks.stream_pieces(exchange, llm, chain)
        await transfer.start()
        try:
            rest = await self._carry(exchange, response, transfer, scanner, plugins)
            return await self._end(transfer, scanner, plugins, rest)
        except FrameTooLargeError as error:
            refusal: Refusal = ResponseRefused(
                f"{error}, which is more than its plugins may read", "response_too_large"
            )
        except (PluginBlocked, PluginFailed) as error:
            refusal = plugin_refusal(exchange, error)
            if isinstance(error, PluginBlocked):
                refusal.outcome = refusal.code = "response_blocked"  # whatever its status: that is out
        finally:
            take_answer(exchange, scanner.answer)
        exchange.partial = exchange.partial or not (scanner.ended or exchange.upstream_ended_ns)
        response.abort()
        note_refusal(exchange, refusal)
        status = refusal.status if refusal.status >= 400 else _DEFAULT_BLOCK_STATUS
        message = refusal.message or "blocked by a plugin"
        return transfer.cut(llm.dialect.stream_error(status, message, refusal.code, _asked_path(exchange)))

    async def _carry(
        self,
        exchange: Exchange,
        response: UpstreamResponse,
        transfer: PluginTransfer,
        scanner: StreamScanner,
        plugins: StreamPieces,
    ) -> bytes:
        """All but the end; returns what may be part of a frame when the end comes."""
        frames = WholeFrames(self._max_frame_bytes) if scanner.frame_ends[:1] == _SSE_END else _WholeAlready()
        while not scanner.ended:
            chunk = await transfer.next(response)
            if not chunk:
                transfer.ended()
                break
            piece = frames.take(scanner.feed(chunk))
            if scanner.passes_unread:
                message = f"a frame is larger than {MAX_FRAME_BYTES} bytes"
                raise FrameTooLargeError(message)
            exchange.sse_frames = scanner.sse_frames
            self._recorder.progress(exchange)
            if piece and exchange.client_left:  # what is still read is for its usage: nobody waits for plugins
                transfer.miss()
            elif piece:
                await transfer.forward(await plugins.take(piece, is_last=False))
        else:
            transfer.terminated()
        return frames.finish()

    async def _end(
        self, transfer: PluginTransfer, scanner: StreamScanner, plugins: StreamPieces, rest: bytes
    ) -> list[Message]:
        """The plugins' last call, before a terminal event that says nothing; one that repeats the answer, or an end
        that is none, is theirs to see."""
        held = scanner.finish()
        transfer.check()
        if not scanner.ended_bare:
            return transfer.last(await plugins.take(rest + held, is_last=True))
        await transfer.forward(await plugins.take(rest, is_last=True))
        return transfer.last(held)


def _splitter(exchange: Exchange, llm: Llm, response: UpstreamResponse) -> StreamScanner:
    """A scanner that tells the terminal event of what plugins left of a stream."""
    content_type = header(response.headers, b"content-type") or b""
    scanner = (exchange.served_by or llm).dialect.scanner(exchange.path, content_type, hide_usage=False)
    if scanner is None:
        message = "a dialect calls the same answer a stream and none"
        raise TypeError(message)
    return scanner


class _WholeAlready:
    """Of formats other than SSE: scanners let go of whole frames alone, but for those that they pass unread."""

    def take(self, data: bytes) -> bytes:
        """All of it."""
        return data

    def finish(self) -> bytes:
        """Nothing is kept."""
        return b""


def _asked_path(exchange: Exchange) -> str:
    """With its query: Google's says which kind of stream was asked for."""
    return f"{exchange.path}?{exchange.query.decode('latin-1')}" if exchange.query else exchange.path


class PluginTransfer(Transfer):
    """A transfer whose bytes to the client are others than the vendor's: those are counted and copied."""

    received_bytes = 0
    """Of the vendor's."""
    _is_open = False
    """Whether a plugin left a frame without its end."""
    frame_ends: tuple[bytes, ...] = ()
    """As ``StreamScanner.frame_ends``."""

    def _count(self, chunk: bytes) -> int:
        self.received_bytes += len(chunk)
        return self.received_bytes

    def miss(self) -> None:
        """The client is not there for what would go out now."""
        self._missed = True

    def check(self) -> None:
        """Raise ``ClientGone`` where the client missed something: then nobody waits for plugins' last call either."""
        if self._missed:
            raise self._gone()

    async def forward(self, chunk: bytes) -> None:
        """Send what plugins left, if anything."""
        if not chunk:
            return
        await super().forward(chunk)
        if not self._missed:
            self._is_open = not chunk.endswith(self.frame_ends or b"")
            self._keep(chunk)
            if self._exchange.stream_copy is not None:
                self._exchange.stream_copy.keep(chunk)

    def last(self, held: bytes) -> list[Message]:
        """As ``Transfer.last``."""
        messages = super().last(held)
        self._keep(held)
        return messages

    def cut(self, error: bytes) -> list[Message]:
        """The message that ends a stream early: a frame of its own, whatever went out before it."""
        if self._is_open:
            error = self.frame_ends[0] + error
        if self._exchange.stream_copy is not None:
            self._exchange.stream_copy.break_off()
        self._keep(error)
        return [{"type": "http.response.body", "body": error, "more_body": False}]

    def _keep(self, chunk: bytes) -> None:
        self._exchange.keep_copy(chunk, self._copy_bytes)
