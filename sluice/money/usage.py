"""What a vendor counted for one exchange."""

from __future__ import annotations

import msgspec
from msgspec.structs import astuple

_MAX_TOKENS = 1 << 40
"""No count of one exchange is near it; so sums of money stay within 64 bits."""


class Usage(msgspec.Struct, gc=False):
    """Token counts, all vendors' ways of counting brought to one. ``None`` is absent, zero is a value."""

    prompt_tokens: int | None = None
    """All prompt tokens, those read from and written to the vendor's cache included."""
    response_tokens: int | None = None
    """All response tokens, reasoning included."""
    cache_read_prompt_tokens: int | None = None
    cache_write_prompt_tokens: int | None = None
    """All that were written, for however long."""
    reasoning_tokens: int | None = None
    cache_write_1h_prompt_tokens: int | None = None
    """The part of those written that is kept for an hour."""
    audio_prompt_tokens: int | None = None
    """The part of the prompt that is sound; so of ``audio_response_tokens``, and of images."""
    audio_response_tokens: int | None = None
    image_prompt_tokens: int | None = None
    image_response_tokens: int | None = None
    tool_requests: int | None = None
    """Calls of the vendor's own tools that it bills one by one, such as web searches; no tokens."""

    def has_parts(self) -> bool:
        """Whether anything but prompt and response is counted. Most answers tell no class apart, and of them every step
        from the vendor's JSON to the cost asks; a tuple of all fields to look through costs twice as much."""
        return bool(
            self.cache_read_prompt_tokens
            or self.cache_write_prompt_tokens
            or self.reasoning_tokens
            or self.cache_write_1h_prompt_tokens
            or self.audio_prompt_tokens
            or self.audio_response_tokens
            or self.image_prompt_tokens
            or self.image_response_tokens
            or self.tool_requests
        )

    def impossible(self) -> str:
        """Why such counts are no usage at all, ``negative_tokens`` or ``absurd_tokens``; empty where they are one."""
        if not self.has_parts():
            prompt, response = self.prompt_tokens or 0, self.response_tokens or 0
            if 0 <= prompt <= _MAX_TOKENS and 0 <= response <= _MAX_TOKENS:
                return ""
        for count in astuple(self):
            if count and not 0 < count <= _MAX_TOKENS:
                return "negative_tokens" if count < 0 else "absurd_tokens"
        return ""

    def contradictions(self) -> tuple[str, ...]:
        """What cannot be true of these counts, as stable codes; empty for an honest vendor.

        ``cost_nanos`` charges such counts as far as they can be true. Whoever parses usage asks this and counts it.
        """
        return () if self._is_plausible() else self._contradictions()

    def _is_plausible(self) -> bool:
        """Whether these are the counts that most answers have, and all of them can be true."""
        prompt, response = self.prompt_tokens, self.response_tokens
        if prompt is None or response is None:
            return False
        if not self.has_parts():
            return prompt >= 0 <= response
        read, written, reasoning, *others = astuple(self)[2:]
        if any(others):
            return False
        read, written, reasoning = read or 0, written or 0, reasoning or 0
        fits: bool = read >= 0 and written >= 0 and read + written <= prompt and 0 <= reasoning <= response
        return fits

    def _contradictions(self) -> tuple[str, ...]:
        found = []
        if any(count is not None and count < 0 for count in self._counts()):
            found.append("negative_tokens")
        if _exceeds((self.cache_read_prompt_tokens or 0) + (self.cache_write_prompt_tokens or 0), self.prompt_tokens):
            found.append("cache_tokens_exceed_prompt")
        if _exceeds(self.reasoning_tokens or 0, self.response_tokens):
            found.append("reasoning_exceeds_response")
        if _exceeds(self.cache_write_1h_prompt_tokens or 0, self.cache_write_prompt_tokens):
            found.append("cache_write_1h_exceeds_cache_write")
        if _exceeds((self.audio_prompt_tokens or 0) + (self.image_prompt_tokens or 0), self.prompt_tokens):
            found.append("media_tokens_exceed_prompt")
        if _exceeds((self.audio_response_tokens or 0) + (self.image_response_tokens or 0), self.response_tokens):
            found.append("media_tokens_exceed_response")
        return tuple(found)

    def _counts(self) -> tuple[int | None, ...]:
        return astuple(self)


def _exceeds(part: int, whole: int | None) -> bool:
    return whole is not None and part > max(whole, 0)
