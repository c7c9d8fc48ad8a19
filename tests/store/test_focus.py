"""FOCUS rows held to the published rules, by a table of ours and by a validator of others.

The validator is focus-data-toolkit, whose model is an extract of the FinOps Foundation's data model with the
version in which each column came. The foundation's own validator (focus-validator 2) needs Python 3.12.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from focus_data_toolkit.model.validator import check_column_value, lint_focus_1_4_structure
from focus_data_toolkit.schema.registry import mandatory_columns, version_columns
from stores import billed, exported

DATASET, VERSION = "Cost and Usage", "1.3"
Rows = list[dict[str, str]]

FOCUS_ALLOWS_NULL = {
    "BilledCost": False, "BillingAccountId": False, "BillingAccountName": True, "BillingCurrency": False,
    "BillingPeriodEnd": False, "BillingPeriodStart": False, "ChargeCategory": False, "ChargeClass": True,
    "ChargeDescription": True, "ChargePeriodEnd": False, "ChargePeriodStart": False, "ContractedCost": False,
    "EffectiveCost": False, "HostProviderName": True, "InvoiceIssuerName": False, "ListCost": False,
    "PricingQuantity": True, "PricingUnit": True, "ProviderName": False, "PublisherName": False,
    "ServiceCategory": False, "ServiceName": False, "ServiceProviderName": False,
}  # fmt: skip
"""The mandatory columns of FOCUS 1.3, dataset Cost and Usage, and whether they may be null
(https://focus.finops.org/focus-specification/v1-3/)."""

FOCUS_CONDITIONAL = {
    "ChargeFrequency", "ConsumedQuantity", "ConsumedUnit", "ContractedUnitPrice", "InvoiceId",
    "ListUnitPrice", "PricingCategory", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceId", "Tags",
}  # fmt: skip
FOCUS_DECIMALS = {
    "BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost",
    "ListUnitPrice", "PricingQuantity",
}  # fmt: skip
FOCUS_VALUES = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"", "Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {"AI and Machine Learning"},
    "ServiceSubcategory": {"Generative AI"},
}
"""Allowed values; of the categories of services, those that such a bill can have."""


def test_focus_rows_keep_the_published_rules(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = exported(capsys, store, "--to", "focus", "--billing-account", "acme-1")
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = set(rows[0])
    assert set(FOCUS_ALLOWS_NULL) <= columns
    assert {name for name in columns if not name.startswith("x_")} <= {*FOCUS_ALLOWS_NULL, *FOCUS_CONDITIONAL}
    for row in rows:
        for name, value in row.items():
            assert value or FOCUS_ALLOWS_NULL.get(name, True), name
            if value and name in FOCUS_DECIMALS:
                assert re.fullmatch(r"-?\d+(\.\d+)?", value), name
            if name.endswith("Quantity"):
                assert value.endswith(".0"), name
            if name in FOCUS_VALUES:
                assert value in FOCUS_VALUES[name], name
        moments = {name: _moment(value) for name, value in row.items() if "Period" in name}
        assert moments["BillingPeriodStart"] <= moments["ChargePeriodStart"] < moments["ChargePeriodEnd"]
        assert moments["ChargePeriodEnd"] <= moments["BillingPeriodEnd"]
        quantity = Decimal(row["PricingQuantity"])
        assert Decimal(row["ContractedCost"]) == Decimal(row["ContractedUnitPrice"]) * quantity
        assert Decimal(row["ListCost"]) == Decimal(row["ListUnitPrice"]) * quantity
        assert all(isinstance(tag, str) for tag in json.loads(row["Tags"]).values())
    assert sum(Decimal(row["BilledCost"]) for row in rows) == billed(store)


def _moment(text: str) -> datetime:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    return datetime.fromisoformat(text)


def test_a_contract_shows_beside_the_list_price(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "own.toml"
    overlay.write_text(
        '[[discount]]\nprovider = "anthropic"\nmodels = ["*"]\nfactor = "0.8"\n'
        'source = "x"\nchecked = 2026-01-01\n'
    )
    words = ("--to", "focus", "--billing-account", "a", "--prices", str(overlay))
    rows = list(csv.DictReader(io.StringIO(exported(capsys, store, *words))))
    discounted = [row for row in rows if row["ProviderName"] == "Anthropic"]
    assert discounted
    for row in discounted:
        assert Decimal(row["BilledCost"]) == Decimal(row["ListCost"]) * Decimal("0.8")
        assert row["PricingCategory"] == "Other"


def complaints(rows: Rows) -> set[str]:
    """What the outside validator says about rows: columns, values, and how they go together."""
    columns = set(rows[0])
    known = version_columns(DATASET, VERSION)
    found = {f"{name} is missing" for name in mandatory_columns(DATASET, VERSION) - columns}
    found |= {f"{name} is unknown" for name in columns - known if not name.startswith("x_")}
    later = version_columns(DATASET, "1.4")
    kept = [{name: value for name, value in row.items() if name in later} for row in rows]
    for row in kept:
        found |= {f"{name}: {text}" for name in row if (text := check_column_value(DATASET, name, row[name]))}
    return found | {str(each) for each in lint_focus_1_4_structure(DATASET, kept).violations}


def test_a_validator_of_others_finds_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = exported(capsys, store, "--to", "focus", "--billing-account", "acme-1")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert complaints(rows) == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BilledCost", ""),
        ("BilledCost", "1,5"),
        ("BillingCurrency", "dollars"),
        ("ChargePeriodStart", "2026-06-01"),
        ("ServiceCategory", "Agents"),
        ("Tags", "team=search"),
        ("ContractedUnitPrice", "-1"),
    ],
)
def test_that_validator_would_find_a_fault(
    store: Path, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    text = exported(capsys, store, "--to", "focus", "--billing-account", "acme-1")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert any(name in each for each in complaints([{**rows[0], name: value}]))
