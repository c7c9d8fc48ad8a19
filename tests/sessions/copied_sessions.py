"""Copies of a real session whose responses are all different, as a folder of projects has them."""

from __future__ import annotations

from pathlib import Path

LOGS = Path(__file__).parents[1] / "data" / "logs"


def copied_sessions(into: Path, count: int) -> Path:
    """Write copies of a session into two projects, with turns at the same times, and return their folder."""
    text = (LOGS / "session_log" / "session_2.1.330.jsonl").read_text("utf-8")
    for number in range(count):
        folder = into / "sessions" / f"project{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        own = text.replace("msg_", f"msg_{number}_").replace("req_", f"req_{number}_")
        (folder / f"session{number}.jsonl").write_text(own, "utf-8")
    return into / "sessions"
