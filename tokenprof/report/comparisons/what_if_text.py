"""What-ifs and suggestions, drawn for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from io import StringIO

from rich.console import Console
from rich.text import Text

from tokenprof.hw_model.estimate import Estimate
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.next_steps.what_if_wording import (
    KIND_WORDS,
    basis,
    headline,
    saving_sentence,
    suggestion_sentence,
)
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.whatif.prediction import Prediction
from tokenprof.whatif.suggestions import Suggestion

_ROWS = (Column("", "left"), Column("before"), Column("after"), Column("", "left", flex=True, drop=1))


def render_prediction(found: Prediction, console: Console) -> None:
    """Print what a run would have cost, and what the answer rests on."""
    low_high = ""
    if not found.is_exact and found.low_usd is not None and found.high_usd is not None:
        low_high = f"{numbers.usd(found.low_usd)}–{numbers.usd(found.high_usd, sign='')}"
    rows = [
        TableRow(["billed", numbers.usd(found.before_usd), numbers.usd(found.after_usd), low_high]),
        TableRow(
            [
                "compute est.",
                _mid(found.compute_before_usd),
                _mid(found.compute_after_usd),
                "" if found.after_usd is None else KIND_WORDS[found.saving_kind],
            ]
        ),
        TableRow(["calls", f"{found.calls[0]:,}", f"{found.calls[1]:,}", ""]),
        TableRow(["tokens in", f"{found.tokens_in[0]:,}", f"{found.tokens_in[1]:,}", ""]),
    ]
    _print(console, [*paragraph(Text(headline(found), "bold"), console), Text()])
    _print(console, table("What if", _ROWS, rows, console))
    sentences = [saving_sentence(found), *basis(found)]
    lines = [
        line
        for each in sentences
        if each
        for line in paragraph(Text(each, "dim"), console, lead=Text("· "), indent=0)
    ]
    _print(console, [Text(), *lines])


def render_suggestions(found: Sequence[Suggestion], before_usd: Decimal, console: Console) -> None:
    """Print what pays, the best first."""
    if not found:
        text = "No lever saves a hundredth of the bill."
        _print(console, paragraph(Text(text), console))
        return
    billed = numbers.usd(before_usd)
    _print(
        console, [*paragraph(Text(f"The run was billed {billed}. What would have paid:", "bold"), console)]
    )
    for number, each in enumerate(found, 1):
        lead = Text(f"{number}. ")
        _print(console, paragraph(Text(suggestion_sentence(each)), console, lead=lead, indent=2))
        command = Text(f"tokenprof whatif … --if {printable(each.lever)}", "dim")
        _print(console, paragraph(command, console, indent=2 + lead.cell_len))
    note = "Each saving is on its own; together they save less than their sum. Give --if twice for two."
    _print(console, [Text(), *paragraph(Text(note, "dim"), console)])


def as_text(draw: Callable[[Console], None], width: int = 80) -> str:
    """Return what `draw` prints as plain text, `width` characters wide."""
    page = StringIO()
    draw(Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False))
    return page.getvalue()


def _mid(estimate: Estimate | None) -> str:
    return numbers.UNKNOWN if estimate is None else numbers.usd(numbers.decimal_of(estimate.mid))


def _print(console: Console, lines: Sequence[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
