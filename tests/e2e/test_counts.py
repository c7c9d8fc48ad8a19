"""Exact sizes: blocks counted by the provider, over real HTTP, and used by the report."""

from __future__ import annotations

from pathlib import Path

import anthropic
import orjson
import pytest
from recordings import BOOK, HIDDEN, ledger_of, prompt_tokens

import tokenprof
from tokenprof.attribute.counts import read_counts
from tokenprof.commands.main import main
from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.errors import InputError
from tokenprof.harness_adapters.clients.anthropic_count import count_recording
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import run_loop, workload

pytestmark = pytest.mark.slow


def test_counted_blocks_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    work = workload()
    with LoopbackProvider(list(work.replies), overheads=HIDDEN) as server:
        with (
            tokenprof.profile(path, content=True),
            anthropic.Anthropic(api_key="x", base_url=server.url) as client,
        ):
            run_loop(client, work, mode="create")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        assert main(["count", str(path)]) == 0
        billed = server.billed
    counts = read_counts(tmp_path / "run.counts.json")
    estimated, counted = ledger_of(path), build_ledger(read([path]), BOOK, counts)
    counted.check()
    truth = [block.tokens for block in billed[-1].blocks if block.kind]
    found = [tokens for _, tokens in prompt_tokens(counted, -1)]
    guessed = [tokens for _, tokens in prompt_tokens(estimated, -1)]
    off = [abs(a - b) for a, b in zip(found, truth, strict=True)]
    # The preamble and the first tool are one count.
    assert sum(error > 0 for error in off) <= 1
    assert sum(off) < 0.3 * sum(abs(a - b) for a, b in zip(guessed, truth, strict=True))
    report = tmp_path / "report.json"
    arguments = ["report", str(path), "--counts", str(tmp_path / "run.counts.json")]
    assert main([*arguments, "--format", "json", "-o", str(report)]) == 0
    blocks = orjson.loads(report.read_bytes())["blocks"]
    states = [block["state"] for block in blocks if block["kind"] not in ("output", "provider_overhead")]
    assert states.count("estimated") == 1


def test_what_was_counted_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    work = workload()
    with (
        LoopbackProvider(list(work.replies)) as server,
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        with tokenprof.profile(path, content=True):
            run_loop(tokenprof.wrap(client), work, mode="create")
        counts: dict[str, int] = {}
        would, _ = count_recording(path, client, dict(counts), dry_run=True)
        asked, refused = count_recording(path, client, counts)
        assert (asked, refused) == (would + 1, 0)
        assert count_recording(path, client, counts) == (0, 0)


def test_a_recording_without_text_cannot_be_counted(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    work = workload()
    with (
        LoopbackProvider(list(work.replies)) as server,
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        with tokenprof.profile(path):
            run_loop(tokenprof.wrap(client), work, mode="create")
        with pytest.raises(InputError, match="content=True"):
            count_recording(path, client, {})


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(InputError, match="holds no counts"):
        read_counts(other)
