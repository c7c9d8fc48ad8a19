"""The clients that are connected: how long the proxy waits for each, and who leaves if another has no room.

A call is never cut while the proxy waits for the provider: models think for minutes, and stream for longer.
Only a client that does not do its own part is let go: send a request, or take its answer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from tokenprof.data_classes.frozen import frozen

_MOST_DESCRIPTORS = 16_384
_DESCRIPTORS_A_CLIENT = 2
_DESCRIPTORS_OF_OUR_OWN = 64
_LEAST_ROOM = 8


@frozen
class ClientStage:
    """Something that a client has to do, and the seconds it has for it.

    `spared_s` is for how long it is not disturbed even if another client finds no room. Of those beyond that,
    the stage with the lowest `rank` leaves first.
    """

    rank: int
    limit_s: float
    spared_s: float


@frozen
class Patience:
    """How long a client may take: to begin a request, to send its head, its body, and to read 64 KiB."""

    idle: ClientStage = ClientStage(0, limit_s=600.0, spared_s=2.0)
    head: ClientStage = ClientStage(1, limit_s=60.0, spared_s=5.0)
    body: ClientStage = ClientStage(2, limit_s=600.0, spared_s=60.0)
    answer: ClientStage = ClientStage(3, limit_s=1800.0, spared_s=120.0)


class ConnectedClient:
    """One client's connection. `waited` is what the proxy waits for it to do, and since when; or None."""

    def __init__(self, connection: socket.socket, patience: Patience):
        self._connection = connection
        self._patience = patience
        self.waited: tuple[ClientStage, float] | None = None
        self.wait_for(patience.idle)

    def wait_for(self, stage: ClientStage | None) -> None:
        """Note what the proxy waits for from here on; None if not for the client."""
        self.waited = None if stage is None else (stage, time.monotonic())

    def write(self, data: bytes) -> None:
        """Send a piece of an answer. Raises OSError if the client has left, or did not read it in time."""
        self.wait_for(self._patience.answer)
        self._connection.sendall(data)
        self.wait_for(None)

    def hang_up(self) -> None:
        """End the connection, along with whatever waits for it in another thread."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


class Clients:
    """All clients that are connected, at most as many as this process has descriptors for."""

    def __init__(self, patience: Patience):
        self.patience = patience
        self._room = _room()
        self._lock = threading.Lock()
        self.is_closed = False
        self._connected: dict[socket.socket, ConnectedClient] = {}

    def enter(self, connection: socket.socket) -> None:
        """Note a new connection."""
        with self._lock:
            self._connected[connection] = ConnectedClient(connection, self.patience)

    def of(self, connection: socket.socket) -> ConnectedClient:
        """Return the client of a connection, whether or not it has been told to leave."""
        with self._lock:
            return self._connected.get(connection) or ConnectedClient(connection, self.patience)

    def leave(self, connection: socket.socket) -> None:
        """Forget a connection that is about to be closed."""
        with self._lock:
            self._connected.pop(connection, None)

    def has_room(self) -> bool:
        """Whether one more may come."""
        return len(self._connected) < self._room

    def close(self) -> None:
        """Take no further requests; calls that are being answered go on."""
        with self._lock:
            self.is_closed = True
            for connection, client in list(self._connected.items()):
                if (waited := client.waited) and waited[0] is not self.patience.answer:
                    self._end(connection)

    def end_overdue(self) -> None:
        """Hang up on each client that takes longer than it may."""
        now = time.monotonic()
        with self._lock:
            for connection, client in list(self._connected.items()):
                if (waited := client.waited) and now - waited[1] > waited[0].limit_s:
                    self._end(connection)

    def make_room(self) -> bool:
        """Hang up on the client that can best be spared; return whether there was one."""
        now = time.monotonic()
        with self._lock:
            spare = [
                (waited[0].rank, waited[1], connection)
                for connection, client in self._connected.items()
                if (waited := client.waited) and now - waited[1] > waited[0].spared_s
            ]
            if not spare:
                return False
            self._end(min(spare, key=lambda found: found[:2])[2])
            return True

    def _end(self, connection: socket.socket) -> None:
        # Under the lock, so that its thread does not close it meanwhile, and its number become another's.
        self._connected.pop(connection).hang_up()


def _room() -> int:
    try:
        import resource
    except ImportError:
        return _MOST_DESCRIPTORS // _DESCRIPTORS_A_CLIENT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        soft = _MOST_DESCRIPTORS
    return max(_LEAST_ROOM, (soft - _DESCRIPTORS_OF_OUR_OWN) // _DESCRIPTORS_A_CLIENT)


def allow_many_connections() -> None:
    """Raise this process's soft limit of descriptors; a call in flight takes two. Children inherit it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_MOST_DESCRIPTORS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
