"""The pytest plugin: cost budgets and baselines as marks on tests. It loads nothing heavy until a test asks.

    @pytest.mark.token_budget(usd=0.05, turns=12)
    @pytest.mark.token_baseline(tolerance="5%")
    def test_inbox(token_costs):
        run_my_agent(...)

Every option has a command-line and an ini form (docs/gate.md).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tokenprof.gate import DEFAULT_BASELINE

if TYPE_CHECKING:
    from tokenprof.gate.token_costs import TokenCosts

_RECORDING: pytest.StashKey[TokenCosts] = pytest.StashKey()

OPTIONS = (
    (
        "tokenprof_baseline",
        "--tokenprof-baseline",
        "FILE",
        f"the baseline file (default: {DEFAULT_BASELINE})",
    ),
    ("tokenprof_tolerance", "--tokenprof-tolerance", "5%", "growth that does not matter (default: 5%)"),
    ("tokenprof_measures", "--tokenprof-measures", "A,B", "measures compared with the baseline"),
    ("tokenprof_runs", "--tokenprof-runs", "FOLDER", "keep the recordings of tests in this folder"),
)
FLAGS = (
    ("tokenprof_table", "--tokenprof", "print what each test cost"),
    ("tokenprof_update", "--tokenprof-update", "write what the tests cost to the baseline"),
    ("tokenprof_fail_on_price_rise", "--tokenprof-fail-on-price-rise", "fail if list prices rise, too"),
    (
        "tokenprof_strict",
        "--tokenprof-strict",
        "fail tests without a baseline and incomplete bills, too (default: if the variable CI is set)",
    ),
    ("tokenprof_allow_missing", "--tokenprof-allow-missing", "let tests pass that have no baseline yet"),
)

MARKS = (
    "token_budget(usd, input_tokens, output_tokens, turns, carry_usd, cache_misses, cache_read_share, "
    "hardware_usd): limits of what the test's model calls may cost (hardware_usd by the middle estimate)",
    "token_baseline(tolerance='5%', measures='turns,input_tokens,output_tokens', repeat=1, "
    "fail_on_price_rise=False): compare what the test's model calls cost with the committed baseline",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each with an ini setting of the same name."""
    group = parser.getgroup("tokenprof", "cost of model calls")
    for name, flag, metavar, text in OPTIONS:
        group.addoption(flag, dest=name, metavar=metavar, default=None, help=text.replace("%", "%%"))
        parser.addini(name, text, default=None)
    for name, flag, text in FLAGS:
        group.addoption(flag, dest=name, action="store_true", default=None, help=text)
        parser.addini(name, text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and prepare for reports from xdist workers."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


@pytest.fixture
def token_costs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TokenCosts]:
    """Record the model calls of the test; `.report()`, `.sample()` and `.path` show them.

    `.add(path)` adds a recording made elsewhere. `.repeat(function)` calls an agent several times and records
    each call as a run of its own.
    """
    from tokenprof.gate.token_costs import TokenCosts

    recording = TokenCosts(request.node, tmp_path, dict(_marks(request.node)), options(request.config))
    request.node.stash[_RECORDING] = recording
    recording.open()
    yield recording
    recording.close()


@pytest.fixture
def tokenprof(token_costs: TokenCosts) -> TokenCosts:
    """Return `token_costs` under a name that hides the module; deprecated, gone with the next release."""
    warnings.warn(
        "The fixture `tokenprof` hides the module of that name; it is called `token_costs`.",
        DeprecationWarning,
        stacklevel=2,
    )
    return token_costs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Judge the cost of a test whose body has passed, as part of the test: if it costs too much, it fails."""
    result = yield
    recording = item.stash.get(_RECORDING, None)
    if recording is not None:
        recording.close()
        problem = recording.judge()
        if problem:
            pytest.fail(problem, pytrace=False)
    return result


def _marks(node: pytest.Item) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("token_budget", "token_baseline"):
        arguments: dict[str, Any] = {}
        found = False
        # The nearest mark comes first; what it does not set, an outer mark may.
        for mark in node.iter_markers(name):
            if mark.args:
                raise pytest.UsageError(f"{node.nodeid}: {name} takes keyword arguments only.")
            arguments = {**mark.kwargs, **arguments}
            found = True
        if found:
            yield name, arguments


def options(config: pytest.Config) -> dict[str, Any]:
    """Return the options from the command line, or else from the ini file."""
    found: dict[str, Any] = {}
    for name in [row[0] for row in (*OPTIONS, *FLAGS)]:
        given = config.getoption(name)
        found[name] = config.getini(name) if given is None else given
    found["root"] = config.rootpath
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a marked test the fixture, so that the mark alone is enough."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        marked = any(item.get_closest_marker(name) for name in ("token_budget", "token_baseline"))
        if marked and names is not None and "token_costs" not in names:
            names.insert(0, "token_costs")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what each test cost, and what was written to the baseline."""
    rows: list[Any] = [
        json.loads(str(dict(report.user_properties)["tokenprof"]))
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport)
        and report.when == "call"
        and "tokenprof" in dict(report.user_properties)
    ]
    given = options(config)
    unknown = any(row["status"] == "no baseline" for row in rows)
    if rows and (unknown or given["tokenprof_table"] or given["tokenprof_update"]):
        from tokenprof.gate.token_costs import summarise

        summarise(terminalreporter, rows, given)
