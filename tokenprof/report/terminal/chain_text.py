"""The chain a person reads in a terminal, from its JSON alone: the billed dollar as a waterfall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers_of_json as numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import BAD, MID, MONEY, SOFT

Json = Mapping[str, Any]

BAR_CELLS: Final = 18
LEAST_BAR_CELLS: Final = 6
SHOWN_TURNS: Final = 12

_ASCII: Final = str.maketrans("×–—…·█▉▊▋▌▍▎▏", "x--.-#######-")

SHORT: Final = {
    "application or aggregator": "application, aggregator",
    "lab margin: everything else, and profit": "lab: margin and the rest",
    "training": "training",
    "GPU-hour margin": "GPU-hour margin",
    "chips": "chips",
    "building": "building",
    "power": "power",
}


def render_chain(chain: Json, console: Console) -> None:
    """Print a chain to a console, in the console's width."""
    for line in chain_lines(chain, console):
        console.print(in_ascii(line) if console.options.ascii_only else line, soft_wrap=True, highlight=False)


def chain_lines(chain: Json, console: Console, *, brief: bool = False) -> list[Text]:
    """Return a chain as lines; `brief` is the section of a report: the waterfall and the margins."""
    sections: list[Callable[[Json, Console], list[Text]]] = [_waterfall, _margins]
    if not brief:
        sections += [_layers, _paths, _spread, _utilisation, _generations, _tools, _waiting, _shape, _basis]
    lines: list[Text] = []
    for found in (section(chain, console) for section in sections):
        lines += [Text(), *found] if lines and found else found
    return lines


def in_ascii(line: Text) -> Text:
    """Return a line for a terminal whose encoding has no more than ASCII, one character for one."""
    plain = line.plain.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return Text(plain, spans=line.spans, style=line.style)


def chain_text(chain: Json, width: int = 80) -> str:
    """Return a chain as plain text of a width."""
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    render_chain(chain, console)
    return page.getvalue()


def chain_heading(chain: Json) -> str:
    """Return what the waterfall is of, in words."""
    paid = numbers.usd(chain["paid_usd"])
    what = {
        "direct": f"Where {paid} billed goes",
        "aggregator": f"Where {paid} paid by way of {chain['paths']['aggregator']} goes",
        "plan": f"Where {paid} goes, a session's share of {chain['paths']['plan']}",
    }[chain["path"]]
    left_out = chain["turns_left_out"]
    unknown = f", {numbers.count(left_out, 'turn')} left out: no price or no model" if left_out else ""
    return f"{what} ({numbers.count(chain['turns'], 'turn')}{unknown})"


def _waterfall(chain: Json, console: Console) -> list[Text]:
    steps = chain["waterfall"]
    decimals = numbers.estimate_decimals([step["usd"] for step in steps])
    shares = [Decimal(step["share"]["mid"]) for step in steps]
    figures: list[list[str | Text]] = [
        [
            SHORT.get(step["name"], step["name"]),
            Text(_dollars(step["usd"]["mid"], decimals), MID),
            Text(_between(step["usd"], decimals), SOFT),
            f"{100 * share:.1f}%",
        ]
        for step, share in zip(steps, shares, strict=True)
    ]
    cells = _bar_cells(figures, console)
    rows = []
    # Each bar begins where the one above it ended: what is left of the dollar at that layer.
    begun = Decimal(0)
    for row, share in zip(figures, shares, strict=True):
        rows.append(TableRow([*row, Text(_bar(begun, share, cells), BAD if share < 0 else MONEY)]))
        begun += share
    columns = [
        Column("", "left"),
        Column("USD", "right"),
        Column("range", "left"),
        Column("share", "right"),
        Column("", "left"),
    ]
    lines = table("", columns, rows, console)
    lines.insert(0, Text(chain_heading(chain), "bold"))
    for step in steps:
        if step["internal_usd"] is not None:
            note = (
                f"{step['name']}: {_dollars(step['internal_usd']['mid'], decimals)} "
                f"({_between(step['internal_usd'], decimals)}) on the market; internal here, so not paid"
            )
            lines += paragraph(Text(note, SOFT), console, indent=2)
        if step["parts"]:
            parts = ", ".join(
                f"{part['name']} {_dollars(part['usd']['mid'], decimals + 1)}" for part in step["parts"]
            )
            lines += paragraph(Text(f"{step['name']}: {parts}", SOFT), console, indent=2)
    return lines


def _bar_cells(rows: Sequence[Sequence[str | Text]], console: Console) -> int:
    """Return the cells that figures leave for a bar beside them."""
    taken = sum(2 + max(len(cell) for cell in column) for column in zip(*rows, strict=True))
    return max(LEAST_BAR_CELLS, min(BAR_CELLS, console.width - taken - 2))


def _bar(begun: Decimal, share: Decimal, cells: int) -> str:
    """Return a bar from where the ones before it ended; within the dollar, whatever the middles do."""
    ends = sorted((begun, begun + share))
    start, end = (min(max(end, Decimal(0)), Decimal(1)) for end in ends)
    width = max(round((end - start) * cells), 1 if share else 0)
    return " " * min(int(start * cells), cells - width) + "█" * width


def _margins(chain: Json, console: Console) -> list[Text]:
    lines = [
        _labelled("margin on inference", _percents(chain["inference_margin"])),
        _labelled("after rent and training", _percents(chain["all_in_margin"])),
    ]
    published = "; ".join(
        f"{figure['name']} {_percents(figure | {'mid': figure['value']})}"
        for figure in chain["published_margins"]
    )
    return lines + paragraph(Text(f"published: {published}", SOFT), console, indent=2)


def _layers(chain: Json, console: Console) -> list[Text]:
    if not chain["layers"]:
        return []
    lines = [Text("Layer by layer: its input cost against its price", "bold")]
    for layer in chain["layers"]:
        text = Text.assemble(
            f"{layer['supplier']} sells {layer['sells']}: cost ",
            (numbers.usd_interval(layer["cost_usd"]), MID),
            ", price ",
            (numbers.usd_interval(layer["price_usd"]), MID),
            f", margin {_percents(layer['gross_margin'])}",
            "" if layer["kind"] == "market" else ", internal and not paid",
        )
        lines += paragraph(text, console, lead=Text(f"{layer['layer']:<4}", SOFT), indent=2)
    return lines


def _paths(chain: Json, console: Console) -> list[Text]:
    paths = chain["paths"]
    lines = [
        Text("The same run by three paths", "bold"),
        _labelled(f"aggregator ({paths['aggregator']})", numbers.usd(paths["aggregator_usd"])),
        _labelled("direct", numbers.usd(paths["direct_usd"])),
        _labelled(
            f"plan ({paths['plan']})",
            f"{numbers.usd(paths['plan_usd'])} at {paths['sessions_per_month']} such runs a month",
        ),
    ]
    for plan in chain["plans"]:
        covered = plan["sessions_at_compute_cost"]
        runs = numbers.count(plan["break_even_sessions"], "such run")
        low, mid, high = (_number(covered[end]) for end in ("low", "mid", "high"))
        pays = f"${plan['usd_per_month']} a month pays from {runs} on at list price"
        text = f"{pays}, and covers the compute of {low} to {high} ({mid})"
        lines += paragraph(Text(text), console, lead=Text(f"{plan['plan']:<14}", SOFT), indent=2)
    return lines


def _spread(chain: Json, console: Console) -> list[Text]:
    spread = chain["spread"]
    lines = [
        Text(f"Over the break-even anchor ({spread['anchor']})", "bold"),
        _labelled("anchor for these tokens", numbers.usd(spread["anchor_usd"])),
        _labelled("spread", numbers.usd(spread["spread_usd"])),
    ]
    for name in ("efficiency_loss", "training_amortisation", "brand_premium", "residual"):
        lines.append(_labelled(f"  {name.replace('_', ' ')}", _signed(spread[name])))
    return lines


def _utilisation(chain: Json, console: Console) -> list[Text]:
    return _sweep(
        "If the fleet were used otherwise",
        [(f"{100 * Decimal(str(row['utilisation'])):.0f}%", row) for row in chain.get("utilisation", ())],
        console,
    )


def _generations(chain: Json, console: Console) -> list[Text]:
    rows = [(row["chip"], row) for row in chain.get("generations", ())]
    return _sweep("The same run on other hardware", rows, console)


def _sweep(title: str, rows: Sequence[tuple[str, Json]], console: Console) -> list[Text]:
    if not rows:
        return []
    costs = [row["hardware_usd"] for _, row in rows]
    decimals = numbers.estimate_decimals(costs)
    dearest = max(Decimal(cost["mid"]) for cost in costs)
    columns = [
        Column("", "left"),
        Column("compute", "right"),
        Column("range", "left"),
        Column("billed/compute", "right"),
        Column("", "left"),
    ]
    figures: list[list[str | Text]] = [
        [
            name,
            Text(numbers.mid_usd(row["hardware_usd"], decimals), MID),
            Text(_between(row["hardware_usd"], decimals), SOFT),
            numbers.ratio(row["price_to_cost"]["mid"]),
        ]
        for name, row in rows
    ]
    cells = _bar_cells([[column.heading for column in columns[:-1]], *figures], console)
    bars = [numbers.bar(Decimal(cost["mid"]), dearest, cells) for cost in costs]
    drawn = [TableRow([*row, Text(bar, MONEY)]) for row, bar in zip(figures, bars, strict=True)]
    return [Text(title, "bold"), *table("", columns, drawn, console)]


def _tools(chain: Json, console: Console) -> list[Text]:
    fees = chain.get("tool_payments", ())
    lines = [Text("Payments per tool call, beside the tokens", "bold")] if fees else []
    for fee in fees:
        lines.append(_labelled(printable(fee["tool"]), f"{fee['calls']} calls, {numbers.usd(fee['usd'])}"))
    return lines


def _waiting(chain: Json, console: Console) -> list[Text]:
    """Return the gaps in a few lines: where their KV is kept cheapest, and what the bill charged."""
    waiting = chain.get("waiting")
    if not waiting or not waiting["gaps"]:
        return []
    gaps = waiting["gaps"]
    places = Counter(gap["cheapest"] for gap in gaps)
    billed = [gap["billed_cache_usd"] for gap in gaps]
    cheapest = sum(Decimal(gap["usd"]["mid"]) for gap in gaps)
    kept = {ttl: sum(Decimal(gap["kept_usd"][ttl]["mid"]) for gap in gaps) for ttl in gaps[0]["kept_usd"]}
    lines = [Text(f"The KV of {numbers.count(len(gaps), 'gap')}, on {waiting['deployment']}", "bold")]
    lines.append(
        _labelled("cheapest place", ", ".join(f"{place} {count}×" for place, count in places.most_common()))
    )
    lines.append(_labelled("cost there", numbers.usd(format(cheapest, "f"))))
    lines += [_labelled(f"cost if kept {ttl}", numbers.usd(format(usd, "f"))) for ttl, usd in kept.items()]
    lines.append(_labelled("billed for cache after it", numbers.usd(numbers.sum_usd(billed) or "0")))
    return lines


def _shape(chain: Json, console: Console) -> list[Text]:
    shape = chain["cost_shaped"]
    turns = shape["turns"]
    if not turns:
        return []
    shown = turns if len(turns) <= SHOWN_TURNS else [*turns[: SHOWN_TURNS // 2], *turns[-SHOWN_TURNS // 2 :]]
    amounts = [turn["billed_usd"] for turn in turns]
    decimals = numbers.decimals_for(amounts)
    columns = [
        Column("turn", "right"),
        Column("billed", "right"),
        Column("shaped", "right"),
        Column("range", "left"),
    ]
    rows = [
        TableRow(
            [
                str(turn["index"]),
                numbers.usd(turn["billed_usd"], decimals),
                Text(numbers.usd(turn["shaped_usd"]["mid"], decimals), MID),
                Text(_between(turn["shaped_usd"], decimals), SOFT),
            ]
        )
        for turn in shown
    ]
    lines = [Text("A bill shaped like the compute, to the same total", "bold")]
    lines += table("", columns, rows, console)
    if len(shown) < len(turns):
        lines.append(Text(f"  … {len(turns) - len(shown)} turns between in --format json", SOFT))
    return lines


def _basis(chain: Json, console: Console) -> list[Text]:
    lines = [Text("What this rests on", "bold")]
    for row in chain["assumptions"]:
        if row["value"] is None:
            text = f"{row['name']}: {row['source']}"
        else:
            mark = ", assumed" if row.get("assumed") else ""
            text = f"{row['name']} {row['value']} ({row['low']}-{row['high']}{mark}): {row['source']}"
        lines += paragraph(Text(text, SOFT), console, lead=Text("· ", SOFT), indent=2)
    return lines


def _labelled(label: str, text: str) -> Text:
    return Text.assemble("  ", (f"{label:<26}", SOFT), text)


def _dollars(amount: str, decimals: int) -> str:
    """Return dollars, negative ones too: a residual may be."""
    value = Decimal(amount)
    return ("-" if value < 0 else "") + numbers.usd(format(abs(value), "f"), decimals)


def _between(interval: Json, decimals: int) -> str:
    """Return the two ends of a range; nothing where they agree."""
    if Decimal(interval["low"]) == Decimal(interval["high"]):
        return ""
    return f"{_dollars(interval['low'], decimals)} to {_dollars(interval['high'], decimals)}"


def _signed(interval: Json) -> str:
    decimals = numbers.decimals_for([interval["mid"].lstrip("-")])
    between = _between(interval, decimals)
    return _dollars(interval["mid"], decimals) + (f" ({between})" if between else "")


def _percents(interval: Json) -> str:
    low, mid, high = (f"{round(100 * Decimal(interval[end]), 1):.3g}" for end in ("low", "mid", "high"))
    return f"{mid}%" if low == high else f"{mid}% ({low} to {high}%)"


def _number(figure: str) -> str:
    return f"{Decimal(figure):,.0f}" if Decimal(figure) >= 10 else f"{Decimal(figure):.1f}"


def examples_text(rows: Sequence[Json], width: int = 100) -> str:
    """Return the published claims beside our figures, as plain text of a width."""
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    for row in rows:
        lead = Text(f"{row['id']:<9}", MONEY)
        for line in paragraph(Text(row["claim"]), console, lead=lead):
            console.print(line, soft_wrap=True, highlight=False)
        published = f"published {row['published']}" if row["published"] else "none published"
        difference = f"; difference: {row['difference']}" if row["difference"] else ""
        for line in paragraph(
            Text(f"{published}; ours {row['ours']}{difference}"), console, indent=lead.cell_len
        ):
            console.print(line, soft_wrap=True, highlight=False)
        for line in paragraph(Text(row["assumptions"], SOFT), console, indent=lead.cell_len):
            console.print(line, soft_wrap=True, highlight=False)
    return page.getvalue()
