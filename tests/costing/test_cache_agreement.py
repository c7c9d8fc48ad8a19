"""A miss and the prediction of the same turn never contradict each other, whatever is called and billed.

The bills come from a cache that is written out apart from the one in `pricing` (`cached_calls`), and from
the loopback provider over real HTTP.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import anthropic
from cached_calls import MINIMUM_TOKENS, MODEL, OTHER_MODEL, CachedCall, ledger_of, made_block, size_of
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenprof
from tokenprof.commands import demo_agent as demo
from tokenprof.costing.cache_misses import cause_in_report, explain_misses
from tokenprof.costing.cache_prediction import predict_cache
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.facts.types import Block
from tokenprof.pricing.book import Price, default_book
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

KINDS = ("assistant", "user", "tool_call", "tool_result")
PAUSES_S = (0.5, 20, 299, 301, 3_599, 3_700, 9_000)


@st.composite
def runs(draw: st.DrawFn, *, forgetful: bool) -> list[CachedCall]:
    """Calls of two contexts that grow, are edited, pause, change models and move their breakpoints."""
    system = made_block("instructions", draw(st.sampled_from([300, 1_023, 1_024, 4_000])), "system")
    prompts: dict[str, list[Block]] = {"c1": [system], "c2": [system]}
    calls: list[CachedCall] = []
    at_s = 0.0
    for step in range(draw(st.integers(2, 7))):
        context = draw(st.sampled_from(["c1", "c1", "c1", "c2"]))
        prompt = list(prompts[context])
        if len(prompt) > 3 and draw(st.integers(0, 4)) == 0:
            edited = draw(st.integers(1, len(prompt) - 1))
            prompt[edited] = made_block(f"edit {step}", 90)
        for run in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(KINDS))
            count = draw(st.integers(1, 24))
            prompt += [made_block(f"{step}.{run}.{n}", 70 + n, kind) for n in range(count)]
        marks = [(0, "1h")] if draw(st.booleans()) else []
        if draw(st.integers(0, 5)) and len(prompt) > 1:
            marks.append((len(prompt) - 1, "5m"))
        at_s += draw(st.sampled_from(PAUSES_S))
        model = draw(st.sampled_from([MODEL] * 4 + [OTHER_MODEL]))
        forgets = forgetful and draw(st.integers(0, 2)) == 0
        calls.append(CachedCall(prompt, marks, at_s, context, model, forgets))
        prompts[context] = prompt
    return calls


def hold_against_each_other(ledger: Ledger) -> None:
    """Assert that misses and predictions tell one story, with the tokens and dollars of the bill."""
    turns = ledger.run.turns
    outcomes = zip(turns, ledger.prices, explain_misses(ledger), predict_cache(ledger), strict=True)
    for turn, price, miss, prediction in outcomes:
        usage = turn.usage
        assert usage is not None
        if prediction is not None:
            read = prediction.cache_read_tokens
            written = prediction.cache_write_5m_tokens + prediction.cache_write_1h_tokens
            assert read + written + prediction.uncached_input_tokens == usage.input_tokens
        if miss is None:
            assert prediction is None or prediction.cache_read_tokens <= usage.cache_read_tokens
            assert prediction is None or prediction.miss not in ("lookback", "ttl_expired")
            continue
        not_read = usage.input_tokens - usage.cache_read_tokens
        assert 0 < miss.tokens <= not_read
        assert isinstance(price, Price)
        assert miss.usd == lost_usd(price, usage.by_class(), miss.tokens)
        if prediction is None:
            continue
        if miss.cause == "unknown":
            assert miss.tokens == prediction.cache_read_tokens - usage.cache_read_tokens
        else:
            assert prediction.miss is not None
            assert miss.cause == cause_in_report(prediction.miss)
        # Nothing is explained away as "too far back" or "expired" that the rules would have read.
        if miss.cause in ("lookback", "ttl_expired", "below_minimum"):
            assert prediction.cache_read_tokens + miss.tokens <= usage.input_tokens


def lost_usd(price: Price, tokens_of: dict[str, int], missed: int) -> Decimal:
    """What tokens after the read ones cost more than a read; the longest-lived class comes first."""
    lost = Decimal(0)
    for name in ("cache_write_1h", "cache_write_5m", "uncached_input"):
        tokens = min(missed, tokens_of[name])
        lost += tokens * (price.rates[name] - price.rates["cache_read"])
        missed -= tokens
    assert missed == 0
    return lost


@settings(max_examples=60)
@given(runs(forgetful=False))
def test_what_the_rules_bill_they_also_predict_and_explain(calls: list[CachedCall]) -> None:
    ledger = ledger_of(calls)
    hold_against_each_other(ledger)
    for call, turn, miss, prediction in zip(
        calls, ledger.run.turns, explain_misses(ledger), predict_cache(ledger), strict=True
    ):
        if prediction is None:
            assert not call.marks
            continue
        assert prediction.agrees, (turn.usage, prediction)
        # A bill by the rules leaves nothing without a cause, and keeps to the models' minimum.
        assert miss is None or miss.cause != "unknown"
        assert turn.usage is not None
        cached = turn.usage.input_tokens - turn.usage.uncached_input_tokens
        assert cached == 0 or cached >= MINIMUM_TOKENS
        assert turn.usage.input_tokens == sum(map(size_of, call.prompt))


@settings(max_examples=60)
@given(runs(forgetful=True))
def test_what_the_provider_forgot_is_of_unknown_cause_and_the_prediction_says_as_much(
    calls: list[CachedCall],
) -> None:
    hold_against_each_other(ledger_of(calls))


def test_a_recorded_agent_whose_provider_forgets_once_lost_what_the_rules_would_have_read(
    tmp_path: Path,
) -> None:
    clock_s = [0.0]
    searches = [Reply.calls(("search_emails", {"query": f"invoice {n}"}), text="I look.") for n in range(4)]

    def script(body: object, attempt: int) -> Reply:
        # An hour and more passes at the provider that the recording does not see.
        clock_s[0] += 4_000.0 if attempt == 2 else 1.0
        return searches[attempt] if attempt < len(searches) else Reply.text("Done.")

    path = tmp_path / "run.jsonl"
    with (
        LoopbackProvider(script, clock=lambda: clock_s[0]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        demo.run_agent(client, "Which are unpaid?", tools=demo.tool_schemas(), system=demo.system_prompt())
    ledger = build_ledger(read([path]), default_book())
    hold_against_each_other(ledger)
    misses, predictions = explain_misses(ledger), predict_cache(ledger)
    assert [miss and miss.cause for miss in misses] == ["first_use", None, "unknown", None, None]
    cached_before = ledger.run.turns[1].usage
    forgotten, predicted = misses[2], predictions[2]
    assert cached_before is not None
    assert forgotten is not None
    assert predicted is not None
    cached = cached_before.input_tokens - cached_before.uncached_input_tokens
    assert forgotten.tokens == predicted.cache_read_tokens == cached
