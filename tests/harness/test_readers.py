"""The contract of transcript readers: each has a log of the real tool, read to the provider's own bill."""

from __future__ import annotations

import json
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from changes import changed

from tokenprof.analysis.analysis import Analysis
from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.errors import InputError
from tokenprof.pricing.book import default_book
from tokenprof.pricing.normalise import usage_from_anthropic, usage_from_gemini, usage_from_openai_responses
from tokenprof.pricing.usage import Usage
from tokenprof.reading.files import read
from tokenprof.reading.formats import reader_of, suffixes, transcript_readers
from tokenprof.report.report_json import json_report

DATA = Path(__file__).parent.parent / "data"
LOGS = DATA / "logs"
BILL = ".bill.json"
FILES = sorted(path.with_name(path.name.removesuffix(BILL)) for path in DATA.glob(f"**/*{BILL}"))
JSON_FILES = [path for path in FILES if path.suffix in (".json", ".jsonl")]
ONLY_SUMS = {"stream_json"}
"""Formats that tell the whole run's output, and not each response's."""

PRICES = {
    # In USD per million tokens: fresh, read, written for 5 minutes, written for an hour, output.
    "claude-opus-4-8": ("5", "0.5", "6.25", "10", "25"),
    "claude-opus-4-8, batch": ("2.5", "0.25", "3.125", "5", "12.5"),
    "claude-opus-5": ("5", "0.5", "6.25", "10", "25"),
    "gpt-6.1-sol": ("2", "0.1", "0", "0", "10"),
}


def billed(path: Path) -> list[tuple[str, str, Usage]]:
    """What the provider billed: (id, model, usage) of each response."""
    rows = json.loads(path.with_name(path.name + BILL).read_text())
    return [(row["id"], row["model"], usage_of(row["usage"])) for row in rows]


def usage_of(raw: dict[str, Any]) -> Usage:
    if "cache_read_input_tokens" in raw:
        return usage_from_anthropic(raw)
    return usage_from_gemini(raw) if "promptTokenCount" in raw else usage_from_openai_responses(raw)


def counts(usage: Usage | None) -> tuple[int, ...]:
    assert usage is not None
    writes = usage.cache_write_tokens + usage.cache_write_5m_tokens
    hour = usage.cache_write_1h_tokens
    return usage.uncached_input_tokens, usage.cache_read_tokens, writes, hour, usage.all_output_tokens


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_log_is_read_to_the_providers_own_bill(path: Path) -> None:
    run = read([path])
    truth = billed(path)
    found = [counts(turn.usage) for turn in run.turns]
    expected = [counts(usage) for _, _, usage in truth]
    assert [sum(column) for column in zip(*found, strict=True)] == [
        sum(c) for c in zip(*expected, strict=True)
    ]
    if path.parent.name not in ONLY_SUMS:
        assert Counter(found) == Counter(expected)
    ledger = build_ledger(run, default_book())
    ledger.check()
    by_hand = sum(
        (
            count * Decimal(price)
            for _, model, usage in truth
            for count, price in zip(counts(usage), PRICES[model], strict=True)
        ),
        Decimal(0),
    )
    assert sum(usd for usd in ledger.billed_usd if usd is not None) == by_hand / 10**6


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_log_is_recognised_by_its_reader_and_makes_a_whole_report(path: Path) -> None:
    reader: Any = reader_of(path)
    assert reader.__name__.rpartition(".")[2] == path.parent.name
    assert path.name.endswith(tuple(suffixes()))
    report = json_report(Analysis(read([path])))
    assert [source["format"] for source in report["sources"]] == [reader.FORMAT]


@pytest.mark.parametrize("path", JSON_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_damaged_log_is_read_or_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    chance = random.Random(path.name)
    is_lines = path.suffix == ".jsonl"
    values = [json.loads(line) for line in path.read_text().splitlines()] if is_lines else [path.read_text()]
    damaged = tmp_path / path.name
    refusals: list[str] = []
    for _ in range(20):
        if is_lines:
            at = chance.randrange(len(values))
            lines = [*values[:at], changed(values[at], chance, 2), *values[at + 1 :]]
            damaged.write_text("\n".join(map(json.dumps, lines)))
        else:
            damaged.write_text(json.dumps(changed(json.loads(values[0]), chance, 2)))
        try:
            build_ledger(read([damaged]), default_book()).check()
        except InputError as error:
            refusals.append(str(error))
    assert all(refusal.startswith(str(damaged)) for refusal in refusals)
    assert len(refusals) < 10


def test_a_folder_of_logs_is_read_each_by_its_own_reader() -> None:
    run = read([LOGS])
    names = {path.parent.name for path in FILES if LOGS in path.parents}
    assert {reader_of(Path(source.file)).FORMAT for source in run.sources} == {
        reader.FORMAT
        for reader in transcript_readers()
        if reader.__name__.rpartition(".")[2] in names  # type: ignore[attr-defined]
    }
    assert not [warning for warning in run.warnings if "no known format" in warning]


def test_every_reader_has_a_log_here() -> None:
    readers = {reader.__name__.rpartition(".")[2] for reader in transcript_readers()}  # type: ignore[attr-defined]
    assert readers == {path.parent.name for path in FILES}
