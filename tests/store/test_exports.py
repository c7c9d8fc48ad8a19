"""What other tools read: each export is read back by their own parser, or held to published rules."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import LOGS
from prometheus_client.parser import text_string_to_metric_families
from receiver import Received, Receiver
from stores import billed, opened, reported, totals

from tokenprof.commands.main import main
from tokenprof.store.ingest.ingest import ingest

ROOT = Path(__file__).parents[2]

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


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Path:
    ingest([logs], tmp_path / "store")
    return tmp_path / "store"


def exported(capsys: pytest.CaptureFixture[str], store: Path, *words: str) -> str:
    capsys.readouterr()
    assert main(["export", "--store", str(store), *words]) == 0
    return capsys.readouterr().out


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


def test_prometheus_metrics_are_read_by_its_parser(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = exported(capsys, store, "--to", "prometheus", "--by", "model,project,tag:te am")
    found = {family.name: family for family in text_string_to_metric_families(text)}
    rows = totals(store, "model,project").rows
    samples = found["tokenprof_billed_usd"].samples
    assert {(each.labels["model"], each.labels["project"]): each.value for each in samples} == {
        row.key: float(row.billed_usd) for row in rows
    }
    assert found["tokenprof_turns"].type == "gauge"
    assert sum(each.value for each in found["tokenprof_turns"].samples) == sum(row.turns or 0 for row in rows)


def test_labels_are_escaped(sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tokenprof.store.ingest.ingest import IngestOptions

    project = 'a "b" \\ c'
    ingest([sessions], tmp_path / "store", IngestOptions(project=project))
    text = exported(capsys, tmp_path / "store", "--to", "prometheus", "--by", "project")
    (family,) = [each for each in text_string_to_metric_families(text) if each.name == "tokenprof_turns"]
    assert [(each.labels, each.value) for each in family.samples] == [({"project": project}, 20)]


def test_the_files_for_grafana_ask_for_metrics_that_there_are() -> None:
    from tokenprof.store.exports.prometheus import METRICS

    names = {metric.name for metric in METRICS} | {"tokenprof_missing_calls", "tokenprof_unreadable_logs"}
    board = json.loads((ROOT / "examples/grafana/dashboard.json").read_text("utf-8"))
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    alerts = (ROOT / "examples/grafana/alerts.yml").read_text("utf-8")
    for text in (asked, alerts):
        assert set(re.findall(r"tokenprof_[a-z_]+", text)) <= names


def test_tables_as_csv_and_parquet(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(capsys, store, "--to", "csv", "--table", "turns"))))
    assert sum(Decimal(row["billed_usd"]) for row in rows if row["billed_usd"]) == billed(store)
    file = tmp_path / "blocks.parquet"
    exported(capsys, store, "--to", "parquet", "--table", "blocks", "-o", str(file))
    table = pq.read_table(file)
    assert sum(usd for usd in table["billed_usd"].to_pylist() if usd is not None) == billed(store)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_from_the_store(store: Path, library: str) -> None:
    frame = opened(store).to_frame("SELECT sum(billed_usd) AS usd FROM turns", library)  # type: ignore[arg-type]
    value = frame["usd"][0]
    assert Decimal(str(value)) == billed(store)
    assert len(opened(store).to_frame("sessions", library)) > 5  # type: ignore[arg-type]


def test_spans_arrive_at_an_otlp_receiver_with_cost_and_tags(capsys: pytest.CaptureFixture[str]) -> None:
    recording = ROOT / "tests" / "data" / "release_0_1" / "run.jsonl"
    with Receiver() as receiver:
        assert main(["export", str(recording), "--otlp", receiver.url]) == 0
        assert main(["export", str(LOGS / "session_log"), "--otlp", receiver.url]) == 0
    assert "of them with a cost" in capsys.readouterr().out
    calls = [span for span in receiver.spans if span.attributes["gen_ai.operation.name"] == "chat"]
    agents = [span for span in receiver.spans if span.attributes["gen_ai.operation.name"] == "invoke_agent"]
    assert len(calls) + len(agents) == len(receiver.spans)
    assert {call.parent for call in calls} == {agent.id for agent in agents}
    assert all(call.trace in {agent.trace for agent in agents} for call in calls)
    assert not any(_cost(agent) for agent in agents), "a backend that sums spans counts each call once"
    for call in calls:
        assert call.kind == 3
        assert call.attributes["gen_ai.usage.cost.currency"] == "USD"
        assert call.attributes["gen_ai.usage.cost.source"] == "local"
    known = reported(recording, LOGS / "session_log").totals.billed_usd
    assert sum(map(_cost, calls)) == pytest.approx(float(known or 0))
    tags = {name: value for call in calls for name, value in call.attributes.items() if ".tag." in name}
    run = reported(recording).run
    assert tags == {f"tokenprof.tag.{key}": value for turn in run.turns for key, value in turn.tags.items()}


def _cost(span: Received) -> float:
    return float(span.attributes.get("gen_ai.usage.cost.amount", 0.0))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Name what to do"),
        (["--to", "focus"], "give --billing-account"),
        (["--to", "parquet"], "name a file with -o"),
        (["--otlp", "http://127.0.0.1:1/v1/traces"], "name files or folders"),
        (["--otlp", "http://127.0.0.1:1/v1/traces", str(LOGS / "codex")], "cannot be reached"),
        (["--to", "csv", "--by", "model"], "--by has no effect here"),
        (["--to", "csv", "--where", "nothing = 1"], "--where 'nothing = 1'"),
    ],
)
def test_mistakes_of_exports(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["export", "--store", str(store), *words]) == 2
    assert sentence in capsys.readouterr().err
