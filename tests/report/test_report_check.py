"""The conservation check: it passes what adds up, and names the place of what does not."""

import contracts
import pytest

from tokenprof.report.check import check


@pytest.mark.parametrize("name", contracts.ALL)
def test_reports_that_add_up_pass(name):
    check(contracts.ALL[name]())


def breach(change, builder=contracts.email_agent):
    report = builder()
    change(report)
    with pytest.raises(AssertionError) as caught:
        check(report)
    return str(caught.value)


def put(holder, key, value):
    holder[key] = value


def test_a_lost_token_is_named_with_its_turn_and_class():
    said = breach(lambda report: put(report["turns"][2]["entries"][0], "tokens", 345))
    assert said == "Turn 2: entries hold 12,750 tokens of cache_read, but usage says 12,751."


def test_a_lost_ten_millionth_of_a_cent_is_found():
    said = breach(lambda report: put(report["turns"][0], "billed_usd", "0.0527575000000001"))
    assert said == "Turn 0: entries add up to $0.0527575, but it is billed $0.0527575000000001."


def test_an_entry_without_block():
    said = breach(lambda report: put(report["turns"][0]["entries"][0], "block", "gone"))
    assert said == "Turn 0: an entry names block gone, which blocks[] lacks."


def test_a_block_that_carries_less_than_its_entries():
    said = breach(lambda report: put(report["blocks"][0], "billed_tokens", 2_000))
    assert said == "Block preamble (tools preamble): billed_tokens is 2000, but its entries hold 2,076."


def test_a_block_billed_something_else():
    said = breach(lambda report: put(report["blocks"][0], "billed_usd", "0.005"))
    # 346 tokens, written twice at $6.25 and read four times at $0.50 a million: 346 × 14.5 = 5,017.
    assert (
        said == "Block preamble (tools preamble): $0.005 billed, but what lies under it adds up to $0.005017."
    )


def test_an_exact_block_with_bounds():
    said = breach(lambda report: put(report["blocks"][0], "tokens_high", 350))
    assert said == "Block preamble (tools preamble) is exact, so its bounds must equal 346; they are 346–350."


def test_an_estimate_outside_its_bounds():
    said = breach(lambda report: put(report["blocks"][1], "tokens_low", 413))
    assert said == "Block t-search (search_emails): size 412 is outside its bounds 413–434."


def test_totals_that_are_not_the_turns():
    said = breach(lambda report: put(report["totals"], "billed_usd", "0.34950"))
    assert said == "totals: $0.34950 billed, but what lies under it adds up to $0.34951."
    said = breach(lambda report: put(report["totals"]["usage"], "output", 994))
    assert said == "totals.usage.output is 994, but the turns hold 995."
    said = breach(lambda report: put(report["totals"], "partial_turns", 0))
    assert said == "totals.partial_turns is 0, but the turns make it 1."


def test_classes_that_are_not_the_entries():
    said = breach(lambda report: put(report["classes"][1], "tokens", 56_679))
    assert said == "Class cache_read: 56,679 tokens, but entries hold 56,680."
    said = breach(lambda report: report["classes"].pop(0))
    assert said == "classes[] lacks uncached_input, which turns were billed for."


def test_an_unmeasured_turn_is_not_an_unpriced_one():
    said = breach(lambda report: put(report["totals"], "unpriced_turns", 2), contracts.unknowns)
    assert said == "totals.unpriced_turns is 2, but the turns make it 1."


def test_an_unpriced_turn_is_not_a_free_one():
    said = breach(lambda report: put(report["turns"][1], "billed_usd", "0"), contracts.unknowns)
    assert said == "Turn 1 is billed $0, but 3 of its entries have no price."


def test_a_turn_whose_entries_all_have_a_price_has_one():
    said = breach(lambda report: put(report["turns"][0], "billed_usd", None))
    assert said == "Turn 0 is unpriced (billed_usd is null), but each of its entries has a price."


def test_a_sum_may_be_null_if_part_of_it_is_unpriced_but_not_wrong():
    report = contracts.unknowns()
    for row in report["classes"]:
        row["billed_usd"] = None
    check(report)
    said = breach(lambda report: put(report["classes"][0], "billed_usd", None), contracts.without_hardware)
    assert said == "Class uncached_input: billed_usd is null, but all under it is priced, $1 in sum."


def test_no_ratio_of_a_bill_that_leaves_out_tokens():
    ratio = {"low": "1", "mid": "2", "high": "3"}
    said = breach(lambda report: put(report["totals"], "price_to_cost", ratio), contracts.unknowns)
    assert said == "totals: price_to_cost must be null, because 1 of the amounts under it are unknown."


def test_a_ratio_that_is_not_billed_over_hardware():
    said = breach(lambda report: put(report["totals"]["price_to_cost"], "mid", "15"))
    assert said.startswith("totals: price_to_cost.mid × hardware_usd.mid is $0.41")


def test_ends_of_an_interval_in_order():
    said = breach(lambda report: put(report["turns"][3]["hardware_usd"], "low", "1"))
    assert said.startswith("Turn 3: hardware_usd is not low ≤ mid ≤ high: 1, ")


def test_turns_in_time_order():
    said = breach(lambda report: put(report["turns"][5], "at", "2026-11-12T14:00:00.000Z"))
    assert said == "turns[] must be in time order, but turns[].at goes back."
