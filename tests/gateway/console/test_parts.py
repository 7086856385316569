"""What the console stands on."""

from __future__ import annotations

from gateway.console.parts import ConsoleParts
from tests.gateway.console.running import Console


async def test_prices_are_those_of_now(console: Console) -> None:
    """A row by the id that events carry; nothing for one that is not there. Parts cannot be exchanged for others."""
    price = console.parts.price_of("list")
    assert price is not None
    assert price.prompt_nanos == 2_500_000_000
    assert console.parts.price_of("nothing") is None
    assert ConsoleParts.__dataclass_params__.frozen  # type: ignore[attr-defined]
