"""OTLP files of other instrumentations: the billed calls in their spans, each response once.

The Anthropic SDK's own spans, the OpenTelemetry GenAI conventions (openai-v2, pydantic-ai, Traceloop's newer
versions), OpenInference, and Claude Code's telemetry, whose events say more than its spans. If the content of
messages was captured, it is laid out as blocks; otherwise a turn's context is one block of known size. An
agent's span repeats the sum of the calls below it and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tokenprof.facts.times import utc_from_ns
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.call_layers import (
    CALL_OPERATIONS,
    ReportedCall,
    fineness,
    one_call_each,
    reported_call,
)
from tokenprof.harness_adapters.transcripts.otel.counted_attributes import (
    is_logged_call,
    read_logged_call,
    usage_reader_of,
    with_single_counts,
)
from tokenprof.harness_adapters.transcripts.otel.message_attributes import call_of_content, response_id
from tokenprof.harness_adapters.transcripts.sellers import CLOUDS, seller_by_name
from tokenprof.harness_adapters.wires.implausible_usage import plausible, raw_json
from tokenprof.pricing.normalise_telemetry import read_claude_code_telemetry
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.sellers import seller_named, seller_of_answer, seller_of_host
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_reader import UsageReading
from tokenprof.reading import recordings
from tokenprof.reading.formats import ForeignLines
from tokenprof.reading.json_lines import read_json_lines
from tokenprof.reading.logged_calls import LoggedCall, content_id, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record import names
from tokenprof.record.block_facts import Shaper
from tokenprof.record.otlp import decode_attributes, log_records_of, nameless_attributes, spans_of
from tokenprof.record.wire_values import Wire, int_of, mapping, text_of

FORMAT = "OTLP spans of another instrumentation"
SUFFIXES = (".jsonl", ".json")

ANSWERED_MODELS = ("gen_ai.response.model", "llm.model_name", "ai.response.model")
REQUESTED_MODELS = ("gen_ai.request.model", "llm.model_name", "ai.model.id")
OTHER_MODELS = ("langfuse.observation.model.name", "model", "model_name")
NO_MODEL = "Its span names no model, so that it has no price."
RESPONSE_IDS = ("gen_ai.response.id", "llm.response.id", "ai.response.id")
CLAUDE_CODE_EVENT = "claude_code.api_request"


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines is an OTLP file that others wrote."""
    return any(line.keys() & {"resourceSpans", "resourceLogs", "resourceMetrics"} for line in first_lines)


def read(path: Path) -> Run:
    """Return a turn per billed response of a file's spans. Raises InputError for a malformed line."""
    warnings: list[str] = []
    return run_of(read_json_lines(path, warnings), path, FORMAT, warnings)


def run_of(lines: Iterable[tuple[int, Wire]], path: Path, format_: str, warnings: list[str]) -> Run:
    """Return the run of numbered export requests. `warnings` may still be added to while lines are read."""
    events: list[ReportedCall] = []
    spans: list[ReportedCall] = []
    parents: dict[str, str] = {}
    empty = recorded = 0
    foreign = ForeignLines(FORMAT)
    for number, line in lines:
        recorded += recordings.recognises((line,))
        if foreign.add(line):
            continue
        where = f"{path}:{number}"
        events += _events(line, where, warnings)
        spans += _spans(line, where, warnings)
        below = {
            _id_of(span): _id_of(span, "parentSpanId") if span.get("parentSpanId") else ""
            for _, _, span in spans_of(line)
        }
        parents |= below
        empty += not below and "resourceLogs" not in line and "resourceMetrics" not in line
    warnings += foreign.warnings(path)
    if recorded:
        warnings.append(
            f"{path}: {recorded} of its lines hold turns of a tokenprof recording, which were left out. Put "
            "them into a file of their own."
        )
    if empty:
        warnings.append(f"{path}: {empty} of its lines hold no spans; if they should, calls are missing.")
    shaper = shaper_of_log()
    traced = {span.id for span in spans if span.has_counts}
    reports = [(seen, _logged(seen, shaper)) for seen in (*(e for e in events if e.id not in traced), *spans)]
    calls = [
        _best([reports[index][1] for index in layers])
        for layers in one_call_each([seen for seen, _ in reports], parents, warnings, str(path))
    ]
    if not calls:
        warnings.append(f"{path}: no span with token counts; metrics alone do not show single calls.")
    calls.sort(key=lambda call: call.started_at)
    turns = turns_of(calls, shaper, path.stem[:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), format_, 1),), tuple(warnings))


def _best(reports: Sequence[LoggedCall]) -> LoggedCall:
    """Return a call with the best that several layers report: content, agent, split writes."""
    shown = next((report for report in reports if not report.is_one_history), reports[0])
    usages = [report.call.usage for report in reports if report.call.usage is not None]
    finest = max(usages, key=fineness, default=None)
    agent = next((report.agent for report in reports if report.agent), None)
    notes = shown.call.notes if finest is None or shown.call.usage is None else ()
    notes = notes or next((r.call.notes for r in reports if r.call.usage == finest), ())
    return replace(shown, call=replace(shown.call, usage=finest, notes=notes), agent=agent)


def _spans(line: Wire, where: str, warnings: list[str]) -> Iterator[ReportedCall]:
    for _, scope, span in spans_of(line):
        attributes = _attributes(span, where, warnings)
        usage_of = usage_reader_of(span.get("name"), attributes)
        has_counts = usage_of is not None
        if scope == names.SCOPE or not (has_counts or _is_answered_call(span, attributes)):
            continue
        id_ = _id_of(span)
        report = reported_call(
            usage_of or _without_counts,
            attributes,
            id_=id_,
            identity=_first(attributes, *RESPONSE_IDS)
            or response_id(attributes)
            or text_of(span.get("spanId"))
            or id_,
            operation=str(attributes.get("gen_ai.operation.name") or attributes.get("operation.name") or ""),
            model=_first(attributes, *ANSWERED_MODELS, *REQUESTED_MODELS, *OTHER_MODELS),
            started_ns=(int_of(span.get("startTimeUnixNano")) or 0),
            ended_ns=(int_of(span.get("endTimeUnixNano")) or 0),
            trace=str(span.get("traceId") or "trace"),
            where=where,
            source=scope,
        )
        yield replace(report, has_counts=has_counts)


def _id_of(span: Wire, key: str = "spanId") -> str:
    """Return an id of a span, or of its parent, in its file; without one, a span is known by its content."""
    if not span.get(key):
        return content_id(span)
    return f"{span.get('traceId')} {span[key]}"


def _is_answered_call(span: Wire, attributes: Wire) -> bool:
    """Whether a span is that of a model call that did not fail."""
    operation = str(attributes.get("gen_ai.operation.name") or "")
    failed = mapping(span.get("status")).get("code") in (2, "STATUS_CODE_ERROR") or attributes.get(
        "error.type"
    )
    is_call = operation in CALL_OPERATIONS or attributes.get("openinference.span.kind") == "LLM"
    return is_call and not failed


def _without_counts(_: Wire) -> UsageReading:
    raise UsageError("Its span has no counts.")


def _attributes(item: Wire, where: str, warnings: list[str]) -> Wire:
    """Return the attributes of a span or an event, with a warning for each that cannot be read."""
    pairs = item.get("attributes", ())
    attributes = with_single_counts(decode_attributes(pairs))
    warnings += [
        f"{where}: the value of {key} cannot be read, and the counts may be too low."
        for key in attributes
        if attributes[key] is None and ("usage" in key or "token" in key)
    ]
    nameless = nameless_attributes(pairs)
    if nameless:
        warnings.append(f"{where}: {nameless} of its attributes have no name; counts may be missing.")
    return attributes


def _events(line: Wire, where: str, warnings: list[str]) -> Iterator[ReportedCall]:
    for record in log_records_of(line):
        attributes = _attributes(record, where, warnings)
        is_claude_code = mapping(record.get("body")).get("stringValue") == CLAUDE_CODE_EVENT
        ended_ns = int_of(record.get("timeUnixNano")) or int_of(record.get("observedTimeUnixNano")) or 0
        if not is_claude_code:
            if is_logged_call(attributes):
                yield _logged_call(record, attributes, ended_ns, where)
            continue
        identity = str(attributes.get("request_id") or f"event {attributes.get('event.sequence')}")
        yield reported_call(
            read_claude_code_telemetry,
            {**attributes, "gen_ai.response.id": identity, "gen_ai.provider.name": "anthropic"},
            id_=identity,
            identity=identity,
            operation="chat",
            model=_first(attributes, "model"),
            started_ns=ended_ns - (int_of(attributes.get("duration_ms")) or 0) * 1_000_000,
            ended_ns=ended_ns,
            trace="events",
            where=where,
            source=CLAUDE_CODE_EVENT,
        )


def _logged_call(record: Wire, attributes: Wire, ended_ns: int, where: str) -> ReportedCall:
    """Return the call in a record of another harness, under the id of its span if it has one."""
    id_ = _id_of(record)
    lasted_ms = int_of(attributes.get("duration_ms")) or 0
    return reported_call(
        read_logged_call,
        attributes,
        id_=id_,
        identity=_first(attributes, *RESPONSE_IDS) or text_of(record.get("spanId")) or id_,
        operation="chat",
        model=_first(attributes, *ANSWERED_MODELS, *REQUESTED_MODELS, *OTHER_MODELS),
        started_ns=ended_ns - lasted_ms * 1_000_000,
        ended_ns=ended_ns,
        trace=str(record.get("traceId") or attributes.get("conversation.id") or "events"),
        where=where,
        source="logs",
    )


def _logged(seen: ReportedCall, shaper: Shaper) -> LoggedCall:
    attributes = seen.attributes
    requested = _first(attributes, *REQUESTED_MODELS, *OTHER_MODELS)
    model = _first(attributes, *ANSWERED_MODELS) or requested or ""
    notes = seen.notes if model else (*seen.notes, NO_MODEL)
    said = _first(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
    call = call_of_content(attributes, requested or model, shaper, seen.identity)
    captured = any(block.kind != "unattributed" for block in call.prompt)
    found = replace(
        call,
        model=model,
        usage=_finer(call.usage, seen.usage),
        selectors=_selectors(attributes),
        notes=notes,
        raw_usage=raw_json(seen.counts) if seen.notes else None,
        stated_usd=None,
    )
    provider = seller_by_name(said or "", model)
    seller = (
        seller_of_answer(seen.identity, model, provider)
        or seller_of_host(_first(attributes, "server.address", "gen_ai.server.address") or "")
        or seller_named(said or "")
    )
    return LoggedCall(
        call=plausible(found),
        provider=provider,
        seller=None if seller == provider or provider in CLOUDS else seller,
        started_at=utc_from_ns(seen.started_ns),
        duration_s=max(seen.ended_ns - seen.started_ns, 0) / 1e9,
        # Each call may be a trace of its own; captured content shows which history it extends.
        group=(
            _first(attributes, "gen_ai.conversation.id", "session.id") or ("" if captured else seen.trace)
        )[:8],
        agent=_first(attributes, "gen_ai.agent.name"),
        is_one_history=not captured,
        record=seen.id,
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
