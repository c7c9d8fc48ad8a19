"""Every command that shows compute takes every option for it, and each option reaches the figure.

Commands come from the parser, so a new one fails here until its line is below.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
from parser_commands import commands

from tokenprof.analysis.settings_table import SETTING_ROWS
from tokenprof.commands.console.assumption_options import assumptions_of
from tokenprof.commands.main import main

WORDS = {
    "report": ["report", "RUN", "--full"],
    "chain": ["chain", "RUN"],
    "sweep": ["sweep", "RUN", "--over", "tool-latency=1,2"],
    "whatif": ["whatif", "RUN", "--if", "ttl=1h"],
    "diff": ["diff", "RUN", "RUN", "--compute", "--full"],
    "check": ["check", "RUN", "--budget", "hardware_usd=0.00001"],
    "totals": ["totals", "--store", "STORE", "--compute"],
    "query": ["query", "--store", "STORE", "SELECT * FROM turns"],
    "export": ["export", "--store", "STORE", "--to", "csv"],
    "disclosure": ["disclosure", "RUN"],
}
"""A command line for each command that reads a run, showing as much as it can."""

SHOW_A_REPORT = ("open", "figure", "live", "demo", "run", "proxy")
"""Commands that show what `report` shows, on a page, over time, or of a run that they record first."""

WITHOUT_COMPUTE = {
    "ingest": "writes a store, which holds no money",
    "reconcile": "compares bills",
    "statusline": "shows a bill while it grows",
    "settings": "lists the settings",
    "count": "counts tokens",
    "prices": "lists prices",
    "hw": "has options of its own: test_paid_hours.py",
}

OPTIONS = (
    ("--own",), ("--rent",), ("--usd-per-gpu-hour", "9"), ("--utilisation", "0.9"), ("--chip", "h100"),
    ("--precision", "bf16"), ("--speed", "90"), ("--deployment", "kimi-k2.6@8xh200"),
    ("--without-evidence", "hosts"), ("--set", "drafts=off"),
)  # fmt: skip

MENTIONS_COMPUTE = re.compile(r"\bcompute\b|hardware", re.IGNORECASE)


COMMANDS = commands()
SHOWING_COMPUTE = [name for name in WORDS if name not in ("query", "export", "disclosure")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Path:
    path = tmp_path_factory.mktemp("store") / "store"
    assert main(["ingest", str(recording), "--store", str(path)]) == 0
    return path


@pytest.fixture
def line(recording, store):
    """The words of a command, with the places filled in."""
    places = {"RUN": str(recording), "STORE": str(store)}

    def words(name: str, *more: str) -> list[str]:
        return [places.get(word, word) for word in (*WORDS[name], *more)]

    return words


def test_every_command_of_the_parser_is_known_here():
    assert set(COMMANDS) == {*WORDS, *SHOW_A_REPORT, *WITHOUT_COMPUTE}


@pytest.mark.parametrize("name", WORDS)
def test_a_command_that_shows_compute_is_one_that_takes_its_options(name, line, capfd):
    assert main(line(name)) in (0, 1)
    assert bool(MENTIONS_COMPUTE.search(capfd.readouterr().out)) == (name in SHOWING_COMPUTE)


@pytest.mark.parametrize("name", [*SHOWING_COMPUTE, *SHOW_A_REPORT])
def test_such_a_command_takes_every_option(name):
    known = COMMANDS[name]._option_string_actions
    assert [option for option, *_ in OPTIONS if option not in known] == []


@pytest.mark.parametrize("name", SHOWING_COMPUTE)
def test_the_price_of_an_hour_reaches_the_figure(name, line, capfd):
    assert main(line(name)) in (0, 1)
    usual = capfd.readouterr().out
    assert main(line(name, "--usd-per-gpu-hour", "9")) in (0, 1)
    assert capfd.readouterr().out != usual


@pytest.mark.parametrize(
    "row", [row for row in SETTING_ROWS if row.name != "prices"], ids=lambda row: row.name
)
def test_every_name_of_set_reaches_the_assumptions_of_every_command(row, line):
    found = []
    for name in SHOWING_COMPUTE:
        # Options given in full take each other's place, so each setting stands alone.
        options = COMMANDS[name].parse_args(line(name, "--set", f"{row.name}={row.example}")[1:])
        found.append(asdict(assumptions_of(options)))
    assert all(each == found[0] for each in found)
    assert found[0][row.field] is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["diff", "RUN", "RUN", "--chip", "h100"], "--chip changes the compute estimate only"),
        (["diff", "RUN", "RUN", "--own"], "--own changes the compute estimate only"),
        (["diff", "RUN", "RUN", "--set", "path=plan"], "--set path has no effect on diff"),
        (["check", "RUN", "--budget", "usd=1", "--set", "drafts=off"], "--set drafts changes the compute"),
        (["whatif", "RUN", "--if", "ttl=1h", "--set", "anchor=deepseek-v3"], "has no effect on whatif"),
        (["totals", "--store", "STORE", "--compute", "--set", "model=gpt-5"], "--set model has no effect"),
        (["totals", "--store", "STORE", "--set", "speed=60"], "--set speed has no effect on totals"),
    ],
)
def test_a_setting_that_moves_nothing_there_is_refused(words, said, recording, store, capfd):
    places = {"RUN": str(recording), "STORE": str(store)}
    assert main([places.get(word, word) for word in words]) == 2
    assert said in capfd.readouterr().err
