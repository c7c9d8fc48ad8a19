"""Langfuse exports: observations from its API or its exports (v5), as a list, pages or lines.

Only generations were billed, and a generation above another one repeats it. Fields may be JSON in a text.
Exports do not name the provider, so the model decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.call_layers import ReportedCall, one_call_each
from tokenprof.harness_adapters.transcripts.gateways.row_times import times_of
from tokenprof.harness_adapters.transcripts.sellers import seller_by_name
from tokenprof.harness_adapters.wires.implausible_usage import plausible, raw_json
from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion
from tokenprof.pricing.normalise_logs import read_langfuse
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.wire_counts import is_count
from tokenprof.reading.formats import without_foreign
from tokenprof.reading.json_documents import json_objects
from tokenprof.reading.logged_calls import LoggedCall, content_id, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, opened, sequence, text_of

FORMAT = "Langfuse export"

CALLS = ("GENERATION", "EMBEDDING")
"""The types of observations that are calls; others with counts sum up those below them, or stand for them."""

SUFFIXES = (".json", ".jsonl")


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these objects holds Langfuse observations."""
    return any(
        "traceId" in observation and "type" in observation and "startTime" in observation
        for observation in _observations(first_lines[:1])
    )


def read(path: Path) -> Run:
    """Return a turn per generation. Raises InputError if the file is not JSON."""
    warnings: list[str] = []
    shaper = shaper_of_log()
    seen = list(_observations(without_foreign(json_objects(path, warnings), FORMAT, path, warnings)))
    parents = {text_of(item.get("id")): text_of(item.get("parentObservationId")) for item in seen}
    made = [
        (item, _logged(item, shaper, path, warnings))
        for item in seen
        if item.get("type") == "GENERATION" or _counts(item)
    ]
    logged = [call for _, call in made if call is not None]
    reports = [_report(call, item.get("type")) for item, call in made if call is not None]
    layers = one_call_each(reports, parents, warnings, str(path))
    calls = sorted((logged[indices[0]] for indices in layers), key=lambda call: call.started_at)
    turns = turns_of(calls, shaper, path.stem[:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _report(logged: LoggedCall, type_: object) -> ReportedCall:
    """Return an observation as a report of a call, to find those that repeat or add up others below them."""
    call, identity = logged.call, str(logged.call.response_id)
    started_ns = int(logged.started_at.timestamp() * 10**9)
    return ReportedCall(
        id=identity,
        identity=identity,
        operation="" if type_ in CALLS else "invoke_agent",
        model=call.model,
        attributes={},
        usage=call.usage,
        notes=call.notes,
        started_ns=started_ns,
        ended_ns=started_ns + int((logged.duration_s or 0.0) * 10**9),
        trace=logged.group,
        where="",
    )


def _observations(objects: Sequence[Wire]) -> Iterator[Wire]:
    """Yield observations: the objects, those in a page (`data`), or those in a trace (`observations`)."""
    for value in objects:
        inner = value.get("data") if isinstance(value.get("data"), list) else value.get("observations")
        if isinstance(inner, list):
            yield from sequence(inner)
        else:
            yield value


def _logged(observation: Wire, shaper: Shaper, path: Path, warnings: list[str]) -> LoggedCall | None:
    where = f"{path}: observation {observation.get('id')}"
    if observation.get("level") == "ERROR" and not observation.get("usageDetails"):
        return None
    started, duration_s = times_of(observation, path, where, warnings)
    model = text_of(observation.get("model")) or text_of(observation.get("providedModelName"))
    # Vertex names a model by its whole path.
    model = model.rpartition("/models/")[2]
    call = _call(observation, model, shaper, where, warnings)
    return LoggedCall(
        call=call,
        provider=seller_by_name("", model),
        started_at=started,
        duration_s=duration_s,
        group=(text_of(observation.get("sessionId")) or text_of(observation.get("traceId")))[:12],
        hidden_prefix=not call.prompt,
        record=_id_of(observation),
    )


def _id_of(observation: Wire) -> str:
    return text_of(observation.get("id")) or content_id(observation)


def _call(observation: Wire, model: str, shaper: Shaper, where: str, warnings: list[str]) -> Call:
    given, said = opened(observation.get("input")), opened(observation.get("output"))
    if observation.get("type") == "EMBEDDING":
        said = None
    wrapped = mapping(given)
    messages = given if isinstance(given, list) else wrapped.get("messages", given)
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    parameters = mapping(opened(observation.get("modelParameters")))
    tools = wrapped.get("tools") or parameters.get("tools") or []
    answer = said[-1] if isinstance(said, list) and said else said
    message = answer if isinstance(answer, Mapping) else {"content": text_of(answer)}
    request = {"model": model, "messages": messages, "tools": opened(tools)}
    response = {"id": _id_of(observation), "model": model, "choices": [{"message": message}]}
    usage: Usage | None = None
    notes: tuple[str, ...] = ()
    counts = _counts(observation)
    try:
        if counts:
            read = read_langfuse(counts)
            usage, notes = read.usage, read.notes
    except UsageError as error:
        warnings.append(f"{where}: {error} The call is counted as unmeasured.")
        notes = ("It is counted as unmeasured, because its counts cannot be placed.",)
    call = call_of_completion(request, response, "ok", shaper, otherwise=_id_of(observation))
    return plausible(replace(call, usage=usage, notes=notes, raw_usage=raw_json(counts) if notes else None))


def _counts(observation: Wire) -> Wire:
    """Return the counts of an observation, with today's keys; older versions have `usage`."""
    details = mapping(opened(observation.get("usageDetails")))
    older = mapping(opened(observation.get("usage")))
    if not details and str(older.get("unit") or "TOKENS").upper() == "TOKENS":
        details = {
            key: value for key, value in older.items() if is_count(value) and "cost" not in key.lower()
        }
    return {OLDER_KEYS.get(key, key): value for key, value in details.items()}


OLDER_KEYS = {
    "promptTokens": "input",
    "completionTokens": "output",
    "totalTokens": "total",
    "prompt_tokens": "input",
    "completion_tokens": "output",
    "total_tokens": "total",
}
