"""The report a person reads in a terminal, from the JSON report alone.

The first line answers the question the profiler is asked: what was billed, what it cost to compute
and how far apart the two are. What is not known is said in words and never shown as a zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.terminal.block_table import block_table, group_table
from tokenprof.report.terminal.chain_text import chain_lines
from tokenprof.report.terminal.class_table import class_table
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.turn_table import slice_tables, turn_table
from tokenprof.report.terminal.wording import BAD, SOFT, WARN, Json

DEFAULT_TURNS: Final = 24
DEFAULT_BLOCKS: Final = 16
_SHOWN_ASSUMPTIONS: Final = 6
_SHOWN_SOURCES: Final = 3

SEVERITY_STYLES: Final = {"high": BAD, "medium": WARN, "low": SOFT, "info": SOFT}

# For terminals that have no Unicode: one character for one, so that columns stay aligned.
_PLAIN: Final = str.maketrans("×–—…±·÷≥−█▉▊▋▌▍▎▏─●┆└Σ", "x---~-/>-########-o:`S")


def render(
    report: Mapping[str, Any],
    console: Console,
    *,
    turns: int | None = DEFAULT_TURNS,
    blocks: int = DEFAULT_BLOCKS,
) -> None:
    """Print a report of the contract `tokenprof.report/1` to a console, in the console's width.

    `turns` is how many turns are shown at most (None: all of them), `blocks` how many blocks.
    """
    sections: Sequence[list[Text]] = (
        _headline(report, console),
        class_table(report, console),
        slice_tables(report, console),
        turn_table(report, console, turns),
        block_table(report, console, blocks),
        group_table(report, console),
        _findings(report, console),
        chain_lines(report["chain"], console, brief=True) if report.get("chain") else [],
        _basis(report, console),
        _warnings(report, console),
    )
    plain = console.options.ascii_only
    for number, section in enumerate(section for section in sections if section):
        if number:
            console.print()
        for line in section:
            console.print(_plain(line) if plain else line, soft_wrap=True, highlight=False)


def to_text(report: Mapping[str, Any], width: int = 80, **shown: Any) -> str:
    """Return the report as plain text of a width; `shown` is passed on to `render`."""
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    render(report, console, **shown)
    return page.getvalue()


def _headline(report: Json, console: Console) -> list[Text]:
    """Return the answer in one sentence, then what was profiled in a line or two."""
    if not report["turns"]:
        return [Text("No turn was recorded: nothing was billed.", "bold")]
    about = [_models(report), _when(report["turns"])]
    usage, prompt = report["totals"]["usage"], _prompt_tokens(report)
    if usage is not None and prompt:
        written = usage["output"] + usage["reasoning"]
        read = numbers.percent(numbers.fraction(usage["cache_read"], prompt))
        about.append(f"{prompt:,} tokens in, {read} of them read from cache")
        about.append(f"{written:,} out")
    lines = paragraph(_answer(report["totals"]), console)
    return lines + paragraph(Text(" · ".join(part for part in about if part), SOFT), console)


def _answer(totals: Json) -> Text:
    """Return `6 turns billed $0.35; compute est. $0.0125–0.0615 ($0.0274): billed 13× compute (5.7–28×)`."""
    every, unpriced, unmeasured = totals["turns"], totals["unpriced_turns"], totals["unmeasured_turns"]
    unknown = [
        f"{number} {state}"
        for number, state in ((unpriced, "unpriced"), (unmeasured, "unmeasured"))
        if number
    ]
    counted_short = totals["partial_turns"] or totals.get("incomplete_output_turns")
    billed, turns = totals["billed_usd"], numbers.count(every, "turn")
    sentence = Text(style="bold")
    if billed is None:
        sentence.append(f"{turns}: ").append(", ".join(unknown), BAD)
    else:
        priced = f"{turns}: {every - unpriced - unmeasured}" if unknown else turns
        sentence.append(f"{priced} billed {'at least ' if counted_short else ''}")
        sentence.append(numbers.usd(billed), "green")
        if unknown:
            sentence.append(", ").append(", ".join(unknown), BAD)
    estimate, ratios = totals["hardware_usd"], totals["price_to_cost"]
    if estimate is None:
        return sentence.append("; compute not estimated")
    sentence.append("; compute est. ").append(numbers.usd_interval(estimate), "cyan")
    if ratios is not None:
        between = numbers.ratio_range(ratios)
        sentence.append(
            f": billed {numbers.ratio(ratios['mid'])} compute" + (f" ({between})" if between else "")
        )
    return sentence


def _models(report: Json) -> str:
    names = list(dict.fromkeys(printable(turn["model"]) for turn in report["turns"] if turn["model"]))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _when(turns: Sequence[Json]) -> str:
    """Return the day, and the time from the first turn's start to the last one's end."""
    starts = [(datetime.fromisoformat(turn["at"]), turn["duration_s"] or 0.0) for turn in turns if turn["at"]]
    if not starts:
        return ""
    first = min(at for at, _ in starts)
    span = max((at - first).total_seconds() + lasted for at, lasted in starts)
    return f"{first:%Y-%m-%d %H:%M} UTC · {numbers.duration(span)}"


def _prompt_tokens(report: Json) -> int:
    return sum(turn["context_tokens"] for turn in report["turns"] if turn["context_tokens"] is not None)


def _findings(report: Json, console: Console) -> list[Text]:
    found: Sequence[Json] = report["findings"]
    if not found:
        return []
    lines = [Text("Findings", "bold")]
    for finding in found:
        style = SEVERITY_STYLES.get(finding["severity"], "")
        lead = Text(f"{finding['severity']:<6}  ", style)
        lines += paragraph(Text(printable(finding["title"]), "bold"), console, lead=lead, indent=2)
        detail = Text()
        if finding["saves_usd"] is not None:
            about = "~" if finding.get("state") == "estimated" else ""
            detail.append(f"saves {about}{numbers.usd(finding['saves_usd'])}", "green").append(". ", SOFT)
        detail.append(printable(finding["detail"]), SOFT)
        lines += paragraph(detail, console, indent=2 + lead.cell_len)
    return lines


def _basis(report: Json, console: Console) -> list[Text]:
    """Return what the figures rest on: the prices, and the deployment with its assumptions."""
    lines = [Text("What this rests on", "bold")]
    if report["sources"]:
        lines += _labelled("source", _sources(report["sources"]), console)
    lines += _labelled("prices", _prices(report["prices"]), console)
    deployment = report["deployment"]
    if deployment is None:
        return lines + _labelled("compute", "no deployment: compute is not estimated", console)
    lines += _labelled("compute", _deployment(deployment), console)
    lines += _comparisons(report.get("compute"), console)
    assumptions = deployment["assumptions"]
    shown = [
        _assumption(item, _source(assumptions[place - 1]) if place else None)
        for place, item in enumerate(assumptions[:_SHOWN_ASSUMPTIONS])
    ]
    for item in shown:
        lines += _labelled("", item, console, style=SOFT)
    if len(assumptions) > len(shown):
        more = f"… {len(assumptions) - len(shown)} more with their sources in --format json"
        lines += _labelled("", more, console, style=SOFT)
    others = deployment.get("others", [])
    if others:
        named = ", ".join(_where(other) for other in others)
        lines += _labelled("", f"the other models, each on its own: {named}", console)
    return lines


def _comparisons(compute: Json | None, console: Console) -> list[Text]:
    """Return what is known of compute better than its dollars: ratios, the implied margin, the drivers."""
    if compute is None:
        return []
    lines: list[Text] = []
    for ratio in compute["ratios"]:
        between = numbers.ratio_range(ratio["compute"])
        text = f"{ratio['name']}: {numbers.ratio(ratio['compute']['mid'])}"
        text += f" ({between})" if between else ""
        text += f", billed {numbers.ratio(ratio['billed'])}" if ratio["billed"] is not None else ""
        lines += _labelled("" if lines else "ratios", text, console)
    margin = compute["implied_gross_margin"]
    if margin is not None:
        low, mid, high = (numbers.percent(Decimal(str(margin[name]))) for name in ("low", "mid", "high"))
        text = mid if low == high else f"{mid} ({low} to {high})"
        lines += _labelled(
            "margin", f"{text} of the bill is left after compute, training not counted", console
        )
    kv = compute["kv"]
    if kv["idle_share"] is not None:
        share = numbers.percent(Decimal(str(kv["idle_share"])))
        text = f"{share} of the time that KV was held lay in gaps between calls"
        if kv["gap_usd_per_s_at_longest_context"] is not None:
            price = numbers.usd_interval(kv["gap_usd_per_s_at_longest_context"])
            text += f"; a second of gap at the longest context costs {price}"
        lines += _labelled("kv", text, console)
    if compute["drivers"]:
        named = ", ".join(f"{d['name']} {d['share_of_variance']:.0%}" for d in compute["drivers"][:3])
        lines += _labelled("drivers", f"of the estimate's spread: {named}", console)
    return lines


def _sources(sources: Sequence[Json]) -> str:
    """Return the files that were read, the first of them by name."""
    names = [f"{source['file']} ({source['format']})" for source in sources[:_SHOWN_SOURCES]]
    if len(sources) > len(names):
        names.append(f"{len(sources) - len(names)} more")
    return ", ".join(names)


def _prices(prices: Json) -> str:
    parts = [" ".join(str(part) for part in (prices["book"], prices["version"]) if part)]
    if prices["as_of"]:
        parts.append(f"as of {prices['as_of']}")
    overlays = [
        str(item.get("file", item) if isinstance(item, Mapping) else item) for item in prices["overlays"]
    ]
    if overlays:
        parts.append("over it " + ", ".join(overlays))
    return ", ".join(parts) + "; each turn at the list price of its own time"


def _deployment(deployment: Json) -> str:
    """Return the deployment in a sentence: its model, its chips, then whatever else is one plain value."""
    parts = [_where(deployment)]
    for key, value in deployment.items():
        if key not in ("model", "chip", "chips", "assumptions"):
            shown = _value(value)
            parts += [f"{key.replace('_', ' ')} {shown}"] if shown else []
    sources = {item.get("source") for item in deployment["assumptions"] if isinstance(item, Mapping)} - {None}
    if sources:
        parts.append(numbers.count(len(sources), "source"))
    return "; ".join(parts)


def _where(deployment: Json) -> str:
    """Return a deployment's model and chips: `DeepSeek-V3 on 32 × H200`."""
    chips = " × ".join(str(deployment[key]) for key in ("chips", "chip") if deployment[key] is not None)
    return f"{deployment['model']} on {chips}" if chips else str(deployment["model"])


def _source(item: Any) -> str | None:
    return item.get("source") if isinstance(item, Mapping) else None


def _assumption(item: Any, said: str | None) -> str:
    """Return an assumption in words, with its source unless the line above has just `said` it."""
    if not isinstance(item, Mapping):
        return str(item)
    unit = f" {item['unit']}" if item.get("unit") else ""
    source = f" ({item['source']})" if item.get("source") not in (None, said) else ""
    spread = _value(item) if {"low", "high"} <= item.keys() and item["low"] is not None else ""
    return f"{item['name']} {_value(item['value'])}{f' ({spread})' if spread else ''}{unit}{source}"


def _value(value: Any) -> str:
    """Return a plain value or an interval as text; nothing for what is nested deeper or unknown."""
    if isinstance(value, Mapping) and {"low", "high"} <= value.keys():
        low, high = _value(value["low"]), _value(value["high"])
        return low if low == high else f"{low}–{high}"
    if isinstance(value, int | float):
        return numbers.quantity(value)
    return value if isinstance(value, str) else ""


def _labelled(label: str, text: str, console: Console, style: str = "") -> list[Text]:
    return paragraph(Text(printable(text), style), console, lead=Text(f"{label:<9}", SOFT), indent=2)


def _warnings(report: Json, console: Console) -> list[Text]:
    if not report["warnings"]:
        return []
    lines = [Text("Warnings", "bold")]
    for warning in report["warnings"]:
        lines += paragraph(Text(printable(warning), WARN), console, lead=Text("! ", WARN), indent=2)
    return lines


def _plain(line: Text) -> Text:
    """Return a line in ASCII, for a terminal whose encoding has no more."""
    ascii_only = line.plain.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return Text(ascii_only, spans=line.spans, style=line.style)
