"""Which history a prompt extends: growth, branches, compaction, other agents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tokenprof.facts.types import Block, Breakpoint, Features
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.contexts import (
    HELD_NAME,
    KEYFRAME_EVERY,
    MOST_CONTEXTS,
    ContextTracker,
    HeldHistories,
)


def block(text: str, role: str = "user", *, section: str = "messages", kind: str | None = None) -> Block:
    kinds = {"tools": "tool", "system": "system", "assistant": "assistant", "user": "user"}
    return Block(
        kind=kind or kinds[role if section == "messages" else section],
        name=text,
        digest=text,
        section=section,
        role=role,
        opens_message=True,
        features=Features(version=1, bytes=len(text)),
    )


TOOL = block("tool", "tools", section="tools")
SYSTEM = block("system", "system", section="system")


def prompt(*texts: str) -> list[Block]:
    """A prompt of messages; texts that start with `a` are the model's."""
    return [TOOL, SYSTEM, *(block(t, "assistant" if t.startswith("a") else "user") for t in texts)]


def test_a_growing_history_is_one_context_and_is_recorded_as_a_delta() -> None:
    tracker = ContextTracker()
    first = tracker.place("call1", prompt("u1"), None)
    second = tracker.place("call2", prompt("u1", "a1", "u2"), None)
    assert (first.context, first.base, first.kept) == ("c1", None, 0)
    assert (second.context, second.base, second.kept) == ("c1", "call1", 3)


def test_another_task_of_the_same_agent_is_another_context_that_shares_tools_and_system() -> None:
    tracker = ContextTracker()
    tracker.place("call1", prompt("u1"), None)
    other = tracker.place("call2", prompt("v1"), None)
    assert (other.context, other.base, other.kept, other.parent) == ("c2", "call1", 2, None)


def test_parallel_runs_of_the_same_task_become_branches_when_their_answers_differ() -> None:
    tracker = ContextTracker()
    tracker.place("call1", prompt("u1"), None)
    tracker.place("call2", prompt("u1", "a1", "u2"), None)
    branch = tracker.place("call3", prompt("u1", "aX", "u3"), None)
    back = tracker.place("call4", prompt("u1", "a1", "u2", "a2", "u4"), None)
    assert (branch.context, branch.parent, branch.kept) == ("c2", "c1", 3)
    assert (back.context, back.base, back.kept) == ("c1", "call2", 5)


def test_an_edit_in_the_middle_of_a_history_stays_in_its_context() -> None:
    tracker = ContextTracker()
    tracker.place("call1", prompt("u1", "a1", "u2"), None)
    edited = tracker.place("call2", prompt("u1 shortened", "a1", "u2", "a2", "u3"), None)
    assert (edited.context, edited.compacted) == ("c1", False)


def test_a_summary_in_place_of_the_history_continues_it_compacted() -> None:
    tracker = ContextTracker()
    tracker.place("call1", prompt("u1", "a1", "u2"), None)
    summary = [TOOL, SYSTEM, block("what was done", kind="summary")]
    placed = tracker.place("call2", summary, None)
    assert (placed.context, placed.compacted, placed.base, placed.kept) == ("c1", True, "call1", 2)


def test_a_named_agent_gets_a_context_of_its_own_under_the_first() -> None:
    tracker = ContextTracker()
    tracker.place("call1", prompt("u1"), None)
    sub = tracker.place(
        "call2", [block("sub system", "system", section="system"), block("task")], "researcher"
    )
    assert (sub.context, sub.parent, sub.base) == ("c2", "c1", None)


def test_a_long_context_is_written_whole_now_and_then() -> None:
    tracker = ContextTracker()
    texts = ["u0"]
    placed = []
    for i in range(KEYFRAME_EVERY + 2):
        texts.append(f"u{i + 1}")
        placed.append(tracker.place(f"call{i}", prompt(*texts), None))
    whole = [i for i, p in enumerate(placed) if p.base is None]
    assert whole == [0, KEYFRAME_EVERY]


def test_whole_prompts_stay_a_fraction_of_what_deltas_add_however_long_a_context_grows() -> None:
    tracker = ContextTracker()
    blocks = prompt("u0")
    written = 0
    turns = 600
    for turn in range(turns):
        blocks.append(block(f"u{turn + 1}"))
        placed = tracker.place(f"call{turn}", blocks, None)
        written += len(blocks) - placed.kept
    # One block a turn is new; whole prompts at most add three more.
    assert turns < written < 4 * turns


def test_contexts_are_let_go_and_names_are_not_used_again() -> None:
    tracker = ContextTracker()
    for number in range(2 * MOST_CONTEXTS):
        assert tracker.place(f"call{number}", prompt(f"v{number}"), None).context == f"c{number + 1}"
    assert len(tracker._contexts) == MOST_CONTEXTS
    newest = tracker.place("again", prompt(f"v{2 * MOST_CONTEXTS - 1}", "a", "u"), None)
    assert newest.context == f"c{2 * MOST_CONTEXTS}"
    forgotten = tracker.place("old", prompt("v0", "a of old", "u of old"), None)
    assert forgotten.context == f"c{2 * MOST_CONTEXTS + 1}"
    sub = tracker.place("sub", [block("sub system", "system", section="system"), block("task")], "researcher")
    assert sub.parent == "c1"


def held(call: Call, known: HeldHistories) -> list[str]:
    return [block.name for block in known.completed(call).prompt]


def answered(name: str, *said: str, **more: Any) -> Call:
    return Call(
        response_id=name,
        requested_model="m",
        model="m",
        status="ok",
        usage=None,
        prompt=tuple(block(text) for text in said),
        output_as_prompt=(block(f"a of {name}", "assistant"),),
        **more,
    )


def test_what_a_provider_holds_stands_before_a_prompt_that_continues_it() -> None:
    known = HeldHistories(Shaper(key=b"k" * 16))
    known.remember(answered("r1", "system", "u1", head=1))
    known.remember(answered("r2", "u2", thread="t1"))
    known.remember(answered("r3", "u3", replaces=True))
    marked = answered(
        "r4", "system", "u4", head=1, continues="r1", breakpoints=(Breakpoint(0, "5m"), Breakpoint(2, "5m"))
    )
    assert held(marked, known) == ["system", "u1", "a of r1", "u4"]
    assert [mark.after for mark in known.completed(marked).breakpoints] == [0, 4]
    assert held(answered("r5", "u5", continues="t1", thread="t1"), known) == ["u2", "a of r2", "u5"]
    assert held(answered("r6", "u6", continues="r3"), known) == ["a of r3", "u6"]
    assert held(answered("r7", "u7", continues="never seen"), known) == [HELD_NAME, "u7"]
    assert held(answered("r8", "u8", continues="t2", thread="t2"), known) == ["u8"]
    assert held(answered("r9", "u9"), known) == ["u9"]


def test_only_the_last_answers_that_a_provider_holds_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.record.contexts.REMEMBERED_PROMPTS", 2)
    known = HeldHistories(Shaper(key=b"k" * 16))
    for name in ("r1", "r2", "r3"):
        known.remember(answered(name, f"u of {name}"))
    known.remember(replace(answered("not kept", "u"), output_as_prompt=None))
    assert held(answered("r4", "u4", continues="r1"), known) == [HELD_NAME, "u4"]
    assert held(answered("r4", "u4", continues="r3"), known) == ["u of r3", "a of r3", "u4"]
