"""`tokenprof reconcile`: a real recording beside exports made from what the loopback provider billed."""

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import anthropic
import pytest

import tokenprof
from tokenprof.commands.main import main
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import run_loop, workload

CENTS_PER_TOKEN = {
    "uncached_input_tokens": Decimal("0.0005"),
    "cache_read_input_tokens": Decimal("0.00005"),
    "cache_creation.ephemeral_5m_input_tokens": Decimal("0.000625"),
    "cache_creation.ephemeral_1h_input_tokens": Decimal("0.001"),
    "output_tokens": Decimal("0.0025"),
}
"""Claude Opus 4.8, USD 5 / 0.5 / 6.25 / 10 / 25 per million tokens, in the cents of the cost report."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recorded loop, and per day what the provider's own log says it billed."""
    path = tmp_path_factory.mktemp("run") / "run.jsonl"
    work = workload()
    with LoopbackProvider(list(work.replies)) as server:
        with tokenprof.profile(path), anthropic.Anthropic(api_key="unused", base_url=server.url) as client:
            run_loop(client, work, mode="create")
        billed = [call.usage for call in server.billed]
    turns = read([path]).turns
    assert len(turns) == len(billed)
    days = defaultdict(lambda: defaultdict(int))
    for turn, usage in zip(turns, billed, strict=True):
        counts = days[turn.started_at.date().isoformat()]
        counts["uncached_input_tokens"] += usage["input_tokens"]
        counts["cache_read_input_tokens"] += usage["cache_read_input_tokens"]
        counts["output_tokens"] += usage["output_tokens"]
        for ttl in ("5m", "1h"):
            name = f"ephemeral_{ttl}_input_tokens"
            counts[f"cache_creation.{name}"] += usage["cache_creation"][name]
    return path, turns[0].model, days


def usage_export(model, days) -> dict:
    return {
        "data": [
            {
                "starting_at": f"{day}T00:00:00Z",
                "results": [
                    {
                        "uncached_input_tokens": counts["uncached_input_tokens"],
                        "cache_read_input_tokens": counts["cache_read_input_tokens"],
                        "cache_creation": {
                            name.partition(".")[2]: count
                            for name, count in counts.items()
                            if name.startswith("cache_creation.")
                        },
                        "output_tokens": counts["output_tokens"],
                        "server_tool_use": {"web_search_requests": 0},
                        "model": model,
                    }
                ],
            }
            for day, counts in days.items()
        ],
        "has_more": False,
        "next_page": None,
    }


def cost_export(model, days, factor=Decimal(1)) -> dict:
    return {
        "data": [
            {
                "starting_at": f"{day}T00:00:00Z",
                "results": [
                    {
                        "currency": "USD",
                        "amount": str(counts[name] * cents * factor),
                        "cost_type": "tokens",
                        "model": model,
                        "token_type": name,
                    }
                    for name, cents in CENTS_PER_TOKEN.items()
                    if counts[name]
                ],
            }
            for day, counts in days.items()
        ],
        "has_more": False,
        "next_page": None,
    }


@pytest.fixture
def reconcile(recorded, tmp_path, capsys):
    """Run the command on exports, in JSON; returns the exit code and what was printed."""
    path, _, _ = recorded

    def run(*exports, options=()):
        arguments = ["reconcile", str(path), "--format", "json", *options]
        for number, export in enumerate(exports):
            file = tmp_path / f"export {number}.json"
            file.write_text(json.dumps(export))
            arguments += ["--report", str(file)]
        code = main(arguments)
        return code, json.loads(capsys.readouterr().out)

    return run


def test_a_recording_that_is_the_whole_traffic_matches_usage_and_costs_to_the_last_place(recorded, reconcile):
    _, model, days = recorded
    code, found = reconcile(usage_export(model, days), cost_export(model, days))
    assert code == 0
    assert {line["kind"] for line in found["lines"]} == {"matched"}
    assert all(Decimal(line["residual_usd"]) == 0 for line in found["lines"])
    due = sum(
        counts[name] * cents / 100 for counts in days.values() for name, cents in CENTS_PER_TOKEN.items()
    )
    assert sum(Decimal(line["record_usd"]) for line in found["lines"]) == due


def test_us_only_inference_that_the_record_does_not_show_is_explained_by_its_ratio(recorded, reconcile):
    _, model, days = recorded
    code, found = reconcile(usage_export(model, days), cost_export(model, days, Decimal("1.1")))
    assert code == 0
    assert {line["kind"] for line in found["lines"]} == {"price_differs"}
    assert all("US-only" in line["explanation"] for line in found["lines"])


def test_a_price_that_nothing_explains_is_a_residual(recorded, reconcile):
    _, model, days = recorded
    code, found = reconcile(usage_export(model, days), cost_export(model, days, Decimal("1.37")))
    assert code == 1
    assert found["unexplained"] == len(found["lines"])


def test_traffic_that_was_not_recorded_is_a_residual_unless_the_organisation_is_shared(recorded, reconcile):
    _, model, days = recorded
    more = usage_export(model, days)
    more["data"][0]["results"].append(
        {
            "uncached_input_tokens": 700,
            "cache_read_input_tokens": 0,
            "cache_creation": None,
            "output_tokens": 50,
            "model": "claude-haiku-4-5",
        }
    )
    code, found = reconcile(more)
    assert code == 1
    others = [line for line in found["lines"] if line["kind"] == "not_recorded"]
    assert [(line["model"], line["class"], line["export_tokens"]) for line in others] == [
        ("claude-haiku-4-5", "uncached_input", 700),
        ("claude-haiku-4-5", "output", 50),
    ]
    code, found = reconcile(more, options=["--shared"])
    assert (code, found["unexplained"]) == (0, 0)


def test_tokens_that_the_export_lacks_are_a_residual_even_in_a_shared_organisation(recorded, reconcile):
    _, model, days = recorded
    fewer = {day: dict(counts) for day, counts in days.items()}
    first = next(iter(fewer.values()))
    first["output_tokens"] -= 1
    code, found = reconcile(usage_export(model, fewer), options=["--shared"])
    assert (code, found["unexplained"]) == (1, 1)
    (line,) = [line for line in found["lines"] if line["kind"] == "tokens_differ"]
    assert line["explanation"] == "the export has 1 fewer than the record"


def test_the_text_ends_with_what_is_left_to_look_into(recorded, tmp_path, capsys):
    path, model, days = recorded
    export = tmp_path / "usage.json"
    export.write_text(json.dumps(usage_export(model, days)))
    assert main(["reconcile", str(path), "--report", str(export)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("0 are explained, 0 are not.")


def test_the_text_names_each_line_that_differs_with_both_sides(recorded, tmp_path, capsys):
    path, model, days = recorded
    more = {day: dict(counts) for day, counts in days.items()}
    day, counts = next(iter(more.items()))
    counts["output_tokens"] += 1000
    export = tmp_path / "usage.json"
    export.write_text(json.dumps(usage_export(model, more)))
    assert main(["reconcile", str(path), "--report", str(export)]) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith(day)]
    assert f"  anthropic/{model}  output  " in line
    assert f"  {counts['output_tokens']:,} tokens  " in line
    assert line.endswith("the export has 1000 more than the record")


@pytest.mark.parametrize("count", ["10.5", "-3", "null", "true", "1e999999999", "[]"])
def test_a_count_of_an_export_that_is_not_a_whole_number_is_one_line_and_exit_2(
    recorded, tmp_path, capsys, count
):
    counts = (
        f'"uncached_input_tokens": {count}, "cache_read_input_tokens": 0, "output_tokens": 1, "model": "m"'
    )
    export = tmp_path / "odd.json"
    export.write_text(
        '{"data": [{"starting_at": "2026-11-01T00:00:00Z", "results": [{' + counts + "}]}]}", "utf-8"
    )
    assert main(["reconcile", str(recorded[0]), "--report", str(export)]) == 2
    assert "'uncached_input_tokens' must be a non-negative integer" in capsys.readouterr().err


@pytest.mark.parametrize("amount", ['"NaN"', '"Infinity"', "true", "null", "1e999999999"])
def test_an_amount_of_an_export_that_is_not_a_number_is_one_line_and_exit_2(
    recorded, tmp_path, capsys, amount
):
    export = tmp_path / "odd.json"
    cost = f'"currency": "USD", "amount": {amount}, "token_type": "output_tokens", "model": "m"'
    export.write_text(
        '{"data": [{"starting_at": "2026-11-01T00:00:00Z", "results": [{' + cost + "}]}]}", "utf-8"
    )
    assert main(["reconcile", str(recorded[0]), "--report", str(export)]) == 2
    assert "is not a usage or cost export" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not valid JSON"), (None, "cannot be read"), ("{}", "not a usage or cost")]
)
def test_an_export_that_cannot_be_read_is_one_line_and_exit_2(recorded, tmp_path, capsys, text, message):
    export: Path = tmp_path / "wrong.json"
    if text is not None:
        export.write_text(text)
    assert main(["reconcile", str(recorded[0]), "--report", str(export)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "wrong.json" in said
    assert said.count("\n") == 1
