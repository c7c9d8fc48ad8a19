"""Findings on the figures themselves: what the report could not measure, price or place."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from tokenprof.report import numbers_of_json as numbers
from tokenprof.report.finding import Finding, finding, listed, turn_list
from tokenprof.report.labels_in_words import printable
from tokenprof.report.numbers_of_json import Json, unknown_state, without_price

_LEAST_UNPLACED_SHARE: Final = Decimal("0.01")


def unmeasured_turns(report: Json) -> Iterator[Finding]:
    """Find turns without usage."""
    turns = [turn for turn in report["turns"] if unknown_state(turn) == "unmeasured"]
    if turns:
        title = f"{numbers.count(len(turns), 'turn')} without usage: the bill is larger than shown"
        detail = (
            f"{turn_list(turns)}: the provider reported no token counts, so no sum holds anything of them."
        )
        yield finding("unmeasured-turns", "high", title, detail, turns=turns)


def unpriced_turns(report: Json) -> Iterator[Finding]:
    """Find turns that no price is known for."""
    turns = [turn for turn in report["turns"] if unknown_state(turn) == "unpriced"]
    if turns:
        models = dict.fromkeys(f"{without_price(turn)} ({turn['provider']})" for turn in turns)
        names = printable(listed(models))
        title = f"{numbers.count(len(turns), 'turn')} without a price: the bill is larger than shown"
        detail = f"{turn_list(turns)}: no price was known for {names} at the time. An overlay can add it."
        yield finding("unpriced-turns", "high", title, detail, turns=turns)


def incomplete_output(report: Json) -> Iterator[Finding]:
    """Find turns whose output was not counted to its end."""
    short = [turn for turn in report["turns"] if turn["status"] == "partial" or turn.get("output_incomplete")]
    turns = [turn for turn in short if not turn.get("output_rest_in")]
    if turns:
        title = f"{numbers.count(len(turns), 'turn')} counted short: the output is at least what is shown"
        detail = f"{turn_list(turns)}: no final usage was seen, so the bill is a lower bound."
        yield finding("output-incomplete", "medium", title, detail, turns=turns)


def cache_unlike_rules(report: Json) -> Iterator[Finding]:
    """Find turns whose bill divides the prompt otherwise than the published cache rules do."""
    predicted = [turn for turn in report["turns"] if turn.get("cache_prediction") and turn["usage"]]
    differing = [turn for turn in predicted if not turn["cache_prediction"]["agrees"]]
    for code, turns, what in (
        ("read-less", [t for t in differing if _read_beyond_rules(t) < 0], "less than"),
        ("read-more", [t for t in differing if _read_beyond_rules(t) > 0], "more than"),
        ("written-otherwise", [t for t in differing if _read_beyond_rules(t) == 0], "just what"),
    ):
        if not turns:
            continue
        tokens = abs(sum(map(_read_beyond_rules, turns)))
        title = f"{numbers.count(len(turns), 'turn')} read {what} the cache rules say" + (
            ", but wrote other parts" if code == "written-otherwise" else ""
        )
        reason = {
            "read-less": "an entry was dropped early, or the call reached a machine that did not have it",
            "read-more": "a prefix was still there from before this run",
            "written-otherwise": "the provider placed the end of an entry elsewhere",
        }[code]
        detail = (
            f"{turn_list(turns)}: {tokens:,} tokens, of {len(predicted)} turns compared. Perhaps {reason}."
        )
        yield finding(f"cache-{code}", "info", title, detail, turns=turns)


def _read_beyond_rules(turn: Json) -> int:
    beyond: int = turn["usage"]["cache_read"] - turn["cache_prediction"]["cache_read"]
    return beyond


def unplaced_tokens(report: Json) -> Iterator[Finding]:
    """Find billed tokens that lie on no block of the wire."""
    blocks = [block for block in report["blocks"] if block["kind"] == "unattributed"]
    unplaced = sum(block["billed_tokens"] or 0 for block in blocks)
    share = numbers.fraction(unplaced, sum(block["billed_tokens"] or 0 for block in report["blocks"]))
    if share is not None and share >= _LEAST_UNPLACED_SHARE:
        title = f"{numbers.percent(share)} of the billed tokens lie on no known block"
        detail = f"{unplaced:,} tokens were billed for content that the recording does not show."
        yield finding("unplaced-tokens", "info", title, detail, blocks=blocks)
