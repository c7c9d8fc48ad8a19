"""The page of published claims: each claim in one group, counts that add up, shared assumptions once."""

from tokenprof.chain.claims.worked_examples import CLAIM_SOURCES
from tokenprof.pricing.chain.published_claims import Example
from tokenprof.report.comparisons.claims_page import QUESTIONS, claims_page

ROWS = (
    Example("l1-1", "the building of 1 MW", "0.6", "0.60", "a synthesis", "none"),
    Example("l1-2", "its chips", "5.25", "5.26", "a synthesis", "+0.2 %"),
    Example("l1-4", "all of it", "6.55", "7.2", "another", "+9.9 %"),
    Example("util-1", "cost by utilisation", None, "0.1 to 0.5", "drawn"),
)


def test_every_claim_has_its_place_in_one_group():
    placed = [each for ids in QUESTIONS.values() for each in ids]
    assert sorted(placed) == sorted(CLAIM_SOURCES)


def test_the_counts_of_the_page_by_hand():
    said = " ".join(claims_page(ROWS).split())
    assert "4 figures. 3 have been published: ours are the same for 1, within 1 % for 1 more" in said
    assert "and differ for 1, with the reason. The other 1 are ours alone." in said


def test_an_assumption_that_neighbours_share_is_said_once():
    page = claims_page(ROWS)
    assert page.count("a synthesis") == 1
    assert page.index("its chips [l1-2]") < page.index("a synthesis") < page.index("all of it [l1-4]")
    assert "published 0.6, ours 0.60: the same" in page
    assert "\n      ours 0.1 to 0.5\n" in page
