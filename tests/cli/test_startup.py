"""The command line starts without what only some of its commands need, and explains every option."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from parser_commands import parsers

from tokenprof.commands.main import build_parser

RECORDING = Path(__file__).parents[1] / "data" / "release_0_1" / "run.jsonl"

HEAVY = {
    "anthropic",
    "openai",
    "numpy",
    "rich",
    "orjson",
    "genai_prices",
    "tiktoken",
    "toktok",
    "opentelemetry",
    "tomllib",
    "dataclasses",
    "tokenprof.pricing.book",
    "tokenprof.hw_model",
    "tokenprof.testing",
}


@pytest.mark.parametrize(
    "words", [["--help"], ["report", "--help"], ["hw", "sweep", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from tokenprof.commands.main import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "sys.stderr.write(' '.join(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout
    assert HEAVY & set(done.stderr.split()) == set()


def test_every_option_has_a_help_without_a_full_stop() -> None:
    for parser in parsers(build_parser()):
        for action in parser._actions:
            if action.option_strings:
                assert action.help, (parser.prog, action.option_strings)
                assert not action.help.endswith("."), (parser.prog, action.help)
            assert "default" not in (action.help or "").replace("(default: ", "").replace(", default: ", "")


def test_a_second_report_loads_neither_the_price_package_nor_what_draws_deployments(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from tokenprof.commands.main import main\n"
        f"main(['report', {str(RECORDING)!r}])\n"
        "sys.stderr.write(' '.join(sorted(sys.modules)))\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "TOKENPROF_CACHE": "on"}
    reports = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
        for _ in range(2)
    ]
    first, second = (set(done.stderr.split()) for done in reports)
    only_once = {"genai_prices", "numpy.random", "tokenprof.hw_model.fleet.operator_choice"}
    assert only_once <= first
    assert only_once & second == set()
    assert reports[0].stdout == reports[1].stdout != ""
