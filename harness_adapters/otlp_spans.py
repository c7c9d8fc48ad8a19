"""OTLP JSON files of other instrumentations: what their spans say was billed, each response once.

The Anthropic SDK's own spans, the OpenTelemetry GenAI conventions (openai-v2, pydantic-ai, Traceloop's newer
versions), OpenInference, and Claude Code's telemetry. Spans hold counts and names and no content that can be
laid out as a prompt, so a turn's context is one block of known size. An agent's span repeats the sum of the
calls below it and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tokenprof.harness_adapters.sellers import seller_by_name
from tokenprof.json_lines import read_json_lines
from tokenprof.pricing.normalise_telemetry import (
    usage_from_claude_code_telemetry,
    usage_from_openinference,
    usage_from_otel,
)
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.record import names
from tokenprof.record.otlp import decode_attributes, spans_of
from tokenprof.record.reader import in_time_order
from tokenprof.types import Block, Features, Run, Source, Turn

FORMAT = "OTLP spans of another instrumentation"

Wire = Mapping[str, Any]

CONTEXT_NAME = "context, not in the spans"
AGENT_OPERATIONS = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"})
CLAUDE_CODE_CALL = "claude_code.llm_request"


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines is an OTLP file that others wrote."""
    return any(line.keys() & {"resourceSpans", "resourceLogs", "resourceMetrics"} for line in first_lines)


def read(path: Path) -> Run:
    """Return a turn per billed response of a file's spans. Raises InputError for a malformed line."""
    warnings: list[str] = []
    calls: dict[str, Turn] = {}
    spans = [span for span in _spans(path, warnings) if span is not None]
    parents = {span["parent"] for span in spans}
    for span in spans:
        if span["id"] in _above(spans, parents) and span["operation"] not in ("chat", "text_completion"):
            continue
        turn = _turn(span, path, warnings)
        if turn is not None:
            # A streamed call may be exported again when it has its usage.
            known = calls.get(turn.id)
            calls[turn.id] = turn if known is None or known.usage is None else known
    if not calls:
        warnings.append(f"{path}: no span with token counts; metrics and logs alone tell of no single call.")
    return Run(in_time_order(list(calls.values())), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _spans(path: Path, warnings: list[str]) -> Iterator[dict[str, Any] | None]:
    for number, line in read_json_lines(path, warnings):
        for resource, scope, span in spans_of(line):
            if scope == names.SCOPE:
                continue
            attributes = decode_attributes(span.get("attributes", ()))
            if _usage_reader(span, attributes) is None:
                continue
            yield {
                "id": str(span.get("spanId")),
                "parent": str(span.get("parentSpanId") or ""),
                "operation": str(attributes.get("gen_ai.operation.name") or ""),
                "attributes": attributes,
                "resource": resource,
                "span": span,
                "where": f"{path}:{number}",
            }


def _above(spans: Sequence[Mapping[str, Any]], parents: set[str]) -> set[str]:
    """Return the ids of counted spans that stand directly above counted spans, and of agents' spans."""
    agents = {span["id"] for span in spans if span["operation"] in AGENT_OPERATIONS}
    return (parents & {span["id"] for span in spans}) | agents


def _usage_reader(span: Wire, attributes: Wire) -> Callable[[Wire], Usage] | None:
    """Return what reads a span's counts; None for a span that has none."""
    if span.get("name") == CLAUDE_CODE_CALL:
        return usage_from_claude_code_telemetry
    if any(key.startswith("llm.token_count.") for key in attributes):
        return usage_from_openinference
    if "gen_ai.usage.input_tokens" in attributes or "gen_ai.usage.prompt_tokens" in attributes:
        return usage_from_otel
    return None


def _turn(span: Mapping[str, Any], path: Path, warnings: list[str]) -> Turn | None:
    attributes, raw = span["attributes"], span["span"]
    reader = _usage_reader(raw, attributes)
    usage: Usage | None = None
    try:
        usage = reader(attributes) if reader else None
    except UsageError as error:
        warnings.append(f"{span['where']}: {error} The call is counted as unmeasured.")
    requested = _first(attributes, "gen_ai.request.model", "llm.model_name", "model")
    model = _first(attributes, "gen_ai.response.model", "llm.model_name", "model") or requested
    if model is None:
        return None
    identity = _first(attributes, "gen_ai.response.id", "llm.response.id") or span["id"]
    started, ended = (int(raw.get(key) or 0) for key in ("startTimeUnixNano", "endTimeUnixNano"))
    thread = _first(attributes, "gen_ai.conversation.id", "session.id") or str(raw.get("traceId") or "trace")
    return Turn(
        id=identity,
        context=f"{path.stem}.{thread[:8]}",
        provider=seller_by_name(
            _first(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system") or "",
            model,
        ),
        requested_model=requested or model,
        model=model,
        started_at=datetime.fromtimestamp(started / 1e9, UTC),
        duration_s=max(ended - started, 0) / 1e9,
        status="ok",
        usage=usage,
        added=(_context(identity),),
        agent=_first(attributes, "gen_ai.agent.name"),
    )


def _first(attributes: Wire, *keys: str) -> str | None:
    return next((str(attributes[key]) for key in keys if attributes.get(key)), None)


def _context(identity: str) -> Block:
    features = Features(version=0, bytes=0)
    return Block("unattributed", CONTEXT_NAME, identity, "messages", "user", True, features)
