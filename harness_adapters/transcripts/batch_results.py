"""Result files of batches: a line per request, as Anthropic's and OpenAI's batch APIs write them.

The lines hold answers without their requests, and no times: OpenAI's answers say when they were made,
Anthropic's are priced for the date of the file. A request that failed was not billed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.wires.anthropic_exchange import call_of_message
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured
from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion, call_of_response
from tokenprof.reading.formats import without_foreign
from tokenprof.reading.json_documents import json_objects
from tokenprof.reading.logged_calls import LoggedCall, content_id, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, text_of

FORMAT = "batch results"
SUFFIXES = (".jsonl",)

PROMPT_NAME = "prompt, not in the results of a batch"


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines holds the results of a batch."""
    return any(
        "custom_id" in line and (line.keys() & {"result", "response"}) and "params" not in line
        for line in first_lines[:1]
    )


def read(path: Path) -> Run:
    """Return a turn per request that was answered. Raises InputError if the file is not JSON."""
    warnings: list[str] = []
    shaper = shaper_of_log()
    written: Any = utc_time(path.stat().st_mtime)
    calls: list[LoggedCall] = []
    failed = undated = 0
    for number, line in enumerate(without_foreign(json_objects(path, warnings), FORMAT, path, warnings), 1):
        answer = _answer(line)
        if not answer:
            failed += 1
            continue
        at = utc_time(answer.get("created")) or utc_time(answer.get("created_at"))
        undated += at is None
        calls.append(_logged(line, answer, at or written + timedelta(microseconds=number), shaper))
    if failed:
        warnings.append(f"{path}: {failed} requests of the batch were not answered and not billed.")
    if undated:
        warnings.append(
            f"{path}: its answers have no times, so they are priced for {written:%Y-%m-%d}, the date of the "
            "file."
        )
    turns = turns_of(calls, shaper, path.stem[:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _answer(line: Wire) -> Wire:
    """Return the answer in a line; an empty object if the request failed."""
    result = mapping(line.get("result"))
    if result:
        return mapping(result.get("message")) if result.get("type") == "succeeded" else {}
    response = mapping(line.get("response"))
    body = mapping(response.get("body"))
    code = response.get("status_code", 200)
    return body if isinstance(code, int) and 200 <= code < 300 and not body.get("error") else {}


def _logged(line: Wire, answer: Wire, at: datetime, shaper: Shaper) -> LoggedCall:
    otherwise = text_of(line.get("custom_id")) or content_id(line)
    is_anthropic = "result" in line
    request = {"model": answer.get("model")}

    def call_of(told: Wire) -> Call:
        if is_anthropic:
            return call_of_message(request, told, "ok", shaper, otherwise=otherwise)
        of = call_of_completion if "choices" in told else call_of_response
        return of(request, told, "ok", shaper, otherwise=otherwise)

    call = call_or_unmeasured(call_of, answer, "usage")
    block = shaper.block("unattributed", PROMPT_NAME, {"batch": otherwise}, opens_message=True)
    return LoggedCall(
        call=replace(call, prompt=(block,), selectors=replace(call.selectors, batch=True)),
        provider="anthropic" if is_anthropic else "openai",
        started_at=at,
        group=otherwise,
        hidden_prefix=True,
        record=otherwise,
    )
