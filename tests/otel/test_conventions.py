"""Spans that are sent to a backend, as a receiver decodes them, beside the published GenAI conventions.

The published constants are those of `opentelemetry-semantic-conventions`. One attribute was renamed later,
and cost is a proposal; both are named here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as published
from receiver import Received, Receiver

from tokenprof.commands.main import main

DATA = Path(__file__).parents[1] / "data"
RENAMED = {"gen_ai.usage.cache_write.input_tokens": "gen_ai.usage.cache_creation.input_tokens"}
PROPOSED = {"gen_ai.usage.cost.amount", "gen_ai.usage.cost.currency", "gen_ai.usage.cost.source"}
"""open-telemetry/semantic-conventions-genai, pull request 443."""

NAMES = {
    value for name, value in vars(published).items() if name.startswith("GEN_AI_") and isinstance(value, str)
}
NUMBERS = ("_tokens", ".amount")


@pytest.fixture(scope="module")
def spans() -> list[Received]:
    """The spans of a recording of ours and of the logs of seven other programs."""
    with Receiver() as receiver:
        paths = [DATA / "release_0_1" / "run.jsonl", DATA / "logs"]
        assert main(["export", *map(str, paths), "--otlp", receiver.url, "--header", "x-key=none"]) == 0
    return receiver.spans


def test_every_name_is_published(spans: list[Received]) -> None:
    used = {name for span in spans for name in span.attributes if name.startswith("gen_ai.")}
    assert used - NAMES - PROPOSED == set(RENAMED)
    assert set(RENAMED.values()) <= NAMES, "the old name of what was renamed was published"
    others = {name for span in spans for name in span.attributes if not name.startswith("gen_ai.")}
    assert {name.split(".")[0] for name in others} <= {"tokenprof", "error"}


def test_every_value_is_one_that_is_published(spans: list[Received]) -> None:
    providers = {each.value for each in published.GenAiProviderNameValues}
    operations = {each.value for each in published.GenAiOperationNameValues}
    for span in spans:
        assert span.attributes["gen_ai.operation.name"] in operations
        assert span.attributes["gen_ai.provider.name"] in providers
        for name, value in span.attributes.items():
            if name.startswith("gen_ai.usage.") and name.endswith(NUMBERS):
                assert isinstance(value, int | float), name
                assert value >= 0, name
            elif name.startswith("gen_ai."):
                assert isinstance(value, str), name
                assert value, name


def test_every_span_has_the_name_and_kind_that_its_operation_demands(spans: list[Received]) -> None:
    for span in spans:
        operation = span.attributes["gen_ai.operation.name"]
        if operation == "chat":
            model = span.attributes.get("gen_ai.request.model") or span.attributes["gen_ai.response.model"]
            assert (span.name, span.kind) == (f"chat {model}", Span.SPAN_KIND_CLIENT)
        else:
            agent = span.attributes.get("gen_ai.agent.name")
            assert span.name == (f"invoke_agent {agent}" if agent else "invoke_agent")
            assert span.kind == Span.SPAN_KIND_INTERNAL


def test_cached_tokens_are_part_of_the_input_as_is_demanded(spans: list[Received]) -> None:
    counted = [span.attributes for span in spans if "gen_ai.usage.input_tokens" in span.attributes]
    assert counted
    for usage in counted:
        read = usage["gen_ai.usage.cache_read.input_tokens"]
        written = usage["gen_ai.usage.cache_write.input_tokens"]
        assert read + written <= usage["gen_ai.usage.input_tokens"]
        assert usage.get("gen_ai.usage.reasoning.output_tokens", 0) <= usage["gen_ai.usage.output_tokens"]


def test_ids_are_whole_and_every_call_is_below_its_agent(spans: list[Received]) -> None:
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans), "no id occurs twice"
    for span in spans:
        assert len(bytes.fromhex(span.trace)) == 16
        assert len(bytes.fromhex(span.id)) == 8
        if span.parent:
            assert by_id[span.parent].trace == span.trace


def test_a_cost_says_its_currency_and_where_it_is_from(spans: list[Received]) -> None:
    with_cost = [span.attributes for span in spans if "gen_ai.usage.cost.amount" in span.attributes]
    assert with_cost
    for cost in with_cost:
        assert cost["gen_ai.usage.cost.currency"] == "USD"
        assert cost["gen_ai.usage.cost.source"] in ("local", "provider")
