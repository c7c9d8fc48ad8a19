"""OTLP files of other instrumentations: the billed calls in their spans, each response once.

The Anthropic SDK's own spans, the OpenTelemetry GenAI conventions (openai-v2, pydantic-ai, Traceloop's newer
versions), OpenInference, and Claude Code's telemetry, whose events say more than its spans. If the content of
messages was captured, it is laid out as blocks; otherwise a turn's context is one block of known size. An
agent's span repeats the sum of the calls below it and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenprof.facts.times import utc_from_ns
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.otel.message_attributes import call_of_content, response_id
from tokenprof.harness_adapters.transcripts.sellers import seller_by_name
from tokenprof.pricing.normalise_telemetry import (
    usage_from_claude_code_telemetry,
    usage_from_openinference,
    usage_from_otel,
)
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.reading.json_lines import read_json_lines
from tokenprof.reading.logged_calls import LoggedCall, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record import names
from tokenprof.record.block_facts import Shaper
from tokenprof.record.otlp import decode_attributes, log_records_of, spans_of
from tokenprof.record.wire_values import Wire, int_of, mapping

FORMAT = "OTLP spans of another instrumentation"
SUFFIXES = (".jsonl", ".json")

AGENT_OPERATIONS = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"})
CALL_OPERATIONS = ("chat", "text_completion", "generate_content")
CLAUDE_CODE_CALL = "claude_code.llm_request"
CLAUDE_CODE_EVENT = "claude_code.api_request"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A span or an event that reports a call; `parent` is empty if there is none."""

    id: str
    parent: str
    operation: str
    attributes: Wire
    usage_of: Callable[[Wire], Usage]
    started_ns: int
    ended_ns: int
    trace: str
    where: str


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines is an OTLP file that others wrote."""
    return any(line.keys() & {"resourceSpans", "resourceLogs", "resourceMetrics"} for line in first_lines)


def read(path: Path) -> Run:
    """Return a turn per billed response of a file's spans. Raises InputError for a malformed line."""
    warnings: list[str] = []
    return run_of(read_json_lines(path, warnings), path, FORMAT, warnings)


def run_of(lines: Iterable[tuple[int, Wire]], path: Path, format_: str, warnings: list[str]) -> Run:
    """Return the run of numbered export requests. `warnings` may still be added to while lines are read."""
    events: list[_Seen] = []
    spans: list[_Seen] = []
    for number, line in lines:
        where = f"{path}:{number}"
        events += _events(line, where)
        spans += _spans(line, where)
    shaper = Shaper()
    calls = _merged(_logged(seen, shaper, warnings) for seen in (*events, *_calls(spans)))
    if not calls:
        warnings.append(f"{path}: no span has token counts; metrics alone do not show single calls.")
    turns = turns_of(sorted(calls, key=lambda call: call.started_at), shaper, path.stem[:19])
    return Run(in_time_order(turns), (Source(str(path), format_, 1),), tuple(warnings))


def _merged(calls: Iterable[LoggedCall | None]) -> list[LoggedCall]:
    """Return each response once, with the best that several layers report: content, agent, split writes."""
    reports: dict[str | None, list[LoggedCall]] = {}
    for call in calls:
        if call is not None:
            reports.setdefault(call.call.response_id, []).append(call)
    return [_best(found) for found in reports.values()]


def _best(reports: Sequence[LoggedCall]) -> LoggedCall:
    shown = next((report for report in reports if not report.is_one_history), reports[0])
    usages = [report.call.usage for report in reports if report.call.usage is not None]
    split = next((usage for usage in usages if not usage.cache_write_tokens), usages[0] if usages else None)
    agent = next((report.agent for report in reports if report.agent), None)
    return replace(shown, call=replace(shown.call, usage=split), agent=agent)


def _spans(line: Wire, where: str) -> Iterator[_Seen]:
    for _, scope, span in spans_of(line):
        attributes = decode_attributes(span.get("attributes", ()))
        usage_of = _usage_reader(span, attributes)
        if scope == names.SCOPE or usage_of is None:
            continue
        yield _Seen(
            id=str(span.get("spanId")),
            parent=str(span.get("parentSpanId") or ""),
            operation=str(attributes.get("gen_ai.operation.name") or ""),
            attributes=attributes,
            usage_of=usage_of,
            started_ns=(int_of(span.get("startTimeUnixNano")) or 0),
            ended_ns=(int_of(span.get("endTimeUnixNano")) or 0),
            trace=str(span.get("traceId") or "trace"),
            where=where,
        )


def _events(line: Wire, where: str) -> Iterator[_Seen]:
    for record in log_records_of(line):
        attributes = decode_attributes(record.get("attributes", ()))
        body = mapping(record.get("body"))
        if body.get("stringValue") != CLAUDE_CODE_EVENT:
            continue
        ended_ns = int_of(record.get("timeUnixNano")) or 0
        identity = str(attributes.get("request_id") or f"event {attributes.get('event.sequence')}")
        yield _Seen(
            id=identity,
            parent="",
            operation="chat",
            attributes={**attributes, "gen_ai.response.id": identity, "gen_ai.provider.name": "anthropic"},
            usage_of=usage_from_claude_code_telemetry,
            started_ns=ended_ns - (int_of(attributes.get("duration_ms")) or 0) * 1_000_000,
            ended_ns=ended_ns,
            trace="events",
            where=where,
        )


def _calls(spans: Sequence[_Seen]) -> list[_Seen]:
    """Return the spans of calls: not those of agents, nor those above other spans unless named as calls."""
    own = {span.id for span in spans}
    above = {span.parent for span in spans} & own
    above |= {span.id for span in spans if span.operation in AGENT_OPERATIONS}
    return [span for span in spans if span.id not in above or span.operation in CALL_OPERATIONS]


def _usage_reader(span: Wire, attributes: Wire) -> Callable[[Wire], Usage] | None:
    """Return the function that reads a span's counts; None for a span without counts."""
    if span.get("name") == CLAUDE_CODE_CALL:
        return usage_from_claude_code_telemetry
    if any(key.startswith("llm.token_count.") for key in attributes):
        return usage_from_openinference
    if "gen_ai.usage.input_tokens" in attributes:
        return usage_from_otel
    return None


def _logged(seen: _Seen, shaper: Shaper, warnings: list[str]) -> LoggedCall | None:
    attributes = seen.attributes
    usage: Usage | None = None
    try:
        usage = seen.usage_of(attributes)
    except UsageError as error:
        warnings.append(f"{seen.where}: {error} The call is counted as unmeasured.")
    requested = _first(attributes, "gen_ai.request.model", "llm.model_name", "model")
    model = _first(attributes, "gen_ai.response.model", "llm.model_name", "model") or requested
    if model is None:
        return None
    identity = (
        _first(attributes, "gen_ai.response.id", "llm.response.id") or response_id(attributes) or seen.id
    )
    said = _first(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
    call = call_of_content(attributes, requested or model, shaper, identity)
    captured = any(block.kind != "unattributed" for block in call.prompt)
    return LoggedCall(
        call=replace(call, model=model, usage=_finer(call.usage, usage), selectors=_selectors(attributes)),
        provider=seller_by_name(said or "", model),
        started_at=utc_from_ns(seen.started_ns),
        duration_s=max(seen.ended_ns - seen.started_ns, 0) / 1e9,
        # Each call may be a trace of its own; captured content shows which history it extends.
        group=(
            _first(attributes, "gen_ai.conversation.id", "session.id") or ("" if captured else seen.trace)
        )[:8],
        agent=_first(attributes, "gen_ai.agent.name"),
        is_one_history=not captured,
    )


def _finer(raw: Usage | None, told: Usage | None) -> Usage | None:
    """Return a raw answer's usage, which splits cache writes, if it agrees with that of the span."""
    same = raw is not None and told is not None and raw.input_tokens == told.input_tokens
    return raw if same else told


def _selectors(attributes: Wire) -> Selectors:
    return Selectors(
        _first(attributes, "gen_ai.openai.response.service_tier", "openai.response.service_tier"),
        _first(attributes, "speed", "anthropic.usage.speed"),
        _first(attributes, "anthropic.usage.inference_geo"),
    )


def _first(attributes: Wire, *keys: str) -> str | None:
    return next((str(attributes[key]) for key in keys if attributes.get(key)), None)
