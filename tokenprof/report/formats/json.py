"""The JSON report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.report.document import Report

SUFFIX = ".json"


def render(
    report: Report, *, turns: int | None = None, blocks: int | None = None, is_full: bool = False
) -> bytes:
    """Return the report as indented JSON; it always holds every turn and block."""
    import orjson

    from tokenprof.facts.inert_text import inert_json
    from tokenprof.report.report_json import report_json

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return inert_json(orjson.dumps(report_json(report), option=options))
