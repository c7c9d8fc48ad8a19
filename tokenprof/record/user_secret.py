"""The secret that digests are keyed with: one file per user that never leaves the machine.

It lies in `$XDG_STATE_HOME/tokenprof/secret` (default: `~/.local/state/tokenprof/secret`), readable by its
owner only. A key that anybody could guess would let them test guesses about recorded texts, so a file that
is empty, too short or unreadable is never used.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

SECRET_BYTES = 32
_FEWEST_DIFFERENT_BYTES = 8
"""32 random bytes have fewer once in 10⁴⁰ files; a file that a crash left full of zeros has one."""

log = logging.getLogger("tokenprof")


def user_secret() -> bytes:
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
    return secrets.token_bytes(SECRET_BYTES)


def _stored(path: Path) -> bytes:
    """Return the secret in a file, which is made if it is missing and replaced if it is damaged."""
    found = _read(path)
    if found is None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path)
    elif not is_sound(found):
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
    if stored is None or not is_sound(stored):
        raise OSError(f"it holds {len(stored or b'')} bytes after it was written")
    return stored


def is_sound(secret: bytes) -> bool:
    """Whether bytes are long enough for a secret, and not merely a repetition that a crash left behind."""
    return len(secret) >= SECRET_BYTES and len(set(secret)) >= _FEWEST_DIFFERENT_BYTES


def _read(path: Path) -> bytes | None:
    """Return what a file holds, after closing it to other users; None if there is no file."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                with suppress(OSError):
                    path.chmod(0o600)
            return file.read(1024)
    except FileNotFoundError:
        return None


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
    temporary = path.with_name(f"secret.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary
