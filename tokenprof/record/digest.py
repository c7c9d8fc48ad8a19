"""Keyed digests of texts: equal texts match within a project, and nobody can test a guess.

The key of a project is derived from a secret that is made once per user and never leaves the
machine. A team that wants its recordings to match across machines sets `TOKENPROF_KEY`.
"""

from __future__ import annotations

import functools
import os
import secrets
from hashlib import blake2b
from pathlib import Path

DIGEST_BYTES = 12


def digest(data: bytes, key: bytes) -> str:
    """Return the keyed digest of `data` as 24 hexadecimal digits."""
    return blake2b(data, digest_size=DIGEST_BYTES, key=key).hexdigest()


@functools.cache
def project_key() -> bytes:
    """Return this project's key (32 bytes): the user's secret bound to the project's root folder.

    `TOKENPROF_KEY` replaces both. If no secret can be stored, the key lasts as long as the process:
    recordings are sound, but do not match those of other processes.
    """
    given = os.environ.get("TOKENPROF_KEY")
    secret = given.encode() if given else _user_secret()
    bound = b"" if given else str(_project_root()).encode()
    return blake2b(bound, digest_size=32, key=blake2b(secret, digest_size=32).digest()).digest()


def _project_root() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".git").exists() or (folder / "pyproject.toml").exists():
            return folder
    return here


def _user_secret() -> bytes:
    state = os.environ.get("XDG_STATE_HOME")
    path = (Path(state) if state else Path.home() / ".local" / "state") / "tokenprof" / "secret"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        return path.read_bytes()
    except OSError:
        return secrets.token_bytes(32)
