"""inspect_ai's evaluation logs, `.json` and `.eval` (observed in 0.3.285).

A sample's model events hold the raw request and answer if `log_model_api` was on, else inspect's own form of
both. Messages and long texts are stored once, in pools to which events refer by index (`input_refs`,
`call_refs`) and by hash (`attachment://`). Answers from inspect's own cache were not billed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tokenprof.facts.errors import InputError
from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts.zip_members import members_of
from tokenprof.harness_adapters.wires.implausible_usage import raw_json
from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion
from tokenprof.harness_adapters.wires.raw_calls import call_of
from tokenprof.pricing.usage import UsageError
from tokenprof.pricing.usage_dialects import INSPECT
from tokenprof.pricing.usage_reader import read_usage
from tokenprof.reading.json_documents import read_json_document
from tokenprof.reading.lenient_json import parse_json
from tokenprof.reading.logged_calls import LoggedCall, shaper_of_log, turns_of
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

FORMAT = "inspect_ai log"
SUFFIXES = (".json", ".eval")

SELLERS = {"google": "gcp.gemini", "bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai", "azureai": "azure"}
"""Names of providers in inspect logs that have another name in prices."""

ATTACHMENTS = ("attachment://", "tc://")
"""How a value refers to the sample's attachments; the second is that of logs before 0.3.50."""

MOST_REPETITIONS = 4
"""How often a prompt may hold each message of its sample, on average."""


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that holds this object is an evaluation log."""
    return any(
        {"version", "eval", "status"} <= line.keys() and isinstance(line["eval"], Mapping)
        for line in first_lines[:1]
    )


def recognises_bytes(head: bytes) -> bool:
    """Whether a file that begins with these bytes is an `.eval` archive."""
    return head.startswith(b"PK\x03\x04") and b"_journal/" in head[:256]


def read(path: Path) -> Run:
    """Return a turn per billed answer. Raises InputError for a file that is damaged or has no samples."""
    warnings: list[str] = []
    shaper = shaper_of_log()
    is_archive = path.suffix == ".eval"
    log = {} if is_archive else mapping(read_json_document(path, warnings))
    samples = _archived_samples(path) if is_archive else iter(sequence(log.get("samples")))
    calls: list[LoggedCall] = []
    is_older = False
    for raw in samples:
        sample = _Sample(raw, path, shaper, warnings)
        calls += sample.calls()
        is_older |= sample.is_older
    calls.sort(key=lambda call: call.started_at)
    header = _archived_header(path) if is_archive else log
    if not calls:
        calls = _calls_of_header(header, path, shaper, warnings)
    else:
        _compare_with_header(header, calls, path, warnings)
    if is_older:
        warnings.append(
            f"{path}: this is a log of an older version; its calls were read from the `transcript` of each "
            "sample. The counts of its header are in stats.model_usage."
        )
    turns = turns_of(calls, shaper, path.stem[:19], warnings)
    return Run(in_time_order(turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


def _calls_of_header(log: Wire, path: Path, shaper: Shaper, warnings: list[str]) -> list[LoggedCall]:
    """Return a call per model for what the log's header counts, because no sample shows single calls."""
    stats = mapping(log.get("stats"))
    counted = mapping(stats.get("model_usage"))
    where = f"{path}: no sample has model events; was the log written without samples?"
    if not counted:
        warnings.append(where)
        return []
    warnings.append(
        f"{where} Its header (stats.model_usage) counts all calls of a model, which are one turn here."
    )
    started = _time(stats.get("started_at") or mapping(log.get("eval")).get("created"), str(path))
    calls = []
    for name, raw in counted.items():
        provider, _, model = name.partition("/")
        block = shaper.block("unattributed", HEADER_NAME, {"header": name}, opens_message=True)
        bare = Call(
            response_id=f"model_usage {name}",
            requested_model=model or name,
            model=model or name,
            status="ok",
            usage=None,
            prompt=(block,),
        )
        try:
            read = read_usage({key: n for key, n in mapping(raw).items() if n is not None}, INSPECT)
            bare = replace(bare, usage=read.usage, notes=read.notes)
        except UsageError as error:
            warnings.append(f"{path}: {name} is counted as unmeasured. {error}")
        seller = SELLERS.get(provider, provider)
        calls.append(
            LoggedCall(call=bare, provider=seller, started_at=started, group=name, hidden_prefix=True)
        )
    return calls


COUNTED_IN_HEADER = (
    "input_tokens",
    "input_tokens_cache_read",
    "input_tokens_cache_write",
    "output_tokens",
)

HEADER_NAME = "calls counted only in the log's header"


def _compare_with_header(log: Wire, calls: Sequence[LoggedCall], path: Path, warnings: list[str]) -> None:
    """Warn if the log's header counts more tokens than its model events."""
    counted = sum(
        tokens
        for usage in mapping(mapping(log.get("stats")).get("model_usage")).values()
        for key in COUNTED_IN_HEADER
        if isinstance(tokens := mapping(usage).get(key), int)
    )
    shown = sum(
        usage.input_tokens + usage.all_output_tokens
        for call in calls
        if (usage := call.call.usage) is not None
    )
    if counted > shown:
        warnings.append(
            f"{path}: stats.model_usage in its header counts {counted - shown:,} tokens that no model event "
            "shows; they are not in the report."
        )


def _archived_samples(path: Path) -> Iterator[Wire]:
    for name, data in members_of(path, "samples/"):
        try:
            yield mapping(parse_json(data))
        except ValueError as error:
            raise InputError(f"{path}: the sample {name} is not JSON ({error}).") from None


def _archived_header(path: Path) -> Wire:
    """Return the header of an archive, which is written when the evaluation ends; empty if it is missing."""
    for _, data in members_of(path, "header.json"):
        try:
            return mapping(parse_json(data))
        except ValueError:
            return {}
    return {}


class _Sample:
    """One sample of an evaluation, with its pools."""

    def __init__(self, sample: Wire, path: Path, shaper: Shaper, warnings: list[str]) -> None:
        self._sample = sample
        self._path = path
        self._shaper = shaper
        self._warnings = warnings
        older = mapping(sample.get("transcript"))
        self.is_older = not sample.get("events") and bool(older.get("events"))
        self._events = sequence(sample.get("events")) or sequence(older.get("events"))
        self._attachments = {**mapping(older.get("content")), **mapping(sample.get("attachments"))}
        pools = mapping(sample.get("events_data"))
        self._messages = sequence(pools.get("messages"))
        self._raw_messages = sequence(pools.get("calls"))
        self.name = f"{sample.get('id')}.{sample.get('epoch', 1)}"

    def calls(self) -> Iterator[LoggedCall]:
        """Yield the billed calls, in the order of the log."""
        agents: dict[str, str] = {}
        from_cache = 0
        for event in self._events:
            if event.get("event") == "span_begin":
                above = agents.get(text_of(event.get("parent_id")))
                named = text_of(event.get("name")) if event.get("type") == "agent" else above
                agents[text_of(event.get("id"))] = named or ""
            if event.get("event") != "model" or event.get("pending"):
                continue
            if event.get("cache") == "read":
                from_cache += 1
                continue
            logged = self._logged(event, agents.get(text_of(event.get("span_id"))) or None)
            if logged is not None:
                yield logged
        if from_cache:
            self._warnings.append(
                f"{self._path}: sample {self.name}: {from_cache} answers came from inspect's own cache and "
                "were not billed."
            )

    def _logged(self, event: Wire, agent: str | None) -> LoggedCall | None:
        where = f"{self._path}: sample {self.name}, model event {event.get('uuid')}"
        try:
            call = self._raw_call(event) or self._normalised_call(event)
        except UsageError as error:
            self._warnings.append(f"{where}: {error} The call is counted as unmeasured.")
            call = self._unmeasured_call(event, error)
        if call is None:
            return None
        started, completed = _time(event.get("timestamp"), where), event.get("completed")
        ended = _time(completed, where) if completed else None
        seller = text_of(event.get("model")).partition("/")[0]
        return LoggedCall(
            call=call,
            provider=SELLERS.get(seller, seller),
            started_at=started,
            duration_s=(ended - started).total_seconds() if ended else None,
            group=self.name,
            agent=agent,
            attempts=1 + (event.get("retries") or 0),
        )

    def _unmeasured_call(self, event: Wire, error: UsageError) -> Call | None:
        """Return a call whose counts cannot be right, without them."""
        output = {**mapping(event.get("output")), "usage": {"input_tokens": 0, "output_tokens": 0}}
        call = self._normalised_call({**event, "output": output})
        raw = mapping(mapping(event.get("output")).get("usage"))
        note = f"It is counted as unmeasured. {error}"
        return None if call is None else replace(call, usage=None, notes=(note,), raw_usage=raw_json(raw))

    def _raw_call(self, event: Wire) -> Call | None:
        """Return the call as it went over the wire; None if that was not logged."""
        call = mapping(event.get("call"))
        answer = mapping(call.get("response"))
        request = dict(mapping(call.get("request")))
        if not answer or call.get("error"):
            return None
        if call.get("call_refs") is not None:
            request[text_of(call.get("call_key")) or "messages"] = _referred(
                self._raw_messages, call["call_refs"]
            )
        found = self._opened(request), self._opened(answer)
        return call_of(*found, self._shaper, otherwise=text_of(event.get("uuid")))

    def _normalised_call(self, event: Wire) -> Call | None:
        """Return the call from inspect's own form of it, which resembles a chat completion."""
        output = mapping(event.get("output"))
        raw = output.get("usage")
        if event.get("error") or (raw is None and not output.get("choices")):
            return None
        if not isinstance(raw, Mapping):
            raise UsageError("It has an answer, but no usage.")
        messages = [*sequence(event.get("input")), *_referred(self._messages, event.get("input_refs"))]
        name = text_of(event.get("model")).partition("/")[2]
        request = {
            "model": name,
            "messages": [_chat_message(self._opened(message)) for message in messages],
            "tools": [{"type": "function", "function": tool} for tool in sequence(event.get("tools"))],
        }
        choices = [
            {"message": _chat_message(self._opened(mapping(choice.get("message"))))}
            for choice in sequence(output.get("choices"))
        ]
        answer = {"id": output.get("response_id"), "model": output.get("model"), "choices": choices}
        call = call_of_completion(request, answer, "ok", self._shaper, otherwise=text_of(event.get("uuid")))
        counts = {key: value for key, value in raw.items() if value is not None}
        read = read_usage(counts, INSPECT)
        raw_text = raw_json(counts) if read.notes else None
        return replace(call, usage=read.usage, notes=read.notes, raw_usage=raw_text)

    def _opened(self, value: Any) -> Any:
        """Return a value with the sample's attachments put back in their places."""
        if isinstance(value, str) and value.startswith(ATTACHMENTS):
            return self._attachments.get(value.partition("://")[2], value)
        if isinstance(value, Mapping):
            return {key: self._opened(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [self._opened(item) for item in value]
        return value


def _referred(pool: Sequence[Wire], references: object) -> list[Wire]:
    """Return the items of a pool that (start, end) pairs refer to.

    Raises ValueError for pairs that repeat the pool many times: a small file could ask for any amount.
    """
    pairs = references if isinstance(references, list) else []
    found: list[Wire] = []
    for pair in pairs:
        if _is_range(pair):
            found += pool[pair[0] : pair[1]]
            if len(found) > MOST_REPETITIONS * len(pool):
                raise ValueError("a prompt refers to more messages than its sample holds")
    return found


def _is_range(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, int) for end in pair)


def _chat_message(message: Wire) -> Wire:
    """Return inspect's form of a message as a chat message."""
    calls = [
        {
            "id": call.get("id"),
            "function": {"name": call.get("function"), "arguments": json_text(call.get("arguments") or {})},
        }
        for call in sequence(message.get("tool_calls"))
    ]
    parts = message.get("content")
    thoughts = [text_of(part.get("reasoning")) for part in sequence(parts) if part.get("type") == "reasoning"]
    content = [_part(part) for part in parts if _is_shown(part)] if isinstance(parts, list) else parts
    return {
        "role": message.get("role"),
        "content": content,
        "tool_calls": calls,
        "tool_call_id": message.get("tool_call_id"),
        "reasoning_content": "\n".join(thoughts),
    }


def _is_shown(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") != "reasoning"


def _part(part: Wire) -> Wire:
    return {"type": "image_url", "image_url": part.get("image")} if part.get("type") == "image" else part


def _time(value: object, where: str) -> datetime:
    at = utc_time(value)
    if at is None:
        raise InputError(f"{where}: it has no timestamp; without one it cannot be priced.")
    return at
