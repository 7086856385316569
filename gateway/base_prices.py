"""Which base table a gateway prices by: the packaged one, or a newer one of ``sluice prices update``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sluice.clock import iso_micros, now_micros
from sluice.money.base_prices import FILE_NAME, MAX_FILE_BYTES, BasePrices, BasePricesError
from sluice.money.installed_prices import installed_base_prices

if TYPE_CHECKING:
    from gateway.settings import Settings


class Installed(NamedTuple):
    """An update that is in place."""

    path: Path
    version: str
    models: int


def base_prices_of(settings: Settings) -> BasePrices | None:
    """The table below the operator's own rows; ``None`` where the settings want none."""
    if settings.prices_base == "none":
        return None
    return installed_base_prices(settings.data_dir)


def convert_prices(file: Path) -> tuple[BasePrices, str]:
    """The table of a published data file, read to its end, and its text. Raises BasePricesError."""
    from sluice.money.base_source import file_lines  # noqa: PLC0415 - for this command alone

    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            message = f"it is larger than {MAX_FILE_BYTES} bytes, which no table of prices is"
            raise BasePricesError(message)
        content = file.read_bytes()
    except OSError as error:
        message = f"it cannot be read ({error.strerror})"
        raise BasePricesError(message) from None
    try:
        text = file_lines(content, iso_micros(now_micros())[:10])
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; pip install 'sluice-gateway[gateway]'"
        raise BasePricesError(message) from None
    table = BasePrices(text)
    table.check()
    return table, text


def install_prices(file: Path, data_dir: Path) -> Installed:
    """Keep a published data file's table in the data directory, whole or not at all. Raises BasePricesError."""
    table, text = convert_prices(file)
    path = data_dir / FILE_NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror})"
        raise BasePricesError(message) from None
    return Installed(path, table.version, table.check())


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
