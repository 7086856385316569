"""``sluice dashboards``: the dashboards that we ship, as files or straight into Kibana and Grafana."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sluice.command_line.application import Application, Panel
from sluice.command_line.completing import complete_files

if TYPE_CHECKING:
    from schemas.events import Kind
    from sluice.eventstore.dashboards.definitions import Dashboard
    from sluice.eventstore.exports.installing import Program

METRICS = {
    "name": "metrics",
    "title": "Sluice",
    "reads": "prometheus",
    "panels": None,
    "answers": "Loss and lag, flow, sinks, dead letters, gateway, journals: the file deploy/grafana/sluice.json.",
}
"""What comes from metrics is a file of its own, to be imported by hand."""

Format = Literal["kibana", "grafana"]
MAX_CREDENTIAL_BYTES = 10_000


def complete_names(incomplete: str) -> list[str]:
    """Dashboards that begin so."""
    from sluice.eventstore.dashboards.definitions import DASHBOARDS  # noqa: PLC0415 - see cli.py

    return [name for name in DASHBOARDS if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Which; by default all.", autocompletion=complete_names),
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Url = Annotated[str, typer.Option(metavar="URL", help="Its address, with base path and space.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Who you are, instead of the environment.", autocompletion=complete_files),
]


def register_dashboards(app: typer.Typer) -> None:
    """Add the commands."""
    ours = Application(name="dashboards", help=_HELP)
    for name, command in (("list", list_dashboards), ("show", show), ("export", export), ("install", install)):
        ours.command(name)(command)
    app.add_typer(ours, name="dashboards", rich_help_panel=Panel.OPERATE)


_HELP = """Dashboards of the events in Elasticsearch: as files, or straight into Kibana and Grafana.

Example: sluice dashboards install --kibana-url https://kibana.example.com
"""


def list_dashboards(as_json: AsJson = False) -> None:
    """List the dashboards there are.

    Example: sluice dashboards list
    """
    rows = [_row(found) for found in _chosen(None)] + [METRICS]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']:<10}{row['title']:<20}{row['reads']:<15}{row['answers']}")


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete_names)], as_json: AsJson = False
) -> None:
    """Say what each panel of a dashboard answers, and what Kibana and Grafana cannot show of it.

    Example: sluice dashboards show spend
    """
    from sluice.eventstore.exports.plans import plans_of  # noqa: PLC0415 - see cli.py

    [dashboard] = _chosen([name])
    rows = [
        {
            "name": plan.panel.name, "title": plan.panel.title, "chart": plan.panel.chart,
            "answers": plan.panel.answers, "notes": list(plan.notes),
        }
        for plan in plans_of(dashboard)
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps({**_row(dashboard), "panels": rows}))
        return
    typer.secho(f"{dashboard.title}: {dashboard.answers}", bold=True)
    for row in rows:
        typer.echo(f"  {row['title']} ({row['chart']}): {row['answers']}")
        for note in row["notes"]:
            typer.echo(f"      {note}")


def export(
    format_: Annotated[Format, typer.Option("--format", "-f", help="For whom.")],
    names: Names = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Instead of standard output.", autocompletion=complete_files
        ),
    ] = None,
) -> None:
    """Write dashboards as Kibana's saved objects (NDJSON), or one as Grafana's JSON.

    Of Grafana's, several go into a folder that --output names; on standard output each stands on a line.

    Example: sluice dashboards export --format kibana --output sluice.ndjson

    Example: sluice dashboards export --format grafana --output spend.json spend
    """
    chosen = _chosen(names)
    if output is None:
        typer.echo(_exported(format_, chosen), nl=False)
        return
    try:
        _write(format_, chosen, output)
    except OSError as error:
        typer.echo(
            f"--output: {output} cannot be written ({error.strerror}); name a file in a folder of yours", err=True
        )
        raise typer.Exit(1) from error


def install(
    names: Names = None,
    kibana_url: Url = "",
    grafana_url: Url = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there under the same ids.")] = False,
    datasource: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=UID", help="Grafana's data source of analytics, proxy_log or budget."),
    ] = None,
    kibana_credential_file: SecretFile = None,
    grafana_credential_file: SecretFile = None,
    ca_file: Annotated[
        str, typer.Option(metavar="FILE", help="PEM: who signed its certificate.", autocompletion=complete_files)
    ] = "",
    timeout_seconds: Annotated[float, typer.Option(min=0.1, max=600, help="For each request.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Put dashboards into Kibana, Grafana or both; exits 1 where that fails.

    SLUICE_KIBANA_CREDENTIAL and SLUICE_GRAFANA_CREDENTIAL, or files, say who you are: user:password, an encoded API key
    of Kibana, or a service account's token of Grafana.

    Example: sluice dashboards install --kibana-url https://kibana.example.com:5601/s/team --overwrite

    Example: sluice dashboards install --grafana-url http://localhost:3000 overview spend
    """
    from sluice.eventstore.exports.installing import Target  # noqa: PLC0415 - see cli.py

    chosen, sources = _chosen(names), _sources(datasource or [])
    wanted: list[tuple[Program, str, Path | None]] = []
    if kibana_url:
        wanted.append(("kibana", kibana_url, kibana_credential_file))
    if grafana_url:
        wanted.append(("grafana", grafana_url, grafana_credential_file))
    if not wanted:
        raise _usage("name where to: --kibana-url URL or --grafana-url URL")
    targets = [
        Target(program, url, _credential(program, file), ca_file, timeout_seconds) for program, url, file in wanted
    ]
    results = [_installed(target, chosen, overwrite=overwrite, sources=sources) for target in targets]
    _report(results, as_json=as_json)
    raise typer.Exit(0 if all(not result["problem"] for result in results) else 1)


def _installed(
    target: Any, chosen: Sequence[Dashboard], *, overwrite: bool, sources: dict[Kind, str]
) -> dict[str, Any]:
    import asyncio  # noqa: PLC0415 - see cli.py

    from sluice.eventstore.exports import installing  # noqa: PLC0415 - see cli.py

    result = {"program": target.program, "url": target.url, "installed": 0, "problem": ""}
    try:
        if target.program == "kibana":
            made = asyncio.run(installing.install_kibana(target, chosen, overwrite=overwrite))
        else:
            made = asyncio.run(installing.install_grafana(target, chosen, overwrite=overwrite, sources=sources))
    except installing.InstallError as error:
        return {**result, "problem": str(error)}
    return {**result, "installed": made}


def _report(results: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(results))
        return
    for result in results:
        if result["problem"]:
            typer.echo(f"{result['program']}: {result['problem']}", err=True)
        else:
            what = "saved objects" if result["program"] == "kibana" else "dashboards"
            typer.echo(f"{result['program']}: {what} installed at {result['url']}: {result['installed']}")


def _row(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "name": dashboard.name, "title": dashboard.title, "reads": "elasticsearch",
        "panels": len(dashboard.panels), "answers": dashboard.answers,
    }  # fmt: skip


def _chosen(names: Sequence[str] | None) -> list[Dashboard]:
    from sluice.eventstore.dashboards.definitions import DASHBOARDS, load_dashboard  # noqa: PLC0415 - see cli.py

    for name in names or ():
        if name == METRICS["name"]:
            raise _usage("metrics: comes as the file deploy/grafana/sluice.json; import it in Grafana")
        if name not in DASHBOARDS:
            raise _usage(f"{name[:60]!r} is no dashboard; there are {', '.join(DASHBOARDS)}")
    return [load_dashboard(name) for name in DASHBOARDS if not names or name in names]


def _sources(pairs: Sequence[str]) -> dict[Kind, str]:
    from schemas.events import KINDS  # noqa: PLC0415 - see cli.py

    found: dict[Kind, str] = {}
    for pair in pairs:
        name, _, uid = pair.partition("=")
        kind = next((kind for kind in KINDS if kind == name), None)
        if kind is None or not uid:
            raise _usage(f"--datasource {pair[:60]!r}: write KIND=UID, with a kind of {', '.join(KINDS)}")
        found[kind] = uid
    return found


def _credential(program: Program, file: Path | None) -> str:
    from sluice.settings import environment  # noqa: PLC0415 - see cli.py

    if file is None:
        return environment().get(f"SLUICE_{program.upper()}_CREDENTIAL", "")
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_CREDENTIAL_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _usage(f"--{program}-credential-file: {file} cannot be read; name a file of text") from error


def _exported(format_: Format, chosen: Sequence[Dashboard]) -> str:
    from sluice.eventstore.exports.grafana import grafana_dashboard, grafana_json  # noqa: PLC0415 - see cli.py
    from sluice.eventstore.exports.kibana import ndjson, saved_objects  # noqa: PLC0415 - see cli.py

    if format_ == "kibana":
        return ndjson(saved_objects(chosen))
    models = [grafana_dashboard(found) for found in chosen]
    if len(models) == 1:
        return grafana_json(models[0])
    return "".join(json.dumps(model, ensure_ascii=False, sort_keys=True) + "\n" for model in models)


def _write(format_: Format, chosen: Sequence[Dashboard], output: Path) -> None:
    if format_ == "kibana" or (len(chosen) == 1 and not output.is_dir()):
        output.write_text(_exported(format_, chosen), "utf-8")
        return
    output.mkdir(parents=True, exist_ok=True)
    for dashboard in chosen:
        (output / f"sluice-{dashboard.name}.json").write_text(_exported(format_, [dashboard]), "utf-8")


def _usage(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(2)
