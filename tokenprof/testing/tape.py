"""The file that a cassette plays: one exchange per line, to be reviewed and committed."""

from __future__ import annotations

import os
import stat
import tempfile
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.secrets.masks import masked, masked_target

RECORD_VARIABLE = "TOKENPROF_RECORD"


@frozen
class Taped:
    """One request and its reply. `request` is the body as JSON, or as text if it is not JSON.

    The `body` of the reply is text, so that a tape can be reviewed, or base64 if it is binary (AWS's
    streams). Secrets in `path`, `request` and a text `body` are masked.
    """

    method: str
    path: str
    request: Any
    status: int
    headers: Mapping[str, str]
    body: str
    is_base64: bool = False

    @property
    def data(self) -> bytes:
        """The body of the reply as it was received."""
        return b64decode(self.body, validate=True) if self.is_base64 else self.body.encode()


def read_tape(path: Path) -> Iterator[Taped]:
    """Yield the exchanges on a tape. Raises InputError for a tape that is missing or damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(
            f"The cassette {path} cannot be read ({error.strerror}). Record it once with {RECORD_VARIABLE}=1."
        ) from None
    for number, line in enumerate(lines, 1):
        taped = _taped(line)
        if taped is None:
            raise InputError(f"{path}:{number} is not a line of a cassette. Record it again.")
        # Tapes of earlier releases were not masked; what they are compared with is.
        yield replace(taped, path=masked_target(taped.path), request=masked(taped.request))


def _taped(line: bytes) -> Taped | None:
    """Return the exchange in a line; None if it does not hold one that can be played."""
    try:
        taped = Taped(**orjson.loads(line))
        headers = taped.headers.items()
        texts = [taped.method, taped.path, taped.body, *(text for pair in headers for text in pair)]
        playable = (
            all(isinstance(text, str) for text in texts)
            and not any(char in text for pair in headers for text in pair for char in "\r\n")
            and type(taped.status) is int
            and 200 <= taped.status <= 599
            and isinstance(taped.is_base64, bool)
        )
        _ = taped.data
    except (TypeError, ValueError, AttributeError):
        return None
    return taped if playable else None


def write_tape(path: Path, tape: list[Taped]) -> None:
    """Write a tape whole or not at all; a new one can be read by its owner only, until it is committed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"".join(orjson.dumps(taped) + b"\n" for taped in tape))
        Path(temporary).chmod(mode)
        # Through a link, as writing in place would.
        Path(temporary).replace(path.resolve())
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
