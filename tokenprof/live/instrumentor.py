"""The instrumentor that `opentelemetry-instrument` finds: model calls become spans, nothing is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any, ClassVar


class TokenprofInstrumentor:
    """Makes each model call of the process an OpenTelemetry span, under the tracer provider in force.

    `opentelemetry-instrument python agent.py` does it from outside; in code,
    `TokenprofInstrumentor().instrument()` does, and `uninstrument()` ends it. With the environment variable
    `TOKENPROF_RUN` set, calls are recorded too.
    All instances are one instrumentor, as those of other packages are.
    """

    _undo: ClassVar[list[Callable[[], None]]] = []
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the packages that have to be installed: none, since absent clients are left out."""
        return ()

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether `instrument` is in force."""
        return bool(self._undo)

    def instrument(self, **options: Any) -> None:
        """See the model calls of every client library that is installed; a second time changes nothing.

        `options` are those of other instrumentors. Spans go to the global tracer provider, so a
        custom `tracer_provider` is refused with a ValueError.
        """
        from tokenprof.live.profile import record_as_environment_says, watch_all

        if options.get("tracer_provider") is not None:
            raise ValueError(
                "TokenprofInstrumentor writes spans to the global tracer provider; "
                "set yours with opentelemetry.trace.set_tracer_provider and leave tracer_provider out."
            )
        with self._lock:
            if not self._undo:
                record_as_environment_says()
                self._undo.extend(watch_all())

    def uninstrument(self, **options: Any) -> None:
        """See no more calls; those that a `profile` sees are not affected."""
        with self._lock:
            for undo in reversed(self._undo):
                undo()
            self._undo.clear()
