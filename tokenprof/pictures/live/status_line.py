"""One line about a running session, for Claude Code's status line and for tmux.

The line must be there in a few hundredths of a second, so this module imports next to nothing: it prints what
a run of its own in the background has written down, and starts that run when the log has changed.
"""

from __future__ import annotations

import json
import os
import sys
import time

FOLDER_VARIABLE = "XDG_CACHE_HOME"
REFRESH = "--refresh"
STALE_S = 60.0
"""A refresh that has not finished by then has died."""


def print_line(path: str | None = None) -> None:
    """Print the line of a log, or of the session that Claude Code describes on standard input."""
    path = path or _transcript(sys.stdin)
    line = "tokenprof: no session"
    if path:
        line = line_of(path, time.time())
    sys.stdout.write(line + "\n")


def line_of(path: str, now_s: float) -> str:
    """Return the line of a log, and start counting it again if it has changed."""
    note = note_of(path)
    try:
        with open(note, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        found = {}
    if found.get("stamp") != stamp_of_file(path):
        start_refresh(path, now_s)
    if "text" not in found:
        return "tokenprof: counting"
    expires_s = found.get("expires_s")
    if expires_s is None:
        return str(found["text"])
    left_s = int(expires_s - now_s)
    state = f"cache {left_s // 60}:{left_s % 60:02d}" if left_s > 0 else f"cache expired, {found['expired']}"
    return f"{found['text']} · {state}"


def _transcript(stream: object) -> str | None:
    """Return the path of the log that Claude Code's message names; None without one."""
    try:
        if stream is None or sys.stdin.isatty():
            return None
        message = json.loads(sys.stdin.read())
        found = message.get("transcript_path")
        return found if isinstance(found, str) else None
    except (OSError, ValueError, AttributeError):
        return None


def note_of(path: str) -> str:
    """Return where the line of a log is written down: a file of the user's cache folder."""
    folder = os.environ.get(FOLDER_VARIABLE) or os.path.join(os.path.expanduser("~"), ".cache")
    name = "".join(char if char.isalnum() else "_" for char in os.path.abspath(path))
    return os.path.join(folder, "tokenprof", "statusline", f"{name[-180:]}.json")


def stamp_of_file(path: str) -> list[int]:
    """Return what changes when a file does; empty if it does not exist."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def start_refresh(path: str, now_s: float) -> None:
    """Start a run that counts a log and writes its line down, unless one is at work."""
    lock = note_of(path) + ".lock"
    try:
        os.makedirs(os.path.dirname(lock), mode=0o700, exist_ok=True)
        if os.path.exists(lock) and now_s - os.stat(lock).st_mtime > STALE_S:
            os.unlink(lock)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        return
    _start([sys.executable, "-m", "tokenprof", "statusline", REFRESH, path])


def _start(words: list[str]) -> None:
    """Start a program that nobody waits for."""
    if hasattr(os, "posix_spawn"):
        # `subprocess` takes longer to import than all else that a line needs.
        silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
        os.posix_spawn(words[0], words, os.environ, file_actions=silent, setsid=True)
        return
    import subprocess

    silence = subprocess.DEVNULL
    subprocess.Popen(words, stdin=silence, stdout=silence, stderr=silence, start_new_session=True)
