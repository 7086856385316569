"""Answer bytes into a ``LeanResponse``: httptools (llhttp) behind our limits.

llhttp refuses by itself: repeated, conflicting or malformed ``content-length``, both framings at once, bare CR or LF,
folded lines, NUL. Refused here: heads, trailers and chunk extensions without bound (llhttp has none), transfer codings
that we do not undo, versions that are not ours, an unasked ``101``. Two things that llhttp cannot know are added: an
answer to ``HEAD`` has no body, and an answer without any length ends with its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.errors import UpstreamProtocolError

if TYPE_CHECKING:
    from gateway.upstreams.client import Headers
    from gateway.upstreams.limits import ClientLimits
    from gateway.upstreams.response import LeanResponse

_MAX_INTERIM = 16
"""1xx answers before the real one; real servers send one or two."""
_LENGTHS = frozenset((b"content-length", b"transfer-encoding"))


class _Refused(Exception):  # noqa: N818 - raised into the C parser, which turns it into its own error
    """Stops the parser."""


class AnswerParser:
    """Parses the answers of one connection, one after the other."""

    __slots__ = (
        "_interim",
        "_interim_bytes",
        "_is_head",
        "_limits",
        "_lines",
        "_max_unproductive_bytes",
        "_parser",
        "_reason",
        "_response",
        "_says_1_1",
        "_transfer_coded",
        "_unproductive_bytes",
        "clean",
        "complete",
        "heard",
        "is_between_chunks",
        "keep_alive",
    )

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._max_unproductive_bytes = limits.max_header_bytes
        self._parser = HttpResponseParser(self)
        self._is_head = False
        self._reason = ""
        """Why this end was refused; there is no answer behind that."""
        self.complete = True

    def begin(self, response: LeanResponse, *, is_head: bool) -> None:
        """Expect the next answer. ``is_head`` tells that it has no body, whatever its headers say."""
        if self._is_head:  # llhttp still waits for the body that a HEAD answer announced
            self._parser = HttpResponseParser(self)
        self._is_head = is_head
        self._response = response
        self._lines: Headers = []
        """Of the head or the trailers that come, with the spaces behind values. ``feed`` bounds them."""
        self._interim = self._interim_bytes = 0
        self._says_1_1 = self._transfer_coded = False
        self._unproductive_bytes = 0
        self.complete = False
        self.heard = False
        """A byte of this answer came."""
        self.keep_alive = False
        self.clean = True
        """Nothing came behind the end of the answer."""
        self.is_between_chunks = False
        """What comes next begins with a chunk's size line, or with the last one."""

    def feed(self, data: bytes) -> None:
        """Parse what was read. Raises ``UpstreamProtocolError``; what was parsed before it is in the response."""
        if not self.heard:
            self.heard, self._says_1_1 = True, data[:9] == b"HTTP/1.1 "
        self._unproductive_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.complete:
                message = f"upstream answer refused: {self._reason or error}"
                raise UpstreamProtocolError(message) from None
            self.clean = False
        if self.is_between_chunks and data[-2:] != b"\r\n":  # a size line may have begun, which nobody tells
            self.is_between_chunks = False
        if self._unproductive_bytes > self._max_unproductive_bytes and not self.complete:
            message = f"upstream answer refused: {self._too_large()}"
            raise UpstreamProtocolError(message)

    def end(self) -> bool:
        """The connection was closed properly: whether that leaves the answer complete."""
        response = self._response
        if not self.complete and response.status and _LENGTHS.isdisjoint([pair[0] for pair in response.headers]):
            self.complete = response.complete = True
        return self.complete

    def on_message_begin(self) -> None:
        """A second answer to one request is none of ours."""
        if self.complete:
            self._refuse("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, or a trailer, until all of them are here."""
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete: the answer's, or that of a 1xx before it."""
        lines = self._lines
        count = len(lines)
        if count > self._limits.max_headers:
            self._refuse(f"more than {self._limits.max_headers} headers")
        # All that was fed is as much at least, but for the space of each line. Behind a 1xx not all of it is counted.
        if self._interim or self._unproductive_bytes + count > self._limits.max_header_bytes:
            self._check_size(self._interim_bytes + _size(lines))
        headers: Headers = []
        for name, value in lines:
            if name == b"transfer-encoding":
                self._check_coding(value)
            headers.append((name, value.rstrip()))
        self._unproductive_bytes = 0
        status = self._parser.get_status_code()
        if status < 200:
            self._skip(status)
            return
        if self._interim or not self._says_1_1:  # the parser makes a text of it for whoever asks
            self._check_version(self._parser.get_http_version())
        self._lines = []
        response = self._response
        response.status = status
        response.headers = headers
        if self._is_head:
            self._finish()

    def on_body(self, data: bytes) -> None:
        """Bytes of the body, their chunks undone."""
        if self.complete:
            self.clean = False  # a body behind the answer to HEAD
            return
        self._unproductive_bytes = 0
        response = self._response
        response.chunks.append(data)
        response.buffered_bytes += len(data)

    def on_chunk_header(self) -> None:
        """A size line is complete."""
        self.is_between_chunks = False

    def on_chunk_complete(self) -> None:
        """A chunk is complete, its line end too."""
        self.is_between_chunks = True

    def on_message_complete(self) -> None:
        """The answer is complete, or a 1xx before it."""
        if self._lines:
            self._drop_trailers()
        if self._response.status and not self.complete:
            self._finish()

    def _drop_trailers(self) -> None:
        """Nobody behind us can receive them."""
        lines, self._lines = self._lines, []
        self._check_size(_size(lines))

    def _finish(self) -> None:
        self.complete = self._response.complete = True
        self.is_between_chunks = False
        self.keep_alive = self._parser.should_keep_alive()

    def _skip(self, status: int) -> None:
        if status < 100 or status == 101:
            self._refuse(f"status {status}")
        lines, self._lines = self._lines, []
        self._interim_bytes += _size(lines)
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            self._refuse(f"more than {_MAX_INTERIM} interim answers")

    def _check_version(self, version: str) -> None:
        if version == "1.1":
            return
        if version != "1.0":
            self._refuse(f"HTTP/{version}")
        if self._transfer_coded:
            self._refuse("a transfer coding in HTTP/1.0")  # RFC 9112, 6.1: its framing cannot be trusted

    def _check_coding(self, coding: bytes) -> None:
        if self._transfer_coded or coding.strip().lower() != b"chunked":
            self._refuse("a transfer coding other than chunked, once")
        self._transfer_coded = True

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_header_bytes:
            self._refuse(self._too_large())

    def _too_large(self) -> str:
        return f"more than {self._limits.max_header_bytes} bytes of headers, trailers or chunk extensions"

    def _refuse(self, reason: str) -> None:
        self._reason = reason
        raise _Refused


def _size(lines: Headers) -> int:
    """Of header lines as they are on the wire: with a colon, a space and a line end."""
    return sum([len(name) + len(value) + 4 for name, value in lines])
