"""What opening a recording brings into the host: little, and nothing that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import WATCHDOG_S

PROGRAM = """
import sys, threading
import httpx
before = set(sys.modules)
import tokenprof
with tokenprof.profile(sys.argv[1]):
    print(*sorted(set(sys.modules) - before))
    print(threading.active_count())
"""

HEAVY = (
    "anthropic",
    "openai",
    "opentelemetry",
    "toktok",
    "numpy",
    "tokenprof.facts.types",
    "tokenprof.record.turn_log",
    "tokenprof.record.block_facts",
    "tokenprof.harness_adapters.wires.anthropic_exchange",
    "tokenprof.pricing.book",
)

FORKS = """
import os, sys, threading
from tokenprof.record.background import late_imports
late_imports.LONGEST_WAIT_S = 180
inside, forking = threading.Event(), threading.Event()
# What is registered last is called first: the fork has begun, and is held up next.
os.register_at_fork(before=forking.set)
def imports():
    with late_imports.importing():
        inside.set()
        forking.wait()
        open(sys.argv[1], "w").close()
threading.Thread(target=imports).start()
inside.wait()
if os.fork() == 0:
    os._exit(0 if os.path.exists(sys.argv[1]) else 1)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


POOLS = """
import os, sys, threading
from tokenprof.record.background import late_imports
late_imports.LONGEST_WAIT_S = 180
inside, forking, leave = threading.Event(), threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)
def imports():
    with late_imports.importing():
        inside.set()
        leave.wait()
def host():
    forking.wait()
    from concurrent.futures import ThreadPoolExecutor
    ThreadPoolExecutor(1).submit(leave.set)
threading.Thread(target=imports).start()
inside.wait()
threading.Thread(target=host).start()
if os.fork() == 0:
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(int, "7").result(180)
    os._exit(code)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_opening_imports_no_sdk_no_tokenizer_and_nothing_that_only_our_threads_need(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run.jsonl")],
        check=True,
        capture_output=True,
        text=True,
    )
    modules, threads = found.stdout.splitlines()
    assert set(modules.split()).isdisjoint(HEAVY)
    assert threads == "1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_waits_for_an_import_of_ours(tmp_path: Path) -> None:
    program = [sys.executable, "-c", FORKS, str(tmp_path / "imported")]
    assert subprocess.run(program, check=False, timeout=WATCHDOG_S).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_host_may_make_its_first_pool_while_a_fork_waits() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", POOLS], check=False, capture_output=True, text=True, timeout=WATCHDOG_S
    )
    assert (ended.returncode, ended.stderr) == (7, "")
