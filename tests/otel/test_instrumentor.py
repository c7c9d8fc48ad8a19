"""The instrumentor that `opentelemetry-instrument` loads by its entry point."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import entry_points

import anthropic
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

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


def until(condition: Callable[[], bool]) -> None:
    """Wait for tokenprof's own thread, ten seconds at most."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the span did not end within ten seconds")


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
        until(lambda: model_calls(spans) == 1)
        instrumentor.uninstrument()
        assert not instrumentor.is_instrumented_by_opentelemetry
        ask(provider.url)
        instrumentor.instrument()
        ask(provider.url)
        until(lambda: model_calls(spans) == 2)
        instrumentor.uninstrument()


def test_a_custom_tracer_provider_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="set_tracer_provider"):
        tokenprof.TokenprofInstrumentor().instrument(tracer_provider=TracerProvider())
