"""Compute beside the bill in the gate: a bill that falls while compute rises, and the reverse."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import anthropic
import pytest

import tokenprof
from tokenprof.commands.main import main
from tokenprof.gate.baseline import scenario_of
from tokenprof.gate.compare import Settings, compare
from tokenprof.gate.sample import RunSample
from tokenprof.testing import LoopbackProvider, Reply

RATES = {"m": {"uncached_input": Decimal("0.001"), "cache_read": Decimal("0.0001")}}
BOTH = Settings(measures=("usd", "hardware_usd"))


def sample(fresh: int, read: int, hardware_usd: str | None) -> RunSample:
    """Return a run of one model; a fresh token is billed $0.001, one read from the cache $0.0001."""
    compute = None if hardware_usd is None else Decimal(hardware_usd)
    return RunSample({"hardware_usd": compute}, {"m": {"uncached_input": fresh, "cache_read": read}}, RATES)


def verdict(before: RunSample, now: RunSample, settings: Settings = BOTH) -> tuple[str, list[str], list[str]]:
    found = compare(scenario_of([before]), [now], settings)
    return found.status, [change.subject for change in found.regressions], list(found.notes)


def test_a_bill_that_falls_while_compute_rises_is_a_regression_of_compute() -> None:
    # $1.00 → $0.60; $0.10 → $0.15.
    status, subjects, notes = verdict(sample(1000, 0, "0.10"), sample(500, 1000, "0.15"))
    assert (status, subjects) == ("regression", ["hardware_usd"])
    assert notes == [
        "The bill fell by 40.0% while compute rose by 50.0%, by the middle of the estimate: the saving rests "
        "on the list price alone."
    ]


def test_a_bill_that_rises_while_compute_falls_is_a_regression_of_the_bill() -> None:
    status, subjects, notes = verdict(sample(500, 1000, "0.15"), sample(900, 0, "0.12"))
    assert (status, subjects) == ("regression", ["usd"])
    assert notes == [
        "The bill rose by 50.0% while compute fell by 20.0%, by the middle of the estimate: the list price "
        "does not pass the saving on."
    ]


@pytest.mark.parametrize(
    ("now", "subjects"),
    [
        (sample(900, 0, "0.09"), []),
        (sample(1100, 0, "0.11"), ["usd", "hardware_usd"]),
        (sample(980, 0, "0.15"), ["hardware_usd"]),
    ],
)
def test_what_moves_together_or_hardly_at_all_has_not_moved_apart(
    now: RunSample, subjects: list[str]
) -> None:
    _, found, notes = verdict(sample(1000, 0, "0.10"), now)
    assert sorted(found) == sorted(subjects)
    assert notes == []


def test_unknown_compute_says_nothing() -> None:
    assert verdict(sample(1000, 0, None), sample(500, 0, "0.15"), Settings(measures=("usd",)))[2] == []


def record(path: Path, words: int) -> Path:
    with (
        LoopbackProvider([Reply.text("Hello there.")]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        client.messages.create(
            model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "word " * words}]
        )
    return path


def test_compute_is_compared_only_with_a_baseline_that_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lean, fat = record(tmp_path / "lean.jsonl", 300), record(tmp_path / "fat.jsonl", 900)
    baseline = ["--baseline", str(tmp_path / "b.json"), "--scenario", "s"]
    measures = ["--measures", "hardware_usd"]
    assert main(["check", str(lean), *baseline, "--update"]) == 0
    assert main(["check", str(lean), *baseline, *measures]) == 2
    assert "has no hardware_usd of scenario 's'; write it with --update" in capsys.readouterr().err
    assert main(["check", str(lean), *baseline, "--update", *measures]) == 0
    assert main(["check", str(lean), *baseline, *measures]) == 0
    assert main(["check", str(fat), *baseline, *measures]) == 1
    assert "hardware_usd" in capsys.readouterr().out
    assert main(["check", str(lean), *baseline, "--update", "--measures", "turns"]) == 2
