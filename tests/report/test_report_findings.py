"""Findings, with dollars worked by hand: a million tokens read 0.50, written 6.25, fresh 5, output 25."""

from decimal import Decimal

import contracts
import pytest
from contract_findings import findings_of
from contracts import block, report, turn

from tokenprof.analysis.findings.finding_figures import CacheUnlikeRules


def found(made):
    return {finding.code: finding for finding in findings_of(made)}


@pytest.fixture(scope="module")
def email():
    return found(contracts.email_agent())


def test_an_expired_cache_costs_the_write_less_the_read(email):
    finding = email["cache-miss-ttl-expired"]
    # 19,569 tokens × ($6.25 − $0.50) a million.
    assert finding.saves_usd == Decimal("0.11252175")
    assert finding.turns == (4,)
    assert finding.severity == "high"
    assert finding.state == "exact"
    assert "19,569 tokens" in finding.detail


def test_tools_never_called_save_what_their_schemas_were_billed(email):
    finding = email["tools-never-called"]
    # send_email 611 and delete_email 388 tokens, each written twice and read four times:
    # 999 × (2 × 6.25 + 4 × 0.50) = 999 × 14.5 = 14,485.5 micro-dollars.
    assert finding.saves_usd == Decimal("0.0144855")
    assert finding.blocks == ("t-send", "t-delete")
    assert finding.turns == (0, 1, 2, 3, 4, 5)
    assert finding.state == "estimated"


def test_a_tool_with_a_call_in_the_last_output_was_called():
    blocks = [block("t", "tool", "save", 900), block("o", "output", "save", 40)]
    made = report(blocks, [turn(0, fresh=["t"], out=["o"])])
    assert "tools-never-called" in found(made)
    made["groups"] = [contracts.group(made, "tool", "save", "t o")]
    assert "tools-never-called" not in found(made)


def test_a_tool_is_judged_over_all_runs_of_its_agent():
    blocks = [
        block("t-1", "tool", "save", 900, context="run-1"),
        block("t-2", "tool", "save", 900, context="run-2"),
        block("c-2", "tool_call", "save", 40, context="run-2"),
    ]
    turns = [
        turn(0, fresh=["t-1"], context="run-1", agent="clerk"),
        turn(9, fresh=["t-2"], out=["c-2"], context="run-2", agent="clerk"),
    ]
    assert "tools-never-called" not in found(report(blocks, turns))
    turns = [dict(each, agent=each["context"]) for each in turns]
    assert found(report(blocks, turns))["tools-never-called"].blocks == ("t-1",)


def test_a_text_carried_twice_saves_its_later_copy(email):
    finding = email["duplicate-text"]
    # The second copy of 4,912 tokens: written in turns 3 and 4, read in turn 5: 4,912 × 13 micro-dollars.
    assert finding.saves_usd == Decimal("0.063856")
    assert finding.blocks == ("mail-2",)
    assert finding.turns == (3, 4, 5)
    assert finding.state == "exact"


def test_equal_texts_of_different_prompts_are_not_duplicates():
    blocks = [
        block("s-1", "system", "system", 5_000, digest="same", context="a"),
        block("s-2", "system", "system", 5_000, digest="same", context="b"),
    ]
    turns = [turn(0, fresh=["s-1"], context="a"), turn(1, fresh=["s-2"], context="b")]
    assert "duplicate-text" not in found(report(blocks, turns))


def test_a_block_split_over_two_classes_is_not_a_duplicate_of_itself():
    made = report([block("s", "system", "system", 5_000)], [turn(0, read=["s"], write=["s"])])
    assert "duplicate-text" not in found(made)


def test_a_block_sent_again_and_again_is_named_with_what_that_cost(email):
    finding = email["carried-block"]
    assert finding.saves_usd is None
    every = [each for each in findings_of(contracts.email_agent()) if each.code == "carried-block"]
    # 4,912 tokens, written in turns 1 and 4, read in three more: 2 × 6.25 + 3 × 0.50 = 14 micro-dollars each.
    assert every[0].title == "Tool result search_emails cost $0.0688 over 5 turns"
    assert every[0].detail == "$0.0307 the first time, $0.0381 in the 4 turns after that."
    assert [each.blocks for each in every] == [("mail-1",), ("mail-2",), ("index",)]


def test_a_block_that_cost_most_when_it_came_in_is_not_reported_as_carried():
    # 100,000 tokens written once at $6.25 and read three times at $0.50: 80 % of it on arrival.
    made = report(
        [block("d", "document", "book", 100_000)],
        [turn(0, write=["d"]), *[turn(n, read=["d"]) for n in (1, 2, 3)]],
    )
    assert "carried-block" not in found(made)


def test_an_answer_cut_short_is_a_lower_bound(email):
    assert email["output-incomplete"].turns == (5,)
    assert email["output-incomplete"].saves_usd is None


def test_the_class_furthest_from_compute_is_named_with_its_range(email):
    # Read: $0.50 a million against 0.0124 (0.0051–0.0301): 40× (17–98×).
    assert (
        email["price-far-from-compute"].title
        == "Cache read is priced furthest from what it costs to compute: 40× (17–98×)"
    )


def test_no_class_is_far_from_compute_if_the_range_includes_one():
    around_one = dict.fromkeys(contracts.HARDWARE_MICRO_USD, ("0.1", "4", "30"))
    made = report([block("s", "system", "s", 9_000)], [turn(0, fresh=["s"])], hardware=around_one)
    assert made["classes"][0]["price_to_cost"]["mid"] == "1.250000"
    assert "price-far-from-compute" not in found(made)


def test_a_class_billed_below_its_compute_is_far_too():
    costly = dict.fromkeys(contracts.HARDWARE_MICRO_USD, ("40", "50", "60"))
    made = report([block("s", "system", "s", 9_000)], [turn(0, fresh=["s"])], hardware=costly)
    title = found(made)["price-far-from-compute"].title
    assert title == "Fresh input is priced furthest from what it costs to compute: 0.10× (0.083–0.13×)"


def test_unknown_figures_come_first():
    codes = [finding.code for finding in findings_of(contracts.unknowns())]
    assert codes[:2] == ["unmeasured-turns", "unpriced-turns"]
    assert found(contracts.unknowns())["unmeasured-turns"].turns == (2,)
    assert "llama-9-preview (anthropic)" in found(contracts.unknowns())["unpriced-turns"].detail


def test_a_turn_whose_price_lacks_a_class_names_the_class():
    made = contracts.unknowns()
    (second,) = [turn for turn in made["turns"] if turn["model"] == "llama-9-preview"]
    for entry in second["entries"]:
        entry["billed_usd"] = None if entry["class"] == "output" else "0.01"
    assert (
        "no price is known for output of llama-9-preview (anthropic)" in found(made)["unpriced-turns"].detail
    )


def test_context_sent_again_and_never_read_from_the_cache():
    finding = found(contracts.tagged_runs())["low-cache-hit-rate"]
    # Three systems of 3,000, 3,500 and 4,000 tokens, each sent a second time.
    assert finding.detail == "10,500 tokens came from earlier turns; all of them were billed as new."
    assert finding.title.startswith("None of the context")
    assert "low-cache-hit-rate" not in found(contracts.long_run())


def test_a_bill_that_is_mostly_cache_reads():
    # 2,116,812 tokens read at $0.50 a million = $1.058406 of $1.56017475.
    finding = found(contracts.long_run())["cached-context-dominates"]
    assert finding.title == "68% of the bill is context read from the cache"


def test_an_index_without_a_skill_loaded():
    lines = [{"name": str(number)} for number in range(103)]
    index = block("i", "skills_index", "skills index", 3_000, children=lines)
    turns = [turn(0, fresh=["i"]), turn(1, fresh=["i"])]
    finding = found(report([index], turns))["skills-index-unused"]
    # 3,000 tokens twice at $5 a million.
    assert finding.saves_usd == Decimal("0.03")
    assert finding.detail == "Its 103 lines were billed $0.03 over the run."
    skill = block("s", "skill", "pdf", 500)
    assert "skills-index-unused" not in found(report([index, skill], [*turns, turn(2, fresh=["i", "s"])]))


def test_a_skill_that_came_late():
    blocks = [block("s", "system", "s", 100), block("k", "skill", "pdf", 500)]
    turns = [turn(n, fresh=["s"]) for n in range(6)] + [turn(n, fresh=["s", "k"]) for n in (6, 7)]
    assert (
        found(report(blocks, turns))["skill-loaded-late"].title == "Skill pdf was loaded after 6 of 8 turns"
    )
    assert "skill-loaded-late" not in found(report(blocks, turns[1:]))


@pytest.mark.parametrize(
    ("cause", "saves"),
    [
        ("changed", Decimal("0.25")),
        ("ttl_expired", Decimal("0.25")),
        ("lookback", Decimal("0.25")),
        ("reordered", Decimal("0.25")),
        ("model_changed", None),
        ("below_minimum", None),
        ("unknown", None),
    ],
)
def test_only_an_avoidable_miss_promises_a_saving(cause, saves):
    finding = found(missed(cause))[f"cache-miss-{cause.replace('_', '-')}"]
    assert finding.saves_usd == saves
    assert "which cost $0.25 more than a cache read" in finding.detail


def test_a_first_use_is_not_a_miss():
    assert not [code for code in found(missed("first_use")) if code.startswith("cache-miss")]


def test_a_compaction_is_paid_for_on_purpose():
    assert found(missed("changed", kind="summary"))["cache-miss-changed"].saves_usd is None


def test_a_compaction_does_not_hide_what_an_avoidable_miss_costs():
    blocks = [block("s", "system", "system", 40), block("c", "summary", "summary", 40)]
    misses = [
        {"cause": "changed", "block": first, "field": None, "tokens": 40, "usd": usd, "evidence": "diff"}
        for first, usd in (("s", "0.25"), ("c", "0.75"))
    ]
    made = report(blocks, [turn(at, write=["s", "c"], cache_miss=miss) for at, miss in enumerate(misses)])
    each = [finding for finding in findings_of(made) if finding.code == "cache-miss-changed"]
    assert {(finding.turns, finding.saves_usd) for finding in each} == {((0,), Decimal("0.25")), ((1,), None)}


def test_a_miss_of_unknown_cost_promises_nothing():
    finding = found(missed("changed", usd=None))["cache-miss-changed"]
    assert finding.saves_usd is None
    assert "what that cost is not known" in finding.detail


def missed(cause, *, kind="system", usd="0.25"):
    miss = {"cause": cause, "block": "s", "field": None, "tokens": 40, "usd": usd, "evidence": "diff"}
    return report([block("s", kind, "system", 40)], [turn(0, write=["s"], cache_miss=miss)])


def test_tokens_on_no_block():
    blocks = [block("u", "unattributed", "unattributed", 30), block("s", "system", "s", 970)]
    assert found(report(blocks, [turn(0, fresh=["u", "s"])]))["unplaced-tokens"].title.startswith("3% of")


def test_an_empty_run_has_no_findings():
    assert findings_of(contracts.empty()) == ()


@pytest.mark.parametrize("name", contracts.ALL)
def test_no_finding_saves_more_than_was_billed(name):
    made = contracts.ALL[name]()
    for finding in findings_of(made):
        assert finding.saves_usd is None or finding.saves_usd <= Decimal(made["totals"]["billed_usd"])
        assert {block["id"] for block in made["blocks"]} >= set(finding.blocks)
        assert {turn["index"] for turn in made["turns"]} >= set(finding.turns)


def test_a_miss_without_a_price_makes_the_others_a_lower_bound():
    misses = [
        {"cause": "changed", "block": "s", "field": None, "tokens": 40, "usd": usd, "evidence": "diff"}
        for usd in ("0.25", None)
    ]
    made = report(
        [block("s", "system", "system", 40)],
        [turn(at, write=["s"], cache_miss=miss) for at, miss in enumerate(misses)],
    )
    assert found(made)["cache-miss-changed"].detail == (
        "Turns 0, 1: 80 tokens, starting at system, were billed again, which cost at least $0.25 more than a "
        "cache read."
    )


@pytest.mark.parametrize(
    ("uses", "named", "is_found"),
    [
        ([], ["invoices"], True),
        (["invoices"], ["invoices"], False),
        (None, ["invoices"], False),
        ([], [], False),
    ],
)
def test_only_a_skill_that_no_later_call_touched_is_found(uses, named, is_found):
    call = {} if uses is None else {"uses": uses}
    blocks = [
        block("s", "skill", "invoices", 50_000, uses=named),
        block("t", "tool_call", "bash", 40, **call),
    ]
    findings = found(report(blocks, [turn(0, fresh=["s"]), turn(1, fresh=["s"], out=["t"])]))
    assert ("skills-untouched" in findings) is is_found
    if is_found:
        finding = findings["skills-untouched"]
        # 50,000 tokens twice at $5 a million.
        assert (finding.blocks, finding.turns, finding.saves_usd) == (("s",), (0, 1), Decimal("0.5"))


@pytest.mark.parametrize(
    ("read", "code"),
    [(900, "cache-read-less"), (1_100, "cache-read-more"), (1_000, "cache-written-otherwise")],
)
def test_a_bill_unlike_the_cache_rules_is_found(read, code):
    rules = {"cache_write_5m": 0, "cache_write_1h": 0, "uncached_input": 0, "miss": None}
    agreeing = {**rules, "cache_read": 100, "agrees": True}
    differing = {**rules, "cache_read": 1_000, "agrees": False}
    blocks = [block("s", "system", "s", 100), block("l", "document", "l", read)]
    made = report(
        blocks,
        [turn(0, read=["s"], cache_prediction=agreeing), turn(1, read=["l"], cache_prediction=differing)],
    )
    codes = [each for each in found(made) if each in CacheUnlikeRules.CODES]
    assert codes == [code]
    finding = found(made)[code]
    assert finding.turns == (1,)
    assert (finding.figures.tokens, finding.figures.turns_compared) == (abs(read - 1_000), 2)
