"""Which base table holds on a host: the packaged one, or a newer one of ``sluice prices update`` in its data folder."""

from __future__ import annotations

from pathlib import Path

import structlog

from sluice.money.base_prices import FILE_NAME, BasePrices, BasePricesError, read_base_prices

logger = structlog.get_logger(__name__)


def installed_base_prices(data_dir: Path) -> BasePrices:
    """A file in the data directory that cannot be used is reported, and the packaged table holds."""
    path = data_dir / FILE_NAME
    if path.exists():
        try:
            return read_base_prices(path)
        except BasePricesError as error:
            logger.warning("updated base prices not used", path=str(path), problem=str(error))
    return read_base_prices()
