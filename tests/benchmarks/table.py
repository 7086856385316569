"""The table of figures, from ``results.json`` into ``README.md`` between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

README = Path(__file__).parent / "README.md"
START, END = "<!-- figures -->", "<!-- /figures -->"


def write_table(results: dict[str, Any]) -> str:
    """Replace the table; returns it."""
    table = render(results)
    text = README.read_text()
    head, _, rest = text.partition(START)
    _, _, tail = rest.partition(END)
    README.write_text(f"{head}{START}\n{table}\n{END}{tail}")
    return table


def render(results: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| gateway | CPU µs | of floor | requests/s | p50 ms | p99 ms | stream: CPU µs | of floor | p99 ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    gateway = results.get("gateway", {})
    lines += [_gateway_row(name, gateway) for name in ("floor", "durable", "kafka") if name in gateway]
    lines += ["", "| collector | events/s | CPU µs an event |", "|---|---|---|"]
    for name, figures in results.get("collector", {}).items():
        lines.append(f"| {name} | {figures['events_per_second']:,.0f} | {figures['cpu_us']:.1f} |")
    if control := results.get("control"):
        lines += ["", _control_line(control)]
    if plugins := results.get("plugins"):
        lines += ["", _plugins_line(plugins)]
    machine = results["machine"]
    idle = ", ".join(f"{name} {mib:g}" for name, mib in gateway.get("idle_rss_mib", {}).items())
    where = f"{machine['processor']}, {machine['system']}, CPython {machine['python']}"
    rounds = f"gateways {_rounds(gateway)}, collectors {_rounds(results.get('collector', {}))}"
    lines += ["", f"Idle, resident MiB: {idle}. {where}, medians of rounds ({rounds}), {machine['at'][:10]}."]
    return "\n".join(lines)


def _rounds(figures: dict[str, Any]) -> int:
    """Of how many runs the medians are: parts are measured in calls of their own, too."""
    return max((len(each.get("runs_cpu_us", ())) for each in figures.values()), default=0)


def _control_line(control: dict[str, Any]) -> str:
    return (
        f"With {control['apps']:,} apps and {control['llms']:,} LLMs a gateway has {control['rss_mib']:.0f} MiB; "
        f"finding LLM, token, app, and admission cost {control['lookup_and_admission_us']:.1f} µs. Its control API at "
        f"100 requests a second, three in ten of them changes: p50 {control['api_p50_ms']:.1f} ms, "
        f"p99 {control['api_p99_ms']:.1f} ms."
    )


def _plugins_line(plugins: dict[str, Any]) -> str:
    allows, modifies, waits = (plugins[f"{what}_ns"] / 1000 for what in ("answers", "modifies", "waits"))
    line = (
        f"A hook in the gateway's process: the host adds {allows:.1f} µs where the plugin allows, {modifies:.1f} where "
        f"it changes a header, {waits:.1f} where it waits."
    )
    if "at_1_us" not in plugins:
        return line
    return (
        f"{line} A hook whose plugin is a process of its own (Go, 1 KB, changed): {plugins['at_32_us']:.0f} µs of the "
        f"gateway's CPU at 32 at once, {plugins['at_1_us']:.0f} at one."
    )


def _gateway_row(name: str, gateway: dict[str, Any]) -> str:
    plain, stream = gateway[name], gateway["stream"][name]
    return (
        f"| {name} | {plain['cpu_us']:.0f} | {plain['of_floor']:.2f} | {plain['requests_per_second']:,.0f} "
        f"| {plain['p50_ms']:.1f} | {plain['p99_ms']:.1f} | {stream['cpu_us']:.0f} "
        f"| {stream['of_floor']:.2f} | {stream['p99_ms']:.0f} |"
    )
