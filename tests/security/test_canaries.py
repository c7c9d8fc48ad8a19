"""Marked texts and keys go through every path; by default no artefact holds one.

`TEXT` marks what people and models write, `KEY` what authorises somebody.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import WATCHDOG_S

from tokenprof.commands.main import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TEXT, KEY = "TEXTCANARY", "KEYCANARY"

PROGRAM = Path(__file__).with_name("canary_program.py")


def recorded(folder: Path, content: str) -> tuple[Path, str, str]:
    """Run the program; return its recording, its spans and what it wrote to standard error."""
    path = folder / "run.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(folder / "state")}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(path), content],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=WATCHDOG_S,
    )
    assert "ZeroDivisionError" in done.stderr
    return path, done.stdout, done.stderr


def artefacts_of(
    path: Path, folder: Path, capsys: pytest.CaptureFixture[str], *, pictures: bool = True
) -> dict[str, str]:
    """Write everything that can be written about a recording; return the texts by their names."""
    run, baseline = str(path), str(folder / "baseline.json")
    for command, suffixes in (
        ("report", ("txt", "json", "svg")),
        ("chain", ("txt", "json", "svg")),
        ("disclosure", ("txt", "json")),
    ):
        for suffix in suffixes if pictures else ("json",):
            main([command, run, "-o", str(folder / f"{command}.{suffix}")])
    main(["check", run, "--scenario", "s", "--baseline", baseline, "--update"])
    for suffix in ("txt", "json", "xml", "sarif", "md"):
        main(["check", run, "--scenario", "s", "--budget", "turns=1", "-o", str(folder / f"check.{suffix}")])
    main(["report", run])
    out, err = capsys.readouterr()
    written = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.is_file()}
    written.pop(path.name)
    assert len(written) == (14 if pictures else 9)
    return {**written, "standard output": out, "standard error": err}


def test_by_default_nothing_holds_a_text_or_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, spans, errors = recorded(tmp_path, "default")
    assert json.loads(spans)
    found = {
        "recording": path.read_text("utf-8"),
        "spans": spans,
        "crash output": errors,
        # What holds no text cannot give one away; one form of each is enough.
        **artefacts_of(path, tmp_path, capsys, pictures=False),
    }
    leaks = {name: mark for name, text in found.items() for mark in (TEXT, KEY) if mark in text}
    assert leaks == {}


def test_with_content_only_the_fields_of_content_hold_texts_and_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, spans, _ = recorded(tmp_path, "content")
    held: dict[str, set[str]] = {TEXT: set(), KEY: set()}
    for line in path.read_text("utf-8").splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            said = {pair["key"]: pair["value"] for pair in resource["resource"]["attributes"]}
            assert said["tokenprof.content"] == {"stringValue": "requests and responses, with secrets masked"}
            for pair in resource["scopeSpans"][0]["spans"][0]["attributes"]:
                for mark, names in held.items():
                    if mark in json.dumps(pair):
                        names.add(pair["key"])
    assert held == {TEXT: {"tokenprof.content.request", "tokenprof.content.response"}, KEY: set()}
    assert "[masked]" in path.read_text("utf-8")
    others: dict[str, Any] = {"spans": spans, **artefacts_of(path, tmp_path, capsys)}
    assert [name for name, text in others.items() if re.search(f"{TEXT}|{KEY}", text)] == []
