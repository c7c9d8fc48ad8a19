"""Runs of a small agent whose costs are known, and a pytest project that tests it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anthropic
import pytest

import tokenprof
import tokenprof.testing
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.gate.runs import sample_of_file

# A session inside the session forgets what it imported, and numpy cannot be imported twice: one run of
# everything loads it all beforehand.
with tempfile.TemporaryDirectory() as _folder:
    with (
        tokenprof.testing.LoopbackProvider([tokenprof.testing.Reply.text("a")]) as _provider,
        tokenprof.profile(Path(_folder) / "run.jsonl"),
        anthropic.Anthropic(api_key="x", base_url=_provider.url) as _client,
    ):
        _client.messages.create(
            model="claude-opus-4-8", max_tokens=1, messages=[{"role": "user", "content": "a"}]
        )
    sample_of_file(Path(_folder) / "run.jsonl", Assumptions(), hardware=True)


AGENT = """
import anthropic, pytest
from tokenprof.testing import LoopbackProvider, Reply

SYSTEM = "You are a careful clerk. " * {words}

def agent(turns=3, system=SYSTEM):
    with LoopbackProvider([Reply.text("Hello there, friend.")] * turns) as provider:
        with anthropic.Anthropic(api_key="x", base_url=provider.url) as client:
            for number in range(turns):
                client.messages.create(
                    model="claude-opus-4-8", max_tokens=50, system=system,
                    messages=[{{"role": "user", "content": f"hi {{number}}"}}],
                )
"""


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as on a desk; the gate is stricter if the variable CI is set."""
    monkeypatch.delenv("CI", raising=False)


class Project:
    """A pytest project with an agent and tests of it."""

    def __init__(self, pytester: pytest.Pytester):
        self.pytester = pytester
        pytester.makeini(
            "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
            "filterwarnings = error\naddopts = --strict-markers"
        )

    @property
    def baseline(self) -> Path:
        return self.pytester.path / "tokenprof-baseline.json"

    def run(self, tests: str, *arguments: str, words: int = 200) -> pytest.RunResult:
        self.pytester.makepyfile(test_agent=AGENT.format(words=words) + tests)
        if "-n" not in arguments:
            return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
        with pytest.MonkeyPatch.context() as patch:
            # Each of the processes would load every plugin that is installed here.
            patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            plugins = (
                "xdist.plugin",
                "pytest_asyncio.plugin",
                "tokenprof.gate.pytest_plugin",
                "no:cacheprovider",
            )
            named = [word for plugin in plugins for word in ("-p", plugin)]
            return self.pytester.runpytest_subprocess(*named, *arguments)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)
