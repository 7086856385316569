"""What happened: budgets, the audit, the system; and every other path of the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.control.admin.errors import UsageError
from gateway.control.admin.links import AppId
from gateway.control.admin.session import (
    DEFAULT_CONFIG,
    AsJson,
    Config,
    Filters,
    FromFile,
    Token,
    Url,
    Values,
    open_session,
    reporting,
)
from gateway.control.admin.show import show_json
from gateway.control.admin.values import read_values

_HISTORY = ("period_start", "period_end", "monthly_budget", "current_usage", "requests_count", "tokens_used")
_AUDIT = ("at", "actor", "action", "kind", "entity_id")
_METHODS = ("GET", "POST", "PUT", "DELETE")

SomeApp = Annotated[int | None, typer.Argument(min=1, metavar="APP_ID", help="The app's id; all of them without.")]
Llm = Annotated[int | None, typer.Option("--llm", min=1, help="On this LLM alone.")]
Start = Annotated[str, typer.Option("--start", help="From this moment, e.g. 2026-11-01T00:00:00Z.")]
End = Annotated[str, typer.Option("--end", help="To before this moment.")]
Method = Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.")]
Path_ = Annotated[str, typer.Argument(metavar="PATH", help="Below /api/v1, e.g. /analytics/summary.")]


def show_budgets(
    app: SomeApp = None,
    llm: Llm = None,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what an app spent in its present period, or all budgets together.

    Example: sluice admin budgets show 2
    """
    with open_session(url, token, config, as_json=as_json) as session:
        if app is None and llm is not None:
            raise UsageError("--llm: stands without an app; name one")
        session.do("GET", "/budgets" if app is None else f"/budgets/{app}/usage", query=_given(llm_id=llm))


def budget_history(
    app: AppId,
    llm: Llm = None,
    start: Start = "",
    end: End = "",
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what an app spent in each period, by default of the last month.

    Example: sluice admin budgets history 2 --start 2026-01-01T00:00:00Z
    """
    with open_session(url, token, config, as_json=as_json) as session:
        query = _given(llm_id=llm, start_time=start or None, end_time=end or None)
        session.do("GET", f"/budgets/{app}/history", query=query, columns=_HISTORY)


def update_budget(
    app: AppId,
    values: Values = None,
    from_file: FromFile = None,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Change what an app may spend a month; 0 is no limit.

    Example: sluice admin budgets update 2 monthly_budget=12.50
    """
    with reporting():
        body = read_values(values or (), from_file)
    with open_session(url, token, config, as_json=as_json) as session:
        session.do("PUT", f"/budgets/{app}", body)


def audit(
    filters: Filters = None,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show who changed what, the newest first.

    Example: sluice admin audit kind=app entity_id=2
    """
    with open_session(url, token, config, as_json=as_json) as session:
        session.do("GET", "/audit", query=read_values(filters or ()), columns=_AUDIT)


def system(
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show the gateway's version, and how much of everything it has.

    Example: sluice admin system
    """
    with open_session(url, token, config, as_json=as_json) as session:
        session.do("GET", "/system/info")


def call(
    method: Method,
    path: Path_,
    values: Values = None,
    from_file: FromFile = None,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Call any path of the API; the values are the query of a GET or DELETE, the body of a POST or PUT. Prints JSON.

    Example: sluice admin call GET /analytics/summary app_id=2
    """
    with reporting():
        sent = read_values(values or (), from_file)
        verb = method.upper()
        if verb not in _METHODS or not path.startswith("/"):
            raise UsageError(f"{method} {path}: write one of {', '.join(_METHODS)} and a path that begins with /")
    with open_session(url, token, config, as_json=True) as session:
        has_body = verb in {"POST", "PUT"}
        answer = session.client.request(verb, path, sent if has_body else None, None if has_body else sent)
        show_json(answer)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
