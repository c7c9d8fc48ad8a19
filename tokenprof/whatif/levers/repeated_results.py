"""`rereads=once`: a result whose text is in the context already is replaced by a short note."""

from __future__ import annotations

from tokenprof.facts.types import Block
from tokenprof.whatif.geometry.block_rows import ChangedRow, SizedBlock, SizedRow, changed_row
from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "rereads"
HELP = "once: results that are in the context already are replaced by a note"

NOTE_TOKENS = 20
"""The size of a note such as "unchanged since the last read", with the framing of a result."""


LEAST_TOKENS = 60
"""Shorter results are left alone: they may have the same measures by chance, and there is little to save."""


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another value than `once`."""
    one_of_values(NAME, value, ("once",))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry.each_row(lambda row: _once(row, end))

    return Lever(
        NAME,
        value,
        change,
        (
            f"The tool answers with a note of {NOTE_TOKENS} tokens if its result has not changed.",
            "Results of one tool with the same length, words and digits are taken to be the same text.",
            "The model makes the same calls.",
        ),
        is_exact=False,
    )


def repeated(row: SizedRow) -> list[SizedBlock]:
    """Return the results of a row whose text stands earlier in it."""
    seen: set[tuple[object, ...]] = set()
    found = []
    for each in row.blocks:
        if each.kind == "tool_result" and each.block is not None and each.tokens >= LEAST_TOKENS:
            text = _measures(each.name, each.block)
            if text in seen:
                found.append(each)
            seen.add(text)
    return found


def _measures(name: str, block: Block) -> tuple[object, ...]:
    """Return what two results share if their texts are equal: a digest, or measures if no digest was kept."""
    if block.content_digest:
        return name, block.content_digest
    f = block.features
    counts = f.bytes, f.chars, f.letters, f.uppercase, f.digits, f.punctuation, f.spaces, f.newlines
    return (name, *counts, *sorted(f.tokens.items()))


def _once(row: SizedRow, end: End) -> ChangedRow:
    again = {block.id for block in repeated(row)}

    def shorten(block: SizedBlock) -> SizedBlock:
        if block.id not in again:
            return block
        left = {"low": block.tokens - block.high_tokens, "mid": 0, "high": block.tokens - block.low_tokens}
        return block.resized(max(0, NOTE_TOKENS + left[end]))

    return changed_row(row, shorten)
