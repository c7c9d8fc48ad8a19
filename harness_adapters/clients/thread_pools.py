"""Work that the host gives to a pool of threads: its calls belong to the recording open where it is given."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any

from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, marked
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.session import NoRecorder, owned, owner_here


def _submitted(submit: Any) -> Any:
    def observed_submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            owner = owner_here()
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's work is done
            raise_if_the_hosts(error)
            return submit(self, fn, *args, **kwargs)
        if isinstance(owner, NoRecorder):
            return submit(self, fn, *args, **kwargs)
        return submit(self, _Owned(owner, fn), *args, **kwargs)

    return marked(observed_submit, submit)


class _Owned:
    """A function that runs where the calls go to its recorder."""

    __slots__ = ("_fn", "_owner")

    def __init__(self, owner: Any, fn: Callable[..., Any]) -> None:
        self._owner = owner
        self._fn = fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with owned(self._owner):
            return self._fn(*args, **kwargs)


wrap_new_clients = PatchedMethods(lambda: [(ThreadPoolExecutor, "submit", _submitted)]).apply
