"""Hosts with limits of their own, other clocks and other pools: nothing changes for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_hostile_hosts import run_of

from tokenprof.facts.types import Run

pytestmark = pytest.mark.slow


def accounted_calls(run: Run) -> int:
    return len(run.turns) + sum(problem.calls for problem in run.problems)


def test_a_limit_on_the_size_of_files_does_not_end_the_host(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    assert resource.RLIMIT_FSIZE is not None
    run = run_of(
        tmp_path,
        """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, limits[1]))
with tokenprof.profile(sys.argv[1]):
    for number in range(30):
        ask(f"text {number} " * 50)
# What measures this program, if anything does, may write more when it ends.
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
""",
    )
    assert 0 < len(run.turns) < 30
    assert accounted_calls(run) == 30


def test_a_host_that_may_start_no_thread_loses_no_call(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        """
import _thread
def refuse(*args):
    raise RuntimeError("can't start new thread")
_thread.start_new_thread = refuse
with tokenprof.profile(sys.argv[1]):
    for number in range(5):
        ask(str(number))
""",
    )
    assert (len(run.turns), run.problems) == (5, ())


def test_a_host_whose_clock_runs_backwards_keeps_its_calls(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        """
import itertools, time
seconds = itertools.count(1_700_000_000, -3600)
time.time_ns = lambda: next(seconds) * 10**9
from tokenprof.record.background.system_threads import SYSTEM
type(SYSTEM).wall_ns = staticmethod(time.time_ns)
with tokenprof.profile(sys.argv[1]):
    for number in range(4):
        ask(str(number))
""",
    )
    assert (len(run.turns), run.problems) == (4, ())
    assert all(turn.usage is not None for turn in run.turns)


def test_a_host_that_traces_every_line_sees_its_calls_recorded(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        """
import threading
def traced(frame, event, arg):
    return traced
sys.settrace(traced)
threading.settrace(traced)
with tokenprof.profile(sys.argv[1]):
    for number in range(3):
        ask(str(number))
""",
    )
    assert (len(run.turns), run.problems) == (3, ())


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_pools_of_every_start_method_record_to_the_file_of_their_parent(method: str, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
import multiprocessing
if __name__ == "__main__":
    with tokenprof.profile(sys.argv[1]):
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            pool.map(ask, map(str, range(6)))
            pool.close()
            pool.join()
""",
    )
    assert accounted_calls(run) == 6
