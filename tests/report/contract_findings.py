"""The findings of the reports in `contracts`: the JSON is read and searched, and what is found is worded."""

from dataclasses import replace
from typing import Any

from tokenprof.analysis.findings.find import find
from tokenprof.report.document import Report
from tokenprof.report.finding_wording import written
from tokenprof.report.report_json import report_json
from tokenprof.report.report_reader import read_report
from tokenprof.report.written_finding import WrittenFinding


def findings_of(made) -> tuple[WrittenFinding, ...]:
    """Return the findings of a report's JSON in words, in the order in which they are shown."""
    report = read_report(made)
    return tuple(written(finding) for finding in find(report.rows, report.disclosure))


def with_findings(made) -> Report:
    """Return a report's JSON as a report that lists its findings."""
    return replace(read_report(made), findings=findings_of(made))


def findings_json(made) -> list[dict[str, Any]]:
    """Return the findings of a report's JSON as JSON."""
    found: list[dict[str, Any]] = report_json(with_findings(made))["findings"]
    return found
