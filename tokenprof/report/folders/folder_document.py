"""The report of a folder whose sessions were analysed one at a time: sums, and no list of turns."""

from __future__ import annotations

from tokenprof.data_classes.frozen import frozen
from tokenprof.report import numbers
from tokenprof.report.document import SCHEMA, Report
from tokenprof.report.finding_wording import written
from tokenprof.report.phrases import form, not_read_again
from tokenprof.report.suggested_change import suggested_change
from tokenprof.report.warning_wording import (
    UNUSABLE,
    missing_calls,
    repeated_outputs,
    stated_sentence,
)
from tokenprof.sessions.folder_analysis import FolderAnalysis
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.session_sums import MissingSums


@frozen
class FolderReport:
    """A report without turns. `sums` are the sessions; `tried_on` says which of them were changed.

    `not_read` says which logs were not read, as their sums are known.
    """

    report: Report
    sums: FolderSums
    tried_on: str | None
    not_read: str | None


def report_of_folder(analysis: FolderAnalysis) -> FolderReport:
    """Return the report of a folder.

    Raises `InputError` for prices or a deployment that cannot be used.
    """
    largest = analysis.largest
    report = Report(
        schema=SCHEMA,
        sources=tuple(analysis.sums.sources),
        prices=analysis.prices,
        deployments=analysis.deployments,
        rows=analysis.rows,
        findings=tuple(written(finding) for finding in analysis.findings),
        warnings=_warnings(analysis),
        chain=analysis.chain,
        disclosure=None,
        changes=() if largest is None else tuple(map(suggested_change, largest.changes)),
        changes_untried=0 if largest is None else largest.untried,
    )
    return FolderReport(report, analysis.sums, _tried_on(analysis), _not_read(analysis))


def _not_read(analysis: FolderAnalysis) -> str | None:
    kept = analysis.kept_logs
    logs = sum(1 + len(member.others) for member in analysis.members)
    return not_read_again(kept, logs - kept, "an earlier report") if kept else None


def _tried_on(analysis: FolderAnalysis) -> str | None:
    """Return which sessions changes were tried on; None if that is all of them."""
    largest = analysis.largest
    if largest is None or largest.logs >= analysis.sums.logs:
        return None
    share = numbers.fraction(largest.billed_usd, analysis.rows.totals.billed_usd)
    part = "" if share is None else f", {numbers.percent(share)} of the bill"
    return (
        f"Tried on the {numbers.count(largest.logs, 'largest log', 'largest logs')} "
        f"({numbers.usd(largest.billed_usd)}{part}); shares are of these."
    )


def _warnings(analysis: FolderAnalysis) -> tuple[str, ...]:
    missing = analysis.sums.missing
    found = [*missing_calls(missing.problems), *analysis.warnings, *missing.warnings]
    more = missing.reasons.get("warned", 0) - len(missing.warnings)
    if more > 0:
        found.append(
            f"{numbers.count(more, 'more warning')} of the readers; the report of a log alone shows its own."
        )
    for reason, turns in missing.unpriced.items():
        found.append(f"{_turns(turns)} {form(turns, 'is', 'are')} unpriced: {reason}")
    without, noted = missing.unmeasured_without_notes, missing.reasons.get("unmeasured", 0)
    for turns, why in ((without, ": no usage was recorded"), (noted - without, UNUSABLE)):
        if turns:
            found.append(f"{_turns(turns)} {form(turns, 'is', 'are')} unmeasured{why}.")
    found += [
        f"{_turns(turns)} used {name.replace('_', ' ')}, which has no price row of its own; the tokens are "
        "priced. Add a [[fee]] row to a price file."
        for name, turns in missing.fees_without_price.items()
    ]
    if missing.stated_turns:
        found.append(
            stated_sentence(
                _turns(missing.stated_turns), missing.stated_otherwise_usd, missing.stated_at_list_usd
            )
        )
    if turns := missing.incomplete_ok_turns:
        found.append(
            f"{_turns(turns)} {form(turns, 'has', 'have')} incomplete output: the source has no final count "
            f"of output tokens, so the output billed is at least what is shown.{_repeated(missing)}"
        )
    if missing.notes:
        found.append(
            f"In {_turns(missing.notes)}, the provider billed less than the blocks held before; it dropped "
            "or changed part of the history."
        )
    return tuple(found)


def _repeated(missing: MissingSums) -> str:
    counted = [int(each) for part in missing.counted_tokens for each in part]
    repeated = [int(each) for part in missing.repeated_tokens for each in part]
    return repeated_outputs(counted, repeated, missing.uncounted_usd)


def _turns(count: int) -> str:
    return numbers.count(count, "turn")
