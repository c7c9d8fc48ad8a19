"""What is written about a log that others wrote holds none of its texts, unless labels are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tokenprof.commands.main import main

MARK = "CANARY"
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Bash", {"command": f"curl -u u:{MARK}p https://{MARK}.example/x", "description": f"{MARK}d"}),
    ("Read", {"file_path": f"/home/{MARK}a/{MARK}b.py"}),
    ("WebFetch", {"url": f"https://{MARK}.example/?k={MARK}k", "prompt": f"{MARK}q"}),
    ("Grep", {"pattern": f"{MARK}pattern"}),
    ("mcp__server__ask", {"question": f"{MARK}question"}),
    ("Skill", {"skill": "pdf", "args": f"{MARK}args"}),
)


def lines() -> Iterator[dict[str, Any]]:
    """A session of Claude Code in which every text and value has the mark."""
    session = {"cwd": f"/home/{MARK}cwd", "gitBranch": f"{MARK}branch", "sessionId": "1", "version": "2.0.0"}
    for number, (tool, arguments) in enumerate(CALLS):
        result = {"type": "tool_result", "tool_use_id": f"t{number - 1}", "content": f"{MARK}result " * 300}
        said = (
            result
            if number
            else {"type": "text", "text": f"{MARK} <system-reminder>{MARK}</system-reminder>"}
        )
        at = {**session, "timestamp": f"2026-11-20T00:00:{number:02}Z"}
        yield {
            **at,
            "type": "user",
            "uuid": f"u{number}",
            "message": {"role": "user", "content": [said]},
            "toolUseResult": {"stdout": f"{MARK}stdout", "filePath": f"/{MARK}path"},
        }
        yield {
            **at,
            "type": "assistant",
            "uuid": f"a{number}",
            "requestId": f"req_{number}",
            "message": {
                "id": f"msg_{number}",
                "type": "message",
                "role": "assistant",
                "model": "claude-opus-4-8",
                "content": [
                    {"type": "thinking", "thinking": f"{MARK}thought", "signature": f"{MARK}signature"},
                    {"type": "text", "text": f"{MARK}answer"},
                    {"type": "tool_use", "id": f"t{number}", "name": tool, "input": arguments},
                ],
                "usage": {"input_tokens": 10, "cache_creation_input_tokens": 2500, "output_tokens": 50},
            },
        }
    yield {"type": "summary", "summary": f"{MARK}summary", "leafUuid": "u1"}


def test_no_artefact_of_a_log_holds_its_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, out = tmp_path / "logs" / "1.jsonl", tmp_path / "out"
    log.parent.mkdir()
    out.mkdir()
    log.write_text("".join(json.dumps(line) + "\n" for line in lines()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(out / "cache"))
    monkeypatch.delenv("TOKENPROF_CACHE", raising=False)
    store, baseline = str(out / "store"), str(out / "baseline.json")
    for form in ("text", "html", "json", "perfetto", "speedscope"):
        assert main(["report", str(log), "--format", form, "-o", str(out / f"report.{form}")]) == 0
    assert main(["report", str(log.parent), "--format", "html", "-o", str(out / "folder.html")]) == 0
    assert main(["check", str(log), "--baseline", baseline, "--update"]) == 0
    assert main(["ingest", str(log), "--store", store]) == 0
    assert main(["export", "--store", store, "--to", "csv", "-o", str(out / "export.csv")]) == 0
    written = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    tables = {
        path: str(pq.read_table(out / path).to_pydict()) for path in written if path.suffix == ".parquet"
    }
    assert len(written) > 15
    assert len(tables) > 3
    assert "Bash" in str(tables)
    assert [path for path, data in written.items() if MARK.encode() in data] == []
    assert [path for path, said in tables.items() if MARK in said] == []
