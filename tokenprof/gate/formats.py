"""The gate's outcomes as text, JSON, JUnit, SARIF and a comment on a pull request: rows of `FORMATS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree

from tokenprof.facts.inert_text import inert, markdown_code, markdown_text, printable, sarif_text
from tokenprof.facts.version import __version__
from tokenprof.gate import DEFAULT_BASELINE
from tokenprof.gate.outcome import Outcome, explain, table

STICKY_TAG: Final = "<!-- tokenprof: cost gate -->"
"""A hidden mark by which a bot finds its earlier comment, to edit it."""


def to_text(outcomes: Sequence[Outcome], baseline: str) -> str:
    """Return a line per scenario and, for those that failed, the reasons."""
    lines: list[str] = []
    for outcome in outcomes:
        mark = "FAIL" if outcome.failed else "ok  "
        first, *others = explain(outcome)
        lines.append(f"{mark} {first}")
        lines += others
    failed = sum(outcome.failed for outcome in outcomes)
    lines.append(f"{len(outcomes)} checked, {failed} failed.")
    return "\n".join(lines) + "\n"


def to_json(outcomes: Sequence[Outcome], baseline: str) -> str:
    """Return everything as one JSON object (`tokenprof.gate/2`)."""
    return (
        json.dumps(
            {
                "schema": "tokenprof.gate/2",
                "baseline": baseline,
                "scenarios": [_scenario(o) for o in outcomes],
            },
            indent=1,
        )
        + "\n"
    )


def _scenario(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "name": outcome.name,
        "status": outcome.status,
        "failed": outcome.failed,
        "headline": outcome.headline,
        "breaches": [
            {
                "measure": b.measure,
                "limit": str(b.limit),
                "actual": None if b.actual is None else str(b.actual),
            }
            for b in outcome.breaches
        ],
        "regressions": [
            {"subject": c.subject, "kind": c.kind, "before": c.before, "now": c.now, "p": c.p}
            for c in (verdict.regressions if verdict else ())
        ],
        "causes": [
            {
                "kind": c.kind,
                "block": c.block,
                "text": c.text,
                "billed_tokens": None if c.billed_tokens is None else float(c.billed_tokens),
                "billed_usd": None if c.billed_usd is None else float(c.billed_usd),
            }
            for c in (verdict.causes if verdict else ())
        ],
        "notes": list(verdict.notes) if verdict else [],
        "power": verdict.power if verdict else None,
        "runs": {"baseline": verdict.runs[0] if verdict else 0, "now": len(outcome.samples)},
    }


def to_junit(outcomes: Sequence[Outcome], baseline: str) -> str:
    """Return a JUnit suite with one case per scenario."""
    failures = sum(outcome.failed for outcome in outcomes)
    suite = ElementTree.Element(
        "testsuite", name="tokenprof", tests=str(len(outcomes)), failures=str(failures), errors="0"
    )
    for outcome in outcomes:
        case = ElementTree.SubElement(suite, "testcase", classname="tokenprof", name=inert(outcome.name))
        text = "\n".join(explain(outcome))
        if outcome.failed:
            ElementTree.SubElement(
                case, "failure", message=inert(outcome.headline), type=outcome.status
            ).text = text
        else:
            ElementTree.SubElement(case, "system-out").text = text
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def to_sarif(outcomes: Sequence[Outcome], baseline: str) -> str:
    """Return SARIF 2.1.0 with one result per failed scenario, at its line in the baseline."""
    results = [
        {
            "ruleId": outcome.status.replace(" ", "-"),
            "level": "error",
            "message": {"text": sarif_text("\n".join(explain(outcome)))},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": baseline or DEFAULT_BASELINE}}}],
            "partialFingerprints": {"scenario": outcome.name},
        }
        for outcome in outcomes
        if outcome.failed
    ]
    rules = [
        {"id": "regression", "shortDescription": {"text": "A scenario costs more than its baseline"}},
        {"id": "over-budget", "shortDescription": {"text": "A scenario is outside its budget"}},
        {"id": "no-baseline", "shortDescription": {"text": "The baseline does not have a scenario"}},
    ]
    driver = {
        "name": "tokenprof",
        "version": __version__,
        "informationUri": "https://pypi.org/project/agent-tokenprof/",
        "rules": rules,
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=1) + "\n"


def to_markdown(outcomes: Sequence[Outcome], baseline: str) -> str:
    """Return a pull-request comment: a sentence, a table and the causes, with the rest folded away."""
    failed = [outcome for outcome in outcomes if outcome.failed]
    if failed:
        headline = (
            f"**Cost gate: {len(failed)} of {len(outcomes)} failed.** {markdown_text(failed[0].headline)}"
        )
    else:
        headline = f"**Cost gate: all {len(outcomes)} pass.**"
    lines = [
        STICKY_TAG,
        headline,
        "",
        "| scenario | measure | baseline | now | change |",
        "|---|---|--:|--:|--:|",
    ]
    for outcome in failed or outcomes[:10]:
        for place, row in enumerate(table(outcome)):
            name = f"`{_in_table(outcome.name)}`" if not place else ""
            lines.append(f"| {name} | {' | '.join(markdown_text(cell) for cell in row)} |")
    causes = [cause for outcome in failed if outcome.verdict for cause in outcome.verdict.causes]
    if causes:
        lines += ["", "Causes:", *(f"- {markdown_text(cause.text)}" for cause in causes)]
    lines += ["", "<details><summary>Every scenario</summary>", "", "```"]
    lines += map(markdown_code, to_text(outcomes, baseline).rstrip().splitlines())
    return "\n".join([*lines, "```", "", "</details>"]) + "\n"


def _in_table(name: str) -> str:
    return markdown_code(printable(name)).replace("|", "\\|") or " "


FORMATS: Final[Mapping[str, Callable[[Sequence[Outcome], str], str]]] = {
    "text": to_text,
    "json": to_json,
    "junit": to_junit,
    "sarif": to_sarif,
    "markdown": to_markdown,
}
