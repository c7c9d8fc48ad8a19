"""Our spans beside the user's, through the SDK's own OTLP exporter, and the recording as OTLP itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from receiver import Received, Receiver, spans_of, with_binary_ids

from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import anthropic, httpx
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
import tokenprof

collector, provider, path, way = sys.argv[1:]
tracing = TracerProvider()
tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=collector)))
trace.set_tracer_provider(tracing)
request = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
app = trace.get_tracer("app")
profile = tokenprof.profile(path, tags={"team": "mail"}, metrics=way == "metrics")
with profile, app.start_as_current_span("invoke_agent mail"):
    if way == "sdk":
        with anthropic.Anthropic(api_key="sk-ant-secret", base_url=provider) as client:
            client.messages.create(**request)
    else:
        httpx.post(provider + "/v1/messages", json=request, headers={"x-api-key": "sk-ant-secret"})
tracing.shutdown()
"""


@pytest.fixture(scope="module", params=["sdk", "httpx"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Received], dict[str, Any], Path]:
    """The spans that a backend got, the usage that the provider billed, and the recording."""
    path = tmp_path_factory.mktemp("exported") / "run.jsonl"
    with Receiver() as receiver, LoopbackProvider([Reply.text("hi there")]) as provider:
        subprocess.run(
            [sys.executable, "-c", PROGRAM, receiver.url, provider.url, str(path), request.param], check=True
        )
        (call,) = provider.billed
    assert call.usage is not None
    return receiver.spans, {**call.usage, "id": call.response_id}, path


def test_a_call_is_one_client_span_below_the_users(
    exported: tuple[list[Received], dict[str, Any], Path],
) -> None:
    spans, billed, _ = exported
    (agent,) = [span for span in spans if span.scope == "app"]
    (call,) = [span for span in spans if "gen_ai.usage.input_tokens" in span.attributes]
    assert "gen_ai.usage.cost.amount" not in call.attributes, "nobody asked for prices"
    assert len(spans) == 2
    assert (call.trace, call.parent, call.kind) == (agent.trace, agent.id, Span.SPAN_KIND_CLIENT)
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-8",
        "gen_ai.response.model": "claude-opus-4-8",
        "gen_ai.response.id": billed["id"],
        "gen_ai.usage.input_tokens": billed["input_tokens"],
        "gen_ai.usage.output_tokens": billed["output_tokens"],
        "tokenprof.record": "turn",
    }
    assert {name: call.attributes.get(name) for name in expected} == expected
    assert "secret" not in str(call.attributes)
    if call.scope == "tokenprof":
        assert call.attributes["tokenprof.tag.team"] == "mail"


def test_the_recording_is_otlp_below_the_same_span(
    exported: tuple[list[Received], dict[str, Any], Path],
) -> None:
    spans, billed, path = exported
    (agent,) = [span for span in spans if span.scope == "app"]
    line, _counts = path.read_bytes().splitlines()
    (recorded,) = spans_of(ParseDict(with_binary_ids(orjson.loads(line)), ExportTraceServiceRequest()))
    (call,) = [span for span in spans if span.scope != "app"]
    assert (recorded.trace, recorded.kind) == (agent.trace, Span.SPAN_KIND_CLIENT)
    if call.scope == "tokenprof":
        assert (recorded.id, recorded.parent) == (call.id, agent.id)
    else:
        assert recorded.parent == call.id, "where the SDK has a span of its own, the recorded one is below it"
    assert recorded.attributes["gen_ai.usage.input_tokens"] == billed["input_tokens"]
    assert recorded.attributes["gen_ai.response.id"] == billed["id"]


def test_with_metrics_a_call_says_what_it_cost(tmp_path: Path) -> None:
    with Receiver() as receiver, LoopbackProvider([Reply.text("hi there")]) as provider:
        words = [receiver.url, provider.url, str(tmp_path / "run.jsonl"), "metrics"]
        subprocess.run([sys.executable, "-c", PROGRAM, *words], check=True)
        (billed,) = provider.billed
    (call,) = [span for span in receiver.spans if span.scope == "tokenprof"]
    assert billed.usage is not None
    # Claude Opus 4.8 is $5 a million tokens of prompt and $25 of output.
    due = billed.usage["input_tokens"] * 5e-6 + billed.usage["output_tokens"] * 25e-6
    assert call.attributes["gen_ai.usage.cost.amount"] == pytest.approx(due)
    assert call.attributes["gen_ai.usage.cost.currency"] == "USD"
    assert call.attributes["gen_ai.usage.cost.source"] == "local"
