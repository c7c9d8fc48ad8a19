"""Blocks, usage, selectors and breakpoints to and from text in the attributes of a span in run.jsonl.

A block's features are written the first time its text appears in a file, and once more when a prompt that
holds it is written whole, so that one lost line costs little; other occurrences are known by their digest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.call_labels import reading_labeller
from tokenprof.facts.types import Block, Breakpoint, Child, Features
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage
from tokenprof.record import names
from tokenprof.record.otlp import Attribute
from tokenprof.record.wire_values import dumps_leniently

MOST_SECTIONS: Final = "messages"
"""Where a block stands if its record does not say so."""

_FEATURE_FIELDS = tuple(field.name for field in dataclasses.fields(Features))
_feature_values = attrgetter(*_FEATURE_FIELDS)
_USAGE_FIELDS = tuple(field.name for field in dataclasses.fields(Usage))
_usage_values = attrgetter(*_USAGE_FIELDS)
_SELECTORS = tuple(field.name for field in dataclasses.fields(Selectors))


class BlockEncoder:
    """Writes blocks as compact JSON; one per file, because it remembers which features are written."""

    def __init__(self) -> None:
        self._written: set[str] = set()
        self._written_twice: set[str] = set()

    def encode(self, blocks: Iterable[Block], *, whole: bool = False) -> str:
        """Return a JSON list of blocks. `whole` writes features once more (a keyframe)."""
        return dumps_leniently([self._encode(block, whole) for block in blocks]).decode()

    def _encode(self, block: Block, whole: bool) -> dict[str, Any]:
        record: dict[str, Any] = {
            "kind": block.kind,
            "name": block.name,
            "digest": block.digest,
            "role": block.role,
        }
        if block.section != MOST_SECTIONS:
            record["section"] = block.section
        if block.opens_message:
            record["opens"] = True
        if block.link:
            record["link"] = block.link
        if block.uses is not None:
            record["uses"] = list(block.uses)
        if block.deferred:
            record["deferred"] = True
        is_new = block.digest not in self._written
        if is_new or (whole and block.digest not in self._written_twice):
            (self._written if is_new else self._written_twice).add(block.digest)
            measures = zip(_FEATURE_FIELDS, _feature_values(block.features), strict=True)
            record["features"] = {name: value for name, value in measures if value}
            if block.fields:
                record["fields"] = dict(block.fields)
            if block.content_digest:
                record["content"] = block.content_digest
            if block.label:
                record["label"] = block.label
            if block.children:
                record["children"] = [[c.name, c.digest, dict(c.tokens)] for c in block.children]
        return record


@frozen
class _Known:
    """What is written once per text."""

    features: Features
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    children: tuple[Child, ...] = ()
    content_digest: str | None = None
    label: str | None = None


_UNKNOWN = _Known(Features(version=0, bytes=0))


class BlockDecoder:
    """Reads what `BlockEncoder` wrote; one per file, in the order of its lines."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._with_labels = reading_labeller() is not None

    def decode(self, text: str) -> tuple[Block, ...]:
        """Return the blocks of a JSON list. Raises ValueError or KeyError if the text is not one."""
        return tuple(self._decode(record) for record in orjson.loads(text))

    def _decode(self, record: Mapping[str, Any]) -> Block:
        identity = record["digest"]
        if "features" in record:
            self._known[identity] = _Known(
                # Zeros are not written, not even the zero bytes of an empty text.
                Features(**{"version": 0, "bytes": 0, **record["features"]}),
                record.get("fields", {}),
                tuple(Child(name, digest, tokens) for name, digest, tokens in record.get("children", ())),
                record.get("content"),
                record.get("label") if self._with_labels else None,
            )
        # The line with the features may be lost; the size is then known only from the bill.
        known = self._known.get(identity, _UNKNOWN)
        return Block(
            kind=record["kind"],
            name=record["name"],
            digest=identity,
            section=record.get("section", MOST_SECTIONS),
            role=record["role"],
            opens_message=record.get("opens", False),
            features=known.features,
            link=record.get("link"),
            deferred=record.get("deferred", False),
            fields=known.fields,
            children=known.children,
            uses=tuple(record["uses"]) if "uses" in record else None,
            content_digest=known.content_digest,
            label=known.label,
        )


def encode_usage(usage: Usage) -> str:
    """Return the non-zero counts of a usage as JSON."""
    counts = zip(_USAGE_FIELDS, _usage_values(usage), strict=True)
    return orjson.dumps({name: value for name, value in counts if value}).decode()


def decode_usage(text: str) -> Usage:
    """Return the usage that `encode_usage` wrote."""
    counts = orjson.loads(text)
    fees = tuple((unit, count) for unit, count in counts.pop("fees", ()))
    return Usage(**counts, fees=fees)


def usage_attributes(usage: Usage) -> dict[str, Attribute | None]:
    """Return the conventional usage attributes: input inclusive of cache, output inclusive of reasoning."""
    input_tokens = usage.input_tokens
    writes = input_tokens - usage.uncached_input_tokens - usage.cache_read_tokens
    return {
        names.INPUT_TOKENS: input_tokens,
        names.OUTPUT_TOKENS: usage.all_output_tokens,
        names.CACHE_READ_TOKENS: usage.cache_read_tokens,
        names.CACHE_WRITE_TOKENS: writes,
        names.REASONING_TOKENS: usage.reasoning_tokens or None,
    }


def encode_selectors(selectors: Selectors) -> str:
    """Return the selectors as JSON, without those that are unknown."""
    served = {name: getattr(selectors, name) for name in _SELECTORS}
    return orjson.dumps({name: v for name, v in served.items() if v not in (None, False)}).decode()


def decode_selectors(text: str) -> Selectors:
    """Return the selectors that `encode_selectors` wrote."""
    return Selectors(**orjson.loads(text))


def encode_counts(counted: Mapping[str, Mapping[str, int]]) -> str:
    """Return the tokens of texts, by digest, as JSON. The names of the vocabularies stand once, under ""."""
    vocabularies = next((list(tokens) for tokens in counted.values() if tokens), [])
    short = {
        digest: [*tokens.values()] if [*tokens] == vocabularies else dict(tokens)
        for digest, tokens in counted.items()
    }
    return orjson.dumps({"": vocabularies, **short}).decode()


def decode_counts(text: str) -> dict[str, Mapping[str, int]]:
    """Return the tokens that `encode_counts` wrote; a mapping may also stand for each text, as in 0.1.

    Raises ValueError if the text is neither.
    """
    found = orjson.loads(text)
    if not isinstance(found, dict):
        raise ValueError("token counts should be an object")
    vocabularies = found.pop("", ())
    return {
        digest: dict(zip(vocabularies, tokens, strict=True)) if isinstance(tokens, list) else tokens
        for digest, tokens in found.items()
    }


def encode_breakpoints(breakpoints: Iterable[Breakpoint]) -> str:
    """Return breakpoints as a JSON list of [index, ttl] pairs."""
    return orjson.dumps([[b.after, b.ttl] for b in breakpoints]).decode()


def decode_breakpoints(text: str) -> tuple[Breakpoint, ...]:
    """Return the breakpoints that `encode_breakpoints` wrote."""
    return tuple(Breakpoint(after, ttl) for after, ttl in orjson.loads(text))
