"""Keyed digests of texts: equal texts match within a project, and nobody can test a guess.

The key of a project is derived from a secret that is made once per user and never leaves the
machine. A team that wants its recordings to match across machines sets `TOKENPROF_KEY`.
"""

from __future__ import annotations

import functools
import logging
import os
from hashlib import blake2b
from pathlib import Path

from tokenprof.record.user_secret import user_secret

DIGEST_BYTES = 12
SHORTEST_KEY = 16
"""Characters below which a given key could be guessed."""

log = logging.getLogger("tokenprof")


def digest(data: bytes, key: bytes) -> str:
    """Return the keyed digest of `data` as 24 hexadecimal digits."""
    return blake2b(data, digest_size=DIGEST_BYTES, key=key).hexdigest()


@functools.cache
def project_key() -> bytes:
    """Return this project's key (32 bytes): the user's secret bound to the project's root folder.

    `TOKENPROF_KEY` replaces both. If no secret can be stored, the key lasts as long as the process:
    recordings are sound, but do not match those of other processes.
    """
    given = os.environ.get("TOKENPROF_KEY", "").strip()
    if given and len(given) < SHORTEST_KEY:
        log.warning(
            "TOKENPROF_KEY has %d characters, which can be guessed; use at least %d", len(given), SHORTEST_KEY
        )
    secret = given.encode("utf-8", "surrogateescape") if given else user_secret()
    bound = b"" if given else os.fsencode(_project_root())
    return blake2b(bound, digest_size=32, key=blake2b(secret, digest_size=32).digest()).digest()


def _project_root() -> Path:
    try:
        here = Path.cwd()
    except OSError:
        return Path()
    for folder in (here, *here.parents):
        if (folder / ".git").exists() or (folder / "pyproject.toml").exists():
            return folder
    return here
