"""Makes a folder of Claude Code sessions of any size out of real ones, with other texts, ids and days.

    python benchmarks/speed/cloned_corpus.py FOLDER --like SESSIONS… --megabytes 100

Each copy keeps the rows, the sizes and the counts of its original. The words of every text are put in another
order, drawn from the seed, the copy and the text; so a text that occurs twice in a session still occurs twice
in its copy, and no two copies share a longer text. Ids are drawn again, and each copy is some hours later.
The same seed makes the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

SHORTEST_CHANGED_TEXT = 24
HOURS_BETWEEN = 3
KEPT = frozenset({"type", "version", "model", "cwd", "gitBranch", "name", "role", "stop_reason", "subtype"})
"""Keys whose texts say what a row is."""

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_ID = re.compile(r"\b(msg|req|toolu|agent)_[0-9A-Za-z_]{4,}\b")
_TIME = re.compile(r"^20\d\d-\d\d-\d\dT[\d:.]+Z$")


class SessionCopy:
    """One copy of a session and its companions; what it changes depends on `seed` and `number` only."""

    def __init__(self, seed: int, number: int) -> None:
        self._key = f"{seed}/{number}/"
        self._number = number
        self._later = timedelta(hours=HOURS_BETWEEN * (number + 1))
        self._known: dict[str, str] = {}

    def below(self, path: Path) -> Path:
        """Return where the copy of a file lies, both relative to the folder that holds the session."""
        first, *others = (self._ids(part) for part in path.parts)
        if first == path.parts[0]:
            # A name without an id would be that of every copy.
            first = f"copy-{self._number}-{first}"
        return Path(first, *others)

    def file(self, path: Path) -> bytes:
        """Return the copy of a file."""
        with path.open("rb") as lines:
            return b"".join(orjson.dumps(self._value(orjson.loads(line))) + b"\n" for line in lines)

    def _value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return value if key in KEPT else self._text(value)
        if isinstance(value, list):
            return [self._value(item, key) for item in value]
        if isinstance(value, dict):
            return {name: self._value(item, name) for name, item in value.items()}
        return value

    def _text(self, text: str) -> str:
        if text not in self._known:
            if _TIME.match(text):
                at = datetime.fromisoformat(text) + self._later
                self._known[text] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            else:
                changed = self._ids(text)
                if len(text) >= SHORTEST_CHANGED_TEXT and changed == text:
                    words = text.split(" ")
                    random.Random(self._key + text).shuffle(words)
                    changed = " ".join(words)
                self._known[text] = changed
        return self._known[text]

    def _ids(self, text: str) -> str:
        text = _UUID.sub(lambda found: self._drawn(found[0]), text)
        return _ID.sub(lambda found: f"{found[1]}_{self._drawn(found[0]).replace('-', '')[:24]}", text)

    def _drawn(self, identity: str) -> str:
        digest = hashlib.sha256((self._key + identity).encode()).hexdigest()
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def sessions_in(paths: list[Path]) -> list[Path]:
    """Return the main files of sessions that paths name or hold."""
    files = [file for path in paths for file in (path.rglob("*.jsonl") if path.is_dir() else [path])]
    return sorted(file for file in files if not file.name.startswith("agent-"))


def files_of(session: Path) -> Iterator[Path]:
    """Yield a session's file and those in its folder."""
    yield session
    yield from sorted(session.with_suffix("").rglob("*.jsonl"))


def write_copies(folder: Path, sessions: list[Path], megabytes: float, seed: int = 0) -> tuple[int, int]:
    """Write copies of the sessions in turn until they hold this many bytes; return files and bytes."""
    files = written = number = 0
    while written < megabytes * 1e6:
        copy = SessionCopy(seed, number)
        session = sessions[number % len(sessions)]
        for file in files_of(session):
            target = folder / copy.below(file.relative_to(session.parent))
            target.parent.mkdir(parents=True, exist_ok=True)
            written += target.write_bytes(copy.file(file))
            files += 1
        number += 1
    return files, written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--like", type=Path, nargs="+", required=True, help="sessions, or folders of them")
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files, written = write_copies(options.folder, sessions_in(options.like), options.megabytes, options.seed)
    print(f"{files} files, {written / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
