"""The two ways to see an agent's calls: wrap a client, or profile a block of code."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tokenprof.record import session

if TYPE_CHECKING:
    from tokenprof.facts.types import Block, Turn
    from tokenprof.live.running_cost import TurnCost
    from tokenprof.record.recorder import Recorder, TurnListener

Client = TypeVar("Client")

log = logging.getLogger("tokenprof")

SDK_ADAPTERS = {
    "anthropic": "tokenprof.harness_adapters.clients.anthropic_sdk",
    "openai": "tokenprof.harness_adapters.clients.openai_sdk",
    "google": "tokenprof.harness_adapters.clients.google_genai_sdk",
    "httpx": "tokenprof.harness_adapters.clients.httpx_client",
    "httpx2": "tokenprof.harness_adapters.clients.httpx2_client",
    "aiohttp": "tokenprof.harness_adapters.clients.aiohttp_client",
    "botocore": "tokenprof.harness_adapters.clients.botocore_client",
}
"""The adapter for each client library, by the top-level package of the client's class."""

WATCHED = ("anthropic", "httpx", "httpx2", "aiohttp", "botocore")
"""The libraries that a profile watches. `openai` and `google` send their requests through them."""

RUN_VARIABLE = "TOKENPROF_RUN"
METRICS_VARIABLE = "TOKENPROF_METRICS"

_starting = threading.Lock()


def wrap(client: Client) -> Client:
    """Return a client that behaves as `client` does and whose model calls are seen by tokenprof.

    Inside a `profile` nothing needs wrapping. Outside one, the calls of a wrapped client become
    OpenTelemetry spans if the program has set up a tracer provider, and are recorded to the file that the
    environment variable `TOKENPROF_RUN` names, if it is set. Wrapping a client twice changes nothing.

    Raises TypeError for a client of an SDK that no adapter knows.
    """
    adapter = _adapter_of(type(client))
    if adapter is None:
        known = ", ".join(sorted(SDK_ADAPTERS))
        raise TypeError(
            f"tokenprof.wrap does not know {type(client).__module__}.{type(client).__qualname__}; "
            f"it wraps the clients of: {known}."
        )
    record_as_environment_says()
    wrapped: Client = adapter.wrap(client)
    return wrapped


def _adapter_of(client_class: type) -> Any | None:
    for ancestor in client_class.__mro__:
        module = SDK_ADAPTERS.get(ancestor.__module__.partition(".")[0])
        if module:
            return importlib.import_module(module)
    return None


class profile:  # noqa: N801 - read as a verb: `with tokenprof.profile(...)`
    """Record every model call made inside the block to `path`, as OTLP/JSON lines.

    It does not matter which client makes a call, or when that client was created. `profile` works in
    synchronous and asynchronous code, and continues an existing recording.

    `tags` are kept with the run. `on_turn` is called on tokenprof's own thread after each finished turn,
    with the cost of the turn and of the run so far; exceptions that it raises are only logged.
    `content=True` also records the text of requests and responses. `metrics=True` (or the environment
    variable `TOKENPROF_METRICS`) reports the tokens, bill and estimated compute of each turn to the program's
    OpenTelemetry meter provider.

    Two settings add a field to requests. `cache_diagnostics=True` asks Anthropic why its cache was missed,
    for clients that are created inside the block or wrapped. `request_usage=True` asks OpenAI for the usage
    of chat streams that do not ask for it themselves; they then end with one more chunk.

    Raises FileExistsError if `path` holds something other than a recording.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        tags: Mapping[str, str] | None = None,
        on_turn: Callable[[TurnCost], None] | None = None,
        content: bool = False,
        cache_diagnostics: bool = False,
        request_usage: bool = False,
        metrics: bool = False,
    ) -> None:
        self.path = Path(path)
        self._metrics = metrics
        self._tags = tags
        self._on_turn = on_turn
        self._content = content
        self._cache_diagnostics = cache_diagnostics
        self._request_usage = request_usage
        self._recorder: Recorder | None = None
        self._token: Token[Recorder | None] | None = None
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> profile:
        """Open the recording."""
        from tokenprof.record.recorder import Recorder

        recorder = Recorder(
            self.path,
            tags=self._tags,
            listener=_listener(self._on_turn, self._metrics),
            content=self._content,
            cache_diagnostics=self._cache_diagnostics,
            request_usage=self._request_usage,
        )
        self._recorder = recorder
        self._token = session.enter(recorder)
        self._undo.extend(filter(None, map(_watch, WATCHED)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the recording. Exceptions from the block are not suppressed."""
        if self._recorder is None:
            return
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        session.leave(self._recorder, self._token)
        self._recorder.close()

    async def __aenter__(self) -> profile:
        """Open the recording."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the recording. Exceptions from the block are not suppressed."""
        self.__exit__(kind, error, trace)


def _watch(package: str) -> Callable[[], None] | None:
    """Start to see the calls of a package's clients; return a function that stops it, None if there is none.

    If a new release or a broken installation makes that fail, its calls are not seen, but the host goes on.
    """
    try:
        importlib.import_module(package)
        undo: Callable[[], None] = importlib.import_module(SDK_ADAPTERS[package]).wrap_new_clients()
    except ImportError:
        return None
    except Exception:
        log.warning("tokenprof cannot see the calls of %s here", package, exc_info=True)
        return None
    return undo


def _listener(
    on_turn: Callable[[TurnCost], None] | None = None, metrics: bool = False
) -> TurnListener | None:
    """Return the function to call with each finished turn, or None if there is no listener."""
    listeners: list[TurnListener] = []
    if on_turn is not None:
        from tokenprof.live.running_cost import RunningCost

        listeners.append(RunningCost(on_turn))
    if metrics or os.environ.get(METRICS_VARIABLE):
        from tokenprof.live.metrics import TurnMetrics

        listeners.append(TurnMetrics())

    def tell(turn: Turn, prompt: Sequence[Block]) -> None:
        for listener in listeners:
            listener(turn, prompt)

    return tell if listeners else None


def record_as_environment_says() -> None:
    """Start the recording that `TOKENPROF_RUN` names, once, and keep it open until the process ends."""
    path = os.environ.get(RUN_VARIABLE)
    with _starting:
        if not path or any(recorder.path == Path(path) for recorder in session.open_recorders()):
            return
        from tokenprof.record.recorder import Recorder

        recorder = Recorder(Path(path), listener=_listener())
        session.enter(recorder, behind_others=True)
    atexit.register(recorder.close)
