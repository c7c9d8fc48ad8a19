"""A proxy that records, and the addresses to give to its clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.live.budget_guard import BudgetGuard
    from tokenprof.proxy.observe import Observer
    from tokenprof.proxy.server import RecordingProxy, Routes


@contextmanager
def recording_proxy(
    path: Path,
    environment: Mapping[str, str],
    *,
    port: int = 0,
    upstream: str | None = None,
    seller: str | None = None,
    guard: BudgetGuard | None = None,
) -> Iterator[RecordingProxy]:
    """Serve on 127.0.0.1 and record to `path` until the block ends.

    `upstream` takes everything to one base address; without it, each provider has a path of its own and is
    reached where `environment` says, or at its usual address. Port 0 is any free one. `seller` is who sells
    the calls whose host does not show it. `guard` watches what the calls cost, and refuses further ones in
    the shape of the provider. Raises InputError for a port that is taken and for an address that is not one.
    """
    from tokenprof.proxy.observe import Observer
    from tokenprof.proxy.upstream import upstream_at
    from tokenprof.record.recorder import Recorder
    from tokenprof.record.wires import WIRES

    routes = (
        {"": upstream_at(upstream)}
        if upstream
        else {
            f"/{wire.provider}": upstream_at(environment.get(wire.variable) or wire.default_url)
            for wire in WIRES
            if wire.variable
        }
    )
    recorder = Recorder(path, seller=seller, listener=guard)
    if guard is not None and guard.stops:
        recorder.gatekeeper = guard.refusal
    try:
        with _listening(routes, Observer(recorder), port) as proxy:
            yield proxy
    finally:
        recorder.close()


def _listening(routes: Routes, observer: Observer, port: int) -> RecordingProxy:
    from tokenprof.proxy.server import RecordingProxy

    try:
        return RecordingProxy(routes, observer, port=port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"port {port} of 127.0.0.1 cannot be listened at ({reason}); choose another with --port."
        ) from None


def addresses(proxy: RecordingProxy, upstream: str | None = None) -> dict[str, str]:
    """Return the environment variables that send clients to the proxy, with its addresses."""
    from tokenprof.record.wires import WIRES

    return {
        wire.variable: proxy.url("" if upstream else f"/{wire.provider}") for wire in WIRES if wire.variable
    }
