"""Names of agents and steps, for frameworks that announce a call's start and end instead of wrapping it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable

from tokenprof.record import session

MOST_OPEN = 4096
"""If a framework never ends what it starts, the oldest scopes are forgotten, to limit the memory."""


class NamedScopes:
    """`tokenprof.agent` scopes that a start event opens and an end event closes; a key identifies each.

    A start event must run in the context (thread or task) in which the model call is made. Neither method
    raises: an end that comes in another context, or twice, is ignored.
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, contextlib.AbstractContextManager[object]] = {}

    def begin(self, key: Hashable, name: str | None, step: str | None = None) -> None:
        """Name the calls made from here on, and their step; without either, change nothing."""
        if not name and not step:
            return
        # This must happen before the new name is set: leaving a scope restores what applied before it.
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
        """Restore the name that applied before."""
        scope = self._open.pop(key, None)
        if scope is not None:
            # A context variable can only be reset in the context in which it was set.
            with contextlib.suppress(ValueError):
                scope.__exit__(None, None, None)


def once(undo: Callable[[], None]) -> Callable[[], None]:
    """Return `undo` as a function that can be called again without harm."""
    pending = [undo]

    def undo_once() -> None:
        if pending:
            pending.pop()()

    return undo_once
