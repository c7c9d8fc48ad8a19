"""Local token counts in the bundled vocabularies, without any network call.

`toktok` has its vocabularies compiled in. `tiktoken` gives the same ids but fetches its rank files, so it is
used only if they are already on disk. Without either, a block keeps its bytes and the estimate falls back to
them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

VOCABULARIES = ("o200k_base", "cl100k_base")
"""The vocabularies in which every text is counted. Estimates start from the first."""


_counting: list[int] = []
"""The processes that are counting: in a forked child, also its parent, if that was."""


def is_counting() -> bool:
    """Whether tokens are being counted; the first time in a process that takes half a second or more."""
    return os.getpid() in _counting


_loaded: list[bool] = []


def is_loaded() -> bool:
    """Whether the vocabularies are loaded here; a forked child shares those of its parent."""
    return bool(_loaded)


def count_tokens(texts: Sequence[str], vocabularies: Sequence[str] = VOCABULARIES) -> list[Mapping[str, int]]:
    """Return the tokens of each text in every vocabulary that is available (an empty mapping if none is)."""
    if not texts:
        return []
    here = os.getpid()
    if any(process != here for process in _counting):
        # The process was forked inside the tokenizer, whose locks nobody will open here.
        return [{} for _ in texts]
    _counting.append(here)
    try:
        counted = _count(texts, vocabularies)
        _loaded[:] = [True]
        return counted
    finally:
        _counting.remove(here)


def _count(texts: Sequence[str], vocabularies: Sequence[str]) -> list[Mapping[str, int]]:
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
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    root = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
    return (root / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()).is_file()
