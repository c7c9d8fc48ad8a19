"""Each call stands once in a recording, whoever reports it, and whatever happens to the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waiting import wait_until

from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.record.exchange import Exchange
from tokenprof.record.recorder import Recorder
from tokenprof.record.wires import interpreter_of, wire_of

TARGET = "/v1/chat/completions"
SECOND = 1_000_000_000


def exchange(
    client: str, began_s: float = 0.0, ended_s: float = 1.0, *, answer: str = "chatcmpl-1", **more: Any
) -> Exchange:
    wire = wire_of("POST", TARGET)
    assert wire is not None
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body: Mapping[str, Any] = {"id": answer, "model": "gpt-5.4", "choices": [choice], "usage": usage}
    return Exchange(
        interpret=interpreter_of(wire),
        provider=wire.provider,
        request=orjson.dumps({"model": "gpt-5.4", "messages": [{"role": "user", "content": "x"}]}),
        started_ns=int(1_790_000_000 * SECOND + began_s * SECOND),
        ended_ns=int(1_790_000_000 * SECOND + ended_s * SECOND),
        call="",
        target=TARGET,
        client=client,
        status_code=200,
        headers={"content-type": "application/json"},
        body=orjson.dumps(body),
        complete=True,
        span_id=f"{client:0>16}",
        **more,
    )


def recorded(path: Path, *exchanges: Exchange) -> Run:
    recorder = Recorder(path)
    for each in exchanges:
        recorder.submit(each)
    recorder.close()
    assert recorder.problems == 0
    return read(path)


@pytest.mark.parametrize(
    ("second", "lines"),
    [
        (exchange("httpx", 0.1, 0.9), 1),
        (exchange("httpx", 2.0, 3.0), 2),
        (exchange("openai", 0.1, 0.9), 2),
        (exchange("", 0.1, 0.9), 1),
        (exchange("httpx", 0.1, 0.9, answer="chatcmpl-2"), 2),
    ],
    ids=["below it", "after it", "by the same library", "by a library without a name", "another answer"],
)
def test_an_sdk_and_the_library_below_it_report_one_call(
    second: Exchange, lines: int, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    recorded(path, exchange("openai"), second)
    assert path.read_bytes().count(b'{"key":"tokenprof.record","value":{"stringValue":"turn"}}') == lines


def test_the_span_of_a_call_that_is_reported_twice_has_its_counts_once(tmp_path: Path) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("host")
    reports = [
        exchange(client, began_s, span=tracer.start_span("chat"))
        for client, began_s in (("openai", 0.0), ("httpx", 0.1))
    ]
    recorded(tmp_path / "run.jsonl", *reports)
    wait_until(lambda: len(exporter.get_finished_spans()) == 2, "both have ended")
    counts = [
        (span.attributes or {}).get("gen_ai.usage.input_tokens") for span in exporter.get_finished_spans()
    ]
    assert counts == [10, None]
    provider.shutdown()


def test_a_file_that_is_deleted_before_anything_is_in_it_is_begun_again_and_nothing_is_missing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.jsonl"
    recorder = Recorder(path)
    path.unlink()
    recorder.submit(exchange("openai"))
    recorder.close()
    run = read(path)
    assert (len(run.turns), run.problems) == (1, ())


def test_a_recorder_that_is_closed_twice_or_by_two_ends_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    recorder = Recorder(path)
    recorder.submit(exchange("openai"))
    recorder.close()
    before = path.read_bytes()
    recorder.close()
    assert recorder.is_ended()
    assert path.read_bytes() == before
