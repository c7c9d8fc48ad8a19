"""Calls that a Claude Code log does not hold, shown by what later calls read from the cache.

Some versions make calls that they do not log (guesses of the user's next message, for example). Such a call
writes its prompt to the cache, and the next logged call reads more than any logged call has written.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenprof.facts.types import Turn


def read_but_never_written(turns: Sequence[Turn], bases: Sequence[int | None]) -> tuple[int, int]:
    """Return how many calls read more than the log's calls had cached, and by how many tokens in all.

    `turns` are those of one session; `bases` are, for the first of them, the indices of the turns whose
    prompts they continue. The first call of a conversation proves nothing, because
    another session may have cached the same system prompt and tools; nor does the first one after a
    compaction.
    """
    roots: dict[str, str] = {}
    cached: dict[tuple[str, str], int] = {}
    calls = tokens = 0
    for index in sorted(range(len(turns)), key=lambda at: turns[at].started_at):
        turn = turns[index]
        if turn.usage is None:
            continue
        base = bases[index] if index < len(bases) else None
        above = turns[base].context if base is not None else turn.context
        root = roots.setdefault(turn.context, roots.get(above, above))
        key = root, turn.model
        read = turn.usage.cache_read_tokens
        known = cached.get(key)
        if known is not None and not turn.compacted and read > known:
            calls += 1
            tokens += read - known
        holds = turn.usage.input_tokens - turn.usage.uncached_input_tokens
        cached[key] = holds if known is None or turn.compacted else max(known, holds)
    return calls, tokens
