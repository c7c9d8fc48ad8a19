"""Calls in spans and log records that keep their counts where others do not, counted by hand."""

from __future__ import annotations

import json
from typing import Any

from log_situation import CALL, COUNTED, WHOLE, Counts, Json, LogSituation, otlp, span, value_of

MODEL_ONLY = {"gen_ai.request.model": "gpt-5.4"}
CODEX_EVENT = {
    "event.name": "codex.sse_event",
    "event.kind": "response.completed",
    "model": "gpt-5.4",
    "input_token_count": 100,
    "cached_token_count": 40,
    "output_token_count": 10,
    "reasoning_token_count": 4,
    "tool_token_count": 110,
}
GEMINI_EVENT = {
    "event.name": "gemini_cli.api_response",
    "model": "gemini-2.5-pro",
    "input_token_count": 100,
    "cached_content_token_count": 40,
    "output_token_count": 10,
    "thoughts_token_count": 5,
    "tool_token_count": 0,
    "total_token_count": 115,
    "duration_ms": 5,
}
HELD = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
NESTED = {
    "key": "gen_ai.usage",
    "value": {"kvlistValue": {"values": [{"key": key, "value": value_of(n)} for key, n in HELD.items()]}},
}


def logged(*events: Json, **more: Any) -> Json:
    found = [
        {
            "timeUnixNano": f"{1_790_000_000 + at}000000000",
            "attributes": [{"key": key, "value": value_of(value)} for key, value in event.items()],
            **more,
        }
        for at, event in enumerate(events)
    ]
    return {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "x"}, "logRecords": found}]}]}


def records(
    name: str, *events: Json, counts: tuple[Counts, ...], said: str = "", **more: Any
) -> LogSituation:
    return LogSituation(name, "s.jsonl", [logged(*events)], counts, said, **more)


def counted(name: str, attributes: Json, counts: Counts = WHOLE, said: str = "", **more: Any) -> LogSituation:
    return otlp(name, span({**MODEL_ONLY, **attributes}), counts=(counts,), said=said, **more)


TELEMETRY = (
    records("Codex's event", CODEX_EVENT, counts=((100, 40, 10),), usd="0.00031"),
    records("Gemini CLI's event", GEMINI_EVENT, counts=((100, 40, 15),)),
    records("two events of equal calls", CODEX_EVENT, CODEX_EVENT, counts=((100, 40, 10), (100, 40, 10))),
    records("OpenTelemetry's event of a call", COUNTED, counts=(WHOLE,)),
    records(
        "an event of another kind",
        {"event.name": "codex.api_request", "model": "gpt-5.4"},
        counts=(),
        said="no span with token counts",
    ),
    LogSituation(
        "the event of a call that is a span, too",
        "s.jsonl",
        [
            {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "x"}, "spans": [span(COUNTED)]}]}]},
            logged(COUNTED, traceId="t", spanId="a"),
        ],
        (WHOLE,),
    ),
    counted("MLflow's counts in one", {"mlflow.chat.tokenUsage": json.dumps(HELD)}),
    counted(
        "Braintrust's metrics",
        {"braintrust.metrics": '{"prompt_tokens": 100, "completion_tokens": 10, "tokens": 110}'},
    ),
    counted(
        "Langfuse's own spans",
        {"langfuse.observation.usage_details": '{"input": 60, "input_cached_tokens": 40, "output": 10}'},
        (100, 40, 10),
        usd="0.00031",
    ),
    counted(
        "Semantic Kernel",
        {"gen_ai.response.prompt_tokens": 100, "gen_ai.response.completion_tokens": 10},
    ),
    otlp(
        "a map of counts", {**span(CALL), "attributes": [*span(CALL)["attributes"], NESTED]}, counts=(WHOLE,)
    ),
    otlp(
        "a span without a model",
        span({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}),
        counts=(WHOLE,),
        said="names no model",
    ),
)
