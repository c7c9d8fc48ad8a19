"""Situations in logs of other programs: a log, what its turns count, and what must be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Counts = tuple[int, int, int] | None


@dataclass(frozen=True)
class LogSituation:
    """A log, what each of its turns counts (input, of which read, output), and what must be said."""

    name: str
    file: str
    rows: list[Json] | Json
    counts: tuple[Counts, ...]
    said: str = ""
    seller: str | None = None
    usd: str = ""
    model: str = ""


def value_of(value: Any) -> Json:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def span(attributes: Json, id_: str = "a", parent: str = "", at: int = 0, **more: Any) -> Json:
    started = 1_790_000_000 + at
    return {
        "traceId": "t",
        "spanId": id_,
        "parentSpanId": parent,
        "startTimeUnixNano": f"{started}000000000",
        "endTimeUnixNano": f"{started + 2}000000000",
        "attributes": [{"key": key, "value": value_of(value)} for key, value in attributes.items()],
        **more,
    }


def otlp(name: str, *spans: Json, counts: tuple[Counts, ...], said: str = "", **more: Any) -> LogSituation:
    scoped = {"scope": {"name": "x"}, "spans": list(spans)}
    return LogSituation(
        name, "s.jsonl", [{"resourceSpans": [{"scopeSpans": [scoped]}]}], counts, said, **more
    )


CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5.4", "gen_ai.provider.name": "openai"}
COUNTED = {**CALL, "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
WHOLE = (100, 0, 10)
