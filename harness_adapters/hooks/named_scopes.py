"""Names of agents and steps, for frameworks that announce a call's start and end instead of wrapping it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable

from tokenprof.record import session

MOST_OPEN = 4096
"""A framework that never ends what it started must not fill the memory; the oldest are forgotten first."""


class NamedScopes:
    """`tokenprof.agent` scopes that a start event opens and an end event closes, told apart by a key.

    A start event must run in the context (thread or task) in which the model call is made. Neither
    method raises: an end that comes in another context, or twice, is passed over.
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, contextlib.AbstractContextManager[object]] = {}

    def begin(self, key: Hashable, name: str | None, step: str | None = None) -> None:
        """Name the calls made from here on, and their step; without either, leave what is in force."""
        if not name and not step:
            return
        # Before the new name is set: leaving an old scope gives back what was before it.
        self.end(key)
        for oldest in list(self._open)[: max(0, len(self._open) + 1 - MOST_OPEN)]:
            self.end(oldest)
        scope = contextlib.ExitStack()
        if name:
            scope.enter_context(session.agent(name))
        if step:
            scope.enter_context(session.tag(step=step))
        self._open[key] = scope

    def end(self, key: Hashable) -> None:
        """Give the calls back the name they had before."""
        scope = self._open.pop(key, None)
        if scope is not None:
            # A context variable can be given back only in the context that it was set in.
            with contextlib.suppress(ValueError):
                scope.__exit__(None, None, None)


def once(undo: Callable[[], None]) -> Callable[[], None]:
    """Return `undo` as a function that can be called again without harm."""
    pending = [undo]

    def undo_once() -> None:
        if pending:
            pending.pop()()

    return undo_once
