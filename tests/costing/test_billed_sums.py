"""Sums made from intervals, against a walk over every entry of runs drawn at random."""

from collections import defaultdict
from dataclasses import astuple
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_runs import random_run

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.findings.entry_sums import entry_sums
from tokenprof.analysis.findings.ledger_sums import ledger_sums
from tokenprof.costing.billed_sums import BilledSum
from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.gate.sample import sample_of
from tokenprof.hw_model.equations.features import PARTS
from tokenprof.pricing.book import default_book

seeds = st.integers(0, 10**9)


def ledger_of(seed):
    return build_ledger(random_run(seed), default_book())


def walked(ledger):
    """Return the sums by class and by block, from the entries."""
    classes, blocks = defaultdict(BilledSum), defaultdict(BilledSum)
    for entries in ledger.entries:
        for entry in entries:
            classes[entry.cls].add(entry.tokens, entry.billed_usd, entry.count)
            blocks[entry.block].add(entry.tokens, entry.billed_usd, entry.count)
        for block in {entry.block for entry in entries}:
            blocks[block].turns += 1
    return dict(classes), dict(blocks)


@given(seeds)
@settings(max_examples=30)
def test_the_sums_by_block_and_by_class_are_those_of_the_entries(seed):
    ledger = ledger_of(seed)
    classes, blocks = walked(ledger)
    assert {cls: astuple(each) for cls, each in ledger.classes.items()} == {
        cls: astuple(each) for cls, each in classes.items()
    }
    assert {block: astuple(each) for block, each in ledger.blocks.items()} == {
        block: astuple(each) for block, each in blocks.items()
    }
    # As text too: 0.020 is printed with its last zero.
    for block, each in blocks.items():
        assert str(ledger.blocks[block].known_usd) == str(each.known_usd)


@given(seeds)
@settings(max_examples=30)
def test_a_turn_is_billed_what_its_entries_are(seed):
    ledger = ledger_of(seed)
    ledger.check()
    for turn, entries in enumerate(ledger.entries):
        if ledger.run.turns[turn].usage is None:
            assert ledger.billed_usd[turn] is None
            continue
        amounts = [entry.billed_usd for entry in entries]
        assert ledger.billed_usd[turn] == (None if None in amounts else sum(amounts, Decimal(0)))


@given(seeds)
@settings(max_examples=20)
def test_the_work_of_blocks_and_classes_is_that_of_the_entries(seed):
    ledger = ledger_of(seed)
    hardware = cost_to_compute(ledger, draws=8)
    expected = defaultdict(lambda: defaultdict(float))
    missing = set()
    for index, turn in enumerate(ledger.run.turns):
        work, scenario = hardware.works[index], hardware.scenarios.get((turn.provider, turn.model))
        for entry in ledger.entries[index]:
            for key in (("block", entry.block), ("class", entry.cls)):
                if scenario is None:
                    missing.add(key)
                    continue
                part, share = share_of_part(scenario, work, entry)
                features = scenario.features(work, part=part)
                expected[key][turn.provider, turn.model] += features * share
    found = {("block", block): work for block, work in hardware.blocks.items()}
    found |= {("class", cls): work for cls, work in hardware.classes.items()}
    assert found.keys() == expected.keys() | missing
    assert {key for key, work in found.items() if work.missing} == missing
    for key, by_model in expected.items():
        assert found[key].by_model.keys() == by_model.keys()
        for model, features in by_model.items():
            np.testing.assert_allclose(found[key].by_model[model], features, rtol=1e-9)


def share_of_part(scenario, work, entry):
    """Return which part of its call an entry is in, and its share of that part."""
    if entry.cls == "cache_read":
        return PARTS[0], entry.tokens / work.cached_tokens
    if entry.cls in ("output", "reasoning", "fee"):
        return PARTS[2], entry.tokens / max(work.output_tokens, 1)
    cached = work.cached_tokens
    whole = scenario.prefill_weights(cached, cached + work.new_tokens, cached_tokens=cached)
    own = scenario.prefill_weights(entry.start, entry.start + entry.tokens, cached_tokens=cached)
    return PARTS[1], own / whole


@given(seeds)
@settings(max_examples=12)
def test_findings_get_the_same_figures_from_sums_and_from_entries(seed):
    rows = Analysis(random_run(seed)).rows
    watched = {block.id for block in rows.blocks}
    by_entries, by_sums = entry_sums(rows, watched), ledger_sums(rows.ledger, rows.blocks, watched)
    assert by_sums.resent_tokens == by_entries.resent_tokens
    assert by_sums.reread_tokens == by_entries.reread_tokens
    assert by_sums.turns_of == by_entries.turns_of
    assert by_sums.first_usd == by_entries.first_usd
    assert list(by_sums.repeated) == list(by_entries.repeated)
    for digest, text in by_entries.repeated.items():
        other = by_sums.repeated[digest]
        assert other.copies == text.copies
        assert list(other.extra_blocks) == list(text.extra_blocks)
        assert list(other.turns) == list(text.turns)
        assert exact_sum_usd(other.extra_usd) == exact_sum_usd(text.extra_usd)


@given(seeds)
@settings(max_examples=30)
def test_what_blocks_are_billed_after_their_first_turn_is_that_of_the_entries(seed):
    analysis = Analysis(random_run(seed))
    ledger = analysis.ledger
    amounts = [
        entry.billed_usd
        for turn, entries in enumerate(ledger.entries)
        for entry in entries
        if ledger.attribution.blocks[entry.block].born_turn < turn
    ]
    expected = None if None in amounts else sum(amounts, Decimal(0))
    assert sample_of(analysis).measures["carry_usd"] == expected


@pytest.mark.parametrize("seed", [3, 7])
def test_an_agent_has_the_blocks_of_the_entries_of_its_turns(seed):
    analysis = Analysis(random_run(seed, turns=60))
    for group in analysis.groups:
        if group.kind == "agent":
            turns = [turn.index for turn in analysis.turns if turn.agent == group.name]
            blocks = {entry.block for turn in turns for entry in analysis.ledger.entries[turn]}
            assert group.blocks == tuple(sorted(blocks))
