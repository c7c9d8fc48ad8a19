"""Runs a command and measures it together with every process that it starts (Linux)."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLED_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU and wall-clock seconds, and the resident memory of all processes at each time it was looked at."""

    cpu_s: float
    wall_s: float
    memory_mb: Sequence[float]
    output: bytes

    @property
    def peak_mb(self) -> float:
        """The largest sum of the resident memory of all processes."""
        return max(self.memory_mb, default=0.0)


def measured(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    sampled_every_s: float = SAMPLED_EVERY_S,
) -> Measured:
    """Run a command to its end. Raises CalledProcessError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    memory_mb: list[float] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    ) as process:
        os.set_blocking(process.stdout.fileno(), False)  # type: ignore[union-attr]
        output = b""
        while process.poll() is None:
            memory_mb.append(sum(map(_resident_bytes, _tree(process.pid))) / 1e6)
            output += process.stdout.read() or b""  # type: ignore[union-attr]
            time.sleep(sampled_every_s)
        output += process.stdout.read() or b""  # type: ignore[union-attr]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(cpu_s, time.monotonic() - began, memory_mb, output)


def _tree(pid: int) -> list[int]:
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        below = []
    return [pid, *(each for child in below for each in _tree(int(child)))]


def _resident_bytes(pid: int) -> int:
    """Return the memory of a process, its share of what it shares with others."""
    for name in ("smaps_rollup", "statm"):
        try:
            text = Path(f"/proc/{pid}/{name}").read_text()
        except OSError:
            continue
        if name == "statm":
            return int(text.split()[1]) * resource.getpagesize()
        for line in text.splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
