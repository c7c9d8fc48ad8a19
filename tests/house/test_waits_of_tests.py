"""A test waits for what happens and not for a time, so that every machine passes it (tests/waiting.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

CLOCKS = re.compile(r"\btime\.(?:time|monotonic|perf_counter|process_time|thread_time)(?:_ns)?\(\)")
MAY_READ_A_CLOCK = {
    "waiting.py": "gives up at last",
    "fuzz/fuzz.py": "a command that runs for some minutes",
    "matrix/run.py": "a command that says how long a client took",
    "record/test_linear_scans.py": "compares the CPU time of long texts with that of short ones",
}

SLEEPS = re.compile(r"\bsleep\((\d[\d.]*)\)")
LONGEST_STEP_S = 0.01
"""A step of a loop that looks again and again."""
SHORTEST_LIFE_S = 600
"""The life of a program that is killed, or ends with its test."""

LIMITS = re.compile(
    r"\btimeout(?:_s)?\s*=\s*(\d[\d.]*)|\.(?:wait|join|result|settle|get)\((?:timeout=)?(\d[\d.]*)\)"
)
SHORTEST_LIMIT_S = 60


def faults(file: str, text: str) -> list[str]:
    """Return where a test depends on the speed of a machine: a clock, a pause, a limit that is soon over."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if CLOCKS.search(line) and file not in MAY_READ_A_CLOCK:
            found.append(f"{file}:{number} reads a clock")
        for pause in SLEEPS.findall(line):
            if LONGEST_STEP_S < float(pause) < SHORTEST_LIFE_S:
                found.append(f"{file}:{number} sleeps for {pause} s")
        for limit in (float(each) for pair in LIMITS.findall(line) for each in pair if each):
            if limit < SHORTEST_LIMIT_S:
                found.append(f"{file}:{number} gives up after {limit:g} s")
    return found


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("    time.sleep(0.3)", "sleeps for 0.3 s"),
        ("assert thread.join(timeout=5) is None", "gives up after 5 s"),
        ("assert released.wait(30)", "gives up after 30 s"),
        ("subprocess.run(program, timeout=20)", "gives up after 20 s"),
        ("took_s = time.monotonic() - began_s", "reads a clock"),
    ],
)
def test_a_wait_for_a_time_is_found(line: str, fault: str) -> None:
    assert faults("some/test_it.py", f"# a line\n{line}") == [f"some/test_it.py:2 {fault}"]


def test_waits_for_what_happens_are_let_through() -> None:
    program = "while not ready():\n    time.sleep(0.01)\nassert released.wait(WATCHDOG_S)\ntime.sleep(600)\n"
    assert faults("some/test_it.py", program) == []


def test_no_test_depends_on_the_speed_of_the_machine() -> None:
    files = [path for path in sorted(TESTS.rglob("*.py")) if path != Path(__file__)]
    assert len(files) > 200
    found = [
        fault
        for path in files
        for fault in faults(path.relative_to(TESTS).as_posix(), path.read_text("utf-8"))
    ]
    assert found == []
