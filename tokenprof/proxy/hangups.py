"""Notices clients that hang up while their requests are being answered.

Without this, the provider would go on generating, and billing, for a client that no longer waits. One thread
watches the connections of all clients, with two descriptors of its own however many there are.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator

from tokenprof.data_classes.frozen import frozen


@frozen(eq=False)
class _Watched:
    client: socket.socket
    then: Callable[[], None]


class Hangups:
    """Calls a function when a client hangs up; `close` ends the watching."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, _Watched] = {}
        self._changed: list[int] = []
        self._closed = False
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        threading.Thread(target=self._watch, name="tokenprof-hangups", daemon=True).start()

    @contextlib.contextmanager
    def watching(self, client: socket.socket, then: Callable[[], None]) -> Iterator[None]:
        """Call `then` at once if the client hangs up inside the block, and never after it."""
        number = client.fileno()
        with self._lock:
            self._watched[number] = _Watched(client, then)
            self._note(number)
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(number, None)
                self._note(number)

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            self._closed = True
            self._note(-1)

    def _note(self, number: int) -> None:
        self._changed.append(number)
        # A full buffer has woken the thread already.
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake.send(b"\0")

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector, self._wake, self._woken:
            selector.register(self._woken, selectors.EVENT_READ)
            while self._follow_changes(selector):
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        with contextlib.suppress(BlockingIOError, OSError):
                            self._woken.recv(4096)
                    else:
                        self._readable(key.fd, selector)

    def _follow_changes(self, selector: selectors.BaseSelector) -> bool:
        with self._lock:
            changed, self._changed = self._changed, []
            for number in dict.fromkeys(changed):
                with contextlib.suppress(KeyError, ValueError, OSError):
                    selector.unregister(number)
                if number in self._watched:
                    with contextlib.suppress(KeyError, ValueError, OSError):
                        selector.register(number, selectors.EVENT_READ)
            return not self._closed

    def _readable(self, number: int, selector: selectors.BaseSelector) -> None:
        # Under the lock, so that a request that has just been answered is not cut.
        with self._lock:
            watched = self._watched.get(number)
            with contextlib.suppress(KeyError, ValueError, OSError):
                selector.unregister(number)
            if watched is None:
                return
            try:
                # Only the end of the stream matters here, not the bytes of a next request.
                if watched.client.recv(1, socket.MSG_PEEK | _DO_NOT_WAIT):
                    return
            except BlockingIOError:
                # The event was that of an earlier connection with this number, and this one is open.
                self._note(number)
                return
            except OSError:
                pass  # it was reset
            watched.then()


_DO_NOT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
