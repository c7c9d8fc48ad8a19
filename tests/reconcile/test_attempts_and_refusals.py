"""Case 25 of the billing cases: cents, refused requests, and retries that are one operation."""

from datetime import UTC, date, datetime
from decimal import Decimal

import anthropic

import tokenprof
from tokenprof.commands.reconcile import reconcile_run, unexplained
from tokenprof.costing.ledger import build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.pricing.reconcile.provider_exports import ReportLine, usd_of_cents
from tokenprof.pricing.reconcile.residuals import charges_of, reconcile
from tokenprof.pricing.usage import Usage
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.provider import Reply

BOOK = default_book()


def test_case_25_the_cost_report_is_in_cents():
    assert usd_of_cents("84572") == Decimal("845.72")


def test_case_25_two_failures_and_a_success_are_one_turn_of_three_attempts_billed_once(tmp_path):
    path = tmp_path / "run.jsonl"
    script = [Reply.error(529), Reply.error(500), Reply.text("done")]
    with (
        LoopbackProvider(script) as server,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="unused", base_url=server.url, max_retries=2) as client,
    ):
        answer = client.messages.create(
            model="claude-opus-4-8", max_tokens=50, messages=[{"role": "user", "content": "say done"}]
        )
    ledger = build_ledger(read([path]), BOOK)
    (turn,) = ledger.run.turns
    assert turn.attempts == 3
    usage = answer.usage
    assert ledger.billed_usd == ((usage.input_tokens * 5 + usage.output_tokens * 25) / Decimal(10**6),)
    assert reconcile_run(ledger.run, [], BOOK)[0].our_usd is not None


def test_case_25_tokens_that_were_counted_and_not_charged_are_explained_as_refused():
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    usage = Usage(uncached_input_tokens=1_000, output_tokens=1)
    price = BOOK.price("anthropic", "claude-opus-4-8", at, usage)
    record = charges_of("anthropic", "claude-opus-4-8", at, usage, price)
    day = date(2026, 11, 2)
    lines = [
        ReportLine("anthropic", day, "claude-opus-4-8", "uncached_input", tokens=1_000),
        ReportLine("anthropic", day, "claude-opus-4-8", "output", tokens=1),
        ReportLine("anthropic", day, "claude-opus-4-8", "output", usd=Decimal("0.000025")),
    ]
    residuals = {item.cls: item for item in reconcile(record, lines)}
    assert residuals["uncached_input"].kind == "not_charged"
    assert "refused" in residuals["uncached_input"].explanation
    assert unexplained(list(residuals.values())) == ()
