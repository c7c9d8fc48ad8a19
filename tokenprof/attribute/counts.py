"""Token counts from a provider, of prompts cut off after a block. They fix that place in every such prompt.

`tokenprof count`, the only command that asks a provider, gets them from Anthropic's `count_tokens`. They are
kept under a digest of the blocks, so a file of counts serves every run whose prompts begin with those blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import orjson

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Block, block_key

SCHEMA = "tokenprof.counts/1"

Counts = Mapping[str, int]
"""Tokens of a prompt up to and including a block, keyed by `prefix_digests` of its blocks and model."""


def prefix_digests(model: str, blocks: Iterable[Block]) -> Iterator[str]:
    """Yield, for each block of a prompt, the digest of the prompt up to it, without deferred tools."""
    state = blake2b(model.encode(), digest_size=16)
    for block in blocks:
        if not block.deferred:
            state.update(f"{block_key(block)}\0".encode())
        yield state.hexdigest()


def counted_places(model: str, prompt: Sequence[Block], counts: Counts) -> list[tuple[int, int]]:
    """Return (index of a block, tokens up to and including it) for the counted blocks of a prompt."""
    if not counts:
        return []
    return [
        (index, counts[digest])
        for index, digest in enumerate(prefix_digests(model, prompt))
        if digest in counts and not prompt[index].deferred
    ]


def read_counts(path: Path) -> dict[str, int]:
    """Return the counts in a file. Raises InputError if the file is missing or does not hold counts."""
    try:
        data = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Check the name.") from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}. Counts are written by `tokenprof count`.") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{path} holds no counts ({SCHEMA}). They are written by `tokenprof count`.")
    counts = data.get("counts")
    if not isinstance(counts, dict) or not all(type(n) is int and n >= 0 for n in counts.values()):
        raise InputError(f"{path} holds counts that are not numbers of tokens; run `tokenprof count` again.")
    return dict(counts)


def write_counts(path: Path, counts: Counts) -> None:
    """Write counts, in the order of their digests."""
    data = {"schema": SCHEMA, "counts": dict(sorted(counts.items()))}
    path.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
