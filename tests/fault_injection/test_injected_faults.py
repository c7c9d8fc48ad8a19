"""Whatever fails inside tokenprof, the host gets what it would without it, and every lost call is counted."""

from __future__ import annotations

import importlib
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hosts import Provider, accounted, seen_by_the_host

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.report.document import report_of

REACHED_FROM_A_CALL = (
    *(
        f"record.attempt:Attempt.{name}"
        for name in ("__init__", "answered", "take", "whole", "broken", "end")
    ),
    *(f"record.attempt:Attempt.{name}" for name in ("_hand_over", "cut")),
    *(f"record.recorder:Recorder.{name}" for name in ("submit", "watch", "unwatch", "_share_here", "end")),
    *(
        f"record.process_share:ProcessShare.{name}"
        for name in ("put", "_record", "_read", "_write_losses", "_count")
    ),
    *(f"record.background.worker:Worker.{name}" for name in ("put", "_start", "pending")),
    *(f"record.turn_log:TurnLog.{name}" for name in ("record", "_write_turn", "write_counts")),
    *(f"record.turn_log:{name}" for name in ("turn_of", "span_line")),
    *(f"record.background.appended_file:AppendedFile.{name}" for name in ("append", "_follow_the_path")),
    *(f"record.block_facts:{name}" for name in ("Shaper.block", "canonical", "Shaper.digest", "measure")),
    *("record.contexts:ContextTracker.place", "record.turn_codec:TurnEncoder.attributes"),
    *(f"harness_adapters.clients.host_calls:{name}" for name in ("begin", "attempt_at", "active_recorder")),
    *(
        f"harness_adapters.clients.host_calls:{name}"
        for name in ("current_tags", "current_agent", "start_span")
    ),
    *(f"harness_adapters.clients.host_calls:{name}" for name in ("interpreter_of", "attempt_of_headers")),
    *("harness_adapters.clients.httpx_response:ObservedStream.__init__",),
    *("record.session:set_owner_of_thread", "record.session:owner_here"),
)
"""Functions of ours that a call of the host reaches, on its thread or on the recorder's.

Left out are the few lines that catch: `begun`, `guarded`, `call_through` and `_observed`.
"""

WRITES = ("append", "_follow_the_path", "span_line", "_write_losses")
"""Without these nothing can be written, so they fail only now and then."""

ERRORS = (ValueError, MemoryError, RecursionError, OSError)


def failing(
    monkeypatch: pytest.MonkeyPatch, target: str, fails: Callable[[], bool], error: type[Exception]
) -> None:
    """Make a function raise an error before it does anything, whenever `fails` says so."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(f"tokenprof.{module}")
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = getattr(owner, name)

    def faulty(*args: Any, **kwargs: Any) -> Any:
        if fails():
            raise error("injected")
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, faulty)


def always() -> bool:
    return True


def at_random(chance: random.Random) -> Callable[[], bool]:
    """Return a function that says half of the time, but neither at first nor at the end, that it fails."""
    numbers = itertools.count()
    return lambda: 1 < next(numbers) < 20 and chance.random() < 0.5


@pytest.mark.parametrize("target", REACHED_FROM_A_CALL)
def test_the_host_notices_no_fault_and_no_call_is_lost_in_silence(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = seen_by_the_host(Provider())
    for seed, error in enumerate(ERRORS):
        chance = random.Random(f"{target} {seed}")
        fails = always if seed == 0 and not target.endswith(WRITES) else at_random(chance)
        provider, path = Provider(), tmp_path / f"{seed}.jsonl"
        with monkeypatch.context() as patch, tokenprof.profile(path):
            failing(patch, target, fails, error)
            assert seen_by_the_host(provider) == without, error
        run, calls = accounted(path)
        assert calls >= provider.billed, (error, run.problems)
        if run.problems:
            assert any("missing" in warning for warning in report_of(Analysis(run)).warnings)


def test_without_a_fault_nothing_is_missing(tmp_path: Path) -> None:
    provider, path = Provider(), tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        seen_by_the_host(provider)
    run, calls = accounted(path)
    assert calls == provider.billed
    assert {problem.reason for problem in run.problems} <= {"unknown_bill"}
