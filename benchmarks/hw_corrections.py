"""What each effect in the estimate of compute does to billed ÷ compute: all of them, then each switched off.

    python benchmarks/hw_corrections.py RUN.jsonl … [--out benchmarks/results/hw_corrections.json]

Each row reports the runs with one effect left out, at the median and P10 to P90, and by how much that moves
the median. Effects overlap, so their shares do not multiply to that of all together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "economics"))

from sessions_costed import cost_sessions

from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import Ledger
from tokenprof.hw_model import cost, sampled_scenario
from tokenprof.hw_model.equations import prefill, timing
from tokenprof.hw_model.equations.constants import Constants, fitted
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.turn_work import TurnWork
from tokenprof.hw_model.fleet import architectures, one_layout, operator_choice, sampling
from tokenprof.hw_model.fleet.clock import ObservedSpeed

ONE_NODE = ((1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 1, 1), (8, 1, 2), (8, 1, 4))
Swap = tuple[Any, str, Any]


def output_over_duration(turns: Sequence[TurnWork]) -> ObservedSpeed | None:
    """The speed with queueing and prompts counted as decoding."""
    rates = [t.output_tokens / t.duration_s for t in turns if t.duration_s and t.output_tokens]
    return ObservedSpeed(float(np.median(rates)), 0.05, len(rates), "output over duration") if rates else None


def alike(constants: Constants) -> Constants:
    """Constants with all makers' kernels as good as NVIDIA's."""
    names = ("bandwidth", "arithmetic", "layers")
    makers = {f"{maker}_{name}": 1.0 for maker in ("amd", "tpu") for name in names}
    return replace(constants, **makers, amd_attention=1.0, cdna3_layers=1.0)


def in_bf16(plan_of: Callable[..., Any]) -> Callable[..., Any]:
    """Plans of a function with KV in bf16."""

    def plan(drawn: dict[str, Any]) -> Any:
        return plan_of({**drawn, "kv_fp8": np.zeros_like(drawn["kv_fp8"])})

    return plan


def swaps() -> dict[str, list[Swap]]:
    """Return what is put in the place of each effect."""
    cut_plan = operator_choice.cut_plan
    return {
        "the clock leaves out what comes before the first token": [
            (cost, "observed_speed", output_over_duration)
        ],
        "the clock makes expensive architectures less likely": [
            (sampling, "resampled", lambda weight, rng: np.arange(len(weight)))
        ],
        "replicas may be wider than a node": [(operator_choice, "LAYOUTS", ONE_NODE)],
        "drafts where they pay": [(operator_choice, "DRAFTS", (0,))],
        "drafts of agents are accepted less often": [(sampling, "AGENT_ACCEPTANCE", (0.84, 0.85, 0.86))],
        "the exchange with experts takes time": [
            (where, "exchange_s", lambda plan, tokens, copies, c: tokens * 0.0) for where in (timing, prefill)
        ],
        "two micro-batches overlap across the network": [
            (
                operator_choice,
                "cut_plan",
                lambda *given: replace(cut_plan(*given), overlaps=0.0),
            )
        ],
        "sessions that wait for a tool hold KV": [
            (
                operator_choice,
                "live_capacity",
                lambda plan, host, turn, answer_s: capacity_batch(plan, turn.context_tokens),
            )
        ],
        "pools of prompts are partly idle": [(one_layout, "USUAL_TTFT_S", 1e9)],
        "KV in fp8 is usual": [(architectures, "_closed_plan", in_bf16(architectures._closed_plan))],
        "chips of other makers have constants of their own": [
            (sampled_scenario, "fitted", lambda: alike(fitted()))
        ],
        "only chips that hosts had on the day": [(sampling, "AVAILABLE", {})],
        "this model's own error": [
            (sampling, "own_error", lambda context, choice, rng: np.ones(len(choice.drafted)))
        ],
    }


@contextmanager
def without(changed: Sequence[Swap]) -> Iterator[None]:
    """Run a block with things put in the place of others."""
    with ExitStack() as stack:
        for owner, name, other in changed:
            stack.enter_context(patch.object(owner, name, other))
        yield


def billed_over_compute(ledger: Ledger) -> tuple[float, float, float]:
    """Return what a run was billed over what it cost to compute: P50, P10 and P90."""
    hardware = cost_to_compute(ledger)
    usd = hardware.usd(hardware.total)
    if usd is None:
        raise SystemExit("the run has models whose shape nobody has described")
    billed = float(sum(amount for amount in ledger.billed_usd if amount is not None))
    return billed / usd.mid, billed / usd.high, billed / usd.low


def rows_of(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield the rows of one run."""
    everything = billed_over_compute(ledger)
    yield {"left out": "nothing", "mid": everything[0], "low": everything[1], "high": everything[2]}
    known = swaps()
    together: list[Swap] = [swap for changed in known.values() for swap in changed]
    for name, changed in [*known.items(), ("all of these", together)]:
        with without(changed):
            mid, low, high = billed_over_compute(ledger)
        yield {"left out": name, "mid": mid, "low": low, "high": high, "moves": mid / everything[0]}


def printed_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the rows of a session, printed on the way."""
    rows = []
    for row in rows_of(ledger):
        rows.append(row)
        print(
            f"  without {row['left out']:56s} {row['mid']:6.1f}x  ({row['low']:.1f} to {row['high']:.1f})"
            + (f"  x{row['moves']:.2f}" if "moves" in row else "")
        )
    return rows


if __name__ == "__main__":
    cost_sessions(__doc__, printed_rows)
