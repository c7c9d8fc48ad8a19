"""The command line starts without what only some of its commands need, and explains every option."""

from __future__ import annotations

import json
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
ONLY_THE_FIRST_TIME = {
    "genai_prices",  # the rows of its prices are remembered
    "pydantic",
    "numpy.random",  # and so are drawn deployments
    "tokenprof.hw_model.fleet.operator_choice",
}
NEVER = {
    "anthropic",
    "openai",
    "asyncio",
    "concurrent.futures",
    "duckdb",
    "email",
    "gzip",
    "importlib.metadata",
    "importlib.resources",  # with which come tempfile, random and zipfile
    "multiprocessing",
    "numpy.ma",
    "secrets",
    "tempfile",
    "tiktoken",
    "tokenprof.record.contexts",
    "tokenprof.record.wires",
    "toktok",
    "zstandard",
}


def loaded_by(words: list[str], cache: Path) -> tuple[str, set[str]]:
    """Return what a command prints in a process of its own, and the modules that it loads."""
    printed, said = said_after(words, "' '.join(sys.modules)", cache)
    return printed, set(said.split())


def said_after(words: list[str], asked: str, cache: Path) -> tuple[str, str]:
    """Return what a command prints in a process of its own, and the value of an expression at its end."""
    program = (
        "import gc, sys\n"
        "from tokenprof.commands.main import run_process\n"
        f"sys.argv[1:] = {words!r}\n"
        "try:\n"
        "    run_process()\n"
        "except SystemExit:\n"
        "    pass\n"
        f"sys.stderr.write(str({asked}))\n"
    )
    environ = {**os.environ, "TOKENPROF_CACHE": "on", "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["report", "--help"], ["hw", "sweep", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    printed, loaded = loaded_by(words, tmp_path)
    assert printed
    assert HEAVY & loaded == set()


def test_a_second_report_of_a_recording_loads_nothing_needless(tmp_path: Path) -> None:
    (once, first), (again, second) = (loaded_by(["report", str(RECORDING)], tmp_path) for _ in range(2))
    assert first >= ONLY_THE_FIRST_TIME
    assert "tokenprof.chain.owner_cost" in second
    assert (ONLY_THE_FIRST_TIME | NEVER) & second == set()
    assert once == again != ""


def test_a_small_report_makes_fewer_objects_than_start_a_search_for_cycles(tmp_path: Path) -> None:
    asked = "[gc.get_threshold()[0], gc.get_freeze_count()]"
    for _ in range(2):
        _, said = said_after(["report", str(RECORDING)], asked, tmp_path)
    threshold, objects = json.loads(said)
    assert 10_000 < objects < threshold


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (["--version"], {"tokenprof.commands.report", "tokenprof.analysis"}),
        (
            ["totals", str(RECORDING)],
            {"tokenprof.sessions.folder_sums", "tokenprof.analysis.analysis", "rich"},
        ),
        (["check", str(RECORDING), "--budget", "usd=1"], {"tokenprof.chain.section", "numpy.ma", "rich"}),
    ],
    ids=["version", "totals", "check"],
)
def test_a_quick_command_loads_nothing_of_others(
    words: list[str], needless: set[str], tmp_path: Path
) -> None:
    _, loaded = loaded_by(words, tmp_path)
    assert f"tokenprof.commands.{words[0]}" in loaded or words == ["--version"]
    assert needless & loaded == set()


def test_every_option_has_a_help_without_a_full_stop() -> None:
    for parser in parsers(build_parser()):
        for action in parser._actions:
            if action.option_strings:
                assert action.help, (parser.prog, action.option_strings)
                assert not action.help.endswith("."), (parser.prog, action.help)
            assert "default" not in (action.help or "").replace("(default: ", "").replace(", default: ", "")
