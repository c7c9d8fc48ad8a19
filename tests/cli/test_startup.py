"""The command line starts without what only some of its commands need."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
