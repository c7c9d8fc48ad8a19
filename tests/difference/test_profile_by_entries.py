"""A profile is summed from spans; walked entry by entry, it is the same."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from made_runs import OPUS, SONNET, RunPlan, plan, run_of

from tokenprof.analysis.analysis import Analysis
from tokenprof.difference.cost_profile import CellKey, Passage, ServedModel
from tokenprof.difference.profile_of_run import cost_profile, served_model
from tokenprof.facts.types import Run
from tokenprof.pricing.usage import OUTPUT_CLASSES
from tokenprof.reading.files import read

LOGS = Path(__file__).parents[1] / "data" / "logs"

Cells = dict[tuple[CellKey, ServedModel, str], tuple[int, Decimal]]


def walked(analysis: Analysis) -> tuple[Cells, dict[str, set[tuple[str, str]]]]:
    """Return the cells, and by side the agents and blocks that were in a prompt or written."""
    ledger = analysis.ledger
    blocks = ledger.attribution.blocks
    first: dict[str, str] = {}
    for block_id, placed in blocks.items():
        first[block_id] = first.get(placed.replaces or "", block_id)
    cells: dict[tuple[CellKey, ServedModel, str], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    seen: dict[str, set[tuple[str, str]]] = {"prompt": set(), "output": set()}
    for index, turn in enumerate(ledger.run.turns):
        if ledger.billed_usd[index] is None:
            continue
        agent = turn.agent or ""
        fresh: dict[str, set[tuple[str, str]]] = {"prompt": set(), "output": set()}
        for entry in ledger.entries[index]:
            side = "output" if entry.cls in OUTPUT_CLASSES else "prompt"
            mark = (agent, first[entry.block])
            fresh[side].add(mark)
            passage: Passage = "output" if side == "output" else "carried"
            if entry.cls == "fee":
                passage = "fee"
            elif side == "prompt" and mark not in seen[side]:
                passage = "entered"
            block = blocks[entry.block].block
            key = CellKey(agent, block.kind, block.name, passage), served_model(turn), entry.cls
            tokens, usd = cells[key]
            units = entry.count if passage == "fee" else entry.tokens
            cells[key] = tokens + units, usd + (entry.billed_usd or 0)
        for side, marks in fresh.items():
            seen[side] |= marks
    return {key: found for key, found in cells.items() if found[0]}, seen


def drawn(seed: int) -> Run:
    """Return a run of up to three agents with changing prompts, two models and gaps."""
    rng = random.Random(seed)
    plans: list[RunPlan] = []
    for agent in (None, "reader", "writer")[: rng.randint(1, 3)]:
        own = plan(rng.randrange(10**6), calls=rng.randint(1, 6))
        plans.append(
            RunPlan(
                own.tools,
                own.system_tokens,
                own.task_tokens,
                own.steps,
                model=rng.choice((OPUS, SONNET)),
                agent=agent,
                batch=rng.random() < 0.3,
                changing_system=rng.random() < 0.5,
            )
        )
    return run_of(*plans)


RUNS = {
    **{f"drawn {seed}": lambda seed=seed: drawn(seed) for seed in range(12)},
    "codex": lambda: read([LOGS / "codex" / "rollout.jsonl"]),
    "claude code": lambda: read(sorted((LOGS / "session_log").glob("*.jsonl"))),
}


@pytest.mark.parametrize("name", RUNS)
def test_spans_and_entries_give_one_profile(name: str) -> None:
    analysis = Analysis(RUNS[name]())
    found = cost_profile(analysis)
    cells, seen = walked(analysis)
    assert {
        (key, served, cls): (each.tokens, each.usd)
        for key, cell in found.cells.items()
        for (served, cls), each in cell.items()
    } == cells
    for side, blocks in (("prompt", found.prompt_blocks), ("output", found.output_blocks)):
        assert sum(group.count for group in blocks.values()) == len(seen[side])
    assert sum(found.turns.values()) + found.turns_left_out == len(analysis.run.turns)
