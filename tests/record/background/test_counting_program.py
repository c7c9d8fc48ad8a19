"""The program that counts tokens, run on a thread of the test; and how a program is started beside gevent."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from privileges import not_root
from waiting import WATCHDOG_S

from tokenprof.record.background import counting
from tokenprof.record.background.counting import count_tokens, packed, serve, unpacked
from tokenprof.record.background.started_program import _start_beside_gevent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the program reads from a socket")


class Served:
    """The program at work for a host, and the host's end of its socket."""

    def __init__(self, host: int) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(WATCHDOG_S)
        self._theirs = theirs
        self._thread = threading.Thread(target=serve, args=(host, theirs.fileno()))
        self._thread.start()

    def has_ended(self) -> bool:
        self._thread.join(WATCHDOG_S)
        return not self._thread.is_alive()

    def close(self) -> None:
        self.ours.close()
        self._thread.join(WATCHDOG_S)
        self._theirs.close()


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    made = Served(os.getpid())
    yield made
    made.close()


def test_it_answers_until_its_socket_is_closed(served: Served) -> None:
    for texts in (["hello", "", "中文"], ["x" * 100_000], []):
        served.ours.sendall(packed(texts))
        with served.ours.makefile("rb") as answer:
            assert unpacked(answer.readline(), len(texts)) == count_tokens(texts)
    served.ours.shutdown(socket.SHUT_WR)
    assert served.has_ended()


@pytest.mark.parametrize("cut_at", [3, 8, 12, 18])
def test_it_ends_if_its_host_does_in_the_middle_of_a_message(served: Served, cut_at: int) -> None:
    served.ours.sendall(packed(["hello"])[:cut_at])
    served.ours.shutdown(socket.SHUT_WR)
    assert served.has_ended()


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("idle_s", [0.02, 3600.0])
def test_it_ends_without_work_or_without_its_host(idle_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LOOK_AROUND_S", 0.01)
    monkeypatch.setattr(counting, "IDLE_S", idle_s)
    served = Served(os.getpid() if idle_s < 1 else ended_process())
    try:
        assert served.has_ended()
    finally:
        served.close()


def test_an_answer_for_other_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="another number of counts"):
        unpacked(b"[{}]", 2)


def test_without_toktok_vocabularies_are_taken_from_the_disk_and_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "toktok", None)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert count_tokens(["hello"]) == [{}]
    address = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    (tmp_path / hashlib.sha1(address.encode()).hexdigest()).touch()

    class Encoding:
        def encode_ordinary(self, text: str) -> list[str]:
            return text.split()

    library = type(sys)("tiktoken")
    library.get_encoding = lambda name: Encoding()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tiktoken", library)
    assert count_tokens(["two words", "one"]) == [{"o200k_base": 2}, {"o200k_base": 1}]


def test_a_program_beside_gevent_has_one_descriptor_and_the_environment_that_is_given(tmp_path: Path) -> None:
    found = tmp_path / "found"
    told = tmp_path / "told"
    told.write_text("what it reads")
    kept = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(kept, True)
    script = f'cat > "$1"; echo >> "$1"; (: <&{kept}) 2>/dev/null && echo leaked >> "$1"; env >> "$1"; exit 3'
    with told.open("rb") as reading:
        status = _start_beside_gevent(
            ["/bin/sh", "-c", script, "sh", str(found)], reading.fileno(), {"KEPT": "yes"}
        )
    os.close(kept)
    assert os.waitstatus_to_exitcode(status) == 3
    first, *rest = found.read_text().splitlines()
    assert first == "what it reads"
    assert "KEPT=yes" in rest
    assert "leaked" not in rest
    assert not any(line.startswith("HOME=") for line in rest)


def test_it_is_a_program_that_answers_and_ends_in_silence_when_its_host_goes() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(WATCHDOG_S)
    command = [sys.executable, "-m", counting.__name__, str(os.getpid()), *sys.path]
    with ours, subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE) as program:
        theirs.close()
        ours.sendall(packed(["hello"]))
        with ours.makefile("rb") as answer:
            assert unpacked(answer.readline(), 1) == count_tokens(["hello"])
        # The host ends before it has read the next answer.
        ours.sendall(packed(["a"] * 50_000))
        ours.close()
        assert program.stderr is not None
        assert (program.wait(WATCHDOG_S), program.stderr.read()) == (0, b"")


def test_a_host_of_another_user_is_still_there() -> None:
    with not_root():
        assert counting._is_there(1)
    assert not counting._is_there(ended_process())
