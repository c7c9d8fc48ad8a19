"""A growing run: right to the cent at every point, whatever happens to its file, and shown without hurry."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from long_runs import START, long_run
from waiting import WATCHDOG_S

import tokenprof
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.main import main
from tokenprof.facts.types import Run
from tokenprof.pictures.live import status_line
from tokenprof.pictures.live.event_page import LiveServer, event_of, live_html
from tokenprof.pictures.live.following import SHARE_OF_A_CORE, Follower
from tokenprof.pictures.live.live_state import live_state
from tokenprof.pictures.live.live_words import cache_words, headline
from tokenprof.pictures.live.status_note import line_text, refresh

BOOK = price_book(Assumptions())
SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"


class Clocks:
    """A clock that stands still, and a processor that takes a second for whatever is asked."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._spent_s = 0.0

    def wall(self) -> float:
        return self.now_s

    def processor(self) -> float:
        self._spent_s += 1.0
        return self._spent_s


def followed(path: Path) -> tuple[Follower, Clocks]:
    clocks = Clocks()
    return Follower([path], BOOK, clock=clocks.wall, cpu_clock=clocks.processor), clocks


def bill_of(path: Path) -> Decimal:
    found = tokenprof.load(path).analyze().totals.billed_usd
    assert found is not None
    return Decimal(found)


def grown(path: Path, lines: list[bytes], count: int) -> None:
    path.write_bytes(b"".join(lines[:count]))


def test_a_growing_recording_is_right_at_every_line(demo_run: Path, tmp_path: Path) -> None:
    lines = demo_run.read_bytes().splitlines(keepends=True)
    path = tmp_path / "grows.jsonl"
    follower, clocks = followed(path)
    assert follower.poll()
    assert follower.state is not None
    assert follower.state.turns == 0
    for count in range(1, len(lines) + 1):
        grown(path, lines, count)
        clocks.now_s += 1000
        assert follower.poll()
        assert follower.problem is None
        assert follower.state.billed_usd == bill_of(path)
    assert follower.state.billed_usd == Decimal("0.06484975")


def test_a_half_written_line_and_a_rotation_are_survived(demo_run: Path, tmp_path: Path) -> None:
    lines = demo_run.read_bytes().splitlines(keepends=True)
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(lines)[:-40])
    follower, clocks = followed(path)
    follower.poll()
    path.rename(tmp_path / "run.jsonl.1")
    clocks.now_s += 1000
    follower.poll()
    shutil.copy(demo_run, path)
    clocks.now_s += 1000
    assert follower.poll()
    assert follower.state is not None
    assert follower.state.billed_usd == bill_of(demo_run)


def test_reading_waits_so_that_it_takes_its_share_of_a_core(demo_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    shutil.copy(demo_run, path)
    follower, clocks = followed(path)
    assert follower.poll()
    path.write_bytes(path.read_bytes() * 2)
    clocks.now_s += 1 / SHARE_OF_A_CORE - 0.1
    assert not follower.poll()
    clocks.now_s += 0.2
    assert follower.poll()


def test_a_file_that_does_not_change_is_not_read_again(demo_run: Path) -> None:
    follower, clocks = followed(demo_run)
    assert follower.poll()
    state = follower.state
    clocks.now_s += 1000
    assert not follower.poll()
    assert follower.state is state


def test_the_next_call_by_hand() -> None:
    agent = live_state(long_run(3), BOOK).newest
    assert agent is not None
    assert (agent.context_tokens, agent.turns, agent.name) == (300, 3, "main")
    # 307 tokens at $0.50 and at $6.25 per million.
    assert agent.next_cached_usd == Decimal("0.0001535")
    assert agent.next_expired_usd == Decimal("0.00191875")
    assert agent.expires_at == START + timedelta(seconds=20 + 300)


def test_time_to_expiry_in_words() -> None:
    agent = live_state(long_run(1), BOOK).newest
    assert agent is not None
    assert cache_words(agent, START + timedelta(seconds=50)) == "4:10 left"
    assert cache_words(agent, START + timedelta(seconds=301)) == "expired"


def test_an_unpriced_turn_makes_the_bill_a_lower_bound() -> None:
    run = long_run(2)
    unknown = replace(run.turns[1], model="no-such-model")
    state = live_state(Run((run.turns[0], unknown)), BOOK)
    assert headline(state).startswith("at least $0.0008")
    assert line_text(state).startswith("≥$0.0008")


def test_an_output_without_a_final_count_makes_the_bill_a_lower_bound() -> None:
    run = long_run(2)
    cut = replace(run.turns[1], output_incomplete=True)
    assert headline(live_state(Run((run.turns[0], cut)), BOOK)).startswith("at least $0.00")
    assert headline(live_state(run, BOOK)).startswith("$0.00")


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_status_line_shows_what_was_written_down(
    cache_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_line, "STALE_S", 1e9)
    path = status_line.note_of(str(SESSION))
    Path(path).parent.mkdir(parents=True)
    Path(f"{path}.lock").touch()
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert main(["statusline", str(SESSION)]) == 0
    assert capsys.readouterr().out == "tokenprof: counting\n"
    refresh(SESSION)
    assert main(["statusline", str(SESSION)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(line_text(live_state(tokenprof.load(SESSION).run, BOOK)))
    assert not Path(f"{path}.lock").exists()


def test_the_status_line_reads_the_message_of_claude_code(
    cache_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    refresh(SESSION)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"transcript_path": str(SESSION)})))
    assert main(["statusline"]) == 0
    assert capsys.readouterr().out.startswith("$")


@pytest.mark.parametrize("message", ["", "{", "[]", '{"transcript_path": 3}'])
def test_a_message_without_a_session_is_said(
    message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(message))
    assert main(["statusline"]) == 0
    assert capsys.readouterr().out == "tokenprof: no session\n"


@pytest.fixture
def server(demo_run: Path) -> Iterator[LiveServer]:
    with LiveServer(Follower([demo_run], BOOK), "demo") as started:
        yield started


def asked(server: LiveServer, path: str, host: str | None = None) -> http.client.HTTPResponse:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=WATCHDOG_S)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    return connection.getresponse()


def test_the_page_is_served_under_its_key_only(server: LiveServer) -> None:
    path = urlsplit(server.url).path
    assert asked(server, path).read() == live_html()
    assert asked(server, "/").status == 404
    assert asked(server, path, host="evil.example:80").status == 404


def test_odd_requests_and_pages_that_close_leave_no_trace_in_the_terminal(
    server: LiveServer, capfd: pytest.CaptureFixture[str]
) -> None:
    address = urlsplit(server.url)
    resets_at_its_close = struct.pack("ii", 1, 0)
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as leaving:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, resets_at_its_close)
        leaving.sendall(b"GET / HTTP/1.1\r\nHo")
    assert asked(server, "//[").status == 404
    assert asked(server, "/").status == 404
    assert capfd.readouterr().err == ""


def test_events_hold_what_the_follower_read(server: LiveServer) -> None:
    answer = asked(server, urlsplit(server.url).path + "events")
    while True:
        event = json.loads(answer.readline().removeprefix(b"data: "))
        answer.readline()
        if event["rows"]:
            break
    assert event["headline"].startswith("$0.0648 billed in 3 turns")
    assert [(label, figure) for label, figure, _ in event["figures"]][::3] == [
        ("billed", "$0.0648"),
        ("context", "6,947"),
    ]
    assert event["rows"][0][0] == "main"
    assert sum(event["turn_usd"]) == pytest.approx(0.06484975)


def test_an_event_before_anything_is_read_says_what_is_waited_for() -> None:
    event = event_of(None, None, "run\x1b[2J", datetime.now(UTC))
    assert event["headline"] == "waiting for run·[2J"


async def test_the_terminal_shows_the_bill_and_quits(demo_run: Path) -> None:
    from textual.widgets import DataTable, Static

    from tokenprof.pictures.live.terminal_app import LiveApp

    app = LiveApp(Follower([demo_run], BOOK), "demo\x1b[2J")
    async with app.run_test(size=(150, 40)) as pilot:
        await pilot.pause()
        assert "$0.0648 billed in 3 turns" in str(app.query_one("#bill", Static).content)
        assert "\x1b" not in str(app.query_one("#bill", Static).content)
        table = app.query_one("#agents", DataTable)
        assert [str(cell) for cell in table.get_row_at(0)][:4] == ["main", "claude-opus-4-8", "3", "6,947"]
        await pilot.press("q")
    assert app.return_code == 0


def test_live_asks_for_one_thing_to_watch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live"]) == 2
    assert "Name one thing to watch: FILE, --proxy FILE or --claude-projects." in capsys.readouterr().err


def test_the_status_line_imports_next_to_nothing(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from tokenprof.commands.main import main\n"
        f"main(['statusline', {str(tmp_path / 'no.jsonl')!r}])\n"
        "print(' '.join(sorted(name for name in sys.modules if name.startswith('tokenprof'))))\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    Path(f"{tmp_path}/tokenprof/statusline").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1].split() == [
        "tokenprof",
        "tokenprof.commands",
        "tokenprof.commands.main",
        "tokenprof.facts",
        "tokenprof.facts.version",
        "tokenprof.pictures",
        "tokenprof.pictures.live",
        "tokenprof.pictures.live.status_line",
    ]
