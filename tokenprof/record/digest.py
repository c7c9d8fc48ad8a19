"""Keyed digests of texts: equal texts match within a project, and nobody can test a guess.

The key of a project is derived from a secret that is made once per user and never leaves the machine. It
lies in `$XDG_STATE_HOME/tokenprof/secret` (default: `~/.local/state/tokenprof/secret`), readable by its owner
only. A file that is empty, too short or unreadable is never used, because a key that anybody could guess
would let them test guesses about recorded texts. Logs of other programs, which are digested when they are
read, share one key per user. A team that wants its recordings to match across machines sets `TOKENPROF_KEY`.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from tokenprof.record.background.harmless_log import log

DIGEST_BYTES = 12
SECRET_BYTES = 32
SHORTEST_KEY = 16
"""Characters below which a given key could be guessed."""

_FEWEST_DIFFERENT_BYTES = 8
"""32 random bytes practically never have fewer; a file that a crash left full of zeros has one."""


def digester(key: bytes) -> Callable[[bytes], blake2b]:
    """Return what digests bytes with a key; a digest is recorded as 24 hexadecimal digits."""
    return functools.partial(blake2b, digest_size=DIGEST_BYTES, key=key)


@functools.cache
def project_key() -> bytes:
    """Return the key (32 bytes) for recordings: the user's secret bound to the project's root folder.

    `TOKENPROF_KEY` replaces both. If no secret can be stored, the key lasts as long as the process:
    recordings are sound, but do not match those of other processes.
    """
    return _key(os.fsencode(_project_root()))


@functools.cache
def key_of_logs() -> bytes:
    """Return the key (32 bytes) for logs of other programs: the user's secret alone, or `TOKENPROF_KEY`.

    A log is digested when it is read, so its digests must not depend on the folder from which it is read, nor
    on where a copy of it lies.
    """
    return _key(b"")


def _key(bound: bytes) -> bytes:
    given = os.environ.get("TOKENPROF_KEY", "").strip()
    if given and len(given) < SHORTEST_KEY:
        log.warning(
            "TOKENPROF_KEY has %d characters, which can be guessed; use at least %d", len(given), SHORTEST_KEY
        )
    secret = given.encode("utf-8", "surrogateescape") if given else _user_secret()
    data = b"" if given else bound
    return blake2b(data, digest_size=32, key=blake2b(secret, digest_size=32).digest()).digest()


def _project_root() -> Path:
    try:
        here = Path.cwd()
    except OSError:
        return Path()
    for folder in (here, *here.parents):
        # Not `Path.exists`, which raises for a folder that this user may not look into.
        if os.path.exists(folder / ".git") or os.path.exists(folder / "pyproject.toml"):
            return folder
    return here


@functools.cache
def _user_secret() -> bytes:
    """Return the user's secret, made on first use. Never raises.

    If no file can be read or written (no home folder, a read-only one), the secret is random and lasts as
    long as the process: its recordings are sound, but do not match those of other processes.
    """
    path = secret_file()
    if path is None:
        return _secret_of_this_process("this user has no home folder")
    try:
        return _stored(path)
    except OSError as error:
        return _secret_of_this_process(f"{path} cannot be used ({error.strerror or error})")


def secret_file() -> Path | None:
    """Return where the user's secret is kept; None if the user has no home folder."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        return Path(state) / "tokenprof" / "secret"
    try:
        return Path.home() / ".local" / "state" / "tokenprof" / "secret"
    except (RuntimeError, KeyError):
        return None


def _secret_of_this_process(why: str) -> bytes:
    log.warning(
        "%s, so digests of this process match no other recording; set TOKENPROF_KEY to give it a key", why
    )
    return os.urandom(SECRET_BYTES)


def _stored(path: Path) -> bytes:
    """Return the secret in a file, which is made if it is missing and replaced if it is damaged."""
    found = _read(path)
    if found is None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path)
    elif not _is_sound(found):
        log.warning(
            "%s held no usable secret (%d bytes) and was replaced; digests of new recordings do not match "
            "those made with it",
            path,
            len(found),
        )
        written = _written_beside(path)
        written.replace(path)
    else:
        return found
    stored = _read(path)
    if stored is None or not _is_sound(stored):
        raise OSError(f"it holds {len(stored or b'')} bytes after it was written")
    return stored


def _is_sound(secret: bytes) -> bool:
    """Whether bytes are long enough for a secret, and not merely a repetition that a crash left behind."""
    return len(secret) >= SECRET_BYTES and len(set(secret)) >= _FEWEST_DIFFERENT_BYTES


def _read(path: Path) -> bytes | None:
    """Return what a file holds, after closing it to other users; None if there is no file."""
    try:
        # Without waiting: a pipe in its place would have no writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError("it is not a file")
        if stat.S_IMODE(mode) & 0o077:
            with suppress(OSError):
                path.chmod(0o600)
        return file.read(1024)


def _create(path: Path) -> None:
    """Make the file with all its bytes at once. If another process was faster, its file stays."""
    written = _written_beside(path)
    try:
        os.link(written, path)
    except FileExistsError:
        pass
    except OSError:
        # Some file systems have no hard links. A rename is as whole, but the last of several processes wins.
        written.replace(path)
        return
    written.unlink()


def _written_beside(path: Path) -> Path:
    temporary = path.with_name(f"secret.{os.urandom(8).hex()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary
