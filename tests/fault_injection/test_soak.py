"""A short version of the soak, in which several clients, threads, tasks and processes meet faults at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_host_sees_no_difference_and_no_call_is_missing_in_silence() -> None:
    program = [sys.executable, "benchmarks/recorder/soak.py", "--calls", "300", "--seed", "7"]
    found = subprocess.run(
        program,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout + found.stderr[-2000:]
    assert "0 with another usage, 0 missing in silence" in found.stdout
