"""``sluice import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.control.admin.errors import UsageError
from gateway.control.admin.session import DEFAULT_CONFIG, AsJson, Config, Token, Url, open_session, reporting

if TYPE_CHECKING:
    from gateway.control.importing.plan import Plan
    from gateway.control.importing.report import Report

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="Saved JSON answers, folders of them, or LiteLLM's config.yaml.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write a settings file instead of asking the API.")]
WithTokens = Annotated[
    bool, typer.Option("--tokens", help="Put known tokens' hashes into the control database of --config, too.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")]
AllowPartial = Annotated[bool, typer.Option("--allow-partial", help="End with 0 though something is not carried over.")]


def import_(
    files: Files,
    output: Output = None,
    tokens: WithTokens = False,
    dry_run: DryRun = False,
    allow_partial: AllowPartial = False,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Carry over what another gateway has: answers of its REST API (llms, apps, tokens, pricing, plugins), or LiteLLM's
    config.yaml. What is there by slug or name stays as it is. Exits 1 where something is not carried over.

    Example: sluice import export/ --tokens --dry-run
    """
    from gateway.control.importing.report import Report, show_report  # noqa: PLC0415 - every sluice command imports this

    report = Report()
    with reporting():
        plan = _plan(files)
        report.take(plan)
        try:
            if output is not None:
                _write(plan, report, output, is_dry=dry_run)
            else:
                _apply(plan, report, url, token, config, with_tokens=tokens, is_dry=dry_run)
        finally:
            show_report(report, as_json=as_json, is_dry=dry_run)
    if report.left and not allow_partial:
        raise typer.Exit(1)


def _plan(files: list[Path]) -> Plan:
    from gateway.control.importing.litellm import plan_litellm  # noqa: PLC0415 - as above
    from gateway.control.importing.plan import Plan  # noqa: PLC0415 - as above
    from gateway.control.importing.reading import read_export  # noqa: PLC0415 - as above
    from gateway.control.importing.reference import plan_reference  # noqa: PLC0415 - as above
    from sluice.settings import environment  # noqa: PLC0415 - as above

    plan, export = Plan(), read_export(files)
    plan_reference(export, plan)
    for path, document in export.litellm:
        plan_litellm(path, document, environment(), plan)
    return plan


def _write(plan: Plan, report: Report, output: Path, *, is_dry: bool) -> None:
    from gateway.control.importing.settings_document import settings_document, write_document  # noqa: PLC0415 - as above

    document = settings_document(plan, report)
    if not is_dry:
        write_document(output, document)


def _apply(plan: Plan, report: Report, url: str, token: str, config: Path, *, with_tokens: bool, is_dry: bool) -> None:
    from gateway.control.importing.through_api import apply_plan  # noqa: PLC0415 - as above

    with open_session(url, token, config, as_json=False) as session:
        apply_plan(plan, session.client, report, is_dry=is_dry)
    if with_tokens:
        _put_tokens(plan, report, config, is_dry=is_dry)
        return
    for each in plan.tokens:
        reason = "the API takes no token that it did not make; give --tokens, or --output"
        report.leave(f"token {each.name or each.prefix} of app {each.app}", reason)


def _put_tokens(plan: Plan, report: Report, config: Path, *, is_dry: bool) -> None:
    import asyncio  # noqa: PLC0415 - as above

    from gateway.control.errors import ControlError  # noqa: PLC0415 - as above
    from gateway.control.importing.into_database import put_tokens  # noqa: PLC0415 - as above
    from gateway.settings import Settings  # noqa: PLC0415 - as above
    from sluice.secrets import SecretError  # noqa: PLC0415 - as above
    from sluice.settings import SettingsError, load_settings  # noqa: PLC0415 - as above

    try:
        settings = load_settings(config, Settings)
        asyncio.run(put_tokens(settings, plan.tokens, report, is_dry=is_dry))
    except (SettingsError, SecretError, ControlError) as error:
        raise UsageError(f"tokens: {error}") from None
