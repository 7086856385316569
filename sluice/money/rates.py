"""What each class of tokens costs, every class with a price: one that has none of its own takes a nearer class's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Nanos per million tokens, class by class."""

    prompt: int
    response: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    audio_prompt: int
    audio_response: int
    image_prompt: int
    image_response: int
    dearest_prompt: int = field(init=False, default=0)
    """The most that a token of a prompt can cost, of whichever class it is."""
    dearest_response: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        prompt = (
            self.prompt,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.audio_prompt,
            self.image_prompt,
        )
        response = (self.response, self.audio_response, self.image_response)
        if min(*prompt, *response) < 0:
            message = f"a price of {min(*prompt, *response)} nanos is negative; a price is zero or more"
            raise ValueError(message)
        object.__setattr__(self, "dearest_prompt", max(prompt))
        object.__setattr__(self, "dearest_response", max(response))


NEARER: Mapping[str, str] = {
    "response": "prompt",
    "cache_read": "prompt",
    "cache_write": "prompt",
    "cache_write_1h": "cache_write",
    "audio_prompt": "prompt",
    "audio_response": "response",
    "image_prompt": "prompt",
    "image_response": "response",
}
"""Class → the one whose price holds where it has none of its own; before each stands the one that it takes."""
CLASSES = ("prompt", *NEARER)


def rates_of(given: Mapping[str, int | None]) -> Rates:
    """All classes' prices from those that are given, ``prompt`` among them; a missing one is never zero."""
    found: dict[str, int] = {"prompt": given["prompt"] or 0}
    for name, nearer in NEARER.items():
        own = given.get(name)
        found[name] = found[nearer] if own is None else own
    return Rates(**found)


def tier_rates(row: Mapping[str, int | None], tier: Mapping[str, int]) -> Rates:
    """Those of a tier that names some classes: others stay as the row has them. A class that costs what the row's
    prompt does costs what the tier's does."""
    prompt = row["prompt"]
    kept = {name: nanos for name, nanos in row.items() if name == "response" or nanos != prompt}
    return rates_of({"prompt": prompt, **kept, **tier})


@dataclass(frozen=True, slots=True)
class Tier:
    """What holds for all tokens of an exchange whose prompt is larger than ``above_prompt_tokens``."""

    above_prompt_tokens: int
    rates: Rates
