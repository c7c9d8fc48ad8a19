"""Named figures, as a table of two columns or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenprof.commands.console.output import emit, json_text
from tokenprof.commands.console.tables import table


def show_facts(facts: Mapping[str, Any], form: str) -> None:
    """Print figures by name; in the table, what is neither text nor a number is shown as Python writes it."""
    if form == "json":
        emit(json_text(facts))
        return
    rows = [
        (name, value if value is None or isinstance(value, str | int | float) else str(value))
        for name, value in facts.items()
    ]
    emit(table(("", ""), rows))
