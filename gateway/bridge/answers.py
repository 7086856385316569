"""A vendor's answer, turned into OpenAI's on its way: to those behind it an answer like any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.bridge.frames import error_frame
from gateway.bridge.interface import OpenAiError, StreamTranslator, Unreadable

if TYPE_CHECKING:
    from gateway.upstreams.client import Headers, Take, UpstreamResponse
    from gateway.upstreams.vendors.dialect import StreamScanner

_STREAM_TYPE: Final = (b"content-type", b"text/event-stream; charset=utf-8")
_JSON_TYPE: Final = (b"content-type", b"application/json")


class WholeAnswer:
    """An answer that is here already; see ``UpstreamResponse``."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = [*headers, _JSON_TYPE, (b"content-length", b"%d" % len(body))]
        self._left = body

    async def read(self) -> bytes:
        """All of it, once."""
        body, self._left = self._left, b""
        return body

    async def pump(self, take: Take) -> bool:
        """As ``read``; it is the end."""
        take(await self.read(), b"")
        return True

    def release(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""


class TranslatedStream:
    """A vendor's stream whose bytes are OpenAI's; see ``UpstreamResponse``.

    It is over with the vendor's terminal event, or with an error: then nothing more is read of the vendor's.
    """

    def __init__(
        self, response: UpstreamResponse, headers: Headers, scanner: StreamScanner, translator: StreamTranslator
    ) -> None:
        self.status = response.status
        self.headers = [*headers, _STREAM_TYPE]
        self._response = response
        self._scanner = scanner
        self._translator = translator
        self._is_over: bool = False
        self._is_read = False
        """Whether the vendor's answer was read to its end."""
        self._is_given_up = False

    async def read(self) -> bytes:
        """The next frames; ``b""`` at the end."""
        while not self._is_over:
            chunk = await self._response.read()
            out = self._translated(chunk) if chunk else self._read_end()
            if out:
                return out
        self._close()
        return b""

    async def pump(self, take: Take) -> bool:
        """Each piece to ``take`` as it comes. Raises as ``read`` does."""
        if self._is_over:
            self._close()
            return True

        def take_translated(piece: bytes, _chunk: bytes) -> bool:
            out = self._translated(piece)
            is_enough = bool(out) and take(out, b"")
            return is_enough or self._is_over

        if not await self._response.pump(take_translated):
            return False
        if out := self._read_end():
            take(out, b"")
        return True

    def release(self) -> None:
        """As of the vendor's."""
        self._response.release()

    def abort(self) -> None:
        """As of the vendor's."""
        self._response.abort()

    def _translated(self, chunk: bytes) -> bytes:
        scanner = self._scanner
        frames = scanner.feed(chunk)
        if scanner.passes_unread:
            return self._give_up("a frame is too large to be read")
        try:
            out = self._translator.feed(frames) if frames else b""
            return out + self._end() if scanner.ended else out
        except Unreadable as error:
            return self._give_up(str(error))

    def _read_end(self) -> bytes:
        self._is_read = True
        try:
            return b"" if self._is_over else self._end()
        except Unreadable as error:
            return self._give_up(str(error))

    def _end(self) -> bytes:
        """What the vendor's last bytes say, and the end."""
        held = self._scanner.finish()
        out = self._translator.feed(held) if held else b""
        out += self._translator.finish(self._scanner.answer)
        self._is_over = True
        return out

    def _give_up(self, reason: str) -> bytes:
        """An error frame: what comes behind it nobody could read."""
        self._is_over = self._is_given_up = True
        self._scanner.finish()
        message = f"the vendor's stream cannot be translated: {reason}"
        return error_frame(OpenAiError(message, "server_error", "answer_unreadable"))

    def _close(self) -> None:
        """Nothing more is needed of the vendor's."""
        if self._is_given_up:
            self._response.abort()
        elif not self._is_read:
            self._response.release()
