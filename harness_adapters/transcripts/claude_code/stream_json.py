"""The output of Claude Code and the claude-agent-sdk: `--output-format stream-json` and `json`.

A response reports its input, but its output is a placeholder; only the result counts output, by model. Only
the result counts what the stream does not show, too (titles, summaries). The difference between the result
and the responses is one turn per model, so that the sum is the bill. Observed in 2.1.330.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.wires.anthropic_exchange import call_of_message
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured
from tokenprof.pricing.normalise_logs import (
    plain_model,
    read_claude_code_models,
    rest_of,
    usage_from_claude_code_models,
)
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.reading.formats import without_foreign
from tokenprof.reading.json_documents import json_objects
from tokenprof.reading.logged_calls import LoggedCall, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

FORMAT = "Claude Code output"
SUFFIXES = (".jsonl", ".json")

PROVIDER = "anthropic"
REST_NAME = "calls counted only in the result"
START_NAME = "system prompt, tools and first message, not in the stream"


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these objects is the output of a run, or its result."""
    return any(
        ("claude_code_version" in line and line.get("subtype") == "init") or _is_result(line)
        for line in first_lines
    )


def _is_result(line: Wire) -> bool:
    # The Python SDK's `ResultMessage` has no type of its own.
    is_named = line.get("type", "result") == "result"
    return is_named and "total_cost_usd" in line and "num_turns" in line


def read(path: Path) -> Run:
    """Return a turn per response, and one per model for the rest.

    Raises InputError if the file is not JSON.
    """
    warnings: list[str] = []
    shaper = shaper_of_log()
    lines = without_foreign(json_objects(path, warnings), FORMAT, path, warnings)
    written = _written(path)
    if any(line.get("type") == "assistant" and not line.get("timestamp") for line in lines):
        warnings.append(
            f"{path}: its responses have no times, so they are priced for {written:%Y-%m-%d}, the date of "
            "the file."
        )
    calls = _responses(lines, shaper, written, warnings)
    results = _results(lines)
    if not results:
        warnings.append(f"{path}: the run has no result, so the output of its responses is unknown.")
    done: list[LoggedCall] = []
    for run in results:
        # Several runs may be written to one file; a result counts its own.
        own = [call for call in calls if len(results) == 1 or str(call.call.response_id) in run.responses]
        last = max((call.started_at for call in own), default=None)
        at = last or utc_time(run.result.get("timestamp")) or written
        where = f"{path}: session {run.session}"
        rest, settled = _rest(run.result, run.session, own, at, shaper, where, warnings)
        done += [_with_rest(call, rest, settled) for call in own] + rest
    ended = {call.call.response_id for call in done}
    done += [call for call in calls if call.call.response_id not in ended]
    done.sort(key=lambda call: call.started_at)
    turns = turns_of(done, shaper, path.stem[:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, max(1, len(results))),), tuple(warnings))


@dataclass(slots=True)
class _StreamedRun:
    """A result, and the ids of the responses that it counts."""

    session: str
    result: Wire
    responses: set[str]


def _results(lines: Sequence[Wire]) -> list[_StreamedRun]:
    """Return the runs in a file. Results of one process count everything so far, so its last one is kept."""
    runs: list[_StreamedRun] = []
    newest: dict[str, _StreamedRun] = {}
    waiting: dict[str, set[str]] = {}
    for line in lines:
        session = text_of(line.get("session_id"))
        if not _is_result(line):
            waiting.setdefault(session, set()).add(text_of(mapping(line.get("message")).get("id")))
            continue
        responses = waiting.pop(session, set())
        run = newest.get(session)
        if run is not None and _counts_all_of(line, run.result):
            run.result = line
            run.responses |= responses
        else:
            newest[session] = _StreamedRun(session, line, responses)
            runs.append(newest[session])
    return runs


def _counts_all_of(result: Wire, earlier: Wire) -> bool:
    """Whether a result counts at least what an earlier one counts, model by model."""
    try:
        now, before = usage_from_claude_code_models(result), usage_from_claude_code_models(earlier)
    except UsageError:
        return True
    return all(
        model in now
        and now[model].input_tokens >= usage.input_tokens
        and now[model].all_output_tokens >= usage.all_output_tokens
        for model, usage in before.items()
    )


def _responses(
    lines: Sequence[Wire], shaper: Shaper, written: datetime, warnings: list[str]
) -> list[LoggedCall]:
    """Return the calls of the responses in the stream, with a group for each subagent."""
    histories: dict[tuple[str, str], list[Wire]] = {}
    found: dict[str, tuple[Wire, list[Wire], Wire]] = {}
    for line in lines:
        session, group = text_of(line.get("session_id")), text_of(line.get("parent_tool_use_id"))
        history = histories.setdefault((session, group), [])
        message = mapping(line.get("message"))
        id_ = text_of(message.get("id"))
        if line.get("type") == "assistant" and id_ and message.get("model") != "<synthetic>":
            if id_ in found:
                first, before, known = found[id_]
                content = [*sequence(known.get("content")), *sequence(message.get("content"))]
                found[id_] = first, before, {**message, "content": content}
                history[-1] = {"role": "assistant", "content": content}
                continue
            found[id_] = line, list(history), message
        if line.get("type") in ("user", "assistant") and message:
            history.append({"role": message.get("role"), "content": message.get("content")})
    sessions = {text_of(line.get("session_id")) for line, _, _ in found.values()}
    return [
        # Responses without times keep the order of the stream.
        _call(
            line,
            before,
            message,
            shaper,
            written + timedelta(microseconds=number),
            warnings,
            run=text_of(line.get("session_id"))[:8] if len(sessions) > 1 else "",
        )
        for number, (line, before, message) in enumerate(found.values())
    ]


def _call(
    line: Wire,
    before: list[Wire],
    message: Wire,
    shaper: Shaper,
    otherwise: datetime,
    warnings: list[str],
    run: str,
) -> LoggedCall:
    request = {"model": message.get("model"), "messages": before}
    call = call_or_unmeasured(
        lambda told: call_of_message(request, told, "ok", shaper, otherwise=text_of(line.get("uuid"))),
        message,
        "usage",
        warnings.append,
    )
    group = text_of(line.get("parent_tool_use_id"))
    start = shaper.block("unattributed", START_NAME, {"start": f"{run}{group}"}, opens_message=True)
    is_short = message.get("stop_reason") is None
    return LoggedCall(
        call=replace(call, prompt=(start, *call.prompt), output_incomplete=is_short),
        provider=PROVIDER,
        started_at=utc_time(line.get("timestamp")) or otherwise,
        group="-".join(filter(None, (run, group[-8:]))),
        agent=text_of(line.get("subagent_type")) or ("subagent" if group else None),
    )


def _with_rest(call: LoggedCall, rest: Sequence[LoggedCall], settled: Mapping[str, str]) -> LoggedCall:
    """Return a call; if its output is incomplete, with the turn that counts the rest."""
    model = settled.get(plain_model(call.call.model))
    if not call.call.output_incomplete or model is None:
        return call
    ids = [other.call.response_id for other in rest if other.call.model == model]
    if not ids:
        return replace(call, call=replace(call.call, output_incomplete=False))
    return replace(call, output_rest_in=ids[0])


def _rest(
    result: Wire,
    session: str,
    calls: Sequence[LoggedCall],
    at: datetime,
    shaper: Shaper,
    where: str,
    warnings: list[str],
) -> tuple[list[LoggedCall], dict[str, str]]:
    """Return a call per model for what only the result counts.

    Beside them stand the models that the result covers, by their names in responses.
    """
    rest: list[LoggedCall] = []
    settled: dict[str, str] = {}
    try:
        by_model = read_claude_code_models(result)
    except UsageError as error:
        warnings.append(f"{where}: {error} What only the result counts is not in the report.")
        return rest, settled
    if not by_model:
        warnings.append(f"{where}: the result counts no model; what only the result counts is missing.")
    told: dict[str, Usage] = {}
    for logged in calls:
        if logged.call.usage is not None:
            name = plain_model(logged.call.model)
            told[name] = told.get(name, Usage()) + logged.call.usage
    names = _names_in_responses(told, {model: whole.usage for model, whole in by_model.items()})
    for name in sorted(told.keys() - names.values()) if by_model else ():
        warnings.append(
            f"{where}: the result counts no {name or 'model without a name'}, which its responses name; what "
            "they used may be counted a second time under the names that the result has."
        )
    for number, (model, whole) in enumerate(by_model.items(), 1):
        warnings += [f"{where}: {note}" for note in whole.notes]
        try:
            left = rest_of(whole.usage, told.get(names[model], Usage()))
        except UsageError as error:
            warnings.append(f"{where}: the result counts less than its responses: {error}")
            continue
        settled[names[model]] = model
        if left == Usage():
            continue
        identity = orjson.dumps([session, model, result.get("uuid")])
        block = shaper.block("unattributed", REST_NAME, {"rest": identity.decode()}, opens_message=True)
        call = Call(
            response_id=f"result-{hashlib.sha256(identity).hexdigest()[:16]}",
            requested_model=model,
            model=model,
            status="ok",
            usage=left,
            prompt=(block,) if left.input_tokens else (),
        )
        rest.append(
            LoggedCall(
                call=call,
                provider=PROVIDER,
                started_at=at + timedelta(microseconds=number),
                group=f"rest-{model}",
            )
        )
    return rest, settled


def _names_in_responses(told: Mapping[str, Usage], counted: Mapping[str, Usage]) -> dict[str, str]:
    """Return the names in responses of the models that a result counts.

    A gateway may answer under another name than the one that was asked for and that the result has. If just
    one name on either side has no counterpart, and its responses fit, they are one model.
    """
    names = {model: model for model in counted}
    asked, answered = counted.keys() - told.keys(), told.keys() - counted.keys()
    if len(asked) == len(answered) == 1:
        (model,), (name,) = asked, answered
        with suppress(UsageError):
            rest_of(counted[model], told[name])
            names[model] = name
    return names


def _written(path: Path) -> datetime:
    """Return when a file was last written, because a result alone has no time."""
    at: Any = utc_time(path.stat().st_mtime)
    return at  # type: ignore[no-any-return]
