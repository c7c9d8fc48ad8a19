"""The sentences of findings: one function for each type of figures, which holds all of its words."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from functools import singledispatch
from typing import NamedTuple

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    BilledName,
    CachedContextDominates,
    CacheMisses,
    CacheUnlikeRules,
    CarriedBlock,
    DuplicateText,
    IncompleteOutput,
    LoadsOnDemand,
    LowCacheHitRate,
    MarginBeyondPublished,
    PriceFarFromCompute,
    RepeatedCalls,
    RepeatedResults,
    SkillLoadedLate,
    SkillsIndexUnused,
    SkillsUntouched,
    ToolsNeverCalled,
    UnmeasuredTurns,
    UnplacedTokens,
    UnpricedModel,
    UnpricedTurns,
)
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import CLASS_LABELS, MISS_CAUSE_LABELS, printable
from tokenprof.report.phrases import (
    billed,
    block_label,
    calls_again,
    capitalised,
    form,
    listed,
    margin_range,
    money,
    times,
    turn_list,
)
from tokenprof.report.written_finding import WrittenFinding


class Sentences(NamedTuple):
    """A finding's title, without a full stop, and the sentences below it."""

    title: str
    detail: str


def written(finding: Finding) -> WrittenFinding:
    """Return a finding in words."""
    title, detail = sentences(finding.figures, finding)
    return WrittenFinding(
        code=finding.code,
        severity=finding.severity,
        title=title,
        blocks=finding.blocks,
        turns=finding.turns,
        saves_usd=finding.saves_usd,
        detail=detail,
        state=finding.state,
        figures=finding.figures,
    )


@singledispatch
def sentences(figures: object, finding: Finding) -> Sentences:
    """Return the sentences for the figures of a finding, by their type.

    Raises `TypeError` for figures that no function is registered for.
    """
    raise TypeError(f"{type(figures).__name__} has no sentences; register a function in {__name__}.")


def _turns(finding: Finding, count: int) -> str:
    """Return the turns of a finding by number; how many there are if it does not list them."""
    return turn_list(finding.turns) if finding.turns else numbers.count(count, "turn")


@sentences.register
def _unmeasured_turns(figures: UnmeasuredTurns, finding: Finding) -> Sentences:
    have = form(figures.turns, "has", "have")
    return Sentences(
        f"{numbers.count(figures.turns, 'turn')} {have} no usage: the bill is larger than shown",
        f"{_turns(finding, figures.turns)}: no usage was recorded, so no total includes "
        f"{form(figures.turns, 'it', 'them')}.",
    )


@sentences.register
def _unpriced_turns(figures: UnpricedTurns, finding: Finding) -> Sentences:
    have = form(figures.turns, "has", "have")
    models = printable(listed(map(_without_price, figures.models)))
    return Sentences(
        f"{numbers.count(figures.turns, 'turn')} {have} no price: the bill is larger than shown",
        f"{_turns(finding, figures.turns)}: no price is known for {models} at the time of the call. "
        "A price can be added with --prices.",
    )


def _without_price(found: UnpricedModel) -> str:
    model = f"{found.model or 'a model without a name'} ({found.provider})"
    classes = [CLASS_LABELS.get(cls, cls) for cls in found.classes]
    return f"{' and '.join(classes)} of {model}" if classes else model


@sentences.register
def _incomplete_output(figures: IncompleteOutput, finding: Finding) -> Sentences:
    have = form(figures.turns, "has an incomplete output count", "have incomplete output counts")
    return Sentences(
        f"{numbers.count(figures.turns, 'turn')} {have}: the output is at least what is shown",
        f"{_turns(finding, figures.turns)}: no final usage was recorded, so the bill is a lower bound.",
    )


@sentences.register
def _cache_unlike_rules(figures: CacheUnlikeRules, finding: Finding) -> Sentences:
    turns = numbers.count(figures.turns, "turn")
    compared = f"{_turns(finding, figures.turns)}, out of {figures.turns_compared:,} compared,"
    if figures.difference == "written-otherwise":
        return Sentences(
            f"{turns} read what the cache rules say, but wrote something else",
            f"{compared} read as many tokens as the rules say but wrote different parts of the prompt. "
            "Perhaps the provider ended a cache entry somewhere else.",
        )
    if figures.difference == "read-less":
        than, reason = "fewer", "a cache entry was dropped early, or the call reached a machine without it"
    else:
        than, reason = "more", "the prefix was still cached from before this run"
    return Sentences(
        f"{turns} read {'less' if than == 'fewer' else 'more'} from the cache than the published rules say",
        f"{compared} read {figures.tokens:,} {than} tokens. Perhaps {reason}.",
    )


@sentences.register
def _unplaced_tokens(figures: UnplacedTokens, finding: Finding) -> Sentences:
    share = numbers.percent(numbers.fraction(figures.tokens, figures.billed_tokens))
    return Sentences(
        f"{share} of the billed tokens belong to no known block",
        f"{numbers.count(figures.tokens, 'token')} {form(figures.tokens, 'was', 'were')} billed for content "
        "that the recording does not show.",
    )


@sentences.register
def _cache_misses(figures: CacheMisses, finding: Finding) -> Sentences:
    first = listed(dict.fromkeys(map(block_label, figures.first_blocks)))
    again = (
        f"{_turns(finding, figures.turns)}: {numbers.count(figures.tokens, 'token')}"
        f"{f', starting at {first},' if first else ''} {form(figures.tokens, 'was', 'were')} billed again"
    )
    at_least = "at least " if figures.is_lower_bound else ""
    return Sentences(
        f"The cache was missed {times(figures.turns)}: {MISS_CAUSE_LABELS[figures.cause]}",
        f"{again}; what that cost is not known."
        if figures.extra_usd is None
        else f"{again}, which cost {at_least}{numbers.usd(figures.extra_usd)} more than a cache read.",
    )


@sentences.register
def _low_cache_hit_rate(figures: LowCacheHitRate, finding: Finding) -> Sentences:
    missed = figures.resent_tokens - figures.read_tokens
    share = numbers.percent(numbers.fraction(figures.read_tokens, figures.resent_tokens))
    some = share.replace("<", "Less than ") if share.startswith("<") else f"Only {share}"
    part = some if figures.read_tokens else "None"
    return Sentences(
        f"{part} of the context that was sent again was read from the cache",
        f"{figures.resent_tokens:,} tokens came from earlier turns; "
        f"{f'{missed:,}' if figures.read_tokens else 'all'} of them were billed as new.",
    )


@sentences.register
def _tools_never_called(figures: ToolsNeverCalled, finding: Finding) -> Sentences:
    tools = len(figures.tools)
    return Sentences(
        f"{numbers.count(tools, 'tool')} {form(tools, 'was', 'were')} never called, but "
        f"{form(tools, 'its schema was', 'their schemas were')} billed",
        f"Billed for schemas: {_amounts(figures.tools, finding)}. Leaving {form(tools, 'it', 'them')} out or "
        f"deferring {form(tools, 'it', 'them')} would save that.",
    )


@sentences.register
def _skills_index_unused(figures: SkillsIndexUnused, finding: Finding) -> Sentences:
    lines = figures.lines
    what = f"Its {numbers.count(lines, 'line')} {form(lines, 'was', 'were')}" if lines else "It was"
    return Sentences(
        "A skills index was in the prompt, but no skill was loaded",
        f"{what} {billed(figures.billed_usd, finding.state == 'estimated')} over the run.",
    )


@sentences.register
def _skills_untouched(figures: SkillsUntouched, finding: Finding) -> Sentences:
    skills = len(figures.skills)
    loaded = f"{numbers.count(skills, 'skill')} {form(skills, 'was', 'were')} loaded"
    return Sentences(
        f"{loaded}, but no later call used a file or tool that {form(skills, 'it names', 'they name')}",
        f"Billed for skill bodies: {_amounts(figures.skills, finding)}.",
    )


def _amounts(parts: tuple[BilledName, ...], finding: Finding) -> str:
    is_estimated = finding.state == "estimated"
    return listed(f"{printable(part.name)} {money(part.billed_usd, is_estimated)}" for part in parts)


@sentences.register
def _duplicate_text(figures: DuplicateText, finding: Finding) -> Sentences:
    extra = form(figures.extra_blocks, "the extra copy was", "the extra copies were")
    return Sentences(
        f"The same text is in one prompt {times(figures.copies)}: {block_label(figures.block)}",
        f"{figures.tokens:,} tokens, repeated in {numbers.count(figures.turns, 'turn')}; "
        f"{extra} {billed(figures.billed_usd, finding.state == 'estimated')}.",
    )


@sentences.register
def _repeated_results(figures: RepeatedResults, finding: Finding) -> Sentences:
    results = numbers.count(figures.results, "tool result")
    return Sentences(
        f"{results} {form(figures.results, 'repeats', 'repeat')} a text that was in the context already",
        f"{calls_again(figures.calls, finding.state == 'estimated')}.",
    )


@sentences.register
def _repeated_calls(figures: RepeatedCalls, finding: Finding) -> Sentences:
    calls, was = numbers.count(figures.repeats, "tool call"), form(figures.repeats, "was", "were")
    cost = billed(figures.billed_usd, figures.is_estimated)
    return Sentences(
        f"{calls} {was} made before with the same arguments; with the results {cost}",
        f"{calls_again(figures.calls, figures.is_estimated)}. These results differ from the earlier ones.",
    )


@sentences.register
def _carried_block(figures: CarriedBlock, finding: Finding) -> Sentences:
    # Rounded one by one, the two parts might not add up: the second is what the first leaves of the whole.
    whole = numbers.usd(figures.billed_usd)
    alone = [whole, numbers.usd(figures.first_usd), numbers.usd(figures.again_usd)]
    decimals = max(len(each.partition(".")[2]) for each in (alone[:1] if figures.billed_usd >= 1 else alone))
    step = Decimal(1).scaleb(-decimals)
    whole_usd, first_usd = (
        amount.quantize(step, rounding=ROUND_HALF_UP) for amount in (figures.billed_usd, figures.first_usd)
    )
    first = money(figures.first_usd, figures.is_estimated, decimals)
    again = money(whole_usd - first_usd, figures.is_estimated, decimals)
    later = numbers.count(figures.turns - 1, "turn")
    return Sentences(
        f"{capitalised(block_label(figures.block))} cost {money(figures.billed_usd, figures.is_estimated)} "
        f"over {numbers.count(figures.turns, 'turn')}",
        f"{capitalised(first)} the first time, {again} in the {later} after that.",
    )


@sentences.register
def _cached_context_dominates(figures: CachedContextDominates, finding: Finding) -> Sentences:
    share = numbers.percent(numbers.fraction(figures.cache_read_usd, figures.billed_usd))
    output = (
        ""
        if figures.output_usd is None
        else f", and everything the model wrote {numbers.usd(figures.output_usd)}"
    )
    return Sentences(
        f"{share} of the bill is context read from the cache",
        f"Reading it was billed {numbers.usd(figures.cache_read_usd)}{output}. Fewer turns or a smaller "
        "context would lower that; more cache hits would not.",
    )


@sentences.register
def _price_far_from_compute(figures: PriceFarFromCompute, finding: Finding) -> Sentences:
    between = numbers.ratio_range(figures.price_to_cost)
    ratio = numbers.mid_ratio(figures.price_to_cost) + (f" ({between})" if between else "")
    return Sentences(
        f"{capitalised(CLASS_LABELS[figures.cls])} is priced furthest from what it costs to compute: {ratio}",
        f"{numbers.usd(figures.billed_usd)} was billed for compute estimated at "
        f"{numbers.usd_interval(figures.hardware_usd)} at full cost.",
    )


@sentences.register
def _margin_beyond_published(figures: MarginBeyondPublished, finding: Finding) -> Sentences:
    margin = figures.implied_gross_margin
    published = listed(
        (f"{row.name} ({margin_range(row.low, row.high)})" for row in figures.published),
        separator="; ",
    )
    if margin.low > figures.expected_high:
        reason = (
            "this run is priced further above its compute than the average call (cached context is), or the "
            "compute estimate is too low"
        )
    else:
        reason = (
            "this run is priced closer to its compute than the average call, or the compute estimate is too "
            "high"
        )
    return Sentences(
        f"The bill implies a gross margin of {margin_range(margin.low, margin.high)}, outside the "
        f"{margin_range(figures.expected_low, figures.expected_high)} that published margins suggest",
        f"{f'Published: {published}. ' if published else ''}Either {reason}. The estimate is "
        "not adjusted to fit.",
    )


@sentences.register
def _skill_loaded_late(figures: SkillLoadedLate, finding: Finding) -> Sentences:
    return Sentences(
        f"Skill {printable(figures.skill)} was loaded after {figures.turns_before} of {figures.turns} turns",
        "Until then the prompt held no more of it than its line in the skills index.",
    )


@sentences.register
def _loads_on_demand(figures: LoadsOnDemand, finding: Finding) -> Sentences:
    extra = numbers.count(figures.extra_turns, "extra turn") if figures.extra_turns else "no extra turn"
    detail = (
        f"With the same content in every prompt, the run would have been billed "
        f"{numbers.usd(figures.up_front_usd)} in {numbers.count(figures.up_front_turns, 'turn')} instead of "
        f"{numbers.usd(figures.billed_usd)} in {figures.turns:,}."
    )
    if figures.all_up_front_usd is not None:
        detail += (
            f" With all {figures.indexed_skills:,} indexed skills in every prompt, the bill would have been "
            f"about {numbers.usd(figures.all_up_front_usd)}"
        )
        if figures.break_even_loads is not None:
            loads = numbers.count(math.ceil(figures.break_even_loads), "load")
            detail += f"; that becomes cheaper at {loads} or more"
        detail += "."
    return Sentences(f"{numbers.count(figures.loads, 'load')} on demand took {extra}", detail)
