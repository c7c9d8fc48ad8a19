"""The first lines of the report: what was billed, what it cost to compute, how far apart the two are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.last_time import LastTime
from tokenprof.analysis.rows.latest_days import LatestPeriods
from tokenprof.analysis.rows.row_types import RunRows, Totals, TurnRow
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.phrases import SAME_SHARE, days_in_words, moved
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import BAD, SOFT

_MODELS_NAMED = 3

_LONGEST_FILE = 24


def headline(rows: RunRows, console: Console, runs: int = 1) -> list[Text]:
    """Return the answer in one sentence, then what was profiled in a line or two.

    `runs` is how many runs the turns are of.
    """
    if not rows.turns and rows.totals.missing_calls:
        missing = numbers.count(rows.totals.missing_calls, "call")
        return [
            Text(f"No turn was recorded, but {missing} could not be: what was billed is unknown.", "bold")
        ]
    if not rows.turns:
        return [Text("No turn was recorded: nothing was billed.", "bold")]
    names = list(dict.fromkeys(turn.model for turn in rows.turns if turn.model))
    about = [numbers.count(runs, "run") if runs > 1 else "", models_named(names), _when(rows.turns)]
    return answer_and_subject(
        rows.totals, [*about, requests_named(_requests(rows), len(rows.turns))], console
    )


def answer_and_subject(totals: Totals, about: Sequence[str], console: Console) -> list[Text]:
    """Return the answer, then what was profiled: `about`, and the tokens."""
    said = list(about)
    usage = totals.usage
    if usage is not None and usage.input_tokens:
        read = numbers.percent(numbers.fraction(usage.cache_read_tokens, usage.input_tokens))
        said.append(f"{usage.input_tokens:,} tokens in, {read} of them read from cache")
        said.append(f"{usage.all_output_tokens:,} out")
    lines = paragraph(_answer(totals), console)
    return lines + paragraph(Text(" · ".join(part for part in said if part), SOFT), console)


def than_last_time(totals: Totals, before: LastTime | LatestPeriods | None, console: Console) -> list[Text]:
    """Return how the bill compares with that of the run before; nothing if one of the two is not known.

    Of several runs, the latest day or week is compared with the one before.
    """
    if isinstance(before, LatestPeriods):
        return paragraph(Text(days_in_words(before), SOFT), console)
    if before is None or not totals.billed_usd or not before.billed_usd:
        return []
    if totals.unpriced_turns or totals.unmeasured_turns or totals.missing_calls:
        return []
    grown = float(totals.billed_usd / before.billed_usd) - 1
    than_then = f"this one is {moved(grown)}" if abs(grown) >= SAME_SHARE else "about the same"
    earlier = numbers.count(before.turns, "turn")
    name = printable(before.file)
    name = name if len(name) <= _LONGEST_FILE else f"{name[:8]}…"
    text = Text(f"Last time ({name}, {before.at.astimezone(UTC):%Y-%m-%d %H:%M}): ", SOFT)
    text.append(f"{numbers.usd(before.billed_usd)} in {earlier}; {than_then}.", SOFT)
    return paragraph(text, console)


def _answer(totals: Totals) -> Text:
    """Return `6 turns billed $0.35; compute est. $0.0125–0.0615 ($0.0274): billed 13× compute (5.7–28×)`."""
    counts = ((totals.unpriced_turns, "unpriced"), (totals.unmeasured_turns, "unmeasured"))
    unknown = [f"{number} {state}" for number, state in counts if number]
    gaps = list(unknown)
    if totals.missing_calls:
        gaps.append(f"{numbers.count(totals.missing_calls, 'call')} missing")
    turns = numbers.count(totals.turns, "turn")
    sentence = Text(style="bold")
    if totals.billed_usd is None:
        sentence.append(f"{turns}: ").append(", ".join(gaps), BAD)
    else:
        with_bill = totals.turns - totals.unpriced_turns - totals.unmeasured_turns
        is_counted_short = totals.partial_turns or totals.incomplete_output_turns or totals.missing_calls
        sentence.append(f"{turns}: {with_bill}" if unknown else turns)
        sentence.append(f" billed {'at least ' if is_counted_short else ''}")
        sentence.append(numbers.usd(totals.billed_usd), "green")
        if gaps:
            sentence.append(", ").append(", ".join(gaps), BAD)
    if totals.hardware_usd is None:
        return sentence.append("; compute not estimated")
    sentence.append("; compute est. ").append(numbers.usd_interval(totals.hardware_usd), "cyan")
    if totals.price_to_cost is not None:
        between = numbers.ratio_range(totals.price_to_cost)
        sentence.append(f": billed {numbers.mid_ratio(totals.price_to_cost)} compute")
        sentence.append(f" ({between})" if between else "")
    return sentence


def _requests(rows: RunRows) -> int:
    """Return how many requests of the user there were."""
    delegated = {turn.context for turn in rows.turns if turn.parent is not None}
    return len(
        {
            block.born_turn
            for block in rows.blocks
            if block.kind == "user" and block.context not in delegated and block.born_turn is not None
        }
    )


def requests_named(asked: int, turns: int) -> str:
    """Return how many requests of the user there were, and how many model calls each took."""
    if not asked:
        return ""
    calls = turns / asked
    each = f"{calls:.0f}" if calls >= 10 or calls == round(calls) else f"{calls:.1f}"
    of_each = f"{each} {'call' if each == '1' else 'calls'}{' each' if asked > 1 else ''}"
    return f"{numbers.count(asked, 'request')} of the user, {of_each}"


def models_named(models: Sequence[str]) -> str:
    """Return the first few models, and how many more there are."""
    names = list(map(printable, models))
    more = f" and {len(names) - _MODELS_NAMED} more" if len(names) > _MODELS_NAMED else ""
    return ", ".join(names[:_MODELS_NAMED]) + more


def _when(turns: Sequence[TurnRow]) -> str:
    """Return when the run began, and the time from its first turn's start to its last one's end."""
    starts = [(turn.at.astimezone(UTC), turn.duration_s or 0.0) for turn in turns if turn.at is not None]
    if not starts:
        return ""
    first = min(at for at, _ in starts)
    return time_and_span(first, max((at - first).total_seconds() + lasted_s for at, lasted_s in starts))


def time_and_span(first: datetime, span_s: float) -> str:
    """Return when something began, in UTC, and how long it took."""
    return f"{first:%Y-%m-%d %H:%M} UTC · {numbers.duration(span_s)}"
