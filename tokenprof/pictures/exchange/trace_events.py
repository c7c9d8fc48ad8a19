"""Trace events, as Perfetto and Chrome's tracing read: a track per agent, and counters over time.

Source of the format: the "Trace Event Format" document of the Chromium project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tokenprof.pictures.views.cache_events import CacheEvents
from tokenprof.pictures.views.turn_columns import TurnColumns

MICROSECONDS: Final = 1e6
PROCESS: Final = 1


def trace_events(title: str, turns: TurnColumns, cache: CacheEvents) -> dict[str, Any]:
    """Return the calls of a run as slices, its cache misses as instants, and three counters.

    The counters are the tokens of the prompt per agent, the tokens held in the cache while agents wait,
    and the dollars billed so far. Calls without a time are left out.
    """
    events = [
        {"ph": "M", "name": "process_name", "pid": PROCESS, "args": {"name": title}},
        *_tracks(turns),
        *_calls(turns),
        *_misses(turns, cache),
        *_held(cache),
    ]
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _tracks(turns: TurnColumns) -> Iterator[dict[str, Any]]:
    for number, agent in enumerate(turns.agents):
        named = {"ph": "M", "pid": PROCESS, "tid": number + 1}
        yield {**named, "name": "thread_name", "args": {"name": agent}}
        yield {**named, "name": "thread_sort_index", "args": {"sort_index": number}}


def _calls(turns: TurnColumns) -> Iterator[dict[str, Any]]:
    billed_usd = 0.0
    for turn, start_s in enumerate(turns.start_s):
        if start_s is None:
            continue
        ended_s = start_s + (turns.duration_s[turn] or 0.0)
        read, written, fresh = turns.read_tokens[turn], turns.written_tokens[turn], turns.fresh_tokens[turn]
        usd = turns.billed_usd[turn]
        yield {
            "ph": "X",
            "name": f"turn {turn}",
            "cat": turns.models[turns.model[turn]],
            "pid": PROCESS,
            "tid": turns.agent[turn] + 1,
            "ts": _ts(start_s),
            "dur": _ts(ended_s - start_s),
            "args": {
                "model": turns.models[turns.model[turn]],
                "read_tokens": read,
                "written_tokens": written,
                "fresh_tokens": fresh,
                "output_tokens": turns.output_tokens[turn],
                "billed_usd": None if usd is None else str(usd),
                "compute_mid_usd": turns.compute_mid_usd[turn],
            },
        }
        if read is not None and written is not None and fresh is not None:
            name = f"context tokens, {turns.agents[turns.agent[turn]]}"
            yield _counter(name, start_s, {"read": read, "written": written, "fresh": fresh})
        if usd is not None:
            billed_usd += float(usd)
            yield _counter("billed USD so far", ended_s, {"usd": billed_usd})


def _misses(turns: TurnColumns, cache: CacheEvents) -> Iterator[dict[str, Any]]:
    for miss in cache.misses:
        start_s = turns.start_s[miss.turn]
        if start_s is not None:
            yield {
                "ph": "i",
                "s": "t",
                "name": f"cache miss: {miss.cause_in_words}",
                "pid": PROCESS,
                "tid": turns.agent[miss.turn] + 1,
                "ts": _ts(start_s),
                "args": {
                    "first_changed_block": miss.block,
                    "tokens": miss.tokens,
                    "usd": None if miss.usd is None else str(miss.usd),
                },
            }


def _held(cache: CacheEvents) -> Iterator[dict[str, Any]]:
    steps = [(wait.start_s, wait.held_tokens) for wait in cache.waits]
    steps += [(wait.end_s, -wait.held_tokens) for wait in cache.waits]
    held = 0
    for at_s, tokens in sorted(steps):
        held += tokens
        yield _counter("tokens held in the cache", at_s, {"tokens": held})


def _counter(name: str, at_s: float, values: dict[str, float]) -> dict[str, Any]:
    return {"ph": "C", "name": name, "pid": PROCESS, "ts": _ts(at_s), "args": values}


def _ts(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
