"""OpenTelemetry citizenship: one span per call with the user's provider, and a record that needs none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tokenprof.reading.files import read

pytestmark = pytest.mark.slow

PRELUDE = """
import json, sys
import anthropic
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
import tokenprof
from tokenprof.record.recorder import spans_recorder
from tokenprof.testing import LoopbackProvider, Reply

def ask(client):
    return client.messages.create(
        model="claude-opus-4-8", max_tokens=5, messages=[{"role": "user", "content": "x"}]
    )

def set_up(sampler=ALWAYS_ON, limits=None):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, span_limits=limits)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter

def show(exporter):
    print(json.dumps([
        {"scope": s.instrumentation_scope.name, "name": s.name, "attributes": dict(s.attributes),
         "parent": s.parent.span_id if s.parent else None, "id": s.context.span_id,
         "trace": format(s.context.trace_id, "032x")}
        for s in exporter.get_finished_spans()
    ]))
"""


def run(program: str, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, *arguments], capture_output=True, text=True, check=True
    )
    spans: list[dict[str, Any]] = json.loads(done.stdout)
    return spans


def with_input_tokens(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span for span in spans if "gen_ai.usage.input_tokens" in span["attributes"]]


def test_where_the_sdk_traces_the_call_itself_its_span_is_marked_and_ours_left_out() -> None:
    spans = run("""
exporter = set_up()
with LoopbackProvider(lambda b, n: Reply.text("hi")) as server:
    client = tokenprof.wrap(anthropic.Anthropic(api_key="unused", base_url=server.url))
    ask(client)
    spans_recorder().settle(180)
show(exporter)
""")
    (span,) = with_input_tokens(spans)
    assert span["scope"].startswith("com.anthropic.sdk")
    assert span["attributes"]["tokenprof.record"] == "turn"


def test_otherwise_each_call_is_one_client_span_of_ours_under_the_user_s() -> None:
    spans = run("""
exporter = set_up()
with LoopbackProvider(lambda b, n: Reply.text("hi")) as server:
    # A client whose own tracing is off, as its `open_telemetry` option allows.
    client = anthropic.Anthropic(api_key="unused", base_url=server.url, open_telemetry=False)
    client = tokenprof.wrap(client)
    with trace.get_tracer("user").start_as_current_span("agent"):
        ask(client)
        with client.messages.stream(
            model="claude-opus-4-8", max_tokens=5, messages=[{"role": "user", "content": "x"}]
        ) as stream:
            stream.get_final_message()
    spans_recorder().settle(180)
show(exporter)
""")
    ours = with_input_tokens(spans)
    (agent,) = [span for span in spans if span["name"] == "agent"]
    assert [(span["scope"], span["name"]) for span in ours] == [("tokenprof", "chat claude-opus-4-8")] * 2
    assert {span["parent"] for span in ours} == {agent["id"]}
    assert ours[0]["attributes"]["gen_ai.response.model"] == "claude-opus-4-8"
    assert ours[0]["attributes"]["gen_ai.usage.output_tokens"] > 0


def test_a_program_that_only_makes_spans_counts_nothing_and_has_nothing_to_wait_for_at_its_end() -> None:
    run("""
set_up()
with LoopbackProvider(lambda b, n: Reply.text("hi")) as server:
    ask(tokenprof.wrap(anthropic.Anthropic(api_key="unused", base_url=server.url, open_telemetry=False)))
from tokenprof.record.background.counting_process import COUNTING_PROCESS
recorder = spans_recorder()
recorder.close()
assert recorder._share.is_complete()
assert not COUNTING_PROCESS.is_ready()
print([])
""")


def test_the_record_is_whole_whatever_the_sampler_and_the_limits(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    spans = run(
        """
exporter = set_up(ALWAYS_OFF, SpanLimits(max_span_attributes=3, max_attribute_length=10))
with LoopbackProvider(lambda b, n: Reply.text("hi")) as server, tokenprof.profile(sys.argv[1]):
    client = anthropic.Anthropic(api_key="unused", base_url=server.url)
    ask(client)
    ask(client)
show(exporter)
""",
        str(path),
    )
    assert spans == []
    run_read = read([path])
    assert len(run_read.turns) == 2
    assert all(turn.usage is not None and turn.added for turn in run_read.turns[:1])
