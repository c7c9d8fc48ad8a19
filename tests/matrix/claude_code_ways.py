"""One run of Claude Code, seen by the proxy, its session files and its output: all give the same dollars.

The session shows every block of the wire except one that it has not logged, for which there is a placeholder.
The output shows no system prompt, tools and first message; a placeholder stands for them.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import agreement
from with_claude_code import RECORDING, answer, main, recordings

from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Run
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import HEADER_NAME
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider

__all__ = ["RECORDING", "SOURCES", "agents_of", "answer", "check", "main", "recordings"]

SOURCES = 2
AGENTS = ("main", "subagent")
LISTED_WITH_SKILLS = Counter({("reminder", "agent listing delta"): 1})
HIDDEN = {"tool", "system", "reminder", "skills_index"}


def agents_of(run: Run) -> list[str]:
    """Return what agents made calls: the wire names a subagent by its id, the session by its kind."""
    return sorted({"subagent" if turn.agent else "main" for turn in run.turns})


def check(path: Path, provider: LoopbackProvider, runs: list[Run]) -> None:
    """Hold the ways against each other. Raises AssertionError with the disagreement."""
    wire, session = runs
    output = read([path / "output.jsonl"])
    truth = agreement.bill_by_hand(provider.billed)
    assert {dollars(run) for run in (wire, session, output)} == {truth}
    # A subagent works beside the main agent, and each way has times of its own.
    assert {turn.id: turn.usage for turn in wire.turns} == {turn.id: turn.usage for turn in session.turns}
    assert {block.kind for prompt in wire.prompts() for block in prompt} >= {
        "skill",
        "skills_index",
        "tool_result",
    }
    seen = {turn.id: prompt for turn, prompt in zip(wire.turns, wire.prompts(), strict=True)}
    for turn, logged in zip(session.turns, session.prompts(), strict=True):
        sent, told = (
            Counter((block.kind, block.name) for block in prompt) for prompt in (seen[turn.id], logged)
        )
        if turn.hidden_prefix:
            # Before 2.1.330 the session has no tools and no system prompt, and a placeholder holds the rest.
            assert {kind for kind, _ in sent - told} <= HIDDEN, f"only on the wire: {sent - told}"
            # One message holds both listings on the wire, and is named after the skills.
            assert told - sent <= LISTED_WITH_SKILLS, f"only in the session: {told - sent}"
            continue
        assert sent - told == {("system", "system[0]"): 1}, f"only on the wire: {sent - told}"
        assert told - sent == {("system", HEADER_NAME): 1}, f"only in the session: {told - sent}"
    for paths in ([path], [path / "output.jsonl", path / "config", path / "run.jsonl"]):
        together = read(paths)
        assert (len(together.turns), dollars(together)) == (len(wire.turns), truth)


def dollars(run: Run) -> Decimal:
    """Return what a run was billed."""
    ledger = build_ledger(run, default_book())
    ledger.check()
    return sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
