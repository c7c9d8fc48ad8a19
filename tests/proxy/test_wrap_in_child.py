"""`tokenprof run -- python …`: recorded from inside, with the program's own startup untouched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import WATCHDOG_S

from tokenprof.live.profile import WATCHED
from tokenprof.proxy.python_command import python_of
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import workload

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AGENT = """
import os, sys
import anthropic
from tokenprof.testing.loop import run_loop, workload
with anthropic.Anthropic(api_key="k", base_url=os.environ["LOOPBACK_URL"]) as client:
    run_loop(client, workload(turns=6))
print("answer")
"""


def run(path: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "tokenprof", "run", "--no-report", "--record", str(path), "--", *command],
        env=variables,
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        check=False,
    )


@pytest.fixture(params=["script", "shebang", "python -m", "child of a child"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    agent = tmp_path / "agent.py"
    agent.write_text(f"#!{sys.executable}\n{AGENT}")
    agent.chmod(0o755)
    relay = "import subprocess, sys; subprocess.run([sys.executable, sys.argv[1]], check=True)"
    return {
        "script": [sys.executable, str(agent)],
        "shebang": [str(agent)],
        "python -m": [sys.executable, "-m", "agent"],
        "child of a child": [sys.executable, "-c", relay, str(agent)],
    }[request.param]


def test_calls_are_recorded_once_though_the_program_names_its_own_address(
    command: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with LoopbackProvider(list(workload(turns=6).replies)) as provider:
        done = run(path, *command, LOOPBACK_URL=provider.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "answer\n", "")
    assert [turn.id for turn in read([path]).turns] == [call.response_id for call in provider.billed]
    assert len(provider.billed) == 6


def test_the_programs_own_sitecustomize_runs_and_ours_leaves_the_path(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys; sys.theirs = __file__\n")
    program = (
        "import sys, sitecustomize; print(sys.theirs == sitecustomize.__file__, "
        "any('bootstrap' in entry for entry in sys.path), 'tokenprof' in sys.modules)"
    )
    done = run(tmp_path / "run.jsonl", sys.executable, "-c", program, PYTHONPATH=f"{own}{os.pathsep}{ROOT}")
    assert (done.stdout, done.stderr) == ("True False False\n", "")


def test_pytest_runs_as_strictly_as_without_us(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_one.py").write_text("import anthropic\n\ndef test_one():\n    assert anthropic\n")
    done = run(
        tmp_path / "run.jsonl",
        *(sys.executable, "-m", "pytest", "-q", "-p", "tokenprof.gate.pytest_plugin", "test_one.py"),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed in" in done.stdout


def test_all_sdks_that_adapters_know_are_waited_for() -> None:
    from tokenprof.proxy.bootstrap.tokenprof_after_import import PACKAGES

    assert set(WATCHED) == set(PACKAGES)


def test_an_error_of_the_program_is_its_own(tmp_path: Path) -> None:
    program = "import anthropic\nraise SystemExit('no inbox')"
    done = run(tmp_path / "run.jsonl", sys.executable, "-c", program)
    assert (done.returncode, done.stderr) == (1, "no inbox\n")


def test_looking_for_a_package_is_not_importing_it(tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys\n"
        "assert importlib.util.find_spec('anthropic')\n"
        "print('anthropic' in sys.modules, 'tokenprof' in sys.modules)\n"
        "import anthropic\n"
        "print('tokenprof.record.recorder' in sys.modules)"
    )
    done = run(tmp_path / "run.jsonl", sys.executable, "-c", program)
    assert (done.stdout, done.stderr) == ("False False\nTrue\n", "")


def test_a_file_that_is_not_a_recording_is_refused_before_the_command_runs(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine\n")
    done = run(path, sys.executable, "-c", "print('ran')")
    assert (done.returncode, done.stdout, path.read_text()) == (2, "", "mine\n")
    assert str(path) in done.stderr


@pytest.mark.parametrize(
    ("first_lines", "is_python"),
    [
        (f"#!{sys.executable}\n", True),
        (f"#! {sys.executable} -u\n", True),
        (f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n", True),
        (f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''\n", True),
        ("#!/usr/bin/env python3\n", True),
        ("#!/usr/bin/env -S python3 -u\n", True),
        ("#!/usr/bin/env node\n// python\n", False),
        ("#!/bin/sh\necho python\n", False),
        ("\x7fELF", False),
    ],
)
def test_a_script_is_python_if_its_first_lines_say_so(
    first_lines: str, is_python: bool, tmp_path: Path
) -> None:
    script = tmp_path / "tool"
    script.write_text(first_lines)
    script.chmod(0o755)
    environment = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    assert (python_of([str(script)], environment) is not None) is is_python
