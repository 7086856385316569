"""Replaces personal data by placeholders: in what goes to the vendor, and in what comes back, streams included.

It finds what has a form that can be checked: e-mail addresses, phone numbers as they are written internationally or in
North America, payment cards, IBANs, US social security numbers, keys of well-known services. Equal values of a request
have the same placeholder, such as ``[EMAIL_1]``; with ``restore`` the answer has them again in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    Finder,
    PluginResponse,
    PostAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    Span,
    StreamWindow,
    has_luhn,
    has_mod_97,
    replace,
    rewrite_texts,
)

Kind = Literal["EMAIL", "PHONE", "CARD", "IBAN", "SSN", "API_KEY"]

HOLD_CHARACTERS = 144  # no pattern looks at more from where it begins; so much of a stream is held back

_PATTERNS: dict[Kind, str] = {
    "EMAIL": r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9.-]{1,60}\.[A-Za-z]{2,16}(?![\w-])",
    "API_KEY": r"(?<![\w-])(?=[\w-]{0,120}\d)(?:(?:sk|pk|rk)[-_][\w-]{16,120}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}"
    r"|AIza[\w-]{35}|xox[abprs]-[\w-]{10,100})(?![\w-])",
    "IBAN": r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)",
    "CARD": r"(?<![\w-])(?:\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|\d{4}[ -]?\d{6}[ -]?\d{3,5})(?!\w)",
    "SSN": r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])",
    "PHONE": r"(?<![\w+])(?:\+\d{1,3}(?:[ .-]?(?:\(\d{1,4}\)|\d{1,4})){2,5}"
    r"|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4})(?!\w)",
}
_DIGIT = re.compile(r"\d")
_PLACEHOLDER = re.compile(r"\[(?:EMAIL|PHONE|CARD|IBAN|SSN|API_KEY)_\d{1,6}\]")


class Config(BaseModel):
    """What is redacted, and where."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("EMAIL", "PHONE", "CARD", "IBAN", "SSN", "API_KEY")
    redact_requests: bool = True
    redact_responses: bool = True
    restore: bool = False  # whether the answer has the request's values where the model wrote their placeholders


class PiiRedactor(BasePlugin[Config], PostAuthHandler, ResponseHandler):
    """Keeps what it replaced in the exchange's own state alone: never in a log, a store, or another exchange."""

    name = "pii_redactor"
    version = "1.0.0"
    handles_chunks = True

    async def initialize(self, ctx: Context, config: Config) -> None:  # noqa: ARG002 - as the host calls it
        """Compile once."""
        self._patterns: dict[Kind, re.Pattern[str]] = {kind: re.compile(_PATTERNS[kind]) for kind in config.kinds}

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Redact every text of the request; what has none to redact passes byte for byte."""
        if not self.config.redact_requests:
            return PluginResponse.allow()
        known: dict[str, str] = ctx.state.setdefault("known", {})

        def find(text: str, start: int) -> Iterator[Span]:
            for begins, ends, kind in self._found(text, start):
                yield Span(begins, ends, known.setdefault(text[begins:ends], f"[{kind}_{len(known) + 1}]"))

        body = rewrite_texts(request.body, lambda text: replace(text, find))
        if body is request.body:
            return PluginResponse.allow()
        ctx.services.logger.info("personal data redacted", app_id=ctx.app_id, values=len(known))
        return PluginResponse.modify(body=body)

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        """Redact what the model made up, give back what the client said; of streams what is decided."""
        find = self._finder_of_answers(ctx.state.get("known", {}))
        if request.is_stream_chunk or request.is_event_stream:
            window = StreamWindow.of(ctx.state, lambda: StreamWindow(find, HOLD_CHARACTERS, with_tool_calls=True))
            body = window.feed(request.body, is_last=request.is_last_chunk or not request.is_stream_chunk)
        else:
            body = rewrite_texts(request.body, lambda text: replace(text, find))
        return ResponseWriteResponse.allow() if body == request.body else ResponseWriteResponse.modify(body=body)

    def _finder_of_answers(self, known: dict[str, str]) -> Finder:
        values = {placeholder: value for value, placeholder in known.items()} if self.config.restore else {}

        def find(text: str, start: int) -> list[Span]:
            found = self._found(text, start) if self.config.redact_responses else ()
            spans = [Span(begins, ends, known.get(text[begins:ends], f"[{kind}]")) for begins, ends, kind in found]
            ours = _PLACEHOLDER.finditer(text, start) if values else ()
            spans += [Span(*it.span(), values.get(it.group(), it.group())) for it in ours]
            return sorted(spans)

        return find

    def _found(self, text: str, start: int) -> Iterator[tuple[int, int, Kind]]:
        """Personal data in order; of what begins at the same place, the longest."""
        has_digit = _DIGIT.search(text, start) is not None  # as all kinds have but e-mail
        kinds = [kind for kind in self._patterns if ("@" in text if kind == "EMAIL" else has_digit)]
        spans = [(*span, kind) for kind in kinds for span in _checked(kind, self._patterns[kind], text, start)]
        end = start
        for begins, ends, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
            if begins >= end:
                end = ends
                yield begins, ends, kind


def _checked(kind: Kind, pattern: re.Pattern[str], text: str, start: int) -> Iterator[tuple[int, int]]:
    """Matches whose checksum is right, without the last groups of characters where it is so; then what is behind."""
    check = _CHECKS.get(kind, bool)
    match = pattern.search(text, start)
    while match is not None:
        begins, end = match.span()
        while end > begins and not check(text[begins:end].replace(" ", "").replace("-", "")):
            end = text.rfind(" ", begins, end)
            end = end if pattern.fullmatch(text, begins, max(end, begins)) else begins
        if end > begins:
            yield begins, end
        match = pattern.search(text, max(end, begins + 1))


def _is_card(digits: str) -> bool:
    return has_luhn(digits) and len(set(digits)) > 1


def _is_phone(text: str) -> bool:
    return 8 <= sum(character.isdigit() for character in text) <= 15


_CHECKS = {"CARD": _is_card, "IBAN": has_mod_97, "PHONE": _is_phone}
