"""The two ways to see an agent's calls: wrap a client, or profile a block of code."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Token
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adapters import load_adapter
from tokenprof.facts.imported import imported
from tokenprof.live.imports import watch_when_imported
from tokenprof.live.listeners import guard_of, listener, span_cost
from tokenprof.record import session
from tokenprof.record.background.ended_blocks import at_end_of_process
from tokenprof.record.background.fork_safe_lock import ForkSafeLock
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.system_threads import SYSTEM

if TYPE_CHECKING:
    from tokenprof.facts.call_labels import LabelRule
    from tokenprof.live.limits import Limits
    from tokenprof.live.running_cost import TurnCost
    from tokenprof.record.recorder import Recorder

Client = TypeVar("Client")
StrPath = str | os.PathLike[str]

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

WORK_ELSEWHERE = {
    "threading": "clients.started_threads",
    "concurrent.futures.thread": "clients.thread_pools",
    "multiprocessing.process": "clients.started_processes",
    "os": "clients.process_exits",
}
"""The adapters that tell threads and processes which recording their calls belong to, and see how a process
ends, by module."""

RUN_VARIABLE = "TOKENPROF_RUN"

_starting = ForkSafeLock()


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
    OpenTelemetry meter provider, and the spans of calls a cost. `prices`, `deployment`, `usd_per_gpu_hour`
    and `utilisation` are what `on_turn` and metrics price and cost with; what is not given comes from the
    environment, then from pyproject.toml. `seller` is who sells the calls (`openrouter`, `azure`, a name of
    your own price file), if that is not the API's own provider and its host does not show it; prices are the
    seller's. `labels=True` (or the environment variable `TOKENPROF_LABELS=1`) also records in a few words
    what each tool call is about: the file, the head of the command, the query, the host. Secrets in them
    are masked by rule, and spans never hold them. A function of tool name and arguments is your own rule;
    where it returns None, the
    built-in rules apply.

    `warn_at=Limits(usd=2)`, or "usd=2", logs a warning when the run reaches a limit: of dollars, turns, the
    size of a prompt, cache misses. `stop_at=Limits(usd=5, turns=200)` is a hard budget: once reached, further
    calls are not sent, and the client raises its own error, made from an answer in the provider's shape. Each
    call then waits until earlier ones are accounted for (10 s at most). Calls under way are not cut.
    `on_turn` can refuse further calls, too, by raising `StopCalls`; without `stop_at` that is only logged.

    Two parameters add a field to requests: `cache_diagnostics=True` asks Anthropic why its cache was missed
    (clients made inside the block, or wrapped); `request_usage=True` asks OpenAI for the usage of chat
    streams that do not ask for it themselves (they end with one more chunk).

    Raises FileExistsError if `path` holds something other than a recording, OSError if it cannot be written,
    and `InputError` for prices or a deployment that cannot be used.
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
        seller: str | None = None,
        labels: bool | LabelRule = False,
        warn_at: Limits | str | None = None,
        stop_at: Limits | str | None = None,
    ) -> None:
        self.path = Path(path)
        self._metrics = metrics
        self._tags = tags
        self._on_turn = on_turn
        self._content = content
        self._cache_diagnostics = cache_diagnostics
        self._request_usage = request_usage
        self._seller = seller
        self._labels = labels
        self._limits = warn_at, stop_at
        self._settings = {
            "prices": prices,
            "deployment": deployment,
            "usd_per_gpu_hour": usd_per_gpu_hour,
            "utilisation": utilisation,
        }
        self._openings: list[_Opening] = []

    def __enter__(self) -> profile:
        """Open the recording."""
        from tokenprof.record.recorder import Recorder

        guard = guard_of(*self._limits, self._settings)
        recorder = Recorder(
            self.path,
            tags=self._tags,
            listener=listener(self._on_turn, self._metrics, self._settings, guard),
            content=self._content,
            cache_diagnostics=self._cache_diagnostics,
            request_usage=self._request_usage,
            seller=self._seller,
            labeller=self._labeller(),
            span_cost=span_cost(self._metrics, self._settings, self._seller),
        )
        if guard is not None and guard.stops:
            recorder.gatekeeper = guard.refusal
        _close_at_the_end(SYSTEM.process_id())
        token = session.enter(recorder)
        self._openings.append(_Opening(recorder, token, watch_all(), threading.get_ident()))
        return self

    def _labeller(self) -> Callable[[str, object], str | None] | None:
        if not self._labels:
            return None
        from tokenprof.facts.call_labels import Labeller

        return Labeller(rule=None if self._labels is True else self._labels).label

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the recording. Exceptions from the block are not suppressed."""
        recorder = self._leave()
        if recorder is not None:
            recorder.close()

    async def __aenter__(self) -> profile:
        """Open the recording."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the recording while the event loop goes on. Exceptions from the block are not suppressed."""
        recorder = self._leave()
        if recorder is None:
            return
        try:
            await _until_ended(recorder)
        except Exception:
            log.warning("tokenprof could not end a recording in order", exc_info=True)
        finally:
            recorder.close(0.1 if recorder.is_ended() else 0.0)

    def _leave(self) -> Recorder | None:
        """Stop to see calls. Return the recorder of this block; threads may share one profile."""
        here = threading.get_ident()
        mine = [opening for opening in self._openings if opening.thread == here] or self._openings
        if not mine:
            return None
        opening = mine[-1]
        self._openings.remove(opening)
        for undo in reversed(opening.undo):
            try:
                undo()
            except Exception:
                log.warning("tokenprof could not stop to watch a library", exc_info=True)
        session.leave(opening.recorder, opening.token)
        return opening.recorder


@functools.cache
def _close_at_the_end(process: int) -> None:
    """End recordings with the process, if it does not leave their blocks.

    It is registered after the recorder's own function for the end, and so runs before it. A forked child has
    its own end.
    """
    at_end_of_process(session.close_open_recorders)


@frozen(eq=False)
class _Opening:
    """One use of a profile, which may be nested in itself or shared by threads."""

    recorder: Recorder
    token: Token[Recorder | session.NoRecorder | None] | None
    undo: list[Callable[[], None]]
    thread: int


async def _until_ended(recorder: Recorder) -> None:
    """Let a recorder end while the event loop, of whichever kind, goes on."""
    recorder.end()
    try:
        asyncio.get_running_loop()
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    except RuntimeError:
        # Not asyncio: trio, which is loaded, or a loop that nobody knows.
        trio = imported("trio")
        if trio is None:
            return
        sleep = trio.sleep
    until = SYSTEM.monotonic_s() + recorder.waits.block_s
    while not recorder.is_ended() and SYSTEM.monotonic_s() < until:
        await sleep(0.002)


def watch_all() -> list[Callable[[], None]]:
    """See the calls of every client library, now or when it is imported; returns what undoes it.

    Nothing is imported for this: a program that uses one library should not pay for the others.
    """
    watched = {**{package: SDK_ADAPTERS[package] for package in WATCHED}, **WORK_ELSEWHERE}
    return [
        watch_when_imported(package, functools.partial(_watch, package, adapter))
        for package, adapter in watched.items()
    ]


def _watch(package: str, adapter: str) -> Callable[[], None] | None:
    """Start to see the calls of a package's clients; return a function that stops it, None if there is none.

    If a new release or a broken installation makes that fail, its calls are not seen, but the host goes on.
    """
    try:
        undo: Callable[[], None] = load_adapter(adapter).wrap_new_clients()
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
    """Start the recording that `TOKENPROF_RUN` names, once, and keep it open until the process ends.

    If it cannot be started, that is logged, and the program goes on unrecorded.
    """
    path = os.environ.get(RUN_VARIABLE)
    with _starting:
        if not path or any(recorder.path == Path(path).absolute() for recorder in session.open_recorders()):
            return
        from tokenprof.record.recorder import Recorder

        try:
            recorder = Recorder(Path(path), listener=listener())
        except Exception as error:  # noqa: BLE001 - the program goes on unrecorded
            log.warning("tokenprof cannot record to %s, which %s names: %s", path, RUN_VARIABLE, error)
            return
        session.enter(recorder, behind_others=True)
    at_end_of_process(recorder.close)


def record_as_parent_does(path: str, tags: Mapping[str, str], tally_address: str | None = None) -> None:
    """Continue the recording of the process that started this one, until it ends. Never raises."""
    try:
        from tokenprof.record.recorder import Recorder

        recorder = Recorder(Path(path), tags=tags, waits_for_counts=False, tally_address=tally_address)
        session.enter(recorder, behind_others=True)
        watch_all()
        at_end_of_process(recorder.close)
        processes = imported("multiprocessing.util")
        if processes is not None:
            # What is registered now is forgotten before the process begins to work.
            processes.register_after_fork(recorder, lambda opened: at_end_of_process(opened.close))
    except Exception:
        log.warning("tokenprof cannot record the calls of this process to %s", path, exc_info=True)
