"""Metrics of turns in the program's own meter provider."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.util._once import Once
from waiting import wait_until

import tokenprof
from tokenprof.testing import LoopbackProvider, Reply

Points = dict[str, list[Any]]


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    """A meter provider of the program's, in place for one test."""
    found = InMemoryMetricReader()
    before = _internal._METER_PROVIDER
    _internal._METER_PROVIDER_SET_ONCE = Once()
    metrics.set_meter_provider(MeterProvider([found]))
    yield found
    _internal._METER_PROVIDER_SET_ONCE = Once()
    _internal._METER_PROVIDER = before


def points_of(reader: InMemoryMetricReader) -> Points:
    data = reader.get_metrics_data()
    found: Points = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found.setdefault(metric.name, []).extend(metric.data.data_points)
    return found


def measured(reader: InMemoryMetricReader, name: str, values: int) -> Points:
    """Return the points once those called `name` hold `values` values; a block does not wait for metrics."""

    def is_whole() -> bool:
        found.update(points_of(reader))
        points = found.get(name, [])
        return sum(getattr(p, "count", None) or getattr(p, "value", 0) for p in points) >= values

    found: Points = {}
    wait_until(is_whole, f"{name} holds {values} values")
    return found


def ask(
    path: Path, replies: list[Reply], *, model: str = "claude-opus-4-8", **options: Any
) -> dict[str, Any]:
    with LoopbackProvider(replies) as provider, tokenprof.profile(path, **options):
        with anthropic.Anthropic(api_key="x", base_url=provider.url, max_retries=0) as client:
            for _ in replies:
                client.messages.create(
                    model=model, max_tokens=9, messages=[{"role": "user", "content": "hello " * 50}]
                )
        usages = [dict(call.usage or {}) for call in provider.billed]
    return {name: sum(usage[name] for usage in usages) for name in ("input_tokens", "output_tokens")}


def test_tokens_bill_and_compute_of_turns(reader: InMemoryMetricReader, tmp_path: Path) -> None:
    billed = ask(tmp_path / "run.jsonl", [Reply.text("hi there"), Reply.text("again")], metrics=True)
    found = measured(reader, "tokenprof.billed_to_compute", values=2 * 3)
    (sent,) = found["gen_ai.client.inference.usage.input_tokens"]
    assert sent.value == billed["input_tokens"]
    assert sent.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-8",
        "gen_ai.response.model": "claude-opus-4-8",
    }
    by_type = {point.attributes["gen_ai.token.type"]: point for point in found["gen_ai.client.token.usage"]}
    assert (by_type["input"].sum, by_type["input"].count) == (billed["input_tokens"], 2)
    assert (by_type["output"].sum, by_type["output"].count) == (billed["output_tokens"], 2)
    # USD per million tokens: 5 in, 25 out.
    by_hand = (billed["input_tokens"] * 5 + billed["output_tokens"] * 25) / Decimal(10**6)
    by_class = {point.attributes["tokenprof.class"]: point.value for point in found["tokenprof.billed"]}
    assert by_class.keys() == {"uncached_input", "output"}
    assert sum(by_class.values()) == pytest.approx(float(by_hand), rel=1e-12)
    compute = {point.attributes["tokenprof.bound"]: point.value for point in found["tokenprof.compute"]}
    assert 0 < compute["low"] < compute["mid"] < compute["high"]
    ratios = {point.attributes["tokenprof.bound"]: point for point in found["tokenprof.billed_to_compute"]}
    assert [ratios[bound].count for bound in ("low", "mid", "high")] == [2, 2, 2]
    assert ratios["high"].sum < ratios["mid"].sum < ratios["low"].sum
    assert "tokenprof.turns.without_bill" not in found


def test_a_turn_without_a_price_or_usage_adds_to_no_sum(reader: InMemoryMetricReader, tmp_path: Path) -> None:
    from dataclasses import replace

    ask(tmp_path / "a.jsonl", [Reply.text("hi")], model="claude-of-tomorrow", metrics=True)
    ask(tmp_path / "b.jsonl", [replace(Reply.text("hi"), without_usage=True)], metrics=True)
    found = measured(reader, "tokenprof.turns.without_bill", values=2)
    assert sum(point.value for point in found["tokenprof.turns.without_bill"]) == 2
    assert "tokenprof.billed" not in found
    assert [point.value > 0 for point in found["gen_ai.client.inference.usage.input_tokens"]] == [True]


def test_metrics_are_asked_for_or_not_there(
    reader: InMemoryMetricReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path / "a.jsonl", [Reply.text("hi")])
    assert points_of(reader) == {}
    monkeypatch.setenv("TOKENPROF_METRICS", "1")
    ask(tmp_path / "b.jsonl", [Reply.text("hi")])
    assert "tokenprof.billed" in measured(reader, "tokenprof.billed_to_compute", values=3)
