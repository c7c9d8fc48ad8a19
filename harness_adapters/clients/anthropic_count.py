"""Asks Anthropic's `count_tokens` for the size of each block of recorded requests: a network call, on demand.

Only recordings with text (`tokenprof.profile(..., content=True)`) can be counted. Each prompt is cut off
after each of its blocks and counted; nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import anthropic
import orjson

from tokenprof.attribute.counts import prefix_digests
from tokenprof.facts.errors import InputError
from tokenprof.harness_adapters.wires.anthropic_messages import prompt_of
from tokenprof.reading.json_lines import read_strict_lines
from tokenprof.record import names
from tokenprof.record.block_facts import Shaper
from tokenprof.record.otlp import decode_attributes, spans_of

Wire = dict[str, Any]

COUNTED_FIELDS = ("model", "tools", "system", "messages", "tool_choice", "thinking")
"""The fields of a request that `count_tokens` takes."""

_STAND_IN = [{"role": "user", "content": "x"}]
"""A request must have a message; if a prompt is cut off before its messages, this one is subtracted again."""


def count_recording(
    path: Path, client: anthropic.Anthropic, counts: MutableMapping[str, int], *, dry_run: bool = False
) -> tuple[int, int]:
    """Add what is missing to `counts`. Return how many calls that took and how many were refused.

    Raises InputError for a recording without content.
    """
    shaper = Shaper()
    stand_ins: dict[str, int] = {}
    asked = refused = 0
    for body in _requests(path):
        model = str(body.get("model"))
        for cut, is_head in _cuts(body):
            *_, digest = prefix_digests(model, prompt_of(cut, shaper).blocks)
            if digest in counts:
                continue
            asked += 1
            if dry_run:
                counts[digest] = 0
                continue
            try:
                tokens = _count(client, {**cut, "messages": _STAND_IN} if is_head else cut)
                if is_head:
                    if model not in stand_ins:
                        stand_ins[model] = _count(client, {"model": model, "messages": _STAND_IN})
                        asked += 1
                    tokens -= stand_ins[model]
            except anthropic.BadRequestError:
                # A prompt that is cut off inside a message may be invalid.
                refused += 1
                continue
            counts[digest] = tokens
    return asked, refused


def _count(client: anthropic.Anthropic, body: Mapping[str, Any]) -> int:
    count: Callable[..., Any] = client.messages.count_tokens
    return int(count(**{name: body[name] for name in COUNTED_FIELDS if name in body}).input_tokens)


def _requests(path: Path) -> Iterator[Wire]:
    found = False
    for _, line in read_strict_lines(path, []):
        for _, scope, span in spans_of(line):
            attributes = decode_attributes(span.get("attributes", ())) if scope == names.SCOPE else {}
            content = attributes.get(names.CONTENT_REQUEST)
            if isinstance(content, str) and attributes.get(names.PROVIDER) == "anthropic":
                found = True
                yield orjson.loads(content)
    if not found:
        raise InputError(
            f"{path} holds no text of Anthropic requests to count. Record it with "
            "`tokenprof.profile(path, content=True)`."
        )


def _cuts(body: Wire) -> Iterator[tuple[Wire, bool]]:
    """Yield a request cut off after each of its blocks, and whether that is before its messages.

    If some tools are deferred, the first cut holds all tools at once, because the provider decides which of
    them are in the prompt.
    """
    head = {name: body[name] for name in ("model",) if name in body}
    tools = list(body.get("tools") or [])
    starts = [len(tools)] if any(tool.get("defer_loading") for tool in tools) else range(1, len(tools) + 1)
    for upto in starts:
        if upto:
            yield {**head, "tools": tools[:upto]}, True
    if tools:
        head["tools"] = tools
    system = body.get("system") or []
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else list(system)
    for upto in range(1, len(blocks) + 1):
        yield {**head, "system": blocks[:upto]}, True
    if blocks:
        head["system"] = blocks
    messages = list(body.get("messages") or [])
    for index, message in enumerate(messages):
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])
        for upto in range(1, len(parts) + 1):
            yield {**head, "messages": [*messages[:index], {**message, "content": parts[:upto]}]}, False
