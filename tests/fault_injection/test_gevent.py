"""A host whose threads are gevent's greenlets: it goes on while we work, and no side effect is doubled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from waiting import WATCHDOG_S

from tokenprof.reading.files import read

pytestmark = pytest.mark.slow

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

HOST = """
import sys
{before}
from gevent import monkey
monkey.patch_all()
import os
import gevent
sys.path[:0] = {folders!r}
import httpx
import tokenprof
from hosts import URL, Provider, body_of
from waiting import wait_for_the_recorder

effects = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def work(number):
    with httpx.Client(transport=httpx.MockTransport(Provider())) as client:
        for call in range(10):
            os.write(effects, f"{{number}} {{call}}\\n".encode())
            client.post(URL, json=body_of(f"call {{number}} {{call}}"))
            gevent.sleep(0)

with tokenprof.profile(sys.argv[1]):
    gevent.joinall([gevent.spawn(work, number) for number in range(25)])
    for number in range(8):
        greenlet = gevent.spawn(work, f"beside {{number}}")
        gevent.sleep(0)
        child = gevent.os.fork() if number % 2 else os.fork()
        if not child:
            os.write(effects, f"child {{number}}\\n".encode())
            with httpx.Client(transport=httpx.MockTransport(Provider())) as client:
                client.post(URL, json=body_of(f"child {{number}}"))
            wait_for_the_recorder()
            os._exit(0)
        os.waitpid(child, 0)
        greenlet.join()
    threads = [part for part in os.listdir("/proc/self/task")]
print(len(threads))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize("before", ["", "import tokenprof, httpx, tokenprof.record.recorder"])
def test_a_host_of_greenlets_does_nothing_twice_and_is_not_stopped(before: str, tmp_path: Path) -> None:
    path, effects, script = tmp_path / "run.jsonl", tmp_path / "effects", tmp_path / "host_program.py"
    script.write_text(HOST.format(folders=FOLDERS, before=before))
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(effects)],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # The recorder works on threads of the system, or a long prompt would stop every greenlet.
    assert int(done.stdout) > 1
    lines = [line for line in effects.read_text().splitlines() if not line.startswith("beside")]
    assert len(lines) == len(set(lines)) == 250 + 8
    beside = [line for line in effects.read_text().splitlines() if line.startswith("beside")]
    # A child inherits the greenlet that runs beside the fork, and goes on with it: that is gevent's own way.
    assert len(set(beside)) == 80
    run = read([path])
    assert len(run.turns) >= 250 + 80 + 8
    assert run.problems == ()
    assert any(block.features.tokens for turn in run.turns for block in turn.added)
