"""Which items of a Codex rollout are the answer of which call, if some calls have no count.

Counts follow the answers that they are of. A provider that reports no usage leaves only a repeated or empty
count after an answer, and a turn that was interrupted leaves none; both calls were billed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tokenprof.record.wire_values import Wire

TURN_EVENTS = frozenset({"task_started", "task_complete", "turn_started", "turn_complete", "turn_aborted"})
"""Events at which no call is under way."""

NO_COUNT = "The log has no count for its answer; it is counted as unmeasured."
NOT_ENDED = "The log ends before the count of its answer; it is counted as unmeasured."


@dataclass(slots=True)
class CodexAnswer:
    """Consecutive items that the model wrote, and the length of the prompt before them [blocks].

    `is_followed` says that other items came after them, `is_over` that the call had ended by then, and
    `has_record` that a record of its own bills it.
    """

    prompt_length: int
    items: list[Wire] = field(default_factory=list)
    is_followed: bool = False
    is_over: bool = False
    has_record: bool = False


@dataclass(slots=True)
class PendingAnswers:
    """The answers that are not counted yet. `counts_lead` if counts stand before their answers."""

    counts_lead: bool = False
    _answers: list[CodexAnswer] = field(default_factory=list)
    _has_counted: bool = False

    def __bool__(self) -> bool:
        return bool(self._answers)

    def write(self, item: Wire, prompt_length: int) -> None:
        """Add an item that the model wrote; `prompt_length` is that of the context before it [blocks]."""
        last = self._answers[-1] if self._answers else None
        if last is None or last.is_followed:
            last = CodexAnswer(prompt_length)
            self._answers.append(last)
        last.items.append(item)
        last.is_over = False

    def follow(self, *, ends_call: bool) -> None:
        """Take into account that an item of somebody else came; no call outlasts a message of the user."""
        if self._answers:
            self._answers[-1].is_followed = True
        if ends_call:
            self.end_call()

    def end_call(self) -> None:
        """Take into account an event that no call outlasts, such as a count without news."""
        for answer in reversed(self._answers):
            if answer.is_over:
                # So are all before it: only the newest answer is ever taken up again.
                break
            answer.is_over = True

    def count(self, *, covers_all: bool) -> tuple[CodexAnswer | None, list[CodexAnswer]]:
        """Return the answer that a count is of, and the earlier ones that have none.

        An earlier answer whose call may have gone on is a part of the same one. `covers_all` says that the
        count tells what earlier calls cost, too.
        """
        answers, self._answers = self._answers, []
        if not self._has_counted:
            self._has_counted, self.counts_lead = True, not answers
        if not answers:
            return None, []
        uncounted = [answer for answer in answers[:-1] if answer.is_over and not answer.has_record]
        own = [answer for answer in answers[:-1] if not answer.is_over] + answers[-1:]
        counted = CodexAnswer(own[0].prompt_length, [item for answer in own for item in answer.items])
        return counted, [] if covers_all or self.counts_lead else uncounted

    def note_record(self) -> None:
        """Take into account a record of a call, which belongs to the answer that it follows at once."""
        if self._answers and not self._answers[-1].is_followed:
            self._answers[-1].has_record = True

    def drop(self) -> None:
        """Forget the answers."""
        self._answers = []

    def rest(self) -> list[CodexAnswer]:
        """Return the answers that nothing counts, and forget them."""
        answers, self._answers = self._answers, []
        return [] if self.counts_lead else [answer for answer in answers if not answer.has_record]
