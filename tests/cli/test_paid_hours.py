"""Whose hours `tokenprof hw` pays: own, rented or given; and the pages that rest on them."""

import json

import pytest

from tokenprof.commands.main import main
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.equations.gpu_hour import Ownership

H200 = find_chip("h200")


@pytest.fixture
def printed(capsys):
    """What a command prints."""

    def run(*words):
        assert main(list(words)) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("options", "usd"),
    [
        ((), Ownership().usd_per_chip_hour(H200)),
        (("--own",), Ownership().usd_per_chip_hour(H200)),
        (("--rent",), 1.825),
        (("--set", "hours=rent", "--set", "contract=on demand"), 4.26),
        (("--usd-per-gpu-hour", "3"), 3.0),
        # No cost of capital is a figure, not a missing one.
        (("--set", "cost-of-capital=0"), Ownership(cost_of_capital=0.0).usd_per_chip_hour(H200)),
    ],
)
def test_an_hour_is_the_owner_s_unless_it_is_rented_or_given(printed, options, usd):
    found = json.loads(printed("hw", "estimate", "deepseek-v3@8xh200", "--format", "json", *options))
    assert found["usd_per_accelerator_hour"] == pytest.approx(usd, abs=0.005)


def test_a_chip_that_nobody_rents_out_is_left_open_in_a_table_and_refused_alone(printed, capsys):
    assert main(["hw", "estimate", "llama-3.1-8b@1xtrainium2", "--rent"]) == 2
    assert "Nobody is known to rent Trainium2 out, contract" in capsys.readouterr().err
    assert "rented hours (contract)" in printed("hw", "ask", "techniques", "--rent")


def test_what_is_said_about_the_owner_moves_every_hour_of_the_list(printed):
    def built(*options):
        rows = json.loads(printed("hw", "hours", "--format", "json", *options))["hours"]
        return {row["chip"]: row["owner_usd"] for row in rows}

    usual, free = built(), built("--set", "cost-of-capital=0")
    assert all(free[chip] < usual[chip] for chip in usual)
    assert free["H200"] == pytest.approx(Ownership(cost_of_capital=0.0).usd_per_chip_hour(H200))


def test_a_build_out_by_hand(printed):
    page = printed("hw", "ask", "buildout", "--usd-per-gpu-hour", "2")
    # 1,000e9 / 47,600 = 21.0 M chips; at $2 for 8,760 hours $368B a year; over 0.42 + 0.28 of spend $526B,
    # of which $60B are 11.4 %.
    (row,) = (line.split() for line in page.splitlines() if line.startswith("$1,000B"))
    assert row[:2] + row[3:] == ["$1,000B", "21.0", "368", "526", "11.4", "%", "6.0", "%"]
    assert "hours at $2 an accelerator, as you set it, every hour of it" in " ".join(page.split())


def test_the_trend_of_list_prices_by_hand(printed):
    rows = {
        row["model"]: row for row in json.loads(printed("prices", "trend", "--format", "json"))["launches"]
    }
    opus = rows["claude-opus-4-5"]
    assert (opus["input_usd_per_mtok"], opus["output_usd_per_mtok"]) == ("5", "25")
    # 0.9543 * 0.50 + 0.0311 * 6.25 + 0.0102 * 5 + 0.0044 * 25
    assert float(opus["agent_usd_per_mtok"]) == pytest.approx(0.832525, abs=5e-5)
    # Opus 4 launched at three times these prices.
    assert float(opus["to_first"]) == pytest.approx(1 / 3, abs=1e-4)
