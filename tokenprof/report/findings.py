"""What a report gives away about the run: money carried for nothing, cold caches, gaps in the figures.

A finding says only what the report shows. Whether a model *used* a result cannot be seen in a bill,
so nothing here guesses it. A saving is an amount that was billed and, without the cause, would not
have been; where that cannot be said, `saves_usd` is null. A new finding is one function in `FINDINGS`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from tokenprof.report import gaps, waste
from tokenprof.report.finding import (
    HIGH_SHARE,
    SEVERITIES,
    Finding,
    block_label,
    capitalised,
    finding,
    listed,
    share_of_bill,
)
from tokenprof.report.terminal import numbers
from tokenprof.report.terminal.wording import CLASS_LABELS, Json, printable, prompt_entries

_MOST_CARRIED: Final = 3
_LEAST_CARRIED_TURNS: Final = 3
_LARGE_READ_SHARE: Final = Decimal("0.4")
_LEAST_TURNS_OF_LATE_SKILL: Final = 8


def find(report: Json) -> list[Finding]:
    """Return the findings of a report, the gravest first and of equals the one that saves most."""
    found = [each for look in FINDINGS for each in look(report)]
    return sorted(
        found, key=lambda each: (SEVERITIES.index(each["severity"]), -Decimal(each["saves_usd"] or 0))
    )


def carried_blocks(report: Json) -> Iterator[Finding]:
    """Find blocks that make up a tenth of the bill, most of it for being sent again turn after turn."""
    rode: dict[str, dict[int, Json]] = defaultdict(dict)
    at_first: dict[str, list[str | None]] = defaultdict(list)
    for turn in report["turns"]:
        for entry in prompt_entries(turn):
            name = entry["block"]
            rode[name][turn["index"]] = turn
            if len(rode[name]) == 1:
                at_first[name].append(entry["billed_usd"])
    ranked = sorted(report["blocks"], key=lambda block: Decimal(block["billed_usd"] or 0), reverse=True)
    for block in ranked[:_MOST_CARRIED]:
        turns = list(rode[block["id"]].values())
        cost, first = block["billed_usd"], numbers.sum_usd(at_first[block["id"]])
        if share_of_bill(cost, report) < HIGH_SHARE or len(turns) < _LEAST_CARRIED_TURNS or first is None:
            continue
        again = Decimal(cost) - Decimal(first)
        if again < Decimal(first):
            continue
        about = "" if block["state"] == "exact" else "about "
        title = (
            f"{capitalised(block_label(block))} cost {about}{numbers.usd(cost)} "
            f"because it rode {len(turns)} turns"
        )
        detail = (
            f"{numbers.usd(first)} when it came in, {numbers.usd(format(again, 'f'))} for every time after."
        )
        yield finding("carried-block", "info", title, detail, blocks=[block], turns=turns)


def cached_context(report: Json) -> Iterator[Finding]:
    """Find runs whose bill is mostly for reading the context again."""
    billed = {row["class"]: row["billed_usd"] for row in report["classes"]}
    share = share_of_bill(billed.get("cache_read"), report)
    if share >= _LARGE_READ_SHARE:
        written = numbers.sum_usd([billed.get("output"), billed.get("reasoning")])
        title = f"{numbers.percent(share)} of the bill is context read from the cache"
        detail = (
            f"Reading it again was billed {numbers.usd(billed['cache_read'])}, all that the model wrote "
            f"{numbers.usd(written)}. Fewer turns or a smaller context lower it; more cache hits do not."
        )
        yield finding("cached-context-dominates", "info", title, detail)


def price_far_from_compute(report: Json) -> Iterator[Finding]:
    """Find the class whose bill lies furthest from its compute, where the estimate's range excludes 1×."""
    apart: list[tuple[Decimal, Json]] = []
    for row in report["classes"]:
        ratios = row["price_to_cost"]
        if ratios is not None and (Decimal(ratios["low"]) > 1 or 0 < Decimal(ratios["high"]) < 1):
            mid = Decimal(ratios["mid"])
            apart.append((max(mid, 1 / mid), row))
    if apart:
        _, row = max(apart, key=lambda pair: pair[0])
        ratios, estimate = row["price_to_cost"], row["hardware_usd"]
        between = f" ({numbers.ratio_range(ratios)})" if numbers.ratio_range(ratios) else ""
        label = capitalised(CLASS_LABELS[row["class"]])
        title = f"{label} is billed furthest from its compute: {numbers.ratio(ratios['mid'])}{between}"
        detail = (
            f"{numbers.usd(row['billed_usd'])} was billed for compute estimated at "
            f"{numbers.usd_interval(estimate)}, at full cost."
        )
        yield finding("price-far-from-compute", "info", title, detail)


def disclosure(report: Json) -> Iterator[Finding]:
    """Find what loading skills and tools on demand cost beside having them in every prompt."""
    found = report.get("disclosure")
    if found is None or not found["loads"]:
        return
    recorded, up_front = found["recorded"], found["loaded_up_front"]
    extra = numbers.count(found["load_turns"], "extra turn")
    title = f"{numbers.count(found['loads'], 'load')} on demand took {extra}"
    detail = (
        f"With the same content in every prompt the run would have been billed "
        f"{numbers.usd(up_front['billed_usd'])} in {up_front['turns']} turns, "
        f"not {numbers.usd(recorded['billed_usd'])} in {recorded['turns']}."
    )
    if found["all_up_front"] is not None and found["items"] > found["loads"]:
        everything_usd = numbers.usd(found["all_up_front"]["billed_usd"])
        more = found["break_even_loads"]
        detail += (
            f" With all {found['items']} skills in every prompt it would have been about {everything_usd}"
        )
        detail += f"; at about {more:.0f} loads both ways cost the same." if more is not None else "."
    yield finding("disclosure", "info", title, detail)


def margin_beyond_published(report: Json) -> Iterator[Finding]:
    """Find estimates of closed models that lie outside what published margins suggest."""
    compute = report.get("compute")
    if compute is None or compute["within_published_range"] is not False:
        return
    margin = compute["implied_gross_margin"]
    low, high = (numbers.percent(Decimal(str(margin[end]))) for end in ("low", "high"))
    title = f"The bill implies a gross margin of {low} to {high}, beyond what labs have published"
    published = listed(
        f"{row['name']} {row['low']:.0%} to {row['high']:.0%}"
        for row in compute["published_gross_margins"]
        if row["kind"] == "gross"
    )
    detail = (
        f"Published, over all that they serve: {published}. Either this run is far dearer than the average "
        "(cached context is), or the estimate of a closed model is too low. It is not bent to fit."
    )
    yield finding("margin-beyond-published", "info", title, detail)


def late_skills(report: Json) -> Iterator[Finding]:
    """Find skills that came into a long context only in its last quarter."""
    turns_of: dict[str, list[Json]] = defaultdict(list)
    for turn in report["turns"]:
        turns_of[turn["context"]].append(turn)
    for block in report["blocks"]:
        turns = turns_of.get(block["context"], [])
        before = sum(turn["index"] < (block["born_turn"] or 0) for turn in turns)
        enough = len(turns) >= _LEAST_TURNS_OF_LATE_SKILL and before * 4 >= len(turns) * 3
        if block["kind"] == "skill" and enough:
            title = f"Skill {printable(block['name'])} was loaded after {before} of {len(turns)} turns"
            detail = "The turns before it had no more of it than its line in the index."
            yield finding("skill-loaded-late", "info", title, detail, blocks=[block])


FINDINGS: Final[tuple[Callable[[Json], Iterator[Finding]], ...]] = (
    gaps.unmeasured_turns,
    gaps.unpriced_turns,
    gaps.incomplete_output,
    waste.cache_misses,
    waste.low_hit_rate,
    waste.unused_tools,
    waste.unused_skills_index,
    waste.untouched_skills,
    waste.duplicate_texts,
    carried_blocks,
    cached_context,
    price_far_from_compute,
    margin_beyond_published,
    late_skills,
    disclosure,
    gaps.cache_unlike_rules,
    gaps.unplaced_tokens,
)
"""Every finding there is; equals are shown in this order."""
