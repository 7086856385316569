"""``--prices``: by which prices, each found as the gateway finds it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from collectors.control_client import ControlClient
from collectors.jobs.interface import UsageError
from collectors.operations.running import settings_of
from collectors.settings import ControlSettings, HostSettings
from sluice.clock import micros_of
from sluice.money.base_prices import BasePrices, BasePricesError, read_base_prices
from sluice.money.installed_prices import installed_base_prices
from sluice.money.nanos import parse_nanos
from sluice.money.price_settings import PriceSettings, price_of
from sluice.money.prices import Price, PriceTable
from sluice.money.rates import Tier, tier_rates
from sluice.sdk.errors import ServiceError

BASE, CONTROL = "base", "control"
_NANOS_PER_MILLION = 10**15
_CLASSES = {
    "prompt": "cpit", "response": "cpt", "cache_read": "cache_read_pt", "cache_write": "cache_write_pt",
    "cache_write_1h": "cache_write_1h_pt", "audio_prompt": "audio_prompt_pt", "audio_response": "audio_response_pt",
    "image_prompt": "image_prompt_pt", "image_response": "image_response_pt",
}  # fmt: skip
"""A class of tokens → what the control API calls its price for one token."""


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list of some version."""

    table: PriceTable
    version: str
    """What was asked for: ``--price-version``."""
    where: str
    """What it was read from, for people."""

    @property
    def checksum(self) -> str:
        """Of all that it charges by: a resumed job must find the same."""
        base = self.table.base
        text = "\n".join([*sorted(map(repr, self.table.rows)), base.version if base is not None else "none"])
        return hashlib.sha256(text.encode()).hexdigest()


class _PricesFile(BaseModel):
    """What of ``sluice.yaml`` says what things cost."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    price_version: str = "1"
    prices: tuple[PriceSettings, ...] = ()
    prices_base: Literal["genai-prices", "none"] = "genai-prices"


async def load_prices(wanted: str, version: str, config: Path, host: HostSettings, control: ControlSettings) -> Prices:
    """``wanted`` is ``base``, ``control``, or a file: YAML with ``prices``, or a base table (``.jsonl``).

    A base table has a version that is its own, so none need be named. Raises UsageError, also where what is found is
    of another version than was named.
    """
    try:
        if wanted == CONTROL:
            return await _of_control(version, config, host, control)
        if names_itself(wanted):
            return _of_base(wanted, version, host)
        return _of_file(Path(wanted), version, host)
    except (BasePricesError, ValueError) as error:
        raise UsageError(f"--prices: {wanted}: {error}") from error


def names_itself(wanted: str) -> bool:
    """Whether it is a base table: its version says where it is from and of which day."""
    return wanted == BASE or wanted.endswith(".jsonl")


def _of_file(path: Path, version: str, host: HostSettings) -> Prices:
    found = settings_of(path, _PricesFile)
    if found.price_version != version:
        raise UsageError(
            f"--price-version: {path} has price_version {found.price_version!r}, and {version!r} was asked for; give "
            "the prices in the file a version of their own, and ask for that"
        )
    rows = [price_of(row, version) for row in found.prices]
    return Prices(PriceTable(rows, _base_of(found, host)), version, str(path))


def _of_base(wanted: str, version: str, host: HostSettings) -> Prices:
    base = installed_base_prices(host.data_dir) if wanted == BASE else read_base_prices(Path(wanted))
    if version not in {"", base.version}:
        raise UsageError(f"--price-version: the base table is {base.version!r}, not {version!r}; ask for what it is")
    base.check()
    return Prices(PriceTable((), base), base.version, "the base table" if wanted == BASE else wanted)


async def _of_control(version: str, config: Path, host: HostSettings, control: ControlSettings) -> Prices:
    """The rows as they are now; each keeps its own version, and ``version`` is what corrections are called by."""
    if not control.url:
        raise UsageError("--prices control: collectors.yaml has no control.url; name it there, with control.token")
    client = ControlClient(control)
    try:
        answered = await client.all("/pricing", {})
    except ServiceError as error:
        raise UsageError(f"--prices control: {error}") from error
    finally:
        await client.close()
    table = PriceTable(rows_of_answer(answered), _base_of(settings_of(config, _PricesFile), host))
    return Prices(table, version, f"the control API at {control.url}")


def _base_of(found: _PricesFile, host: HostSettings) -> BasePrices | None:
    return None if found.prices_base == "none" else installed_base_prices(host.data_dir)


def rows_of_answer(answered: Iterable[Mapping[str, Any]]) -> list[Price]:
    """Rows of ``GET /api/v1/pricing`` as prices. Raises ValueError naming the row that is none."""
    return [_row(row) for row in answered]


def _row(row: Mapping[str, Any]) -> Price:
    try:
        prices: dict[str, Any] = {name: _token_nanos(row[shown]) for name, shown in _CLASSES.items()}
        tiers = tuple(_tier(prices, tier) for tier in row["tiers"])
        at = datetime.fromisoformat(row["valid_from"])
        return Price(
            id=row["key"],
            version=row["price_version"],
            vendor=row["vendor"],
            model=row["model_name"],
            currency=row["currency"],
            valid_from=micros_of(at if at.tzinfo else at.replace(tzinfo=UTC)),
            request_nanos=parse_nanos(row["request_price"]),
            tool_request_nanos=parse_nanos(row["tool_request_price"]),
            tiers=tiers,
            batch_percent=row["batch_percent"],
            aliases=tuple(row["aliases"]),
            **{f"{name}_nanos": nanos for name, nanos in prices.items()},
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        message = f"the row {row.get('key')!r} is no price ({error!r}); control.dialect must be clean"
        raise ValueError(message) from error


def _tier(prices: Mapping[str, int | None], tier: Mapping[str, Any]) -> Tier:
    own = {name: nanos for name, shown in _CLASSES.items() if (nanos := _token_nanos(tier.get(shown))) is not None}
    return Tier(tier["above_prompt_tokens"], tier_rates(prices, own))


def _token_nanos(text: str | None) -> int | None:
    """Nanos for a million tokens, of the price of one; exact, as the API tells it."""
    if text is None:
        return None
    nanos = Decimal(text) * _NANOS_PER_MILLION
    if nanos != int(nanos):
        message = f"{text!r} is finer than a nano for a million tokens"
        raise ValueError(message)
    return int(nanos)
