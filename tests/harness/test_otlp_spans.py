"""Spans of other instrumentations: each response once, agents' sums left out, money by hand."""

import json
from decimal import Decimal
from pathlib import Path

from tokenprof.analysis.analysis import Analysis
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.report.report_json import json_report

BOOK = default_book()
LOGS = Path(__file__).parent.parent / "data" / "logs" / "otlp_spans"
BEGAN = 1_790_000_000_000_000_000


def span(name, id_, attributes, parent="", scope="test"):
    pairs = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in attributes.items()
    ]
    one = {
        "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
        "spanId": id_,
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": str(BEGAN + int(id_, 16)),
        "endTimeUnixNano": str(BEGAN + 2_000_000_000),
        "attributes": pairs,
    }
    scopes = [{"scope": {"name": scope}, "spans": [one]}]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": scopes}]}


def chat(id_, input_, output, parent="", response=None, **more):
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4",
        "gen_ai.response.model": "gpt-5.4",
        "gen_ai.usage.input_tokens": input_,
        "gen_ai.usage.output_tokens": output,
        "gen_ai.response.id": response or f"resp_{id_}",
        **more,
    }
    return span("chat gpt-5.4", id_, attributes, parent)


def report(tmp_path, *lines):
    path = tmp_path / "spans.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return json_report(Analysis(read([path])))


def test_an_agent_s_span_is_not_added_to_the_calls_below_it(tmp_path):
    """pydantic/pydantic-ai#3995: children 56+5 and 57+6 below an agent of 113+11 are 124 tokens."""
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-5.4"}
    counts = {"gen_ai.usage.input_tokens": 113, "gen_ai.usage.output_tokens": 11}
    found = report(
        tmp_path, chat("a2", 56, 5, "a1"), chat("a3", 57, 6, "a1"), span("agent run", "a1", agent | counts)
    )
    assert found["totals"]["turns"] == 2
    assert sum(found["totals"]["usage"].values()) == 124


def test_a_response_that_two_layers_report_is_one_turn(tmp_path):
    found = report(tmp_path, chat("a2", 100, 5, response="r1"), chat("a3", 100, 5, response="r1"))
    assert (found["totals"]["turns"], found["totals"]["usage"]["uncached_input"]) == (1, 100)


def test_the_anthropic_sdk_s_own_spans_to_the_cent(tmp_path):
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-8",
        "gen_ai.response.model": "claude-opus-4-8",
        "gen_ai.response.id": "msg_1",
        "gen_ai.usage.input_tokens": 2112,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 2000,
        "gen_ai.usage.cache_write.input_tokens": 100,
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 60,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 40,
    }
    found = report(tmp_path, span("anthropic.messages.create", "a1", attributes))
    # 12 fresh at 5, 2,000 read at 0.50, 60 written at 6.25, 40 at 10, 7 out at 25, USD per million.
    hand = (12 * 5 + 2000 * Decimal("0.5") + 60 * Decimal("6.25") + 40 * 10 + 7 * 25) / Decimal(1_000_000)
    assert Decimal(found["totals"]["billed_usd"]) == hand
    (block,) = (b for b in found["blocks"] if b["kind"] == "unattributed")
    assert (block["tokens"], block["state"]) == (2112, "exact")


def test_claude_code_s_telemetry_and_openinference_have_their_own_counts(tmp_path):
    request = {
        "model": "claude-opus-4-8",
        "input_tokens": 12,
        "output_tokens": 7,
        "cache_read_tokens": 2000,
        "cache_creation_tokens": 100,
        "gen_ai.response.id": "req_1",
    }
    counts = {
        "llm.model_name": "gpt-5.4",
        "llm.provider": "openai",
        "llm.token_count.prompt": 90,
        "llm.token_count.completion": 10,
        "llm.token_count.total": 100,
    }
    found = report(
        tmp_path,
        span("claude_code.llm_request", "a1", request),
        span("ChatCompletion", "a2", counts),
        span("claude_code.tool", "a3", {"gen_ai.operation.name": "execute_tool"}),
    )
    assert [(t["provider"], t["context_tokens"]) for t in found["turns"]] == [
        ("anthropic", 2112),
        ("openai", 90),
    ]


def test_a_file_without_counts_says_so(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"resourceMetrics": []}) + "\n")
    run = read([path])
    assert run.turns == ()
    assert any("no span with token counts" in warning for warning in run.warnings)


def test_captured_content_makes_one_history_of_calls_that_are_traces_of_their_own():
    for name in ("openinference", "traceloop"):
        run = read([LOGS / f"{name}.jsonl"])
        assert len({turn.context for turn in run.turns}) == 1
        kinds = [block.kind for block in run.prompts()[-1]]
        assert kinds[:3] == ["tool", "system", "user"]
        assert {"assistant", "tool_call", "tool_result"} <= set(kinds)
        assert all(turn.id.startswith("msg_") for turn in run.turns)
