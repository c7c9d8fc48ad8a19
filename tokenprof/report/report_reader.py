"""A saved report back into the typed one. Reports of every release are read, with the same totals.

What an older report does not say about a block or a class is summed from its entries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tokenprof.analysis.rows.row_types import (
    BlockRow,
    ChildRow,
    ClassRow,
    ComputeSummary,
    CostRatio,
    Driver,
    ExactGroup,
    GroupRow,
    Incompleteness,
    KvHeld,
    RunRows,
    Totals,
    TurnRow,
)
from tokenprof.costing.billed_sums import BilledSum
from tokenprof.data_classes.checked_types import require_types
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Source
from tokenprof.pricing.chain.figures import PublishedMargin
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.price_source import PriceSource
from tokenprof.report.chain_json import read_chain
from tokenprof.report.deployment_json import read_deployments
from tokenprof.report.disclosure_json import read_disclosure
from tokenprof.report.document import EntriesOmitted, Report
from tokenprof.report.labels_in_words import CLASS_LABELS
from tokenprof.report.suggested_change import read_change
from tokenprof.report.turn_reader import Json, estimate_of, read_turn, usage_of, usd_of
from tokenprof.report.written_finding import WrittenFinding

READABLE: Final = ("tokenprof.report/1", "tokenprof.report/2")


def load_report(path: str | Path) -> Report:
    """Return the report that `tokenprof report -o FILE.json` or `Analysis.save` wrote.

    Raises `InputError` for a file that cannot be read or is not such a report.
    """
    import orjson

    try:
        found = orjson.loads((file := Path(path)).read_bytes())
    except OSError as error:
        raise InputError(f"{file}: the report cannot be read ({error.strerror}).") from error
    except orjson.JSONDecodeError as error:
        raise InputError(f"{file}: this is not JSON ({error}); name a file that `-o` wrote.") from error
    if not isinstance(found, dict) or found.get("schema") not in READABLE:
        written = "`load_report` reads what `tokenprof report RUN -o FILE.json` wrote."
        reads = f"`tokenprof report {file}` reads recordings"
        raise InputError(f"{file}: this is not a report of tokenprof. {reads}; {written}")
    try:
        require_types(report := read_report(found))
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        damage = f"the report is damaged ({type(error).__name__}: {error}); write it again."
        raise InputError(f"{file}: {damage}") from error
    return report


def read_report(found: Json) -> Report:
    """Return a report from its JSON object."""
    turns = tuple(read_turn(row) for row in found["turns"])
    class_sums, block_sums = _sums(turns)
    classes = {str(row["class"]) for row in found["classes"]} | class_sums.keys()
    if unknown := sorted(classes - CLASS_LABELS.keys()):
        raise ValueError(f"{unknown[0]!r} is not a price class")
    rows = RunRows(
        totals=_totals(found["totals"]),
        classes=_classes(found["classes"], class_sums),
        turns=turns,
        blocks=_blocks(found["blocks"], block_sums),
        groups=tuple(_group(row) for row in found.get("groups", ())),
        compute=_compute(found.get("compute")),
    )
    prices = found["prices"]
    chain, disclosure, suggested = found.get("chain"), found.get("disclosure"), found.get("suggestions")
    return Report(
        schema=found["schema"],
        sources=tuple(Source(row["file"], row["format"], row["runs"]) for row in found["sources"]),
        prices=PriceSource(
            prices["book"], prices["version"], prices["as_of"], tuple(map(_overlay, prices["overlays"]))
        ),
        deployments=read_deployments(found["deployment"]),
        rows=rows,
        findings=tuple(_finding(row) for row in found["findings"]),
        warnings=tuple(found["warnings"]),
        chain=None if chain is None else read_chain(chain),
        disclosure=None if disclosure is None else read_disclosure(disclosure),
        entries_omitted=EntriesOmitted(**omitted) if (omitted := found.get("entries_omitted")) else None,
        changes=None if suggested is None else tuple(map(read_change, suggested)),
        changes_untried=found.get("suggestions_untried", 0),
    )


def _overlay(item: Any) -> str:
    return str(item.get("file", item) if isinstance(item, Mapping) else item)


def _totals(row: Json) -> Totals:
    return Totals(
        turns=row["turns"],
        usage=usage_of(row["usage"]),
        billed_usd=usd_of(row["billed_usd"]),
        unpriced_turns=row["unpriced_turns"],
        unmeasured_turns=row["unmeasured_turns"],
        partial_turns=row["partial_turns"],
        incomplete_output_turns=row.get("incomplete_output_turns", 0),
        hardware_usd=estimate_of(row["hardware_usd"]),
        hardware_opportunity_usd=estimate_of(row["hardware_opportunity_usd"]),
        hardware_marginal_usd=estimate_of(row["hardware_marginal_usd"]),
        hardware_owned_usd=estimate_of(row.get("hardware_owned_usd")),
        price_to_cost=estimate_of(row["price_to_cost"]),
        missing_calls=row.get("missing_calls", 0),
        incomplete=tuple(Incompleteness(**found) for found in row.get("incomplete", ())),
        stated_usd=usd_of(row.get("stated_usd")),
    )


def _sums(turns: Sequence[TurnRow]) -> tuple[dict[str, BilledSum], dict[str, BilledSum]]:
    """Return what the entries of all turns add up to, by class and by block."""
    classes: dict[str, BilledSum] = defaultdict(BilledSum)
    blocks: dict[str, BilledSum] = defaultdict(BilledSum)
    for turn in turns:
        for entry in turn.entries:
            classes[entry.cls].add(entry.tokens, entry.billed_usd, entry.count)
            blocks[entry.block].add(entry.tokens, entry.billed_usd, entry.count)
        for block in {entry.block for entry in turn.entries}:
            blocks[block].turns += 1
    return classes, blocks


def _classes(found: Sequence[Json], sums: Mapping[str, BilledSum]) -> tuple[ClassRow, ...]:
    return tuple(
        ClassRow(
            cls=row["class"],
            tokens=row["tokens"],
            billed_usd=usd_of(row["billed_usd"]),
            hardware_usd=estimate_of(row["hardware_usd"]),
            price_to_cost=estimate_of(row["price_to_cost"]),
            count=row.get("count", 0),
            at_least_usd=_at_least(row, sums.get(row["class"])),
        )
        for row in found
    )


def _at_least(row: Json, known: BilledSum | None) -> Decimal | None:
    if "at_least_usd" in row:
        return usd_of(row["at_least_usd"])
    return None if known is None or known.is_complete else known.at_least_usd


def _blocks(found: Sequence[Json], sums: Mapping[str, BilledSum]) -> tuple[BlockRow, ...]:
    return tuple(
        BlockRow(
            id=row["id"],
            kind=row["kind"],
            name=row["name"],
            digest=row["digest"],
            context=row["context"],
            section=row.get("section"),
            born_turn=row["born_turn"],
            last_turn=row["last_turn"],
            evicted_by=row["evicted_by"],
            tokens=row["tokens"],
            tokens_low=row["tokens_low"],
            tokens_high=row["tokens_high"],
            state=row["state"],
            billed_tokens=row["billed_tokens"],
            billed_usd=usd_of(row["billed_usd"]),
            hardware_usd=estimate_of(row["hardware_usd"]),
            replaces=row["replaces"],
            children=tuple(_child(child) for child in row["children"]),
            uses=None if row.get("uses") is None else tuple(row["uses"]),
            at_least_usd=_at_least(row, sums.get(row["id"])),
            turns_carried=row.get("turns_carried", sums.get(row["id"], BilledSum()).turns),
            link=row.get("link"),
            content_digest=row.get("content_digest"),
            label=row.get("label"),
            exact_group=None if row.get("exact_group") is None else ExactGroup(**row["exact_group"]),
        )
        for row in found
    )


def _child(row: Json) -> ChildRow:
    return ChildRow(**{field.name: row[field.name] for field in fields(ChildRow) if field.name in row})


def _group(row: Json) -> GroupRow:
    return GroupRow(
        kind=row["kind"],
        name=row["name"],
        blocks=tuple(row["blocks"]),
        billed_tokens=row["billed_tokens"],
        billed_usd=usd_of(row["billed_usd"]),
        hardware_usd=estimate_of(row["hardware_usd"]),
        load_turns=tuple(row.get("load_turns", ())),
        load_turns_usd=usd_of(row.get("load_turns_usd")),
    )


def _finding(row: Json) -> WrittenFinding:
    return WrittenFinding(
        code=row["code"],
        severity=row["severity"],
        title=row["title"],
        blocks=tuple(row["blocks"]),
        turns=tuple(row["turns"]),
        saves_usd=usd_of(row["saves_usd"]),
        detail=row["detail"],
        state=row.get("state"),
        figures=row.get("figures"),
    )


def _compute(row: Json | None) -> ComputeSummary | None:
    if row is None:
        return None
    kv = row["kv"]
    return ComputeSummary(
        model=row["model"],
        implied_gross_margin=estimate_of(row["implied_gross_margin"]),
        published_gross_margins=tuple(_margin(each) for each in row["published_gross_margins"]),
        within_published_range=row["within_published_range"],
        drivers=tuple(Driver(each["name"], each["share_of_variance"]) for each in row["drivers"]),
        ratios=tuple(_ratio(each) for each in row["ratios"]),
        kv=KvHeld(
            kv["active_token_seconds"],
            kv["idle_token_seconds"],
            kv["idle_share"],
            estimate_of(kv["gap_usd_per_s_at_longest_context"]),
            estimate_of(kv.get("gaps_usd")),
            estimate_of(kv.get("gaps_host_memory_usd")),
        ),
    )


def _margin(row: Json) -> PublishedMargin:
    low, high = Decimal(str(row["low"])), Decimal(str(row["high"]))
    return PublishedMargin(
        name=row["name"],
        kind=row.get("kind", "gross"),
        when=row["when"],
        value=Interval(low, (low + high) / 2, high),
        source=row["source"],
        checked=None,
    )


def _ratio(row: Json) -> CostRatio:
    compute = estimate_of(row["compute"])
    assert compute is not None, "a ratio always states its range"
    return CostRatio(row["name"], compute, usd_of(row["billed"]))
