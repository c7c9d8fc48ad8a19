"""`tokenprof proxy`: a service for clients that are started elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anthropic
import pytest
from canned import CannedServer, ask
from waiting import WATCHDOG_S

from tokenprof.reading.files import read
from tokenprof.record.wires import WIRES
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def _heed_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def proxy(
    *options: str, folder: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The running command and the variables that it tells to export."""
    with subprocess.Popen(
        [sys.executable, "-m", "tokenprof", "proxy", "--port", "0", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in its background has them ignore these, and their children too.
        preexec_fn=_heed_signals,
    ) as command:
        assert command.stdout is not None
        try:
            expected = [wire.variable for wire in WIRES if wire.variable]
            lines = [command.stdout.readline().removeprefix("export ").strip() for _ in expected]
            yield command, dict(line.split("=", 1) for line in lines)
        finally:
            command.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_records_until_it_is_stopped(number: signal.Signals, tmp_path: Path) -> None:
    with (
        LoopbackProvider([Reply.text("hi")]) as provider,
        proxy(folder=tmp_path, ANTHROPIC_BASE_URL=f"{provider.url}/") as (command, variables),
    ):
        with anthropic.Anthropic(api_key="k", base_url=variables["ANTHROPIC_BASE_URL"]) as client:
            answer = client.messages.create(
                model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
            )
        command.send_signal(number)
        _, told = command.communicate(timeout=WATCHDOG_S)
        assert command.returncode == 0
    assert "1 turn billed $" in told
    assert "read it again with: tokenprof report run.jsonl" in told
    assert [turn.id for turn in read([tmp_path / "run.jsonl"]).turns] == [answer.id]


def test_a_second_signal_does_not_take_what_the_first_left_to_be_written(tmp_path: Path) -> None:
    asked, stopped = threading.Event(), threading.Event()

    def hold(_: socket.socket) -> None:
        asked.set()
        stopped.wait(WATCHDOG_S)

    with (
        CannedServer([hold]) as server,
        proxy("--upstream", server.url, "--no-report", folder=tmp_path) as (command, variables),
    ):
        call = threading.Thread(target=ask, args=(variables["ANTHROPIC_BASE_URL"],), daemon=True)
        call.start()
        assert asked.wait(WATCHDOG_S)
        # Once all is written, the next one may end it.
        while command.poll() is None:
            command.send_signal(signal.SIGTERM)
            command.send_signal(signal.SIGINT)
        stopped.set()
    assert [(turn.status, turn.usage) for turn in read([tmp_path / "run.jsonl"]).turns] == [("partial", None)]


ON_ANOTHER_THREAD = """
import signal, sys, threading, time
from tokenprof.commands.main import main

def functions_of_main():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        yield frame.f_code.co_name
        frame = frame.f_back

def is_asleep():
    catches = signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    return catches and not {"run_proxy", "run_child"}.isdisjoint(functions_of_main())

def interrupt():
    while not is_asleep():
        time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "arguments", [("proxy", "--port", "0"), ("run", "--", "sleep", "600")], ids=["proxy", "run"]
)
def test_a_signal_on_another_thread_stops_it_too(arguments: tuple[str, ...], tmp_path: Path) -> None:
    # The main thread, asleep in a wait without a deadline, would never see such a signal.
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_THREAD, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=WATCHDOG_S,
        check=False,
    )
    assert done.returncode == {"proxy": 0, "run": 128 + signal.SIGTERM}[arguments[0]]


def test_addresses_keep_the_path_that_an_api_starts_at(tmp_path: Path) -> None:
    environment = {"ANTHROPIC_BASE_URL": "https://gateway.example/anthropic/", "OPENAI_BASE_URL": ""}
    with proxy(folder=tmp_path, **environment) as (_, variables):
        paths = {name: url.split("/", 3)[3] for name, url in variables.items()}
    assert paths == {
        "ANTHROPIC_BASE_URL": "anthropic/anthropic",
        "OPENAI_BASE_URL": "openai/v1",
        "GOOGLE_GEMINI_BASE_URL": "gcp.gemini",
    }


def test_with_one_upstream_everything_goes_there(tmp_path: Path) -> None:
    with proxy("--upstream", "http://localhost:9/api", folder=tmp_path) as (_, variables):
        assert {url.split("/", 3)[3] for url in variables.values()} == {"api"}


def test_an_existing_recording_is_left_alone_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text("")
    with proxy(folder=tmp_path):
        assert (tmp_path / "run-2.jsonl").exists()


def test_what_cannot_be_served_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = _refusal(tmp_path, "--port", str(port))
    assert told.startswith(f"tokenprof: port {port} of 127.0.0.1 cannot be listened at (")
    assert _refusal(tmp_path, "--upstream", "ftp://x").startswith(
        "tokenprof: 'ftp://x' is not an http or https"
    )


def _refusal(folder: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tokenprof", "proxy", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        check=False,
    )
    assert done.returncode == 2
    return done.stderr
