"""Situations in logs of other programs, counted by hand: spans of several layers, sellers, forks."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from log_situation import CALL, COUNTED, WHOLE, Counts, Json, LogSituation, otlp, span
from telemetry_situations import TELEMETRY

import tokenprof
from tokenprof.report.warning_wording import warnings_of

AGENT = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.request.model": "gpt-5.4",
    "gen_ai.usage.input_tokens": 300,
    "gen_ai.usage.output_tokens": 30,
}

SPANS = (
    otlp(
        "a framework's span above an SDK's",
        span(COUNTED, "p"),
        span(COUNTED, "c", "p"),
        counts=(WHOLE,),
        usd="0.0004",
    ),
    otlp(
        "with a span of another kind between",
        span(COUNTED, "p"),
        span({"x": 1}, "m", "p"),
        span(COUNTED, "c", "m"),
        counts=(WHOLE,),
    ),
    otlp(
        "a framework's span without counts above", span(CALL, "p"), span(COUNTED, "c", "p"), counts=(WHOLE,)
    ),
    otlp("an SDK's span without counts below", span(COUNTED, "p"), span(CALL, "c", "p"), counts=(WHOLE,)),
    otlp(
        "two layers without counts", span(CALL, "p"), span(CALL, "c", "p"), counts=(None,), said="no counts"
    ),
    otlp(
        "a call without counts beside one with them",
        span(COUNTED, "a"),
        span(CALL, "b", at=9),
        counts=(WHOLE, None),
        said="Its span has no counts",
    ),
    otlp(
        "a call that failed has no counts",
        span(COUNTED),
        span({**CALL, "error.type": "429"}, "b"),
        counts=(WHOLE,),
    ),
    otlp(
        "two calls at once with equal counts", span(COUNTED, "a"), span(COUNTED, "b"), counts=(WHOLE, WHOLE)
    ),
    otlp(
        "a step above two equal calls",
        span(COUNTED, "p"),
        span(COUNTED, "a", "p"),
        span(COUNTED, "b", "p", at=5),
        counts=(WHOLE, WHOLE),
    ),
    otlp(
        "an agent sums up",
        span(AGENT, "p"),
        span(COUNTED, "a", "p"),
        span({**COUNTED, "gen_ai.usage.input_tokens": 200, "gen_ai.usage.output_tokens": 20}, "b", "p", at=5),
        counts=(WHOLE, (200, 0, 20)),
    ),
    otlp(
        "only the agent has counts",
        span(AGENT, "p"),
        span(CALL, "a", "p"),
        counts=((300, 0, 30),),
        said="it may sum up several calls",
    ),
    otlp(
        "a cache that only one layer knows",
        span(COUNTED, "p"),
        span({**COUNTED, "gen_ai.usage.cache_read.input_tokens": 40}, "c", "p"),
        counts=((100, 40, 10),),
    ),
    otlp(
        "only an output count",
        span({**CALL, "gen_ai.usage.output_tokens": 10}),
        counts=(None,),
        said="is missing",
    ),
    otlp(
        "a count with a comma",
        span({**COUNTED, "gen_ai.usage.input_tokens": "1,000"}),
        counts=(None,),
        said="is missing",
    ),
    otlp(
        "a count under no prefix",
        span({**COUNTED, "vendor.cacheHits.tokens": 40}),
        counts=(WHOLE,),
        said="'vendor.cacheHits.tokens' is not understood",
    ),
    otlp(
        "a seller by its address",
        span(
            {**COUNTED, "server.address": "api.groq.com", "gen_ai.request.model": "llama-3.3-70b-versatile"}
        ),
        counts=(WHOLE,),
        seller="groq",
    ),
    otlp(
        "a seller by the name of the convention",
        span(
            {**COUNTED, "gen_ai.provider.name": "mistral_ai", "gen_ai.request.model": "mistral-large-latest"}
        ),
        counts=(WHOLE,),
        seller="mistral",
    ),
    otlp(
        "a router sells another maker's model",
        span(
            {
                **COUNTED,
                "gen_ai.provider.name": "openrouter",
                "gen_ai.request.model": "google/gemini-2.5-flash",
            }
        ),
        counts=(WHOLE,),
        seller="openrouter",
    ),
)

GENERATION = {
    "id": "o",
    "traceId": "t",
    "type": "GENERATION",
    "startTime": "2026-09-01T10:00:00Z",
    "model": "gpt-5.4",
}


IN_AND_OUT = {"input": 100, "output": 10}


def langfuse(name: str, counts: Counts, said: str = "", **observation: Any) -> LogSituation:
    return LogSituation(
        name, "o.jsonl", [{**GENERATION, "input": "hello", "output": "hi", **observation}], (counts,), said
    )


LITELLM = {
    "id": "l",
    "call_type": "acompletion",
    "litellm_call_id": "x",
    "startTime": "2026-09-01T10:00:00Z",
    "endTime": "2026-09-01T10:00:02Z",
    "model": "gpt-5.4",
    "custom_llm_provider": "openai",
    "messages": [{"role": "user", "content": "hello"}],
}
ANSWER = {"id": "c", "choices": [{"message": {"role": "assistant", "content": "hi"}}]}
RAN_TOOLS = {
    "id": "c",
    "choices": [{"message": {"role": "assistant", "content": "hi", "executed_tools": [{"type": "search"}]}}],
}
COUNTS = {"prompt_tokens": 100, "completion_tokens": 10}
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1"


def litellm(name: str, counts: tuple[Counts, ...], *rows: Json, said: str = "", **more: Any) -> LogSituation:
    whole = [{**LITELLM, "response": {**ANSWER, "usage": COUNTS}, **row} for row in rows]
    return LogSituation(name, "l.jsonl", whole, counts, said, **more)


GATEWAYS = (
    langfuse("Langfuse", WHOLE, usageDetails=IN_AND_OUT),
    langfuse("its older keys", WHOLE, usageDetails={"promptTokens": 100, "completionTokens": 10}),
    langfuse("its older object", WHOLE, usage={"input": 100, "output": 10, "total": 110, "unit": "TOKENS"}),
    langfuse(
        "characters are not tokens",
        None,
        "no usage",
        usage={"input": 100, "output": 10, "unit": "CHARACTERS"},
    ),
    langfuse("nothing counted", None, "no usage was recorded"),
    langfuse(
        "a key of its user's",
        (150, 0, 10),
        "'input_mystery'",
        usageDetails={"input": 100, "output": 10, "input_mystery": 50, "total": 160},
    ),
    litellm("LiteLLM logs a call twice", (WHOLE,), {}, {}),
    litellm(
        "one id, an hour apart",
        (WHOLE, WHOLE),
        {},
        {"startTime": "2026-09-01T11:00:00Z", "endTime": "2026-09-01T11:00:02Z", "litellm_call_id": "m"},
    ),
    litellm(
        "one call, an hour apart",
        (WHOLE,),
        {},
        {"startTime": "2026-09-01T11:00:00Z", "endTime": "2026-09-01T11:00:02Z"},
        said="but not the time; they are taken for one call",
    ),
    langfuse("an API's names", WHOLE, usageDetails={"input_tokens": 100, "output_tokens": 10}),
    langfuse("an SDK's names", WHOLE, usageDetails={"inputTokens": 100, "outputTokens": 10}),
    langfuse("an embedding", (8, 0, 0), usageDetails={"input": 8, "total": 8}, type="EMBEDDING"),
    langfuse("a call that failed late", WHOLE, usageDetails=IN_AND_OUT, level="ERROR"),
    langfuse(
        "a chain that alone has counts",
        WHOLE,
        "may sum up several calls",
        usageDetails=IN_AND_OUT,
        type="CHAIN",
    ),
    langfuse("no start", WHOLE, usageDetails=IN_AND_OUT, startTime="", endTime="2026-09-01"),
    langfuse(
        "no time at all",
        WHOLE,
        "the date of the file",
        usageDetails=IN_AND_OUT,
        startTime="",
    ),
    litellm("an end without a start", (WHOLE,), {"startTime": None}),
    litellm("a call that failed after its counts", (WHOLE,), {"status": "failure"}),
    litellm("a call that failed", (WHOLE,), {}, {"status": "failure", "response": {}, "id": "m"}),
    litellm(
        "tools that the provider ran",
        (WHOLE,),
        {"response": {**RAN_TOOLS, "usage": COUNTS}},
        said="used executed search",
    ),
    litellm("usage as text", (None,), {"response": {**ANSWER, "usage": "x"}}, said="but it is text"),
    litellm(
        "a key that nobody knows",
        (WHOLE,),
        {"response": {**ANSWER, "usage": {**COUNTS, "vendor_cache_tokens": 4}}},
        said="vendor_cache_tokens",
    ),
    litellm(
        "an account's profile",
        (WHOLE,),
        {"custom_llm_provider": "bedrock", "model": f"bedrock/{ARN}"},
        model="us.anthropic.claude-opus-4-6-v1",
    ),
)


def codex(*lines: tuple[str, str, Json]) -> list[Json]:
    return [{"timestamp": at, "type": kind, "payload": payload} for at, kind, payload in lines]


def total(before: tuple[int, int, int], last: tuple[int, int, int]) -> Json:
    counted = [
        {"input_tokens": i, "cached_input_tokens": c, "output_tokens": o, "total_tokens": i + o}
        for i, c, o in (before, last)
    ]
    return {"type": "token_count", "info": {"total_token_usage": counted[0], "last_token_usage": counted[1]}}


ONE, TWO = "2026-09-01T10:00:00Z", "2026-09-01T10:00:30Z"
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
ASKED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
MODEL = {"model": "gpt-5.4"}
BEGIN = ((ONE, "session_meta", {"id": "s"}), (ONE, "turn_context", MODEL), (ONE, "response_item", ASKED))
FIRST = ((ONE, "response_item", SAID), (ONE, "event_msg", total(WHOLE, WHOLE)))
FORK = ((ONE, "session_meta", {"id": "f", "forked_from_id": "s"}), *BEGIN[1:], *FIRST)

ROLLOUTS = (
    LogSituation("Codex", "rollout-1.jsonl", codex(*BEGIN, *FIRST), (WHOLE,), usd="0.0004"),
    LogSituation("a count is told twice", "rollout-1.jsonl", codex(*BEGIN, *FIRST, FIRST[1]), (WHOLE,)),
    LogSituation(
        "the lines of one call are lost",
        "rollout-1.jsonl",
        codex(
            *BEGIN,
            *FIRST,
            (TWO, "response_item", SAID),
            (TWO, "event_msg", total((350, 100, 30), (150, 100, 10))),
        ),
        (WHOLE, (100, 0, 10), (150, 100, 10)),
        "grown by more than this call",
    ),
    LogSituation(
        "a fork is read without its parent",
        "rollout-2.jsonl",
        codex(*FORK, (TWO, "response_item", SAID), (TWO, "event_msg", total((300, 100, 20), (200, 100, 10)))),
        ((200, 100, 10),),
    ),
)

ALL = (*SPANS, *GATEWAYS, *ROLLOUTS, *TELEMETRY)


@pytest.mark.parametrize("situation", ALL, ids=[f"{n} {s.name}" for n, s in enumerate(ALL)])
def test_each_call_of_a_log_is_counted_once_and_what_is_not_known_is_said(
    situation: LogSituation, tmp_path: Path
) -> None:
    path = tmp_path / situation.file
    path.write_text("".join(json.dumps(row) + "\n" for row in situation.rows))
    analysis = tokenprof.load(path).analyze()
    found = [
        turn.usage and (turn.usage.input_tokens, turn.usage.cache_read_tokens, turn.usage.all_output_tokens)
        for turn in analysis.run.turns
    ]
    assert sorted(found, key=repr) == sorted(situation.counts, key=repr)
    said = " ".join(warnings_of(analysis))
    assert analysis.is_complete == (not situation.said), said
    assert re.search(situation.said, said), said
    if situation.seller:
        assert {turn.seller for turn in analysis.run.turns} == {situation.seller}
        assert analysis.totals.unpriced_turns == 0
    if situation.model:
        assert {turn.model for turn in analysis.run.turns} == {situation.model}
    if situation.usd:
        assert analysis.totals.billed_usd == Decimal(situation.usd)
