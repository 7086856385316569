"""``sluice admin rotate-key``: a new key for the vendor credentials in the control database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.control.admin.errors import UsageError
from gateway.control.admin.session import DEFAULT_CONFIG, Config, reporting

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import Settings

Again = Annotated[
    bool, typer.Option("--encrypt-only", help="Make no key: encrypt everything with the newest one that is there.")
]


def rotate_key(config: Config = DEFAULT_CONFIG, encrypt_only: Again = False) -> None:
    """Put a new key in front of the key file, and encrypt every vendor key in the control database with it.

    Works on the database of --config, beside gateways that run: they read the file anew by themselves. The old keys
    stay behind the new one; see the README for when they may go.

    Example: sluice admin rotate-key --config sluice.yaml
    """
    import asyncio  # noqa: PLC0415 - as below

    from gateway.control.errors import ControlError  # noqa: PLC0415 - every sluice command imports this file
    from gateway.settings import Settings  # noqa: PLC0415 - as above
    from sluice.secrets import SecretError  # noqa: PLC0415 - as above
    from sluice.settings import SettingsError, load_settings  # noqa: PLC0415 - as above

    with reporting():
        try:
            settings = load_settings(config, Settings)
            path = None if encrypt_only else _new_key(settings)
            count = asyncio.run(_encrypt(settings))
        except (SettingsError, SecretError, ControlError) as error:
            raise UsageError(str(error)) from None
    if path is not None:
        typer.echo(f"{path} begins with a new key; keep a copy of it, apart from the database")
    typer.echo(f"{count} vendor key{'' if count == 1 else 's'} encrypted with the newest key")


def _new_key(settings: Settings) -> Path:
    from gateway.control.keys import key_file, put_new_key_in_front  # noqa: PLC0415 - as above

    if settings.control.secret_key.get_secret_value():
        remedy = "put the new key before the old one there, restart the gateways, then run this with --encrypt-only"
        raise UsageError(f"control.secret_key gives the keys, so there is no file to put one into; {remedy}")
    path = key_file(settings.control, settings.data_dir)
    put_new_key_in_front(path)
    return path


async def _encrypt(settings: Settings) -> int:
    from gateway.control.entities import Actor  # noqa: PLC0415 - as above
    from gateway.control.keys import open_secret_box  # noqa: PLC0415 - as above
    from gateway.control.opening import open_control  # noqa: PLC0415 - as above

    async with open_control(settings) as control:
        return await control.store.reencrypt(open_secret_box(settings.control, settings.data_dir), Actor("command"))
