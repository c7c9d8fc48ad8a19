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

from tokenprof.facts.adapters import load_adapter
from tokenprof.live.listeners import listener
from tokenprof.record import session

if TYPE_CHECKING:
    from tokenprof.live.running_cost import TurnCost
    from tokenprof.record.recorder import Recorder

Client = TypeVar("Client")
StrPath = str | os.PathLike[str]

log = logging.getLogger("tokenprof")

SDK_ADAPTERS = {
    "anthropic": "clients.anthropic_sdk",
    "openai": "clients.openai_sdk",
    "google": "clients.google_genai_sdk",
    "httpx": "clients.httpx_client",
    "httpx2": "clients.httpx2_client",
    "aiohttp": "clients.aiohttp_client",
    "botocore": "clients.botocore_client",
}
"""The adapter for each client library, by the top-level package of the client's class."""

WATCHED = ("anthropic", "httpx", "httpx2", "aiohttp", "botocore")
"""The libraries that a profile watches. `openai` and `google` send their requests through them."""

RUN_VARIABLE = "TOKENPROF_RUN"

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
            return load_adapter(module)
    return None


class profile:  # noqa: N801 - read as a verb: `with tokenprof.profile(...)`
    """Record every model call made inside the block to `path`, as OTLP/JSON lines.

    It sees the calls of every client, whenever the client was made, in synchronous and asynchronous code. An
    existing recording is continued.

    Parameters: `tags` are kept with the run. `on_turn` is called on tokenprof's own thread after each
    finished turn with what it and the run have cost so far; what it raises is logged and goes no further.
    `content=True` also records the text of requests and responses, with keys, tokens and passwords in it
    masked by rule (docs/security.md). `metrics=True` (or the environment
    variable `TOKENPROF_METRICS`) gives tokens, bill and estimated compute of each turn to the program's
    OpenTelemetry meter provider. `prices`, `deployment`, `usd_per_gpu_hour` and `utilisation` are what
    `on_turn` and metrics price and cost with; what is not given comes from the environment, then from
    pyproject.toml.

    Two parameters add a field to requests: `cache_diagnostics=True` asks Anthropic why its cache was missed
    (clients made inside the block, or wrapped); `request_usage=True` asks OpenAI for the usage of chat
    streams that do not ask for it themselves (they end with one more chunk).

    Raises FileExistsError if `path` holds something other than a recording, and `InputError` for prices or a
    deployment that cannot be used.
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
        prices: StrPath | Sequence[StrPath] | None = None,
        deployment: str | None = None,
        usd_per_gpu_hour: float | None = None,
        utilisation: float | None = None,
    ) -> None:
        self.path = Path(path)
        self._metrics = metrics
        self._tags = tags
        self._on_turn = on_turn
        self._content = content
        self._cache_diagnostics = cache_diagnostics
        self._request_usage = request_usage
        self._settings = {
            "prices": prices,
            "deployment": deployment,
            "usd_per_gpu_hour": usd_per_gpu_hour,
            "utilisation": utilisation,
        }
        self._recorder: Recorder | None = None
        self._token: Token[Recorder | None] | None = None
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> profile:
        """Open the recording."""
        from tokenprof.record.recorder import Recorder

        recorder = Recorder(
            self.path,
            tags=self._tags,
            listener=listener(self._on_turn, self._metrics, self._settings),
            content=self._content,
            cache_diagnostics=self._cache_diagnostics,
            request_usage=self._request_usage,
        )
        self._recorder = recorder
        self._token = session.enter(recorder)
        self._undo.extend(watch_all())
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


def watch_all() -> list[Callable[[], None]]:
    """See the calls of every client library that is installed; returns what undoes it, one a library."""
    return [undo for undo in map(_watch, WATCHED) if undo is not None]


def _watch(package: str) -> Callable[[], None] | None:
    """Start to see the calls of a package's clients; return a function that stops it, None if there is none.

    If a new release or a broken installation makes that fail, its calls are not seen, but the host goes on.
    """
    try:
        importlib.import_module(package)
        undo: Callable[[], None] = load_adapter(SDK_ADAPTERS[package]).wrap_new_clients()
    except ImportError:
        return None
    except Exception as error:
        if isinstance(error.__cause__, ImportError):
            # An older release, without what its adapter builds on; its HTTP library is watched as well.
            return None
        log.warning("tokenprof cannot see the calls of %s here", package, exc_info=True)
        return None
    return undo


def record_as_environment_says() -> None:
    """Start the recording that `TOKENPROF_RUN` names, once, and keep it open until the process ends."""
    path = os.environ.get(RUN_VARIABLE)
    with _starting:
        if not path or any(recorder.path == Path(path) for recorder in session.open_recorders()):
            return
        from tokenprof.record.recorder import Recorder

        recorder = Recorder(Path(path), listener=listener())
        session.enter(recorder, behind_others=True)
    atexit.register(recorder.close)
