"""Whether a command is Python, and the environment in which it records itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenprof.live.profile import RUN_VARIABLE
from tokenprof.record.recorder import SELLER_VARIABLE

BOOTSTRAP = Path(__file__).parent / "bootstrap"

_PYTHON = re.compile(r"python[\d.]*(\.exe)?")
_SCRIPT_OF = re.compile(
    rb"""\A#!\s*(?:\S*/env\s+(?:-S\s+)?|/bin/sh\n'''exec'\s+)?["']?([^\s"']*python[\d.]*)"""
)
"""A script's interpreter: in its first line, through `env`, or as installers write it for a long path."""

_PROBE_TIMEOUT_S = 20.0


def python_of(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return the interpreter that runs a command; None if it is not Python."""
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        return None
    if _PYTHON.fullmatch(Path(program).name):
        return program
    try:
        with Path(program).open("rb") as file:
            named = _SCRIPT_OF.match(file.read(1024))
    except OSError:
        return None
    return shutil.which(os.fsdecode(named[1]), path=environment.get("PATH")) if named else None


def recording_environment(
    path: Path, environment: Mapping[str, str], seller: str | None = None
) -> dict[str, str]:
    """Return the variables with which a Python program records its calls, sold by `seller`, to a file."""
    before = environment.get("PYTHONPATH")
    return {
        RUN_VARIABLE: str(path),
        "PYTHONPATH": os.pathsep.join([str(BOOTSTRAP), *([before] if before else [])]),
        **({SELLER_VARIABLE: seller} if seller else {}),
    }


def has_tokenprof(python: str, environment: Mapping[str, str]) -> bool:
    """Whether an interpreter finds tokenprof as it starts, before a program's own folder is on its path."""
    probe = [python, "-c", "import tokenprof.proxy.wrap_in_child"]
    try:
        done = subprocess.run(
            probe,
            env={**environment, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
