"""What findings need from the pairs of turn and block, from the sums of a ledger and without the pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from tokenprof.analysis.findings.entry_sums import EntrySums, RepeatedText, repeated_digests
from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.pricing.usage import INPUT_CLASSES


def ledger_sums(ledger: Ledger, blocks: Collection[BlockRow], watched: Collection[str]) -> EntrySums:
    """Return what findings need; `watched` are the ids of the blocks whose turns are wanted."""
    numbers = ledger.spans.numbers
    known = {numbers[block_id]: block_id for block_id in watched if block_id in numbers}
    turns = ledger.spans.shares.turns_with(list(known))
    amounts = ledger.first_bills.first_amounts(known)
    return EntrySums(
        resent_tokens=ledger.first_bills.resent_tokens(INPUT_CLASSES),
        reread_tokens=ledger.first_bills.resent_tokens(("cache_read",)),
        turns_of=dict.fromkeys(watched, ()) | {block_id: turns[number] for number, block_id in known.items()},
        first_usd={
            block_id: exact_sum_usd(amounts[number]) for number, block_id in known.items() if turns[number]
        },
        repeated=_repeated(ledger, repeated_digests(blocks)),
    )


@frozen
class _Copies:
    """A text that stands on one row as `blocks` blocks: the places of all but the first of them, in order."""

    digest: str
    row: int
    blocks: int
    copies: tuple[int, ...]


def _repeated(ledger: Ledger, digests: Mapping[str, str]) -> dict[str, RepeatedText]:
    """Return the texts that stood more than once in a prompt, in the order in which they did."""
    found = list(_copies(ledger, digests))
    shares, first_turns = ledger.spans.shares, ledger.first_bills.turn_of_place
    texts: dict[str, RepeatedText] = {}
    turns: dict[str, set[int]] = defaultdict(set)
    places = [(int(first_turns[place]), place, each) for each in found for place in each.copies]
    for _, place, each in sorted(places, key=lambda item: item[:2]):
        row = shares.rows[each.row]
        text = texts.setdefault(each.digest, RepeatedText())
        text.extra_blocks[shares.block_ids[int(shares.block[place])]] = None
        if place == each.copies[0]:
            text.copies = max(text.copies, each.blocks)
            turns[each.digest].update(row.turns[row.lengths > place - row.offset].tolist())
    for digest, text in texts.items():
        text.turns.update(dict.fromkeys(sorted(turns[digest])))
    _add_amounts(ledger, texts, found)
    return texts


def _copies(ledger: Ledger, digests: Mapping[str, str]) -> Iterator[_Copies]:
    shares = ledger.spans.shares
    wanted = np.array([block_id in digests for block_id in shares.block_ids], bool)
    if not wanted.any():
        return
    places = np.flatnonzero(wanted[shares.block] & (shares.tokens > 0))
    together: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, row in zip(places.tolist(), shares.row_of(places).tolist(), strict=True):
        together[row, digests[shares.block_ids[int(shares.block[place])]]].append(place)
    for (row, digest), same in together.items():
        numbers = [int(shares.block[place]) for place in same]
        copies = [place for place, number in zip(same, numbers, strict=True) if number != numbers[0]]
        if copies:
            yield _Copies(digest, row, len(set(numbers)), tuple(copies))


def _add_amounts(ledger: Ledger, texts: Mapping[str, RepeatedText], found: Sequence[_Copies]) -> None:
    """Add what the copies of each text were billed, rate by rate."""
    places = np.array([place for each in found for place in each.copies], np.int64)
    digests = [each.digest for each in found for _ in each.copies]
    if not len(places):
        return
    for number, rate in enumerate(ledger.spans.rates):
        tokens: dict[str, int] = defaultdict(int)
        for digest, amount in zip(
            digests, ledger.spans.tokens_by_place(number)[places].tolist(), strict=True
        ):
            tokens[digest] += amount
        for digest, amount in tokens.items():
            if amount:
                texts[digest].extra_usd.append(rate.billed_usd(amount))
