"""What a seller itself says that a call cost: read as it is meant, or not at all."""

import decimal
from decimal import Decimal
from typing import Any

import pytest

from tokenprof.pricing.billed_pieces import stated_usd


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"cost_in_usd_ticks": 12_345_678_901}, "1.2345678901"),
        ({"cost_in_usd_ticks": "5"}, "0.0000000005"),
        ({"cost_in_usd_ticks": 0}, "0"),
        ({"cost": 0.25}, "0.25"),
        ({"cost": "0.25"}, "0.25"),
        ({"cost": {"total_cost": 0.006}}, "0.006"),
        # With your own key, the seller's fee and what the provider bills.
        ({"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.95}}, "1.00"),
        ({"cost": 0.05, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.95}}, "0.05"),
        # Ticks that cannot be read do not hide the cost beside them.
        ({"cost_in_usd_ticks": None, "cost": 0.5}, "0.5"),
        ({"cost": 1.25e-22}, "0.000000000000000000000125"),
    ],
)
def test_a_stated_cost_is_read_exactly(usage: dict[str, Any], usd: str):
    assert stated_usd(usage) == Decimal(usd)


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"cost": None},
        {"cost": True},
        {"cost": "a lot"},
        {"cost": [0.5]},
        {"cost": {"total": 0.5}},
        {"cost": 0.05, "is_byok": True},
        {"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": None}},
        {"cost": 0.05, "is_byok": True, "cost_details": [0.95]},
    ],
)
def test_what_is_not_said_is_unknown_and_not_nothing(usage: dict[str, Any]):
    assert stated_usd(usage) is None


NOT_AMOUNTS = (
    *(float("nan"), float("inf"), float("-inf"), -1, -1e-9),
    *("NaN", "1e300", "1e-300", "9" * 99, 10**40, 10**5000),
)


@pytest.mark.parametrize("key", ["cost", "cost_in_usd_ticks"])
def test_a_number_that_cannot_be_an_amount_is_not_taken_for_one(key: str):
    for said in NOT_AMOUNTS:
        assert stated_usd({key: said}) is None


def test_the_hosts_decimal_context_changes_no_stated_cost():
    byok = {"cost": 0.123456789, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}
    hostile = decimal.Context(prec=2, traps=[decimal.Inexact, decimal.Rounded, decimal.FloatOperation])
    with decimal.localcontext(hostile):
        assert str(stated_usd({"cost_in_usd_ticks": 12_345_678_901})) == "1.2345678901"
        assert str(stated_usd(byok)) == "0.323456789"
