"""The responses that several logs hold, told apart from those that only look alike.

Only logs that share a response's id, or its counts, with another log are compared, by the same rules as when
files are read together (`reading.merge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tokenprof.facts.types import Run, Source, Turn
from tokenprof.pricing.usage import TOKEN_CLASSES, Usage
from tokenprof.reading.merge import repeated_responses
from tokenprof.store.ingest.known_logs import KnownLogs
from tokenprof.store.schema.arrow_tables import table_of

COLUMNS: Final = (
    "log_id", "turn", "started_at", "duration_s", "response_id", "provider", "model", "is_measured",
    "output_rest_in", "format", "input_tokens", *(f"{cls}_tokens" for cls in TOKEN_CLASSES),
)  # fmt: skip
"""The columns of `turns` that the rules look at."""


def sharing_turns_sql(turns: str, columns: Sequence[str] = COLUMNS) -> str:
    """Return the query, for any engine, of the turns of logs that may share responses with others.

    These logs have a response id, or counts in another format, in common with another log.
    """
    return f"""
SELECT {", ".join(f"t.{name}" for name in columns)} FROM {turns} t WHERE t.log_id IN (
  SELECT k.log_id FROM {turns} k JOIN (
    SELECT response_id FROM {turns} GROUP BY response_id HAVING min(log_id) < max(log_id)
  ) s ON s.response_id = k.response_id
  UNION
  SELECT k.log_id FROM {turns} k JOIN (
    SELECT input_tokens, cache_read_tokens FROM {turns} WHERE input_tokens > 0
    GROUP BY input_tokens, cache_read_tokens HAVING min(format) < max(format)
  ) s ON s.input_tokens = k.input_tokens AND s.cache_read_tokens = k.cache_read_tokens
)
"""


def sharing_turns(turns: pa.Table) -> pa.Table:
    """Return those rows of a table of turns that the query finds."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("all_turns", turns)
        return connection.sql(sharing_turns_sql("all_turns")).to_arrow_table()


def repeats_of(sharing: pa.Table, known: KnownLogs) -> pa.Table:
    """Return the table `repeats`; `sharing` has the `COLUMNS` of the turns that `sharing_turns_sql` finds."""
    by_log: dict[int, list[Turn]] = {}
    for row in sharing.sort_by([("log_id", "ascending"), ("turn", "ascending")]).to_pylist():
        by_log.setdefault(row["log_id"], []).append(_turn(row))
    logs = sorted((log for log in known if log.log_id in by_log), key=lambda log: Path(log.source).parts)
    runs = [Run(tuple(by_log[log.log_id]), (Source(str(log.log_id), log.format, 1),)) for log in logs]
    found = [
        (int(run.sources[0].file), index)
        for run, repeated in repeated_responses(runs)
        for index in sorted(repeated)
    ]
    return table_of("repeats", {"log_id": [log for log, _ in found], "turn": [turn for _, turn in found]})


def _turn(row: Mapping[str, Any]) -> Turn:
    """Return a turn without its blocks; the rules need none."""
    usage = (
        Usage(**{f"{cls}_tokens": row[f"{cls}_tokens"] for cls in TOKEN_CLASSES})
        if row["is_measured"]
        else None
    )
    return Turn(
        id=row["response_id"],
        context="",
        added=(),
        provider=row["provider"],
        started_at=row["started_at"],
        duration_s=row["duration_s"],
        requested_model="",
        model=row["model"],
        status="ok",
        usage=usage,
        output_rest_in=row["output_rest_in"],
    )
