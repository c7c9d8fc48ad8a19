"""The reminder to keep a task list, which Claude Code sends but, in older versions, does not log.

Observed in the bills of version 2.1.39: after every tenth assistant row (not counting rows of thinking)
without a use of the task tools and without such a reminder, the next message grows by about a hundred tokens
more than the log shows. Versions that log attachments log the reminder too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from tokenprof.data_classes.frozen import replaced
from tokenprof.facts.shared_prefix import Trail
from tokenprof.facts.types import Block, Features, Run, Turn
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import LoggedPiece

ROWS_BETWEEN = 10
TASK_TOOLS = frozenset({"TodoWrite", "TaskCreate", "TaskUpdate"})

REMINDER_BYTES = 360
"""Bytes that make the estimate about a hundred tokens; the run's bills correct it."""

LEAST_EXCESS_TOKENS = 50
LONGEST_STEP_TOKENS = 2000
TOKENS_PER_LOCAL_TOKEN = 1.15

REMINDER = Block(
    kind="reminder",
    name="task reminder, not in the log",
    digest="claude-code-task-reminder",
    section="messages",
    role="user",
    opens_message=False,
    features=Features(version=1, bytes=REMINDER_BYTES, chars=REMINDER_BYTES),
)


@dataclass(slots=True)
class TaskReminders:
    """Counts the rows of a main conversation and decides when the next message has a reminder."""

    expected: bool = True
    _rows_since_reminder: int = 0
    _rows_since_task: int = 0

    def note_row(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Count an assistant row of the main conversation."""
        if [item.get("type") for item in items].count("thinking") < len(items):
            self._rows_since_reminder += 1
            self._rows_since_task += 1
        if not TASK_TOOLS.isdisjoint([str(item.get("name")) for item in items]):
            self._rows_since_task = 0

    def restart(self) -> None:
        """Start counting again after a compaction."""
        self._rows_since_reminder = self._rows_since_task = 0

    def stop(self) -> None:
        """Stop, because this log shows what is injected."""
        self.expected = False

    def due(self) -> LoggedPiece | None:
        """Return the reminder in the next message, if there is one."""
        if not self.expected or min(self._rows_since_reminder, self._rows_since_task) < ROWS_BETWEEN:
            return None
        self._rows_since_reminder = 0
        return LoggedPiece("user", (REMINDER,), (0,))


def has_reminder(turn: Turn) -> bool:
    """Whether a turn adds a reminder that is not in the log."""
    return any(block is REMINDER for block in turn.added)


def without_reminders(run: Run) -> Run:
    """Return a run whose prompts have no reminders that are not in the log."""
    places: dict[int, Trail[int]] = {}
    for index in range(len(run.turns)):
        for at in run.bases_first(index, places):
            turn = run.turns[at]
            known = places[turn.base] if turn.base is not None else Trail[int]()
            new = [turn.kept + number for number, block in enumerate(turn.added) if block is REMINDER]
            places[at] = known.then(known.count_below(turn.kept), new)
    turns = []
    for index, turn in enumerate(run.turns):
        before = places[turn.base].count_below(turn.kept) if turn.base is not None else 0
        if places[index]:
            kept = turn.kept - before
            added = tuple([block for block in turn.added if block is not REMINDER])
            turn = replaced(turn, base=turn.base if kept else None, kept=kept, added=added)
        turns.append(turn)
    return replace(run, turns=tuple(turns))


def bills_confirm(turns: Sequence[Turn]) -> bool:
    """Whether calls that should have a reminder grew by more, beyond what is logged, than others.

    It compares medians of (growth − output of the call before − what else was added) over short steps. A log
    without both kinds confirms nothing.
    """
    excess: dict[bool, list[float]] = {True: [], False: []}
    for turn in turns:
        before = turns[turn.base] if turn.base is not None else None
        if before is None or turn.usage is None or before.usage is None or before.output_incomplete:
            continue
        grown = turn.usage.input_tokens - before.usage.input_tokens
        if not 0 < grown <= LONGEST_STEP_TOKENS or turn.context != before.context:
            continue
        logged = [b for b in turn.added if b.role != "assistant" and b is not REMINDER]
        local = sum(block.features.tokens.get("o200k_base", 0) for block in logged)
        rest = grown - before.usage.all_output_tokens - TOKENS_PER_LOCAL_TOKEN * local
        excess[any(b.digest == REMINDER.digest for b in turn.added)].append(rest)
    if not excess[True] or not excess[False]:
        return False
    return median(excess[True]) - median(excess[False]) >= LEAST_EXCESS_TOKENS
