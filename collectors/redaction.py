"""Hides from a sink what ``redact`` of its entry says: step 4 of the pipeline.

Lines and short texts are mostly the same from event to event, so each is looked at once a frame, and where none is
changed its column stays as it is. Bodies are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from collectors.deliveries import Frame
from collectors.redact import RedactSettings
from sluice.privacy.bodies import BodyRedactor, KeptBody
from sluice.privacy.settings import BodyPolicy
from sluice.redaction import cut_text

_SIDES = ("request", "response")
_LINES = ("request_headers", "response_headers", "labels")
_TEXTS = ("path", "error_message")
_MAX_BODY_BYTES = 1 << 20
"""Of one that is decoded: a few bytes can stand for gigabytes."""


class Redaction:
    """Of one entry."""

    def __init__(self, settings: RedactSettings) -> None:
        self._settings = settings
        self._redactor = BodyRedactor(settings)
        self._gate = self._redactor.gate
        self._policy = settings.policy
        self._max_bytes = settings.max_body_bytes

    def apply(self, frame: Frame) -> Frame:
        """The frame as the sink may see it; itself where nothing in it is hidden."""
        rows = frame.rows
        columns: list[pl.Series | pl.Expr] = []
        if self._settings.has_rules:
            columns = [*self._lines(rows), *self._texts(rows)]
        if frame.kind == "proxy_log":
            policies = self._policies(rows)
            if columns:
                rows, columns = rows.with_columns(columns), []
            columns = [*self._bodies(frame.rows, policies), *_nothing(rows, policies)]
        if columns:
            rows = rows.with_columns(columns)
        return frame if rows is frame.rows else Frame(frame.kind, rows, frame.delivery)

    def _policies(self, rows: pl.DataFrame) -> list[BodyPolicy]:
        apps = self._settings.apps
        if not apps:
            return [self._policy] * rows.height
        return [apps.get(app, self._policy) for app in rows["app_id"].to_list()]

    # lines and texts

    def _lines(self, rows: pl.DataFrame) -> Iterator[pl.Series]:
        for name in _LINES:
            if name in self._redactor.fields and name in rows.columns:
                changes = self._changes(rows[name].explode())
                if changes:
                    yield rows.select(pl.col(name).list.eval(pl.element().replace(changes))).to_series()

    def _texts(self, rows: pl.DataFrame) -> Iterator[pl.Series]:
        for name in _TEXTS:
            if name in self._redactor.fields and name in rows.columns:
                changes = self._changes(rows[name])
                if changes:
                    yield rows[name].replace(changes)

    def _changes(self, texts: pl.Series) -> dict[str, str]:
        """What becomes of those texts that something is found in."""
        redact = self._redactor.text
        texts = texts.unique()
        if self._gate is not None:
            texts = texts.filter(texts.str.contains(self._gate))
        looked_at = ((text, redact(text)) for text in texts.to_list() if text)
        return {text: written for text, written in looked_at if written is not text and written != text}

    # bodies

    def _bodies(self, rows: pl.DataFrame, policies: list[BodyPolicy]) -> Iterator[pl.Series]:
        if self._max_bytes is None and set(policies) <= {"full"}:
            return
        for side in _SIDES:
            kept = list(self._kept(rows, side, policies))
            name, flag = f"{side}_body", f"{side}_body_truncated"
            yield pl.Series(name, [each.body for each in kept], dtype=pl.Binary)
            yield pl.Series(flag, [each.is_cut for each in kept], dtype=rows.schema[flag])

    def _kept(self, rows: pl.DataFrame, side: str, policies: list[BodyPolicy]) -> Iterator[KeptBody]:
        sizes, flags = rows[f"{side}_body_bytes"].to_list(), rows[f"{side}_body_truncated"].to_list()
        bodies, types = rows[f"{side}_body"].to_list(), rows[f"{side}_content_type"].to_list()
        codings = _codings(rows[f"{side}_headers"]) if "redacted" in policies else [""] * rows.height
        passes = self._passes(rows[f"{side}_body"])
        is_named = f"{side}_body" in self._redactor.fields
        for body, size, is_cut, policy, kind, coding, is_clean in zip(
            bodies, sizes, flags, policies, types, codings, passes, strict=True
        ):
            if body is None:
                yield KeptBody(None, is_cut)
            elif policy in {"metadata", "none"}:
                yield KeptBody(None, bool(size))
            elif policy == "redacted" and is_named and not (is_clean and self._is_plain(kind, coding, is_cut=is_cut)):
                bound = _MAX_BODY_BYTES if self._max_bytes is None else self._max_bytes
                yield self._redactor.body(body, kind, coding, bound, is_cut=is_cut)
            else:
                yield self._cut(body, is_cut=is_cut)

    def _passes(self, bodies: pl.Series) -> list[bool]:
        """Whether there is certainly nothing to find in a body that is whole, not coded and no stream."""
        gate = self._redactor.body_gate
        if gate is None:
            return [False] * len(bodies)
        return (~_texts(bodies).str.contains(gate)).fill_null(value=False).to_list()

    def _is_plain(self, kind: str, coding: str, *, is_cut: bool) -> bool:
        return not (is_cut or coding or self._redactor.is_stream(kind))

    def _cut(self, body: bytes, *, is_cut: bool) -> KeptBody:
        if self._max_bytes is None:
            return KeptBody(body, is_cut)
        kept, is_shorter = cut_text(body, self._max_bytes)
        return KeptBody(kept, is_cut or is_shorter)


def _texts(bodies: pl.Series) -> pl.Series:
    """As text; null where that is none."""
    try:
        return bodies.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([_text(body) for body in bodies.to_list()], dtype=pl.String)


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None else body.decode()
    except UnicodeDecodeError:
        return None


def _codings(headers: pl.Series) -> list[str]:
    """What the ``content-encoding`` lines say; empty where there is none."""
    line = pl.element().filter(pl.element().str.starts_with("content-encoding:"))
    found = headers.to_frame().select(pl.col(headers.name).list.eval(line).list.join(","))
    return [(text or "").replace("content-encoding:", "") for text in found.to_series().to_list()]


def _nothing(rows: pl.DataFrame, policies: list[BodyPolicy]) -> list[pl.Expr]:
    """Of events with the policy ``none`` also what came with bodies is gone."""
    if "none" not in policies:
        return []
    hides = pl.lit(pl.Series([policy == "none" for policy in policies]))
    empty: Any = pl.lit([], dtype=rows.schema["request_headers"])
    blank = pl.lit("", dtype=pl.String)
    lists = [
        pl.when(hides).then(empty).otherwise(pl.col(f"{side}_headers")).alias(f"{side}_headers") for side in _SIDES
    ]
    texts = [
        pl.when(hides).then(blank).otherwise(pl.col(name)).alias(name) for name in ("error_message", "remote_addr")
    ]
    path = pl.when(hides).then(pl.col("path").str.split("?").list.first()).otherwise(pl.col("path")).alias("path")
    return [*lists, *texts, path]
