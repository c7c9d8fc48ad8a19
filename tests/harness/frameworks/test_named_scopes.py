"""Scopes that one event opens and another closes, as frameworks announce their calls."""

from __future__ import annotations

import contextvars

import pytest

from tokenprof.harness_adapters.hooks import named_scopes
from tokenprof.harness_adapters.hooks.named_scopes import NamedScopes, once
from tokenprof.record.session import current_agent

pytestmark = pytest.mark.slow


def test_a_name_holds_from_start_to_end_and_gives_way_to_the_one_before() -> None:
    scopes = NamedScopes()
    scopes.begin("run", "outer")
    scopes.begin("call", "inner")
    assert current_agent() == "inner"
    scopes.end("call")
    assert current_agent() == "outer"
    scopes.end("run")
    assert current_agent() is None


def test_a_start_without_a_name_leaves_the_one_in_force() -> None:
    scopes = NamedScopes()
    scopes.begin("run", "outer")
    scopes.begin("call", None)
    scopes.end("call")
    assert current_agent() == "outer"
    scopes.end("run")


def test_an_end_in_another_context_or_a_second_one_is_passed_over() -> None:
    scopes = NamedScopes()

    def begin_here_and_end_elsewhere() -> None:
        scopes.begin("call", "named")
        contextvars.copy_context().run(scopes.end, "call")
        scopes.end("call")
        scopes.end("never begun")
        assert current_agent() == "named"

    contextvars.copy_context().run(begin_here_and_end_elsewhere)
    assert current_agent() is None


def test_starts_that_never_end_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_scopes, "MOST_OPEN", 3)
    scopes = NamedScopes()

    def begin_many() -> None:
        for number in range(10):
            scopes.begin(number, f"agent-{number}")
        assert current_agent() == "agent-9"

    contextvars.copy_context().run(begin_many)
    assert list(scopes._open) == [7, 8, 9]
    assert current_agent() is None


def test_a_call_that_never_ended_does_not_take_the_name_from_the_next() -> None:
    scopes = NamedScopes()
    scopes.begin("session", "first")
    scopes.begin("session", "second")
    assert current_agent() == "second"
    scopes.end("session")
    assert current_agent() is None


def test_undoing_once_is_enough_and_twice_no_harm() -> None:
    undone: list[int] = []
    undo = once(lambda: undone.append(1))
    undo()
    undo()
    assert undone == [1]
