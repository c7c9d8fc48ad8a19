"""How a finding is made: its fields, how grave it is, and the phrases that findings share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tokenprof.report import numbers_of_json as numbers
from tokenprof.report.labels_in_words import kind_label, printable
from tokenprof.report.numbers_of_json import Json

Finding = dict[str, Any]
"""`{code, severity, title, blocks, turns, saves_usd, detail, state}` of the JSON report."""

SEVERITIES: Final = ("high", "medium", "low", "info")
"""By the share of the bill: from a tenth, from a fiftieth, below. `info` is a fact, not a fault."""

HIGH_SHARE: Final = Decimal("0.10")
_MEDIUM_SHARE: Final = Decimal("0.02")
_NAMED: Final = 4


def finding(
    code: str,
    severity: str,
    title: str,
    detail: str,
    *,
    blocks: Sequence[Json] = (),
    turns: Sequence[Json] = (),
    saves: str | None = None,
    state: str = "exact",
) -> Finding:
    """Return a finding. `state` says whether `saves` rests on sizes the bill pins or on estimated ones."""
    return {
        "code": code,
        "severity": severity,
        "title": title,
        "blocks": [block["id"] for block in blocks],
        "turns": [turn["index"] for turn in turns],
        "saves_usd": saves,
        "detail": detail,
        "state": None if saves is None else state,
    }


def dead_weight(
    code: str,
    title: str,
    detail: str,
    report: Json,
    blocks: Sequence[Json],
    *,
    saves: str | None,
    turns: Sequence[Json] | None = None,
) -> Finding:
    """Return a finding on blocks that need not have been carried; its turns are theirs unless given."""
    ids = {block["id"] for block in blocks}
    if turns is None:
        turns = [turn for turn in report["turns"] if any(entry["block"] in ids for entry in turn["entries"])]
    state = "exact" if all(block["state"] == "exact" for block in blocks) else "estimated"
    severity = severity_of(saves, report)
    return finding(code, severity, title, detail, blocks=blocks, turns=turns, saves=saves, state=state)


def share_of_bill(amount: str | None, report: Json) -> Decimal:
    """Return an amount as a share of the bill; nothing where either is unknown."""
    return numbers.fraction(amount, report["totals"]["billed_usd"]) or Decimal(0)


def severity_of(amount: str | None, report: Json) -> str:
    """Return how grave it is to have spent an amount needlessly."""
    share = share_of_bill(amount, report)
    return "high" if share >= HIGH_SHARE else "medium" if share >= _MEDIUM_SHARE else "low"


def agents(report: Json) -> Mapping[str, str | None]:
    """Return the agent of each context: what it carries and calls is judged over all of its contexts."""
    return {turn["context"]: turn["agent"] for turn in report["turns"]}


def block_label(block: Json) -> str:
    """Return a block's kind and name, once where they say the same: `tool result Read`, `system prompt`."""
    kind, name = kind_label(block["kind"]), printable(block["name"])
    return name if kind.lower() in name.lower() else f"{kind} {name}"


def capitalised(text: str) -> str:
    """Return a phrase as the start of a sentence."""
    return text[:1].upper() + text[1:]


def listed(names: Iterable[str]) -> str:
    """Return names in a row, only the first few of many."""
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more


def turn_list(turns: Sequence[Json]) -> str:
    """Return `Turn 5`, `Turns 2, 5, 9`."""
    return f"Turn{'' if len(turns) == 1 else 's'} {listed(str(turn['index']) for turn in turns)}"


def times(number: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
