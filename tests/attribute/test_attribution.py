"""Attribution against conversations whose true block sizes are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate

import pytest
from conversations import MODEL, START, Truth, conversation, made_block
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.attribute import Placed, attribute
from tokenprof.attribute.counts import prefix_digests
from tokenprof.attribute.shares import TurnShares
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import INPUT_CLASSES, Usage

BOOK = default_book()
OVERHEAD = ("provider_overhead", "unattributed")


def prompt_blocks(ledger: Ledger, turn: int) -> list[Placed]:
    """The blocks of a turn's prompt as attributed, in order, without what is on no block of the wire."""
    found: list[Placed] = []
    for entry in ledger.entries[turn]:
        placed = ledger.attribution.blocks[entry.block]
        if entry.cls in INPUT_CLASSES and placed.block.kind not in OVERHEAD and found[-1:] != [placed]:
            found.append(placed)
    return found


def ledger_of(truth: Truth) -> Ledger:
    ledger = build_ledger(truth.run, BOOK)
    ledger.check()
    return ledger


@pytest.mark.parametrize("caching", ["none", "one", "two"])
def test_sizes_are_near_the_truth_though_the_tokenizer_is_another(caching: str) -> None:
    errors, weights, inside = [], [], []
    for seed in range(6):
        truth = conversation(seed, caching=caching, ratio=1.2 + 0.06 * seed)
        placed = prompt_blocks(ledger_of(truth), -1)
        assert len(placed) == len(truth.sizes[-1])
        for block, tokens in zip(placed, truth.sizes[-1], strict=True):
            errors.append(abs(block.size.tokens - tokens))
            weights.append(tokens)
            inside.append(block.size.low <= tokens <= block.size.high)
    assert sum(errors) / sum(weights) < 0.02
    assert sum(inside) / len(inside) >= 0.9


def test_a_step_that_adds_one_block_is_exact() -> None:
    truth = conversation(3, turns=1, caching="one")
    first = truth.run.turns[0]
    assert first.usage is not None
    added = replace(truth.run.prompts()[0][-1], digest="new", features=first.added[-1].features)
    total = first.usage.input_tokens
    second = replace(
        first,
        id="msg_next",
        base=0,
        kept=len(first.added),
        added=(added,),
        usage=Usage(cache_read_tokens=total, cache_write_5m_tokens=777, output_tokens=5),
        breakpoints=(replace(first.breakpoints[0], after=len(first.added)),),
    )
    ledger = ledger_of(Truth(Run((first, second))))
    block = prompt_blocks(ledger, 1)[-1]
    assert (block.size.tokens, block.size.low, block.size.high, block.size.exact) == (777, 777, 777, True)


def test_each_class_is_an_interval_of_the_prompt_in_order() -> None:
    ledger = ledger_of(conversation(1, caching="two"))
    order = ["cache_read", "cache_write_1h", "cache_write_5m", "uncached_input"]
    for entries in ledger.entries:
        ranks = [order.index(e.cls) for e in entries if e.cls in INPUT_CLASSES]
        assert ranks == sorted(ranks)
        starts = [e.start for e in entries if e.cls in INPUT_CLASSES]
        assert starts == sorted(starts)


def test_money_is_price_times_usage_to_the_last_decimal() -> None:
    truth = conversation(2, turns=2, caching="two")
    ledger = ledger_of(truth)
    usage = truth.run.turns[1].usage
    assert usage is not None
    # claude-opus-4-8: 5 / 25 per million, read 0.50, 5 m write 6.25.
    due = (
        Decimal(usage.cache_read_tokens) * Decimal("0.0000005")
        + Decimal(usage.cache_write_5m_tokens) * Decimal("0.00000625")
        + Decimal(usage.output_tokens) * Decimal("0.000025")
    )
    assert ledger.billed_usd[1] == due


def test_an_unmeasured_turn_has_blocks_and_no_entries() -> None:
    truth = conversation(4, turns=3)
    turns = list(truth.run.turns)
    turns[1] = replace(turns[1], usage=None)
    ledger = ledger_of(Truth(Run(tuple(turns))))
    assert ledger.entries[1] == ()
    assert ledger.billed_usd[1] is None
    assert ledger.billed_usd[2] is not None


def test_an_unknown_model_is_unpriced_and_still_attributed() -> None:
    truth = conversation(5, turns=2)
    run = Run(tuple(replace(turn, model="claude-nobody-9") for turn in truth.run.turns))
    ledger = ledger_of(Truth(run))
    assert ledger.billed_usd == (None, None)
    assert sum(e.tokens for e in ledger.entries[0]) > 0


@pytest.mark.parametrize(
    ("billed", "left"),
    [
        # 100 fewer than before: all of them off the first of the thinking blocks.
        (1740, [1000, 100, 150, 150, 40, 300]),
        (1440, [1000, 100, 0, 0, 40, 300]),
        # 440 fewer: no thinking is left, and 40 of 1,440 come off the others in proportion.
        (1400, [972, 97, 0, 0, 39, 292]),
    ],
)
def test_tokens_that_the_provider_dropped_are_taken_from_thinking_first(billed: int, left: list[int]) -> None:
    sizes = [1000, 100, 250, 150, 40, 300]
    prompt = (
        made_block("system", "system[0]", 1000, opens=True),
        made_block("user", "user", 100, opens=True),
        made_block("thinking", "thinking", 250, opens=True, role="assistant"),
        made_block("thinking", "more thinking", 150, role="assistant"),
        made_block("tool_call", "search", 40, role="assistant", link="t1"),
        made_block("tool_result", "found", 300, opens=True, link="t1"),
    )
    counts = dict(zip(prefix_digests(MODEL, prompt), accumulate(sizes), strict=True))
    first = replace(
        conversation(6, turns=1, caching="none").run.turns[0],
        added=prompt,
        output=(),
        usage=Usage(uncached_input_tokens=1840, output_tokens=9),
    )
    again = replace(
        first,
        id="again",
        base=0,
        kept=6,
        added=(),
        usage=Usage(uncached_input_tokens=billed, output_tokens=9),
    )
    ledger = build_ledger(Run((first, again)), BOOK, counts)
    ledger.check()
    blocks = ledger.attribution.blocks
    tokens = [
        {blocks[e.block].block.name: e.tokens for e in entries if e.cls in INPUT_CLASSES}
        for entries in ledger.entries
    ]
    assert [[of_turn.get(block.name, 0) for block in prompt] for of_turn in tokens] == [sizes, left]
    assert any(f"billed {1840 - billed} tokens less" in note for note in ledger.attribution.notes)


def test_an_edited_tool_is_a_new_block_that_replaces_the_old_one() -> None:
    truth = conversation(7, turns=2, caching="none")
    first, second = truth.run.turns
    prompt = list(truth.run.prompts()[1])
    prompt[2] = replace(prompt[2], digest="edited")
    run = Run((first, replace(second, base=0, kept=2, added=tuple(prompt[2:]))))
    ledger = build_ledger(run, BOOK)
    ledger.check()
    edited = next(p for p in ledger.attribution.blocks.values() if p.block.digest == "edited")
    old = ledger.attribution.blocks[edited.replaces or ""]
    assert (old.block.name, old.born_turn, old.last_turn, old.evicted_by) == ("tool2", 0, 0, "changed")
    assert edited.born_turn == 1


def test_a_deferred_tool_has_no_tokens_until_it_is_referenced_and_is_listed_once() -> None:
    truth = conversation(8, turns=2, caching="none")
    first, second = truth.run.turns
    lazy = replace(first.added[0], name="lazy", digest="lazy", deferred=True)
    first = replace(first, added=(*first.added[:6], lazy, *first.added[6:]))
    whole = (*truth.run.prompts()[1], replace(lazy, deferred=False, section="messages", role="user"))
    second = replace(second, base=None, kept=0, added=whole)
    ledger = build_ledger(Run((first, second)), BOOK)
    ledger.check()
    named = [p for p in ledger.attribution.blocks.values() if p.block.name == "lazy"]
    assert [(p.born_turn, p.size.tokens > 0) for p in named] == [(1, True)]
    alone = attribute(Run((first,)))
    waiting = next(p for p in alone.blocks.values() if p.block.name == "lazy")
    assert (waiting.size.tokens, waiting.size.exact) == (0, True)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    turns=st.integers(1, 8),
    ratio=st.floats(0.4, 3.0),
    noise=st.floats(0, 0.6),
    caching=st.sampled_from(["none", "one", "two"]),
    preamble=st.integers(0, 2000),
)
def test_whatever_the_provider_counts_the_ledger_is_the_bill(
    seed: int, turns: int, ratio: float, noise: float, caching: str, preamble: int
) -> None:
    ledger_of(conversation(seed, turns=turns, ratio=ratio, noise=noise, caching=caching, preamble=preamble))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), totals=st.lists(st.integers(0, 40_000), min_size=4, max_size=4))
def test_even_a_bill_that_contradicts_itself_is_met(seed: int, totals: list[int]) -> None:
    truth = conversation(seed, turns=4, caching="none")
    turns = tuple(
        replace(turn, usage=Usage(uncached_input_tokens=total, output_tokens=3))
        for turn, total in zip(truth.run.turns, totals, strict=True)
    )
    ledger_of(Truth(Run(turns)))


def test_blocks_after_an_edited_tool_stay_the_blocks_they_were() -> None:
    truth = conversation(7, turns=2, caching="none")
    first, second = truth.run.turns
    prompt = list(truth.run.prompts()[1])
    prompt[2] = replace(prompt[2], digest="edited")
    run = Run((first, replace(second, base=0, kept=2, added=tuple(prompt[2:]))))
    ledger = build_ledger(run, BOOK)
    users = [p for p in ledger.attribution.blocks.values() if p.block.kind == "user"]
    assert [(p.born_turn, p.last_turn, p.evicted_by) for p in users] == [(0, 1, None)]


def thinking_run(*, dropped: bool) -> Run:
    """Three calls; the third opens with the user's words, before which some models drop thinking."""
    system = made_block("system", "system[0]", 1000, opens=True)
    ask = made_block("user", "user", 100, opens=True)
    thought = made_block("thinking", "thinking", 400, opens=True, role="assistant")
    call = made_block("tool_call", "search", 40, role="assistant", link="t1")
    found = made_block("tool_result", "search", 300, opens=True, link="t1")
    answer = made_block("assistant", "text", 80, opens=True, role="assistant")
    again = made_block("user", "user", 50, opens=True)
    third = 1920 - (400 if dropped else 0) + 140
    billed = [(1110, 400, 60), (1920, 0, 85), (third, 0, 10)]
    prompts = [[system, ask], [system, ask, thought, call, found]]
    prompts.append([*prompts[1], answer, again])
    turns = []
    for index, (prompt, (tokens, reasoning, output)) in enumerate(zip(prompts, billed, strict=True)):
        turns.append(
            Turn(
                id=f"m{index}",
                context="c1",
                provider="anthropic",
                requested_model=MODEL,
                model=MODEL,
                started_at=START + timedelta(seconds=index),
                duration_s=1.0,
                status="ok",
                usage=Usage(uncached_input_tokens=tokens, output_tokens=output, reasoning_tokens=reasoning),
                added=tuple(prompt),
            )
        )
    return Run(tuple(turns))


@pytest.mark.parametrize("dropped", [True, False])
def test_the_bill_decides_whether_earlier_thinking_was_dropped(dropped: bool) -> None:
    ledger = ledger_of(Truth(thinking_run(dropped=dropped)))
    thinking = next(p.id for p in ledger.attribution.blocks.values() if p.block.kind == "thinking")
    billed_in = [
        index for index, entries in enumerate(ledger.entries) if thinking in {e.block for e in entries}
    ]
    assert billed_in == ([1] if dropped else [1, 2])
    assert not ledger.attribution.notes


def test_blocks_that_only_changed_their_place_are_not_listed_as_gone() -> None:
    truth = conversation(5, turns=4, caching="one")
    prompt = list(truth.run.prompts()[1])
    tool = next(i for i, block in enumerate(prompt) if block.kind == "tool")
    prompt[tool] = replace(prompt[tool], digest="edited")
    edited = replace(truth.run.turns[2], base=None, kept=0, added=(*prompt, *truth.run.turns[2].added))
    turns = (*truth.run.turns[:2], edited, replace(truth.run.turns[3], base=2, kept=len(edited.added)))
    blocks = attribute(Run(turns)).blocks.values()
    assert [b.evicted_by for b in blocks if b.block.digest == truth.run.prompts()[1][tool].digest] == [
        "changed"
    ]
    assert {b.evicted_by for b in blocks if b.block.kind == "tool_result"} == {None}
    assert {b.last_turn for b in blocks if b.block.kind == "tool_result"} == {3}


def test_turns_that_extend_one_another_hold_their_common_blocks_once() -> None:
    shares = attribute(conversation(2, turns=6, caching="one").run).shares
    rows = {id(turn.row) for turn in shares if isinstance(turn, TurnShares)}
    assert len(rows) == 1
    assert list(shares[3]) == [shares[3][i] for i in range(len(shares[3]))]
