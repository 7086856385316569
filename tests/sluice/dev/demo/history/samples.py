"""An exchange of the past, as a test wants it."""

from __future__ import annotations

from sluice.dev.demo.cast import FLASH, GPT, HAIKU, LLAMA, MISTRAL_SMALL, PRO, SUPPORT, Model
from sluice.dev.demo.history.happening import Happened

VENDORS = (GPT, HAIKU, FLASH, PRO, MISTRAL_SMALL, LLAMA)
AT = 1_795_000_000_000_000


def happened(outcome: str = "ok", *, model: Model = HAIKU, is_stream: bool = False) -> Happened:
    """Of the support team."""
    return Happened(
        exchange_id="01a21859-9fbc-7a49-85ec-1d68b798fb3a", at=AT, team=SUPPORT, model=model, outcome=outcome,
        is_stream=is_stream, prompt="Where is my order?", prompt_tokens=1500, cached_tokens=900, response_tokens=240,
        tool_calls=0, first_byte_micros=48_000, total_micros=289_000, gateway_micros=1_800,
    )  # fmt: skip
