"""Calls as each format of a log writes them: two tokens of identity, the response's and the record's own."""

from __future__ import annotations

import json
from typing import Any

BEGAN_S = 1_790_000_000
APART_S = 5
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
ANSWER = {"model": "gpt-5.4", "choices": [{"message": {"role": "assistant", "content": "It is 4."}}]}


def span(
    number: int, response: str, record: str, *, scope: str = "openai", began_s: int | None = None
) -> dict[str, Any]:
    """Return a line of OTLP; without `record`, its span has no id."""
    start = BEGAN_S + (number * APART_S if began_s is None else began_s)
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-5.4",
        **({"gen_ai.response.id": response} if response else {}),
    }
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]
    attributes += [
        {"key": f"gen_ai.usage.{side}_tokens", "value": {"intValue": str(count)}}
        for side, count in (("input", 100), ("output", 10))
    ]
    one = {
        "traceId": f"{number + 1:032x}",
        **({"spanId": record} if record else {}),
        "name": "chat gpt-5.4",
        "startTimeUnixNano": str(start * 10**9),
        "endTimeUnixNano": str((start + 1) * 10**9),
        "attributes": attributes,
    }
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": scope}, "spans": [one]}]}]}


def litellm_row(number: int, response: str, record: str) -> dict[str, Any]:
    """Return a row of a LiteLLM log."""
    at = BEGAN_S + number * APART_S
    return {
        "id": response,
        "litellm_call_id": record,
        "call_type": "completion",
        "custom_llm_provider": "openai",
        "model": "gpt-5.4",
        "startTime": at,
        "endTime": at + 1,
        "response": {**ANSWER, "id": response, "usage": USAGE},
    }


def batch_line(number: int, response: str, record: str) -> dict[str, Any]:
    """Return a line of OpenAI's batch results."""
    body = {**ANSWER, "id": response, "created": BEGAN_S + number * APART_S, "usage": USAGE}
    return {"custom_id": record, "response": {"status_code": 200, "body": body}, "error": None}


def observation(number: int, response: str, record: str) -> dict[str, Any]:
    """Return an observation of Langfuse, which does not know the id of the response."""
    return {
        "id": record,
        "traceId": "t",
        "type": "GENERATION",
        "startTime": f"2026-10-01T00:{number:02d}:00Z",
        "endTime": f"2026-10-01T00:{number:02d}:01Z",
        "model": "gpt-5.4",
        "usageDetails": {"input": 100, "output": 10, "total": 110},
    }


def session_rows(number: int, response: str, record: str, *, stop: str | None = "end_turn") -> list[Any]:
    """Return the rows of a question and its answer in a Claude Code log; `record` is the request's id."""
    at = f"2026-10-01T00:{number:02d}:0"
    row = {"sessionId": "s", "uuid": f"q{number}", "parentUuid": f"a{number - 1}" if number else None}
    question = {"role": "user", "content": f"Question {number}"}
    message = {
        "id": response or None,
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": [{"type": "text", "text": f"Answer {number}."}],
        "stop_reason": stop,
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }
    answer = {**row, "uuid": f"a{number}", "parentUuid": f"q{number}", "type": "assistant"}
    return [
        {**row, "type": "user", "message": question, "timestamp": f"{at}0Z"},
        {
            **answer,
            "message": message,
            "timestamp": f"{at}1Z",
            **({"requestId": record} if record else {}),
        },
    ]


def as_lines(values: list[Any]) -> bytes:
    """Return values as lines of JSON."""
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return b"".join(json.dumps(value).encode() + b"\n" for value in flat)
