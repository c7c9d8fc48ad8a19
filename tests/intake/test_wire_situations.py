"""Situations on the wire, counted by hand: what was billed is counted, and what is not known is said.

What is said keeps a strict check from passing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from chat_situations import CHAT_SITUATIONS
from messages_situations import MESSAGES_SITUATIONS
from other_wires_situations import OTHER_WIRES
from responses_situations import OTHER_SITUATIONS, RESPONSES_SITUATIONS
from wire_exchanges import recorded
from wire_situation import Situation

import tokenprof
from tokenprof.report.warning_wording import warnings_of

ALL = (*CHAT_SITUATIONS, *MESSAGES_SITUATIONS, *RESPONSES_SITUATIONS, *OTHER_SITUATIONS, *OTHER_WIRES)


@pytest.mark.parametrize("situation", ALL, ids=[f"{n} {s.name}" for n, s in enumerate(ALL)])
def test_what_was_billed_is_counted_and_what_is_not_known_is_said(
    situation: Situation, tmp_path: Path
) -> None:
    recorded(tmp_path, *situation.sent)
    analysis = tokenprof.load(tmp_path / "run.jsonl").analyze()
    found = tuple(
        turn.usage and (turn.usage.input_tokens, turn.usage.cache_read_tokens, turn.usage.all_output_tokens)
        for turn in analysis.run.turns
    )
    assert found == situation.counts
    said = " ".join(warnings_of(analysis))
    assert analysis.is_complete == (not situation.said), said
    assert re.search(situation.said, said), said
    if situation.usd:
        assert analysis.totals.billed_usd == Decimal(situation.usd)
    if situation.seller:
        assert {turn.seller for turn in analysis.run.turns} == {situation.seller}
    if situation.stated_usd:
        assert analysis.totals.stated_usd == Decimal(situation.stated_usd)
    if situation.fees:
        assert analysis.run.turns[0].usage is not None
        assert analysis.run.turns[0].usage.fees == situation.fees
