"""What a proxy log keeps of an exchange whose app does not want all of it kept: sizes, types and times always.

full       everything, cut at its bound
redacted   everything by rules; bodies that are no text not at all
metadata   no bodies
none       no bodies, header lines, query, address and message either
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sluice.redaction import whole_characters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.exchange import Exchange
    from schemas.events import ProxyLogFields
    from sluice.privacy.bodies import BodyRedactor
    from sluice.privacy.settings import BodyPolicy

SLOW_BYTES = 8_192
"""Bodies beyond this take more than a millisecond or two to redact, in which nothing else would run."""


class Keeping:
    """The policies of one gateway."""

    def __init__(self, default: BodyPolicy, redactor: BodyRedactor, max_body_bytes: int) -> None:
        self._default = default
        self._redactor = redactor
        self._max_body_bytes = max_body_bytes

    def policy(self, bodies: str) -> str:
        """The policy of an app that says ``bodies``."""
        return self._default if bodies == "default" else bodies

    def redacts(self, exchange: Exchange) -> bool:
        """Whether its bodies are gone through: its events then take a hundred times as long to make as others."""
        app = exchange.app
        return app is not None and self.policy(app.bodies) == "redacted"

    def is_slow(self, exchange: Exchange) -> bool:
        """Whether its events take so long to make that the event loop must not wait for them."""
        if not self.redacts(exchange):
            return False
        kept = [min(size, self._max_body_bytes) for size in (len(exchange.body), exchange.response_bytes)]
        return sum(kept) > SLOW_BYTES

    def path(self, policy: str, path: str) -> str:
        """A path, without its query, as a policy keeps it."""
        return self._redactor.text(path) if policy == "redacted" and "path" in self._redactor.fields else path

    def labels(self, labels: list[str]) -> list[str]:
        """Labels by rules."""
        if "labels" not in self._redactor.fields:
            return labels
        return [self._redactor.text(label) for label in labels]

    def apply(self, policy: str, log: ProxyLogFields, exchange: Exchange) -> None:
        """Take out of a proxy log that was made without bodies what its policy hides, and put in what it keeps."""
        if policy == "none":
            log["request_headers"], log["response_headers"] = [], []
            log["path"] = log["path"].partition("?")[0]
            log["error_message"], log["remote_addr"] = "", ""
        elif policy == "redacted":
            self._redact(log)
            self._redact_bodies(log, exchange)

    def _redact(self, log: ProxyLogFields) -> None:
        fields, text = self._redactor.fields, self._redactor.text
        for name in ("path", "error_message"):
            if name in fields:
                log[name] = text(log[name])
        for lines in ("request_headers", "response_headers"):
            if lines in fields:
                log[lines] = [text(line) for line in log[lines]]

    def _redact_bodies(self, log: ProxyLogFields, exchange: Exchange) -> None:
        body, room = exchange.body, self._max_body_bytes
        log["request_body"], log["request_body_truncated"] = self._body(
            "request_body", body[:room], exchange.headers, log["request_content_type"], is_cut=len(body) > room
        )
        kept = b"".join(exchange.response_copy)[:room]
        log["response_body"], log["response_body_truncated"] = self._body(
            "response_body",
            kept,
            exchange.response_headers,
            log["response_content_type"],
            is_cut=exchange.response_bytes > len(kept),
        )

    def _body(
        self,
        field: Literal["request_body", "response_body"],
        body: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        content_type: str,
        *,
        is_cut: bool,
    ) -> tuple[bytes | None, bool]:
        if field not in self._redactor.fields:
            return (whole_characters(body) if is_cut else body), is_cut
        codings = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1")
        return self._redactor.body(body, content_type, codings, self._max_body_bytes, is_cut=is_cut)
