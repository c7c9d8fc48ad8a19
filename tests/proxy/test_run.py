"""`tokenprof run -- COMMAND`: another process's calls recorded, its output and exit code its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import WATCHDOG_S, wait_until

from tokenprof.costing.ledger import build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.pricing.normalise import usage_from_anthropic
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import workload

pytestmark = pytest.mark.slow

AGENT = """
import sys
import anthropic
from tokenprof.testing.loop import run_loop, workload
with anthropic.Anthropic(api_key="sk-ant-secret-key") as client:
    run_loop(client, workload(), mode=sys.argv[1])
print("answer")
sys.exit(7)
"""


def run_command(
    path: Path, *command: str, url: str = "http://127.0.0.1:9", options: tuple[str, ...] = ("--proxy",)
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tokenprof", "run", *options, "--record", str(path), "--", *command],
        env={**os.environ, "ANTHROPIC_BASE_URL": url, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        check=False,
    )


def test_a_loop_of_another_process_is_recorded_to_the_token(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(list(workload().replies)) as provider:
        done = run_command(path, sys.executable, "-c", AGENT, "create_stream", url=provider.url)
        assert (done.returncode, done.stdout) == (7, "answer\n"), done.stderr
        run = read([path])
        assert [(turn.id, turn.usage) for turn in run.turns] == [
            (call.response_id, usage_from_anthropic(call.usage or {})) for call in provider.billed
        ]
    build_ledger(run, default_book()).check()
    assert f"recorded in {path}" in done.stderr
    assert b"sk-ant-secret-key" not in path.read_bytes()


def test_a_command_that_calls_no_model_says_so_and_keeps_its_exit_code(tmp_path: Path) -> None:
    done = run_command(tmp_path / "run.jsonl", "sh", "-c", "echo out; exit 3")
    assert (done.returncode, done.stdout) == (3, "out\n")
    assert "no model call was recorded" in done.stderr


def test_no_report_is_silent(tmp_path: Path) -> None:
    done = run_command(tmp_path / "run.jsonl", "true", options=("--no-report",))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "run.jsonl").exists()


def test_a_command_that_does_not_exist_is_an_input_error(tmp_path: Path) -> None:
    done = run_command(tmp_path / "run.jsonl", "no-such-command-here")
    assert done.returncode == 2
    assert done.stderr == "tokenprof: no-such-command-here cannot be run: No such file or directory.\n"


def test_a_signal_goes_on_to_the_command_and_its_handler_decides(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'echo caught; exit 5' TERM; touch {ready}; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [sys.executable, "-m", "tokenprof", "run", "--no-report", "--", "sh", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        wait_until(ready.exists, "the command catches signals")
        run.send_signal(signal.SIGTERM)
        output, _ = run.communicate(timeout=WATCHDOG_S)
    assert (run.returncode, output) == (5, "caught\n")


def test_a_command_killed_by_a_signal_exits_as_a_shell_would_say(tmp_path: Path) -> None:
    done = run_command(tmp_path / "run.jsonl", "sh", "-c", "kill -KILL $$", options=("--no-report",))
    assert done.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("OPENAI_API_KEY", '-c openai_base_url="http://127.0.0.1:PORT/openai/v1" exec hi\n'),
        ("OTHER", "exec hi\n"),
    ],
)
def test_codex_is_told_the_address_unless_it_has_no_key(
    variable: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv(variable, "sk-fake")
    codex = tmp_path / "codex"
    codex.write_text('#!/bin/sh\necho "$@"\n')
    codex.chmod(0o755)
    done = run_command(tmp_path / "run.jsonl", str(codex), "exec", "hi")
    assert re.sub(r":\d+/", ":PORT/", done.stdout) == expected
