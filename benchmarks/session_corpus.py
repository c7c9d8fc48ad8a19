"""Makes Claude Code sessions of any number and length, to measure reading and reporting on.

    python benchmarks/session_corpus.py FOLDER --megabytes 100
    python benchmarks/session_corpus.py FOLDER --turns 2000

The words and the kinds of rows are those of the logs in `tests/data/logs/session_log`. The order of words,
the ids and the times are drawn again, so no two texts are alike. The same seed makes the same files.
"""

from __future__ import annotations

import argparse
import math
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

LOGS = Path(__file__).parents[1] / "tests" / "data" / "logs" / "session_log"
MODEL = "claude-opus-4-6"
FIRST_PROMPT_TOKENS = 14_000
"""System prompt and tools, which these logs do not show."""

COMPACTED_ABOVE_TOKENS = 160_000
TURNS_PER_SESSION = (5, 400)
TOOLS = ("Read", "Bash", "Grep", "Edit", "Write", "Glob", "TodoWrite")
BYTES_PER_TOKEN = 3.6

Row = dict[str, Any]


def words_of_the_logs() -> list[str]:
    """Return all words of the example logs, as often as they occur."""
    found: list[str] = []
    for path in sorted(LOGS.rglob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            for text in _texts(orjson.loads(line).get("message")):
                found += text.split(" ")
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and " " in value:
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)


@dataclass
class SessionMaker:
    """Writes the rows of one session. With `compacts`, its context is cut short when it is full."""

    rng: random.Random
    words: list[str]
    compacts: bool = True
    at: datetime = datetime(2026, 6, 1, 8, tzinfo=UTC)
    _session: str = ""
    _last: str | None = None
    _prompt_tokens: float = FIRST_PROMPT_TOKENS
    _cached_tokens: int = 0
    _rows: list[bytes] = field(default_factory=list)

    def session(self, turns: int) -> bytes:
        """Return the file of a session with this many responses."""
        self._session = self._id()
        self._last, self._prompt_tokens, self._cached_tokens, self._rows = None, FIRST_PROMPT_TOKENS, 0, []
        self._user({"role": "user", "content": self._text(60)})
        for number in range(turns):
            if self.compacts and self._prompt_tokens > COMPACTED_ABOVE_TOKENS:
                self._compact()
            self._turn(asks_for_a_tool=number % 25 != 24)
        return b"\n".join(self._rows) + b"\n"

    def _turn(self, *, asks_for_a_tool: bool) -> None:
        message, request = f"msg_{self._id()[:22]}", f"req_{self._id()[:22]}"
        written = round(self._prompt_tokens) - self._cached_tokens
        text = self._text(self._length(120))
        tool, call = self.rng.choice(TOOLS), f"toolu_{self._id()[:22]}"
        argument = self._text(self._length(200))
        items: list[Row] = [{"type": "text", "text": text}]
        if asks_for_a_tool:
            arguments = {"file_path": f"/home/user/project/{self._word()}", "content": argument}
            items.append({"type": "tool_use", "id": call, "name": tool, "input": arguments})
        output = round(sum(len(orjson.dumps(item)) for item in items) / BYTES_PER_TOKEN)
        usage = {
            "input_tokens": 3,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": self._cached_tokens,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output,
            "service_tier": "standard",
        }
        self._cached_tokens += written
        for item in items:
            answer = {
                "model": MODEL,
                "id": message,
                "type": "message",
                "role": "assistant",
                "content": [item],
            }
            answer |= {"stop_reason": None, "usage": usage}
            row = self._add("assistant", {"message": answer, "requestId": request})
        self._prompt_tokens += output
        if not asks_for_a_tool:
            self._user({"role": "user", "content": self._text(self._length(150))})
            return
        self._add("progress", {"data": {"type": "hook_progress", "command": self._text(80)}})
        result = self._text(self._length(2_500))
        content = [{"tool_use_id": call, "type": "tool_result", "content": result}]
        self._user(
            {"role": "user", "content": content},
            {"toolUseResult": {"stdout": result, "stderr": "", "interrupted": False}},
            {"sourceToolAssistantUUID": row},
        )

    def _compact(self) -> None:
        self._last = None
        self._add("system", {"subtype": "compact_boundary", "content": "Conversation compacted"})
        self._prompt_tokens, self._cached_tokens = FIRST_PROMPT_TOKENS, FIRST_PROMPT_TOKENS // 2
        self._user({"role": "user", "content": self._text(6_000)}, {"isCompactSummary": True})

    def _user(self, message: Row, *more: Row) -> None:
        fields: Row = {"message": message}
        for each in more:
            fields |= each
        self._add("user", fields)
        self._prompt_tokens += len(orjson.dumps(message["content"])) / BYTES_PER_TOKEN

    def _add(self, kind: str, fields: Row) -> str:
        row = self._id()
        self.at += timedelta(seconds=self.rng.uniform(0.5, 6))
        common = {
            "parentUuid": self._last,
            "isSidechain": False,
            "userType": "external",
            "cwd": "/home/user/project",
            "sessionId": self._session,
            "version": "2.1.39",
            "gitBranch": "main",
            "type": kind,
            "uuid": row,
            "timestamp": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        self._rows.append(orjson.dumps(common | fields))
        self._last = row
        return row

    def _id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def _word(self) -> str:
        return self.rng.choice(self.words).strip("/\\\n") or "file"

    def _length(self, usual: int) -> int:
        """Return a length in bytes: many short ones, a few very long ones, as in the logs."""
        return min(round(self.rng.lognormvariate(0, 1.1) * usual), 60_000)

    def _text(self, size: int) -> str:
        count = max(size // 7, 3)
        start = self.rng.randrange(len(self.words))
        step = self.rng.randrange(1, len(self.words))
        chosen = [self.words[(start + at * step) % len(self.words)] for at in range(count)]
        return " ".join([*chosen, f"{self.rng.getrandbits(40):x}"])


def write_corpus(
    folder: Path, megabytes: float = math.inf, turns: float = math.inf, seed: int = 0
) -> list[Path]:
    """Write sessions of usual lengths up to a size or a number of responses, and return their files.

    The last session passes the size by its end; the number of responses is met exactly.
    """
    rng = random.Random(seed)
    maker = SessionMaker(rng, words_of_the_logs())
    files, written, left = [], 0, turns
    low, high = TURNS_PER_SESSION
    while written < megabytes * 1e6 and left > 0:
        length = int(min(max(round(rng.lognormvariate(0, 1) * 60), low), high, left))
        files.append(write_session(folder, maker, length))
        written += files[-1].stat().st_size
        left -= length
        maker.at += timedelta(minutes=rng.uniform(1, 90))
    return files


def write_session(folder: Path, maker: SessionMaker, turns: int) -> Path:
    """Write one session and return its file."""
    made = maker.session(turns)
    session = orjson.loads(made.partition(b"\n")[0])["sessionId"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{session}.jsonl"
    path.write_bytes(made)
    return path


def long_session(folder: Path, turns: int, seed: int = 0) -> Path:
    """Write one session of many turns that is never compacted, and return its file."""
    return write_session(
        folder, SessionMaker(random.Random(seed), words_of_the_logs(), compacts=False), turns
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--turns", type=int, help="write one session of this many turns instead")
    options = parser.parse_args()
    if options.turns:
        files = [long_session(options.folder, options.turns)]
    else:
        files = write_corpus(options.folder, options.megabytes)
    print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
