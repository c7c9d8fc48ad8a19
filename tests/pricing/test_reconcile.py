"""The record beside the provider's export: fixtures in the documented shapes of both providers."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tokenprof.pricing.book import Price, default_book
from tokenprof.pricing.reconcile.provider_exports import (
    ReportError,
    ReportLine,
    load_reports,
    usd_of_cents,
)
from tokenprof.pricing.reconcile.residuals import Charge, charges_of, reconcile, summary
from tokenprof.pricing.usage import Usage

DAY = date(2026, 11, 2)
MORNING = datetime(2026, 11, 2, 9, tzinfo=UTC)
BOOK = default_book()

ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2026-11-02T00:00:00Z",
            "ending_at": "2026-11-03T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1_000,
                    "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 2_000},
                    "cache_read_input_tokens": 10_000,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 2},
                    "api_key_id": None,
                    "workspace_id": None,
                    "model": "claude-opus-4-8",
                    "service_tier": "standard",
                    "context_window": "0-200k",
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}


def cost(
    amount: str, token_type: str | None, model: str | None = "claude-opus-4-8", cost_type: str = "tokens"
):
    return {
        "currency": "USD",
        "amount": amount,
        "workspace_id": None,
        "description": "Claude Opus 4.8 Usage",
        "cost_type": cost_type,
        "context_window": "0-200k",
        "model": model,
        "service_tier": "standard",
        "token_type": token_type,
    }


ANTHROPIC_COST = {
    "data": [
        {
            "starting_at": "2026-11-02T00:00:00Z",
            "ending_at": "2026-11-03T00:00:00Z",
            "results": [
                cost("0.5", "uncached_input_tokens"),
                cost("0.5", "cache_read_input_tokens"),
                cost("1.25", "cache_creation.ephemeral_5m_input_tokens"),
                cost("1.25", "output_tokens"),
                cost("2", None, model=None, cost_type="web_search"),
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}

RECORD = Usage(
    uncached_input_tokens=1_000,
    cache_read_tokens=10_000,
    cache_write_5m_tokens=2_000,
    output_tokens=300,
    reasoning_tokens=200,
    fees=(("web_search", 2),),
)


@pytest.fixture
def export(tmp_path):
    def write(*reports: object) -> tuple[ReportLine, ...]:
        lines: list[ReportLine] = []
        for number, report in enumerate(reports):
            path = tmp_path / f"report {number}.json"
            path.write_text(json.dumps(report))
            lines += load_reports([path])
        return tuple(lines)

    return write


def charges(model="claude-opus-4-8", usage=RECORD, provider="anthropic") -> list[Charge]:
    price = BOOK.price(provider, model, MORNING, usage)
    return list(charges_of(provider, model, MORNING, usage, price))


def row_of(provider: str, model: str) -> str:
    return BOOK.resolve(provider, model)[1] or model


def test_anthropic_amounts_are_cents():
    assert usd_of_cents("84572") == Decimal("845.72")
    assert usd_of_cents("123.45") == Decimal("1.2345")


def test_a_record_that_is_the_whole_traffic_matches_to_the_last_cent(export):
    residuals = reconcile(charges(), export(ANTHROPIC_USAGE, ANTHROPIC_COST), row_of)
    assert {residual.kind for residual in residuals} == {"matched"}
    assert {residual.cls for residual in residuals} == {
        "uncached_input",
        "cache_read",
        "cache_write_5m",
        "output",
        "fee",
    }
    assert sum(residual.their_usd for residual in residuals) == Decimal("0.055")
    assert sum(residual.our_usd for residual in residuals) == Decimal("0.055")


def test_a_usage_export_alone_compares_tokens(export):
    residuals = reconcile(charges(), export(ANTHROPIC_USAGE), row_of)
    assert {residual.kind for residual in residuals} == {"matched"}
    assert all("states no dollars" in residual.explanation for residual in residuals)


def test_a_snapshot_in_the_export_meets_its_alias_in_the_record(export):
    report = json.loads(json.dumps(ANTHROPIC_USAGE).replace("claude-opus-4-8", "claude-opus-4-5-20251101"))
    residuals = reconcile(charges("claude-opus-4-5"), export(report), row_of)
    assert {residual.kind for residual in residuals} == {"matched"}


def test_other_traffic_is_named_and_never_spread(export):
    half = Usage(uncached_input_tokens=400, cache_read_tokens=10_000, cache_write_5m_tokens=2_000)
    found = {
        residual.cls: residual for residual in reconcile(charges(usage=half), export(ANTHROPIC_USAGE), row_of)
    }
    assert found["uncached_input"].kind == "tokens_differ"
    assert "600 more than the record" in found["uncached_input"].explanation
    assert found["output"].kind == "not_recorded"
    assert found["cache_read"].kind == "matched"


def test_tokens_that_are_counted_and_not_charged_are_a_kind_of_their_own(export):
    costs = json.loads(json.dumps(ANTHROPIC_COST))
    costs["data"][0]["results"] = costs["data"][0]["results"][:3]
    found = {
        residual.cls: residual for residual in reconcile(charges(), export(ANTHROPIC_USAGE, costs), row_of)
    }
    assert found["output"].kind == "not_charged"
    assert "refused requests" in found["output"].explanation
    assert found["cache_read"].kind == "matched"


@pytest.mark.parametrize(
    ("amount", "reason"), [("0.55", "1.1x"), ("0.25", "a batch costs half"), ("0.35", "no usual reason")]
)
def test_the_same_tokens_at_another_price_get_the_usual_reason_if_there_is_one(export, amount, reason):
    costs = json.loads(json.dumps(ANTHROPIC_COST))
    costs["data"][0]["results"] = [cost(amount, "cache_read_input_tokens")]
    usage = Usage(cache_read_tokens=10_000)
    report = json.loads(json.dumps(ANTHROPIC_USAGE))
    report["data"][0]["results"][0] |= {
        "uncached_input_tokens": 0,
        "output_tokens": 0,
        "cache_creation": None,
        "server_tool_use": None,
    }
    (residual,) = reconcile(charges(usage=usage), export(report, costs), row_of)
    assert residual.kind == "price_differs"
    assert reason in residual.explanation
    assert residual.usd == usd_of_cents(amount) - Decimal("0.005")


def test_an_amount_that_was_rounded_by_the_provider_still_matches(export):
    costs = json.loads(json.dumps(ANTHROPIC_COST))
    costs["data"][0]["results"] = [cost("12", "cache_read_input_tokens")]  # 12 cents for 12.34
    (residual,) = reconcile(charges(usage=Usage(cache_read_tokens=246_800)), export(costs), row_of)
    assert residual.our_usd == Decimal("0.1234")
    assert residual.kind == "matched"


def test_openai_exports_are_read_with_their_inclusive_input(export):
    bucket = {"object": "bucket", "start_time": 1_793_577_600, "end_time": 1_793_664_000}
    usage_report = {
        "object": "page",
        "data": [
            {
                **bucket,
                "results": [
                    {
                        "object": "organization.usage.completions.result",
                        "input_tokens": 12_000,
                        "input_cached_tokens": 10_000,
                        "output_tokens": 500,
                        "num_model_requests": 1,
                        "model": "gpt-6-sol",
                        "batch": False,
                    }
                ],
            }
        ],
    }
    costs = {
        "object": "page",
        "data": [
            {
                **bucket,
                "results": [
                    {"amount": {"value": 0.004, "currency": "usd"}, "line_item": "gpt-6-sol, input"},
                    {"amount": {"value": 0.002, "currency": "usd"}, "line_item": "gpt-6-sol, cached input"},
                    {"amount": {"value": 0.005, "currency": "usd"}, "line_item": "gpt-6-sol, output"},
                    {"amount": {"value": 1.5, "currency": "usd"}, "line_item": None},
                ],
            }
        ],
    }
    usage = Usage(uncached_input_tokens=2_000, cache_read_tokens=10_000, output_tokens=500)
    residuals = reconcile(charges("gpt-6-sol", usage, "openai"), export(usage_report, costs), row_of)
    assert {residual.day for residual in residuals} == {DAY}
    counts = {kind: count for kind, (count, _) in summary(residuals).items()}
    assert counts == {"matched": 3, "not_recorded": 1}
    assert summary(residuals)["not_recorded"][1] == Decimal("1.5")


def test_an_unpriced_record_is_not_compared_in_dollars(export):
    price = BOOK.price("anthropic", "claude-opus-77", MORNING, RECORD)
    assert not isinstance(price, Price)
    record = list(charges_of("anthropic", "claude-opus-4-8", MORNING, RECORD, price))
    residuals = reconcile(record, export(ANTHROPIC_USAGE, ANTHROPIC_COST), row_of)
    assert {residual.kind for residual in residuals} == {"unpriced"}
    assert {residual.usd for residual in residuals} == {None}


def test_the_summary_adds_up_what_does_not_match(export):
    half = Usage(uncached_input_tokens=400, cache_read_tokens=10_000)
    residuals = reconcile(charges(usage=half), export(ANTHROPIC_USAGE, ANTHROPIC_COST), row_of)
    assert summary(residuals)["tokens_differ"] == (1, Decimal("0.003"))
    (differing,) = [residual for residual in residuals if residual.kind == "tokens_differ"]
    assert (differing.cls, differing.our_tokens, differing.their_tokens) == ("uncached_input", 400, 1000)
    assert (differing.our_usd, differing.their_usd) == (Decimal("0.002"), Decimal("0.005"))


def test_pages_may_come_as_a_list(export):
    assert len(export([ANTHROPIC_USAGE, ANTHROPIC_COST])) == len(export(ANTHROPIC_USAGE, ANTHROPIC_COST))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ('{"data": [{"results": [{}]}]}', "is not a usage or cost export"),
        (
            json.dumps(
                {
                    "data": [
                        {
                            "starting_at": "2026-11-02T00:00:00Z",
                            "results": [{**cost("1", None), "currency": "EUR"}],
                        }
                    ]
                }
            ),
            "the currency EUR is not USD",
        ),
    ],
)
def test_a_report_that_cannot_be_read_is_an_error_naming_the_file(tmp_path, text, message):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ReportError, match=message) as error:
        load_reports([path])
    assert "wrong.json" in str(error.value)


def test_an_export_whose_last_page_has_more_is_refused_until_the_rest_is_given(tmp_path):
    bucket = {"start_time": 1793491200, "results": []}
    first, last = tmp_path / "page_1.json", tmp_path / "page_2.json"
    first.write_text(json.dumps({"data": [bucket], "has_more": True, "next_page": "page_2"}))
    last.write_text(json.dumps({"data": [bucket], "has_more": False}))
    with pytest.raises(ReportError, match=r"page_1\.json is incomplete: its last page says that more"):
        load_reports([first])
    assert load_reports([first, last]) == ()


def test_a_price_that_should_be_free_is_told_with_its_amount():
    free = Charge("anthropic", DAY, "claude-opus-4-8", "cache_read", 10, Decimal(0))
    line = ReportLine("anthropic", DAY, "claude-opus-4-8", "cache_read", 10, Decimal("0.25"), Decimal("0.01"))
    (residual,) = reconcile([free], [line])
    assert residual.kind == "price_differs"
    assert residual.explanation == "charged 0.25 USD, but the book says it is free"
    assert not residual.explained
    assert residual.usd == Decimal("0.25")


def test_what_neither_side_can_price_is_counted_and_adds_no_dollars():
    unknown = Charge("anthropic", DAY, "claude-opus-4-8", "output", 10, None)
    line = ReportLine("anthropic", DAY, "claude-opus-4-8", "output", 10, Decimal("0.25"), Decimal("0.01"))
    found = reconcile([unknown], [line])
    assert [(item.kind, item.usd, item.explained) for item in found] == [("unpriced", None, False)]
    assert summary(found) == {"unpriced": (1, Decimal(0))}
    (counted,) = reconcile([unknown], [ReportLine("anthropic", DAY, "claude-opus-4-8", "output", 12)])
    assert (counted.kind, counted.explanation) == ("tokens_differ", "the export has 2 more than the record")
    assert counted.beyond_record


@pytest.mark.parametrize(
    "text", ["[" * 100_000, json.dumps({"data": [{"starting_at": "2026-11-02T00:00:00Z", "results": [
        {**cost("1", None), "model": 7}]}]})]
)  # fmt: skip
def test_an_export_that_is_too_deep_or_names_no_model_in_text_is_refused(text, tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ReportError, match=r"wrong\.json is (nested too deeply|not a usage or cost export)"):
        load_reports([path])
