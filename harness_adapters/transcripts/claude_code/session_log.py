"""Claude Code's own session logs (`~/.claude/projects/<project>/<session>.jsonl`).

Two generations of the format are read: rows alone, without system prompt and tools, and (observed in 2.1.330)
rows with a record of each request. Subagents have files of their own, which are read with their session. Rows
are handled by `session_turns`, request records by `request_records`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from tokenprof.facts.types import Run, Source
from tokenprof.facts.whole_characters import with_whole_characters
from tokenprof.harness_adapters.transcripts.claude_code.responses import COMPACTION_AGENT
from tokenprof.harness_adapters.transcripts.claude_code.session_turns import (
    SESSION_FORMAT,
    UNDATED,
    ClaudeCodeSession,
)
from tokenprof.harness_adapters.transcripts.claude_code.unlogged_calls import read_but_never_written
from tokenprof.harness_adapters.transcripts.claude_code.unlogged_reminders import (
    bills_confirm,
    has_reminder,
    without_reminders,
)
from tokenprof.harness_adapters.transcripts.claude_code.usage_rows import usage_row
from tokenprof.reading.batch_counts import BatchCounts
from tokenprof.reading.json_lines import feed_lines, read_json_lines
from tokenprof.reading.log_bytes import log_stem
from tokenprof.reading.logged_calls import shaper_of_log
from tokenprof.reading.recordings import in_time_order
from tokenprof.reading.usage_only import without_blocks

FORMAT = SESSION_FORMAT

_MARKS = {
    "user": ("parentUuid", "sessionId"),
    "assistant": ("parentUuid", "sessionId"),
    "attachment": ("parentUuid", "sessionId"),
    "system": ("parentUuid", "sessionId"),
    "progress": ("parentUuid", "sessionId"),
    "summary": ("leafUuid",),
    "file-history-snapshot": ("messageId", "snapshot"),
    "queue-operation": ("operation", "sessionId"),
    "api-request-shape": ("shapeHash", "sessionId"),
    "last-prompt": ("lastPrompt", "sessionId"),
}
"""Line types of the format, with the keys that no other format's lines of that type have."""


def recognises(first_lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a file that begins with these lines is a Claude Code log."""
    return any(
        marks is not None and all(key in line for key in marks)
        for line in first_lines
        for marks in [_MARKS.get(str(line.get("type")))]
    )


def companions(path: Path) -> list[Path]:
    """Return the files of a session's subagents: in its folder, or (older versions) beside it."""
    below = path.with_name(log_stem(path)).glob("subagents/**/agent-*.jsonl*")
    folder = path.parent
    beside = _agents_in(folder, folder.stat().st_mtime_ns).get(log_stem(path), ()) if folder.is_dir() else ()
    return [*sorted(below), *(agent for agent in beside if agent != path)]


@functools.lru_cache(maxsize=16)
def _agents_in(folder: Path, changed_ns: int) -> dict[str, list[Path]]:
    """Return the subagent files that lie in a folder, by their session.

    A changed `changed_ns` bypasses the cache.
    """
    agents: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("agent-*.jsonl*")):
        first = next((line for _, line in read_json_lines(path, [])), {})
        if first.get("sessionId"):
            agents.setdefault(str(first["sessionId"]), []).append(path)
    return agents


def read(path: Path) -> Run:
    """Return the turns of a session and its subagents, in time order.

    A response is one turn, however many rows and files repeat it. A line that cannot be read costs a warning.
    Raises InputError if the file cannot be opened.
    """
    files = [path, *companions(path)]
    return _confirmed(_read(path, files))


def _confirmed(run: Run) -> Run:
    """Return a run without the reminders that it was taken to have, if its bills do not show them."""
    if any(map(has_reminder, run.turns)) and not bills_confirm(run.turns):
        return without_reminders(run)
    return run


def read_bills(path: Path) -> Run:
    """Return the turns of a session as `read` does, without blocks: for totals, in a tenth of the time.

    The bills, times and warnings are those of `read`. Raises InputError if the file cannot be opened.
    """
    files = [path, *companions(path)]
    run = _read(path, files, with_blocks=False)
    if any(turn.usage is not None and not turn.usage.input_tokens for turn in run.turns):
        # Only the prompt shows whether a count of 0 can be right.
        return without_blocks(read(path))
    return without_blocks(run)


def _read(path: Path, files: Sequence[Path], *, with_blocks: bool = True) -> Run:
    warnings: list[str] = []
    counts = BatchCounts()
    parse = orjson.loads if with_blocks else usage_row
    session = _session_of(path, files, counts, with_blocks=with_blocks)
    for file in files[1:]:
        if _is_of_compaction(file):
            for _, line in read_json_lines(file, [], parse):
                session.note_unlogged(line)
    for file in files:
        feed_lines(file, warnings, session.add, parse)
    return _run_of(path, session, counts, warnings)


def _session_of(
    path: Path, files: Sequence[Path], counts: BatchCounts, *, with_blocks: bool = True
) -> ClaudeCodeSession:
    return ClaudeCodeSession(
        _name(path),
        shaper_of_log(counts),
        _agent_types(files),
        with_blocks=with_blocks,
        written_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
    )


def _run_of(path: Path, session: ClaudeCodeSession, counts: BatchCounts, warnings: list[str]) -> Run:
    session.settle()
    counts.finish()
    turns = session.turns(warnings)
    calls, tokens = read_but_never_written(turns, session.bases())
    if calls:
        warnings.append(
            f"{path}: {calls} {'calls' if calls > 1 else 'call'} read {tokens:,} tokens from the cache that "
            "no call in this log wrote. The calls that wrote them are not logged, so the bill is at least "
            "what is shown."
        )
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


class _FollowedSession:
    """A session read as it grows (`store.ingest.followed_log`); files of subagents are read again each time.

    It `is_spent` once they have been read: their rows come after all of the main file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = BatchCounts()
        self._session = _session_of(path, [path], self._counts)
        self.is_spent = False

    def add(self, line: Mapping[str, Any], where: str) -> None:
        """Add one line."""
        self._session.add(line, where)

    def run(self, warnings: list[str]) -> Run | None:
        """Return the run in the lines so far.

        None if it has rows whose time is that of the file, which changes, or a file that tells what the main
        one lacks.
        """
        others = companions(self._path)
        if any(map(_is_of_compaction, others)):
            return None
        self._session.name_agents(_agent_types([self._path, *others]))
        for file in others:
            self.is_spent = True
            feed_lines(file, warnings, self._session.add)
        run = _confirmed(_run_of(self._path, self._session, self._counts, warnings))
        return None if any(UNDATED in warning for warning in run.warnings) else run

    def let_go(self) -> set[int] | None:
        """Forget all texts; return the numbers of the lines that `take_back` needs, None if it needs more."""
        self._session.settle()
        self._counts.finish()
        return self._session.let_go()

    def take_back(self, number: int, line: Mapping[str, Any]) -> None:
        """Take the texts of a line again."""
        self._session.take_back(number, line)


def follow(path: Path, warnings: list[str]) -> _FollowedSession:
    """Return a session to be read on as it grows."""
    return _FollowedSession(path)


def _is_of_compaction(file: Path) -> bool:
    return file.name.startswith(f"agent-{COMPACTION_AGENT}")


def _name(path: Path) -> str:
    """Return a session's name for its contexts: the first part of its id."""
    stem = with_whole_characters(log_stem(path))
    return stem.split("-")[0] if len(stem) == len("00000000-0000-0000-0000-000000000000") else stem


def _agent_types(files: Sequence[Path]) -> dict[str, str]:
    """Return the type of each subagent that has a `.meta.json` beside its file."""
    types: dict[str, str] = {}
    for file in files:
        try:
            meta = orjson.loads(file.with_name(f"{log_stem(file)}.meta.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        if isinstance(meta, dict) and isinstance(meta.get("agentType"), str):
            types[log_stem(file).removeprefix("agent-")] = meta["agentType"]
    return types
