"""Local token counts in the bundled vocabularies, without any network call.

`toktok` has its vocabularies compiled in. `tiktoken` gives the same ids but fetches its rank files, so it is
used only if they are already on disk. Without either, a block keeps its bytes and the estimate falls back to
them.

The file is also the program of the process that counts for a recording, so it imports nothing of ours:
`python counting.py HOST_PID FOLDER…` counts what comes over the socket that is its standard input.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VOCABULARIES = ("o200k_base", "cl100k_base")
"""The vocabularies in which every text is counted. Estimates start from the first."""

PROGRAM = Path(__file__)

TOKENIZERS = ("toktok", "tiktoken")

IDLE_S = 60.0
"""After this long without work the counting process ends; the next text starts another."""

LOOK_AROUND_S = 2.0
"""How often the counting process looks whether its host is still there."""

_LENGTH = struct.Struct("<Q")


def count_tokens(texts: Sequence[str], vocabularies: Sequence[str] = VOCABULARIES) -> list[Mapping[str, int]]:
    """Return the tokens of each text in every vocabulary that is available (an empty mapping if none is).

    The first time in a process the vocabularies are loaded, which stops all its threads for up to a second.
    """
    if not texts:
        return []
    counts: dict[str, list[int]] = {}
    try:
        import toktok  # type: ignore[import-untyped]
    except ImportError:
        for name in vocabularies:
            counted = _count_with_tiktoken(name, texts)
            if counted is not None:
                counts[name] = counted
    else:
        for name in vocabularies:
            # One thread: the host needs the machine too.
            counts[name] = toktok.batch_count(texts, name, threads=1)
    return [{name: column[i] for name, column in counts.items()} for i in range(len(texts))]


def _count_with_tiktoken(name: str, texts: Sequence[str]) -> list[int] | None:
    """Count with tiktoken if its ranks are on disk; None if it would use the network."""
    if not _ranks_on_disk(name):
        return None
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    return [len(encoding.encode_ordinary(text)) for text in texts]


def _ranks_on_disk(name: str) -> bool:
    """Whether tiktoken's cache holds the rank file (it names files by the sha1 of their address)."""
    import tempfile

    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    root = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
    return (root / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()).is_file()


def packed(texts: Sequence[str]) -> bytes:
    """Return texts as the counting process takes them: how many, then each with its length in bytes."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    body = b"".join(_LENGTH.pack(len(text)) + text for text in encoded)
    return _LENGTH.pack(len(encoded)) + body


def unpacked(answer: bytes, texts: int) -> list[Mapping[str, int]]:
    """Return what the counting process found in `texts` texts. Raises ValueError if it is not that."""
    found: list[Mapping[str, int]] = json.loads(answer)
    if len(found) != texts:
        raise ValueError("another number of counts than of texts")
    return found


def serve(host: int, descriptor: int = 0) -> None:
    """Count what comes over a socket until it is closed, the host has ended, or nothing has come for long."""
    idle_s = 0.0
    # Loaded now, while the host waits for its first answer.
    count_tokens(["a"])
    while idle_s < IDLE_S:
        if not select.select([descriptor], [], [], LOOK_AROUND_S)[0]:
            idle_s += LOOK_AROUND_S
            if not _is_there(host):
                return
            continue
        idle_s = 0.0
        count = _read(descriptor, _LENGTH.size)
        if count is None:
            return
        texts = []
        for _ in range(_LENGTH.unpack(count)[0]):
            length = _read(descriptor, _LENGTH.size)
            text = _read(descriptor, _LENGTH.unpack(length)[0]) if length is not None else None
            if text is None:
                return
            texts.append(text.decode("utf-8", "replace"))
        answer = json.dumps(count_tokens(texts)).encode() + b"\n"
        while answer:
            answer = answer[os.write(descriptor, answer) :]


def _read(descriptor: int, size: int) -> bytes | None:
    """Return as many bytes; None if the socket was closed before."""
    found = bytearray()
    while len(found) < size:
        piece = os.read(descriptor, min(size - len(found), 1 << 20))
        if not piece:
            return None
        found += piece
    return bytes(found)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    os.nice(5)
    os.closerange(3, 256)
    sys.path.extend(sys.argv[2:])
    try:
        serve(int(sys.argv[1]))
    except OSError:
        # The host has gone.
        sys.exit(0)
