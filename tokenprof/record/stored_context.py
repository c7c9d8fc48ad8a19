"""History that a provider itself puts before a prompt: threads, conversations, responses continued by id."""

from __future__ import annotations

from dataclasses import replace

from tokenprof.facts.types import Block
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call

HELD_NAME = "earlier turns, held by the provider"
"""The name of the block for everything said before the recording began."""

REMEMBERED_PROMPTS = 256
"""How many prompts are kept for calls that continue a response by its id."""


class HeldHistories:
    """Remembers what was said up to each response, and puts it before prompts that continue there."""

    def __init__(self, shaper: Shaper) -> None:
        self._shaper = shaper
        self._known: dict[str, tuple[Block, ...]] = {}

    def completed(self, call: Call) -> Call:
        """Return a call with its whole prompt: the history that the provider holds goes after the head."""
        history = self._history_of(call)
        if not history:
            return call
        head = call.head
        prompt = call.prompt[:head] + history + call.prompt[head:]
        moved = tuple(
            replace(mark, after=mark.after + (len(history) if mark.after >= head else 0))
            for mark in call.breakpoints
        )
        return replace(call, prompt=prompt, breakpoints=moved)

    def remember(self, call: Call) -> None:
        """Remember everything said up to and including the answer of a completed call."""
        said = call.output_as_prompt if call.replaces else call.prompt[call.head :] + call.output_as_prompt
        for name in (call.response_id, call.thread):
            if name:
                self._known[name] = said
                if len(self._known) > REMEMBERED_PROMPTS:
                    del self._known[next(iter(self._known))]

    def _history_of(self, call: Call) -> tuple[Block, ...]:
        """Return what the provider holds and puts before a call; a single block if that was not recorded."""
        if call.continues is None:
            return ()
        known = self._known.get(call.continues)
        if known is not None or call.continues == call.thread:
            return known or ()
        held = {"held": call.continues}
        return (self._shaper.block("server_state", HELD_NAME, held, role="provider", opens_message=True),)
