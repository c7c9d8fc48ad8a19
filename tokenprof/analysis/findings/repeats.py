"""Tool calls made again, and results whose text was in the context already."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from tokenprof.analysis.rows.row_types import BlockRow, RunRows
from tokenprof.data_classes.frozen import frozen

LEAST_TOKENS: Final = 60
"""Shorter results are left out: `ok` and `done` are equal without any work being done again."""

LEAST_TOKENS_OF_ANOTHER_CALL: Final = 300
"""From this size on, equal results of calls with other arguments are one text read again, not a phrase."""


@frozen
class RepeatedWork:
    """A tool call that was made before while its earlier result was still in the context.

    `unchanged` says that its result has the text of one that was there.
    """

    call: BlockRow | None
    result: BlockRow
    unchanged: bool

    @property
    def blocks(self) -> tuple[BlockRow, ...]:
        """The result, and the call if it is in the context."""
        return (self.result,) if self.call is None else (self.call, self.result)


def repeated_work(rows: RunRows) -> tuple[RepeatedWork, ...]:
    """Return the calls that were made again, in the order of the blocks."""
    calls = {
        (block.context, block.link): block
        for block in rows.blocks
        if block.kind == "tool_call" and block.link
    }
    said: dict[tuple[str | None, str, str], int] = {}
    asked: dict[tuple[str | None, str], int] = {}
    found = []
    for result in rows.blocks:
        if result.kind != "tool_result" or result.born_turn is None or result.last_turn is None:
            continue
        call = calls.get((result.context, result.link)) if result.link else None
        question = call.content_digest if call is not None else None
        again = question is not None and asked.get((result.context, question), -1) >= result.born_turn
        unchanged = False
        if result.content_digest and (result.tokens or 0) >= LEAST_TOKENS:
            text = result.context, result.name, result.content_digest
            is_there = said.get(text, -1) >= result.born_turn
            unchanged = is_there and (again or (result.tokens or 0) >= LEAST_TOKENS_OF_ANOTHER_CALL)
            said[text] = max(said.get(text, -1), result.last_turn)
        if question is not None:
            asked[result.context, question] = max(asked.get((result.context, question), -1), result.last_turn)
        if unchanged or again:
            found.append(RepeatedWork(call, result, unchanged))
    return tuple(found)


def what_is_asked(result: BlockRow, call: BlockRow | None) -> tuple[str, str]:
    """Return the tool and what it is asked for: by label if there is one, else by the arguments."""
    asked = call.content_digest if call is not None else None
    return result.name, result.label or asked or result.content_digest or result.id


def calls_alike(rows: RunRows) -> dict[tuple[str, str], int]:
    """Return how often each tool was asked for the same."""
    calls = {(block.context, block.link): block for block in rows.blocks if block.kind == "tool_call"}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for result in rows.blocks:
        if result.kind == "tool_result":
            counts[what_is_asked(result, calls.get((result.context, result.link)))] += 1
    return counts
