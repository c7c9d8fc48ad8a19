"""Prompts as a cache sees them: a key and a size for every prefix.

The prompts of a conversation grow out of one another, so they can share one `PrefixRow`: each call then
costs what it adds, however long its prompt is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from tokenprof.pricing.cache.cache_rules import SECTIONS, Section, first_section_lost


class CacheBlock(NamedTuple):
    """A block as the cache sees it. `kind` matters for runs of `tool_use` or `tool_result`."""

    digest: str
    tokens: int
    kind: str = ""


AnyBlock = CacheBlock | tuple[str, int]


@dataclass(slots=True)
class PrefixRow:
    """Blocks in prompt order. It only grows, so that many prompts can share it.

    For each block, `keys` identifies the prefix that ends with it, and `ends` is the size of that prefix in
    tokens.
    """

    keys: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def add(self, digest: str, tokens: int, kind: str = "") -> None:
        """Append a block."""
        before = self.keys[-1] if self.keys else b""
        self.keys.append(blake2b(before + digest.encode(), digest_size=16).digest())
        self.ends.append((self.ends[-1] if self.ends else 0) + tokens)
        self.kinds.append(kind)


@dataclass(frozen=True, slots=True)
class PromptPrefixes:
    """The prompt of one call: the first `length` blocks of a row, then tokens that are never cached."""

    row: PrefixRow
    length: int
    tail_tokens: int = 0

    @property
    def tokens(self) -> int:
        """The size of the whole prompt."""
        return self.size(self.length - 1) + self.tail_tokens

    def key(self, index: int) -> bytes:
        """Return what identifies the prefix up to and including block `index`."""
        return self.row.keys[index]

    def size(self, index: int) -> int:
        """Return the tokens up to and including block `index`; 0 for an index of -1, the empty prefix."""
        return self.row.ends[index] if index >= 0 else 0

    def kind(self, index: int) -> str:
        """Return the kind of block `index`."""
        return self.row.kinds[index]


Prompt = PromptPrefixes | Sequence[AnyBlock]
"""What the caches take: a list of blocks, or the prefixes of a prompt that shares a row with others."""


def prefixes_of(prompt: Prompt) -> PromptPrefixes:
    """Return the prefixes of a prompt, whichever way it is given."""
    if isinstance(prompt, PromptPrefixes):
        return prompt
    row = PrefixRow()
    for block in prompt:
        row.add(*block)
    return PromptPrefixes(row, len(row.keys))


def salts_of(settings: Mapping[str, str]) -> dict[Section, str]:
    """Return what Anthropic's cache adds to the keys of each section for a request's parameters.

    `settings` holds a digest per request parameter (`tool_choice`, `thinking`, `speed`, …). A parameter is
    part of every block from the first section that a change of it invalidates.
    """
    loses: dict[Section, list[str]] = {section: [] for section in SECTIONS}
    for name, digest in sorted(settings.items()):
        if section := first_section_lost("anthropic", name):
            loses[section].append(f"{name}={digest}")
    salts: dict[Section, str] = {}
    so_far = ""
    for section in SECTIONS:
        so_far = "|".join((so_far, *loses[section]))
        salts[section] = so_far
    return salts


def salted(
    blocks: Sequence[AnyBlock], sections: Sequence[Section], settings: Mapping[str, str]
) -> list[CacheBlock]:
    """Return blocks with the request's parameters in their digests (see `salts_of`).

    `sections` says which section each block belongs to.
    """
    salts = salts_of(settings)
    return [
        CacheBlock(f"{block[0]}{salts[section]}", *block[1:])
        for block, section in zip(blocks, sections, strict=True)
    ]
