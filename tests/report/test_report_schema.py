"""The JSON Schema that ships: it takes what the contract allows and nothing else."""

import copy
import json
import re
from importlib import resources
from pathlib import Path

import contracts
import pytest
from contract_findings import findings_json
from jsonschema import Draft202012Validator

from tokenprof.report.check import USAGE_KEYS

SCHEMA = json.loads(resources.files("tokenprof.report").joinpath("schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def errors(report):
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(report)]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", contracts.ALL)
def test_reports_with_their_findings_are_valid(name):
    report = contracts.ALL[name]()
    report["findings"] = findings_json(report)
    assert errors(report) == []


def test_usage_has_exactly_the_ten_classes_of_the_check():
    usage = SCHEMA["$defs"]["usage"]
    assert tuple(usage["properties"]) == USAGE_KEYS == tuple(usage["required"])
    assert tuple(SCHEMA["$defs"]["class"]["enum"]) == USAGE_KEYS


@pytest.mark.parametrize("place", ["report", "totals", "turn", "block", "finding", "deployment", "child"])
def test_fields_may_be_added_where_the_contract_grows(place):
    report = contracts.email_agent()
    report["findings"] = findings_json(report)
    index = next(block for block in report["blocks"] if block["children"])
    holders = {
        "report": report,
        "totals": report["totals"],
        "turn": report["turns"][0],
        "block": report["blocks"][0],
        "finding": report["findings"][0],
        "deployment": report["deployment"],
        "child": index["children"][0],
    }
    holders[place]["added_later"] = {"any": "thing"}
    assert errors(report) == []


def with_value(*path):
    """A change that sets the value at a path, given last."""
    *steps, key, value = path

    def change(report):
        for step in steps:
            report = report[step]
        report[key] = value

    return change


def without(*path):
    *steps, key = path

    def change(report):
        for step in steps:
            report = report[step]
        del report[key]

    return change


BREACHES = {
    "another version": with_value("schema", "tokenprof.report/3"),
    "no totals": without("totals"),
    "no warnings": without("warnings"),
    "money as a float": with_value("totals", "billed_usd", 0.34951),
    "money with an exponent": with_value("totals", "billed_usd", "3.5E-7"),
    "money with a sign": with_value("totals", "billed_usd", "-1"),
    "money with spaces": with_value("turns", 0, "billed_usd", " 1.0"),
    "money left out": without("turns", 0, "billed_usd"),
    "tokens as text": with_value("classes", 0, "tokens", "64"),
    "tokens as a fraction": with_value("classes", 0, "tokens", 64.5),
    "negative tokens": with_value("turns", 0, "usage", "output", -1),
    "a class more in usage": with_value("turns", 0, "usage", "cache_write_2h", 0),
    "a class less in usage": without("turns", 0, "usage", "cache_write_12h"),
    "tokens in the fee of a usage": with_value("turns", 0, "usage", "fee", 3),
    "an unknown class": with_value("turns", 0, "entries", 0, "class", "input"),
    "an unknown state": with_value("turns", 0, "entries", 0, "state", "guessed"),
    "a field more in an entry": with_value("turns", 0, "entries", 0, "name", "system"),
    "an unknown kind": with_value("blocks", 0, "kind", "prompt"),
    "an unknown status": with_value("turns", 0, "status", "cut"),
    "an unknown cause": with_value("turns", 4, "cache_miss", "cause", "bad luck"),
    "an unknown evidence": with_value("turns", 4, "cache_miss", "evidence", "guess"),
    "half an interval": without("totals", "hardware_usd", "high"),
    "hardware as one number": with_value("totals", "hardware_usd", "0.02"),
    "a local time": with_value("turns", 0, "at", "2026-11-12T14:03:07+02:00"),
    "a time without zone": with_value("turns", 0, "at", "2026-11-12T14:03:07"),
    "no attempt": with_value("turns", 0, "attempts", 0),
    "tags that are not text": with_value("turns", 0, "tags", {"n": 3}),
    "an unmeasured turn with a bill": with_value("turns", 0, "usage", None),
    "a measured turn without context": with_value("turns", 0, "context_tokens", None),
    "a fee row without count": without("classes", -1, "count"),
    "a fee row with tokens": with_value("classes", -1, "tokens", 2),
    "a warning that is not a sentence": with_value("warnings", [{"text": "x"}]),
    "a deployment without assumptions": without("deployment", "assumptions"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_breaches_are_refused(breach):
    report = copy.deepcopy(contracts.email_agent())
    assert report["classes"][-1]["class"] == "fee"
    BREACHES[breach](report)
    assert errors(report) != []


def test_every_field_is_documented():
    doc = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"`([^`]*)`", doc))))
    fields = set(SCHEMA["properties"])
    for definition in SCHEMA["$defs"].values():
        fields |= set(definition.get("properties", {}))
    assert fields - documented == set()


def test_every_kind_of_block_is_in_the_nomenclature():
    doc = (Path(__file__).parents[2] / "docs" / "nomenclature.md").read_text(encoding="utf-8")
    assert [kind for kind in SCHEMA["$defs"]["kind"]["enum"] if f"`{kind}`" not in doc] == []
