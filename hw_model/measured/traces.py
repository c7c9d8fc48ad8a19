"""Read agent traces recorded as KV blocks: what each call found in cache, and how long its KV waited.

The format is that of callanjfox/kv-cache-tester (`traces/*.json`): per request a start `t`, `in` and `out`
tokens, `hash_ids` with one id per block of the prompt (equal ids are equal prefixes), and `api_time` in
seconds. A sub-agent is an item with `requests` of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenprof.hw_model.cost import TurnWork


class TraceError(ValueError):
    """A file is not a trace of KV blocks; the message says where it stops being one."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One recorded session: its calls in order, each with the gap to the next call of its context."""

    name: str
    model: str
    calls: tuple[TurnWork, ...]
    contexts: tuple[str, ...]

    @property
    def reused_share(self) -> float:
        """Share of all prompt tokens that an earlier call had already computed."""
        cached = sum(call.cached_tokens for call in self.calls)
        return cached / max(1, cached + sum(call.new_tokens for call in self.calls))


def read_trace(path: str | Path) -> Trace:
    """Return a recorded session. Raises TraceError for any other format, OSError for an unreadable file."""
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise TraceError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
    if not isinstance(data, dict) or "requests" not in data or "block_size" not in data:
        raise TraceError(f"{path}: no `requests` and `block_size`; this is not a trace of KV blocks")
    block_tokens = int(data["block_size"])
    requests = sorted(_requests(data["requests"], "main"), key=lambda r: r[1])
    seen: set[int] = set()
    calls: list[TurnWork] = []
    contexts = [context for context, _, _ in requests]
    for index, (context, start_s, request) in enumerate(requests):
        prompt, blocks = int(request["in"]), request.get("hash_ids") or []
        reused = next((i for i, block in enumerate(blocks) if block not in seen), len(blocks))
        seen.update(blocks)
        cached = min(reused * block_tokens, prompt)
        duration_s = None if request.get("api_time") is None else float(request["api_time"])
        following = next((r[1] for r in requests[index + 1 :] if r[0] == context), None)
        gap_s = None
        if following is not None and duration_s is not None:
            gap_s = max(0.0, following - start_s - duration_s)
        calls.append(TurnWork(cached, prompt - cached, int(request["out"]), duration_s, gap_s))
    return Trace(
        name=str(data.get("id") or Path(path).stem),
        model=str((data.get("models") or [""])[0]),
        calls=tuple(calls),
        contexts=tuple(contexts),
    )


def _requests(items: list[Any], context: str) -> Iterator[tuple[str, float, Mapping[str, Any]]]:
    """Yield (context, start, request) of a list of requests and of the sub-agents in it."""
    for number, item in enumerate(items):
        if "requests" in item:
            nested = item["requests"]
            offset = float(item.get("t") or 0.0)
            for inner, start_s, request in _requests(nested, f"{context}/{number}"):
                # Sub-agents' clocks run either from the session's start or from their own.
                yield inner, start_s if start_s >= offset else offset + start_s, request
        else:
            yield context, float(item["t"]), item
