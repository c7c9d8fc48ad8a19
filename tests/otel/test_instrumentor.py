"""The instrumentor that `opentelemetry-instrument` loads by its entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

import anthropic
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from waiting import wait_until

import tokenprof
from tokenprof.testing import LoopbackProvider, Reply


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter


def ask(url: str) -> None:
    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        question: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hi"}]
        client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=question)


def model_calls(spans: InMemorySpanExporter) -> int:
    """Count the spans that tokenprof wrote or marked; the SDK writes spans of its own in any case."""
    return sum("tokenprof.record" in (span.attributes or {}) for span in spans.get_finished_spans())


def test_the_entry_point_leads_to_the_instrumentor() -> None:
    (found,) = [
        point for point in entry_points(group="opentelemetry_instrumentor") if point.name == "tokenprof"
    ]
    assert found.load() is tokenprof.TokenprofInstrumentor


def test_calls_are_spans_while_it_is_in_force_and_not_after(spans: InMemorySpanExporter) -> None:
    with LoopbackProvider(lambda body, number: Reply.text("hello")) as provider:
        instrumentor = tokenprof.TokenprofInstrumentor()
        instrumentor.instrument()
        tokenprof.TokenprofInstrumentor().instrument()
        assert instrumentor.is_instrumented_by_opentelemetry
        ask(provider.url)
        wait_until(lambda: model_calls(spans) == 1, "the first span has ended")
        instrumentor.uninstrument()
        assert not instrumentor.is_instrumented_by_opentelemetry
        ask(provider.url)
        instrumentor.instrument()
        ask(provider.url)
        wait_until(lambda: model_calls(spans) == 2, "the second span has ended")
        instrumentor.uninstrument()


def test_a_custom_tracer_provider_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="set_tracer_provider"):
        tokenprof.TokenprofInstrumentor().instrument(tracer_provider=TracerProvider())
