"""The responses that several logs hold, told apart from those that only look alike.

Only logs that share a response's id, or its counts, with another log are compared, by the same rules as when
files are read together (`reading.merge`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

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


def repeats_of(turns: pa.Table, known: KnownLogs) -> pa.Table:
    """Return the table `repeats` for the turns of the logs that count; `turns` has `COLUMNS` at least."""
    compared = _sharing_logs(turns)
    chosen = turns.filter(pc.is_in(turns["log_id"], value_set=pa.array(compared, pa.int64())))
    by_log: dict[int, list[Turn]] = {}
    for row in chosen.select(COLUMNS).sort_by([("log_id", "ascending"), ("turn", "ascending")]).to_pylist():
        by_log.setdefault(row["log_id"], []).append(_turn(row))
    logs = sorted((log for log in known if log.log_id in by_log), key=lambda log: Path(log.source).parts)
    runs = [Run(tuple(by_log[log.log_id]), (Source(str(log.log_id), log.format, 1),)) for log in logs]
    found = [
        (int(run.sources[0].file), index)
        for run, repeated in repeated_responses(runs)
        for index in sorted(repeated)
    ]
    return table_of("repeats", {"log_id": [log for log, _ in found], "turn": [turn for _, turn in found]})


def _sharing_logs(turns: pa.Table) -> list[int]:
    """Return the logs that have a response id, or counts in another format, in common with another log."""
    output = pc.add(pc.fill_null(turns["output_tokens"], 0), pc.fill_null(turns["reasoning_tokens"], 0))
    light = pa.table(
        {
            "log_id": turns["log_id"],
            "format": pc.cast(turns["format"], pa.string()),
            "id": turns["response_id"],
            "input": turns["input_tokens"],
            "read": turns["cache_read_tokens"],
            "output": output,
        }
    )
    found: set[int] = set()
    for keys, differing, wanted in (
        (["id"], "log_id", light),
        (["input", "read", "output"], "format", light.filter(pc.greater(light["input"], 0))),
    ):
        groups = wanted.group_by(keys).aggregate([(differing, "count_distinct")])
        shared = groups.filter(pc.greater(groups[f"{differing}_count_distinct"], 1))
        if shared.num_rows:
            found.update(wanted.join(shared.select(keys), keys, join_type="inner")["log_id"].to_pylist())
    return sorted(found)


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
