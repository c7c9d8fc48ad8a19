"""LiteLLM's logs: the standard logging payload that its callbacks write, and rows of the proxy's spend logs.

They hold one object per line, or a list (observed in 1.106). A failed call without counts was not billed; nor
was an answer from LiteLLM's own cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.gateways.row_times import times_of
from tokenprof.harness_adapters.transcripts.litellm_values import call_of_litellm, seller_of
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured
from tokenprof.pricing.wire_counts import is_count
from tokenprof.reading.formats import without_foreign
from tokenprof.reading.json_documents import json_objects
from tokenprof.reading.logged_calls import LoggedCall, content_id, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, mapping, opened, sequence, text_of

FORMAT = "LiteLLM log"
SUFFIXES = (".jsonl", ".json")

OWN_KEYS = frozenset({"litellm_call_id", "spend", "response_cost", "custom_llm_provider"})

CHAT_CALLS = frozenset({"completion", "acompletion", "text_completion", "atext_completion", ""})
"""The kinds of calls that are logged in the shape of a chat completion; others have their own shapes."""


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these objects is a LiteLLM log."""
    return any("call_type" in row and not OWN_KEYS.isdisjoint(row) for row in _rows(first_lines[:1]))


def read(path: Path) -> Run:
    """Return a turn per billed call. Raises InputError if the file is not JSON."""
    warnings: list[str] = []
    shaper = shaper_of_log()
    calls = []
    from_cache = 0
    for number, row in enumerate(
        _rows(without_foreign(json_objects(path, warnings), FORMAT, path, warnings)), 1
    ):
        if str(row.get("cache_hit")).lower() == "true":
            from_cache += 1
        elif text_of(row.get("status")) != "failure" or _is_billed(row):
            calls.append(_logged(row, shaper, path, f"{path}: call {number}", warnings))
    if from_cache:
        warnings.append(f"{path}: {from_cache} answers came from LiteLLM's own cache and were not billed.")
    calls.sort(key=lambda call: call.started_at)
    turns = turns_of(calls, shaper, path.stem[:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _rows(objects: Sequence[Wire]) -> Iterator[Wire]:
    """Yield the rows of a log; the proxy's own pages hold them in `data`."""
    for value in objects:
        if isinstance(value.get("data"), list):
            yield from sequence(value["data"])
        else:
            yield value


def _logged(row: Wire, shaper: Shaper, path: Path, where: str, warnings: list[str]) -> LoggedCall:
    started, duration_s = times_of(row, path, where, warnings)
    kind = text_of(row.get("call_type"))
    if kind not in CHAT_CALLS:
        warnings.append(f"{where} is a call of the kind {kind}; its content is not laid out as blocks.")
    provider, model = seller_of(text_of(row.get("custom_llm_provider")), text_of(row.get("model")))
    response = _response_of(row)
    request = {**_parameters(row), "model": model, "messages": _messages(row)}
    call = call_or_unmeasured(
        lambda told: call_of_litellm(request, told, shaper, otherwise=_identity(row)),
        response,
        "usage",
        lambda reason: warnings.append(f"{where}: {reason}"),
    )
    agent = mapping(row.get("metadata")).get("agent_name") or mapping(row.get("metadata")).get("agent_id")
    return LoggedCall(
        call=call,
        provider=provider,
        started_at=started,
        duration_s=duration_s,
        group=text_of(row.get("session_id")),
        agent=text_of(agent) or None,
        # Content may be switched off, or removed from the log.
        hidden_prefix=not call.prompt,
        record=text_of(row.get("litellm_call_id")),
    )


def _is_billed(row: Wire) -> bool:
    """Whether a call that failed has counts all the same: its stream had begun."""
    usage = mapping(_response_of(row).get("usage"))
    return any(is_count(count) and float(count) for count in usage.values())


def _identity(row: Wire) -> str:
    return (
        text_of(row.get("id"))
        or text_of(row.get("request_id"))
        or text_of(row.get("litellm_call_id"))
        or content_id(row)
    )


def _messages(row: Wire) -> list[Wire]:
    messages = opened(row.get("messages"))
    if not messages:
        messages = opened(mapping(opened(row.get("proxy_server_request"))).get("messages"))
    return sequence(messages)


def _parameters(row: Wire) -> Wire:
    kept = mapping(row.get("model_parameters")) or mapping(opened(row.get("proxy_server_request")))
    return {key: value for key, value in kept.items() if key in ("tools", "tool_choice", "response_format")}


def _response_of(row: Wire) -> Wire:
    """Return the answer with its usage, wherever this kind of row keeps it."""
    response = mapping(opened(row.get("response")))
    metadata = mapping(opened(row.get("metadata")))
    usage = response.get("usage")
    if not isinstance(usage, Mapping) or "prompt_tokens" not in usage:
        usage = metadata.get("usage_object")
    if not isinstance(usage, Mapping):
        extra = mapping(metadata.get("additional_usage_values"))
        usage = {**extra, **{key: row[key] for key in COUNTS if row.get(key) is not None}}
    return {**response, "usage": usage or response.get("usage")}


COUNTS = ("prompt_tokens", "completion_tokens")
