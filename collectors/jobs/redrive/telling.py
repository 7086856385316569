"""What is said of a redrive: what was found before, and what came of it."""

from __future__ import annotations

from collectors.jobs.redrive.asking import COMMAND, RedriveOptions
from collectors.jobs.redrive.ledger import Ledger
from collectors.jobs.redrive.letters import UNDECODABLE
from collectors.jobs.redrive.routing import Routing
from collectors.jobs.redrive.survey import Survey
from collectors.jobs.report import Report
from collectors.operations.marks import Marks


def tell(report: Report, survey: Survey, marks: Marks, routing: Routing, options: RedriveOptions) -> None:
    """What was found, before anything is done."""
    report.read, report.matched, report.size_bytes = survey.looked_at, survey.matched, survey.size_bytes
    left = {each: groups.total() for each, groups in survey.left.items()}
    settled = survey.settled.total()
    report.details |= {"settled before": settled, "left": sum(left.values()), "groups": survey.rows()}
    for each, count in left.items():
        report.problems.append(f"{count} left ({each.code}): {each.why}; the first is {survey.left_ids[each]}")
    if missing := sorted(set(options.letters) - survey.seen_ids):
        why = "retention may have deleted it, or --reason, --kind, --collector, --from or --to does not fit it"
        report.problems.append(f"nothing is to be redriven at {missing[0]} ({len(missing)} in all): {why}")
    for target, group, count in survey.given():
        if count and (others := routing.left_out(target, group.collector)):
            report.notes.append(
                f"{count} that service {target.service} could not decode go to {options.collector} alone, as "
                f"--collector says; {', '.join(others)} will not have them"
            )
    if marks.broken:
        report.notes.append(f"{marks.broken} records of the topic of marks are no marks; they were passed over")
    if not survey.matched:
        report.notes.append(f"nothing to redrive: {_why_nothing(settled, sum(left.values()))}")


def _why_nothing(settled: int, left: int) -> str:
    if left:
        return f"all {left} that are open are left"
    return f"all {settled} that fit are settled" if settled else "no open dead letter fits"


def tell_end(report: Report, ledger: Ledger, *, is_stopped: bool) -> None:
    """What became of the letters that were given back; ``already_there`` is known."""
    outcomes = ledger.outcomes
    report.written = outcomes["delivered"] + outcomes["fallback"] - report.already_there
    report.passed, report.failed = outcomes["passed"], outcomes["superseded"]
    report.undecodable = sum(count for (reason, _), count in ledger.refusals.items() if reason in UNDECODABLE)
    report.details |= {name: outcomes[name] for name in ("fallback", "filtered") if outcomes[name]}
    for (reason, collector), count in ledger.refusals.most_common():
        whom = f" by {collector}" if collector else ""
        report.problems.append(
            f"{count} refused again{whom} ({reason}): they are new dead letters; {ledger.failures} names them"
        )
    lost = report.matched - ledger.settled
    if is_stopped:
        report.state = "stopped"
        report.problems.append(go_on(report, f"{lost} to go"))
    else:
        report.state = "complete"
        if lost > 0:
            report.problems.append(
                f"{lost} were not settled: retention deleted them meanwhile, or their service failed"
            )
    if ledger.unlisted:
        report.notes.append(ledger.unlisted)
    if ledger.trouble:
        report.problems.append(
            f"what was settled could not be marked: {ledger.trouble}; it is given back once more by the next redrive"
        )


def go_on(report: Report, what: str) -> str:
    """How a job is gone on with that was stopped."""
    return f"stopped, {what}: go on with sluice {COMMAND} --resume {report.job}"
