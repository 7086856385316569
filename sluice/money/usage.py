"""What a vendor counted for one exchange."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct):
    """Token counts, all vendors' ways of counting brought to one. ``None`` is absent, zero is a value."""

    prompt_tokens: int | None = None
    """All prompt tokens, those read from and written to the vendor's cache included."""
    response_tokens: int | None = None
    """All response tokens, reasoning included."""
    cache_read_prompt_tokens: int | None = None
    cache_write_prompt_tokens: int | None = None
    reasoning_tokens: int | None = None

    def contradictions(self) -> tuple[str, ...]:
        """What cannot be true of these counts, as stable codes; empty for an honest vendor.

        ``cost_nanos`` charges such counts as far as they can be true. Whoever parses usage asks this and counts it.
        """
        found = []
        if any(count is not None and count < 0 for count in self._counts()):
            found.append("negative_tokens")
        if _exceeds((self.cache_read_prompt_tokens or 0) + (self.cache_write_prompt_tokens or 0), self.prompt_tokens):
            found.append("cache_tokens_exceed_prompt")
        if _exceeds(self.reasoning_tokens or 0, self.response_tokens):
            found.append("reasoning_exceeds_response")
        return tuple(found)

    def _counts(self) -> tuple[int | None, ...]:
        return (
            self.prompt_tokens,
            self.response_tokens,
            self.cache_read_prompt_tokens,
            self.cache_write_prompt_tokens,
            self.reasoning_tokens,
        )


def _exceeds(part: int, whole: int | None) -> bool:
    return whole is not None and part > max(whole, 0)
