"""The chain section as JSON: read back it is the same, byte for byte, and errors say what is wrong."""

from copy import deepcopy
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from chain_runs import GROWING, TASK, costed, run_of

from tokenprof.chain.chain_detail import chain_detail
from tokenprof.chain.choices import Choices
from tokenprof.chain.make_section import chain_section
from tokenprof.facts.errors import InputError
from tokenprof.pricing.usage import Usage
from tokenprof.reading.files import read
from tokenprof.report.chain_detail_json import detail_json, read_detail
from tokenprof.report.chain_json import chain_json, read_chain

SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"
REAL = costed(read([SESSION]))
MIXED = costed(
    run_of(
        ("anthropic", "claude-opus-4-8", Usage(cache_read_tokens=50_000, output_tokens=500)),
        ("moonshotai", "kimi-k2.5", Usage(uncached_input_tokens=20_000, output_tokens=500)),
        ("anthropic", "claude-opus-77", Usage(uncached_input_tokens=10, output_tokens=10)),
    )
)
RUNS = {"task": TASK, "growing": GROWING, "mixed": MIXED, "session": REAL}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "choices",
    [Choices(), Choices(path="aggregator"), Choices(path="plan", sessions_per_month=7)],
    ids=lambda choices: choices.path,
)
def test_a_section_read_back_is_equal_and_writes_the_same_bytes(run, choices):
    section = chain_section(*RUNS[run], choices=choices)
    assert section is not None
    written = orjson.dumps(chain_json(section))
    read_back = read_chain(orjson.loads(written))
    assert read_back == section
    assert orjson.dumps(chain_json(read_back)) == written


@pytest.mark.parametrize("run", RUNS)
def test_sweeps_gaps_and_tool_payments_read_back_write_the_same_bytes(run):
    detail = chain_detail(*RUNS[run], {"Read": Decimal("0.005")})
    assert detail.sweeps.utilisation
    assert detail.waiting.gaps
    written = orjson.dumps(detail_json(detail))
    assert orjson.dumps(detail_json(read_detail(orjson.loads(written)))) == written


def test_only_the_tools_that_have_a_price_and_were_called_are_paid_per_call():
    # The session calls Skill, ToolSearch and Read once each.
    prices = {"Read": Decimal("0.005"), "Skill": Decimal("0.02"), "Bash": Decimal(1)}
    paid = chain_detail(*REAL, prices).tool_payments
    assert {each.tool: (each.calls, each.usd) for each in paid} == {
        "Read": (1, Decimal("0.005")),
        "Skill": (1, Decimal("0.02")),
    }
    # By card: 30 cents, and 2.9 % of half a cent.
    read_paid = next(each for each in paid if each.tool == "Read")
    assert read_paid.fees_usd["card (Stripe, each call by itself)"] == Decimal("0.300145")
    assert read_paid.fees_usd["x402 (Coinbase's facilitator)"] == Decimal("0.001")


def test_figures_are_stated_in_picodollars_and_margins_in_hundredths_of_a_percent():
    section = chain_section(*TASK)
    assert section is not None
    assert section.billed_usd == Decimal("7.5")
    assert all(-step.usd.mid.as_tuple().exponent <= 12 for step in section.waterfall)
    assert -section.all_in_margin.mid.as_tuple().exponent <= 4
    assert sum(turn.shaped_usd.mid for turn in section.cost_shaped.turns) == Decimal("7.5")


@pytest.fixture
def written():
    section = chain_section(*TASK)
    assert section is not None
    return deepcopy(chain_json(section))


def test_an_older_report_without_the_newer_keys_is_read(written):
    newer = ("servers", "by_accounts", "spreads", "owner_usd", "is_lower_bound", "bridge", "posterior_bridge")
    for key in (
        *newer,
        "evidence",
        "schema",
        "suppliers",
        "layers",
        "published_margins",
        "plans",
        "applications",
        "assumptions",
        "cost_shaped",
    ):
        del written[key]
    for step in written["waterfall"]:
        if step["name"].startswith("not explained"):
            step["name"] = "lab margin: everything else, and profit"
        del step["internal_usd"], step["parts"]
    section = read_chain(written)
    assert section.billed_usd == Decimal("7.5")
    assert section.cost_shaped is None
    assert (section.layers, section.plans, section.assumptions) == ((), (), ())
    assert (section.servers, section.by_accounts, section.bridge, section.evidence) == ((), (), None, None)
    assert len(section.spreads) == 1
    assert "cost_shaped" not in chain_json(section)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema", "tokenprof.chain/3", "has the form 'tokenprof.chain/3', but this version reads"),
        ("path", "by post", "its path is 'by post', which is not one of direct, aggregator, plan"),
        ("billed_usd", "seven", "is not valid"),
        ("compute_usd", {"low": "2", "mid": "1", "high": "3"}, "must rise from low to high"),
        ("compute_usd", {"low": "1", "mid": "2"}, "has no 'high'"),
        ("waterfall", None, "is not valid"),
    ],
)
def test_a_section_that_cannot_be_read_is_an_error_that_says_why_and_the_way_out(written, key, value, said):
    written[key] = value
    with pytest.raises(InputError, match=said) as error:
        read_chain(written)
    assert "from the recording" in str(error.value)


def test_a_section_without_its_waterfall_is_named_so(written):
    del written["waterfall"]
    with pytest.raises(InputError, match="The chain section of this report has no 'waterfall'"):
        read_chain(written)
