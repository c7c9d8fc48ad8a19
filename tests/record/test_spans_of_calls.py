"""The span of a call in the host's own tracing: one for each call, which ends whatever became of the call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from waiting import wait_for_the_recorder, wait_until

import tokenprof
from tokenprof.reading.files import read
from tokenprof.record.attempt import Attempt
from tokenprof.record.process_share import ProcessShare
from tokenprof.record.recorder import Recorder, spans_recorder
from tokenprof.record.turn_log import TurnLog

URL = "https://api.openai.com/v1/chat/completions"


class Host:
    """A program that has set up OpenTelemetry, and calls a provider."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def ask(self, answer: httpx.Response | Exception, model: str = "gpt-5.4") -> None:
        def answering(_: httpx.Request) -> httpx.Response:
            if isinstance(answer, Exception):
                raise answer
            return answer

        with httpx.Client(transport=httpx.MockTransport(answering)) as client:
            client.post(URL, json={"model": model, "messages": [{"role": "user", "content": "x"}]})

    def ended(self, count: int = 1) -> list[ReadableSpan]:
        wait_until(lambda: len(self.exporter.get_finished_spans()) >= count, "the spans have ended")
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made.provider)
    yield made
    made.provider.shutdown()


def answered() -> httpx.Response:
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5.4-2026-03-05"}
    return httpx.Response(200, json={**body, "choices": [choice], "usage": usage})


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_says_what_was_asked_and_billed_below_the_span_of_the_host(host: Host, tmp_path: Path) -> None:
    path, tracer = tmp_path / "run.jsonl", host.provider.get_tracer("host")
    with (
        tokenprof.profile(path, tags={"team": "mail"}),
        tokenprof.agent("writer"),
        tokenprof.tag(step="draft"),
        tracer.start_as_current_span("work") as work,
    ):
        host.ask(answered())
        host.ended(1)
    (span,) = [span for span in host.ended(2) if span.name != "work"]
    assert (span.name, span.kind, span.status.status_code) == (
        "chat gpt-5.4",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert span.parent is not None
    assert span.parent.span_id == work.get_span_context().span_id
    found = attributes(span)
    assert {key: found[key] for key in found if key not in ("tokenprof.call",)} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "writer",
        "gen_ai.request.model": "gpt-5.4",
        "gen_ai.response.model": "gpt-5.4-2026-03-05",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_write.input_tokens": 0,
        "http.response.status_code": 200,
        "tokenprof.record": "turn",
        "tokenprof.status": "ok",
        "tokenprof.attempts": 1,
        "tokenprof.tag.team": "mail",
        "tokenprof.tag.step": "draft",
    }
    # The line of the recording is that span.
    line = json.loads(path.read_bytes().splitlines()[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    context = span.get_span_context()
    assert (line["traceId"], line["spanId"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert line["parentSpanId"] == f"{work.get_span_context().span_id:016x}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404, json={"error": {"message": "no such model"}}), "404"),
        (httpx.ReadTimeout("slow"), "ReadTimeout"),
    ],
    ids=["refused", "timed out"],
)
def test_a_call_that_fails_is_a_failed_span_without_usage(
    answer: httpx.Response | Exception, error: str, host: Host, tmp_path: Path
) -> None:
    with tokenprof.profile(tmp_path / "run.jsonl"):
        try:
            host.ask(answer)
        except httpx.ReadTimeout:
            assert error == "ReadTimeout"
    (span,) = host.ended()
    found = attributes(span)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, error)
    assert (found["tokenprof.record"], found["error.type"]) == ("attempt", error)
    assert not any(key.startswith("gen_ai.usage") for key in found)


def fault(*_: object, **__: object) -> None:
    raise ValueError("injected")


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Recorder, "submit"), (ProcessShare, "put"), (ProcessShare, "_read"), (TurnLog, "_write_turn")],
)
def test_the_span_of_a_call_that_could_not_be_recorded_ends_all_the_same(
    owner: type, name: str, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fault)
            host.ask(answered())
            wait_for_the_recorder()
        host.ask(answered())
    lost, kept = host.ended(2)
    assert (lost.status.status_code, kept.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert "gen_ai.usage.input_tokens" not in attributes(lost)
    assert attributes(kept)["gen_ai.usage.input_tokens"] == 10
    run = read([path])
    assert (len(run.turns), [problem.calls for problem in run.problems]) == (1, [1])


@pytest.mark.parametrize("fault_in", [None, (ProcessShare, "put"), (Attempt, "whole"), (Attempt, "answered")])
def test_a_program_that_only_makes_spans_has_one_for_each_call_and_keeps_nothing_of_it(
    fault_in: tuple[type, str] | None, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = httpx.MockTransport(lambda _: answered())
    with (
        monkeypatch.context() as patch,
        openai.OpenAI(api_key="x", http_client=httpx.Client(transport=transport)) as client,
    ):
        tokenprof.wrap(client)
        if fault_in is not None:
            patch.setattr(*fault_in, fault)
        client.chat.completions.create(model="gpt-5.4", messages=[{"role": "user", "content": "x"}])
    (span,) = host.ended()
    is_read = fault_in is None
    assert (span.status.status_code == StatusCode.UNSET) == is_read
    assert attributes(span).get("gen_ai.usage.input_tokens") == (10 if is_read else None)
    recorder = spans_recorder()
    wait_until(recorder.is_settled, "everything is done")
    assert list(recorder._share.losses) == []


def test_tracing_that_fails_costs_its_span_and_neither_the_call_nor_the_turn(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.provider, "get_tracer", fault)
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        host.ask(answered())
    assert host.exporter.get_finished_spans() == ()
    (turn,) = read([path]).turns
    assert turn.id == "chatcmpl-1"


def test_a_call_that_an_sdk_traces_itself_is_marked_on_the_span_of_the_sdk(
    host: Host, tmp_path: Path
) -> None:
    tracer = host.provider.get_tracer("com.anthropic.sdk")
    with tokenprof.profile(tmp_path / "run.jsonl"), tracer.start_as_current_span("chat"):
        host.ask(answered())
    (span,) = host.ended()
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "com.anthropic.sdk"
    found = attributes(span)
    assert found.keys() == {"tokenprof.record", "tokenprof.call"}
    assert found["tokenprof.record"] == "turn"


def test_calls_below_the_span_of_another_program_have_ids_of_their_own_where_tracing_is_switched_off(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
    remote = trace.SpanContext(0x1234, 0x5678, is_remote=True)
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path), trace.use_span(trace.NonRecordingSpan(remote)):
        host.ask(answered())
        host.ask(answered())
        for _ in range(2):
            # Both may be billed; their ids are those of their spans.
            host.ask(httpx.Response(200, content=b"{"))
    lines = [
        json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        for line in path.read_bytes().splitlines()
    ]
    calls = [line for line in lines if line["name"] != "counts"]
    assert len({line["spanId"] for line in calls}) == len(calls) == 4
    assert {(line["traceId"], line["parentSpanId"]) for line in calls} == {
        (f"{0x1234:032x}", f"{0x5678:016x}")
    }
    run = read([path])
    assert len(run.turns) + sum(problem.calls for problem in run.problems) == 4
