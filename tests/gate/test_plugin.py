"""The plugin in a real pytest session: marks, boundaries, baselines, other plugins, messages."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from conftest import Project


@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        ("turns=3", "turns=2", "turns is 3, budget at most 2"),
        ("output_tokens=15", "output_tokens=14", "output_tokens is 15, budget at most 14"),
        ("cache_misses=0, turns=3", "turns=0", "turns is 3, budget at most 0"),
        ("cache_read_share=0", "cache_read_share=0.01", "cache_read_share is 0.0%, budget at least 1.0%"),
        ("usd=1", "usd=0.001", "usd is $0.0184, budget at most $0.0010"),
        ("carry_usd=0", "carry_usd=0, turns=1", "turns is 3, budget at most 1"),
        (
            "hardware_usd=1",
            "hardware_usd=0.0000001",
            "at most $0.0000001, by the middle of the estimate",
        ),
    ],
)
def test_a_budget_holds_at_its_limit_and_not_one_above(
    project: Project, inside: str, outside: str, message: str
) -> None:
    result = project.run(
        f"@pytest.mark.token_budget({inside})\ndef test_inside(): agent()\n"
        f"@pytest.mark.token_budget({outside})\ndef test_outside(): agent()\n"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*_ test_outside _*",
            f"*{message}*",
            "*most expensive over the run: system system?0? 3,588 billed tokens ($0.0179), *",
            "*Lower the cost, or raise the budget*",
        ]
    )


def test_a_system_prompt_that_grew_fails_and_is_named_with_what_it_costs(project: Project) -> None:
    test = "@pytest.mark.token_baseline()\ndef test_inbox(): agent()\n"
    project.run(test, "--tokenprof-update").assert_outcomes(passed=1)
    project.run(test).assert_outcomes(passed=1)
    result = project.run(test, words=230)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*grew: system system?0? 1,201 → 1,381 tokens (+15.0%)",
            "*grew: input_tokens *",
            "*cause: +$0.0027 a run: system?0? grew 1.2k → 1.4k tokens*",
            "*--tokenprof-update*",
        ]
    )


def test_a_baseline_is_written_only_when_asked_and_never_by_a_failing_run(project: Project) -> None:
    test = "@pytest.mark.token_baseline()\ndef test_inbox(): agent()\n"
    result = project.run(test)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["No baseline yet (--tokenprof-update writes one): *test_inbox"])
    assert not project.baseline.exists()
    failing = "@pytest.mark.token_baseline()\n@pytest.mark.token_budget(turns=1)\ndef test_inbox(): agent()\n"
    project.run(failing, "--tokenprof-update").assert_outcomes(failed=1)
    assert "test_inbox" not in project.baseline.read_text("utf-8")
    project.run(test, "--tokenprof-update").assert_outcomes(passed=1)
    written = project.baseline.read_bytes()
    project.run(test, words=300).assert_outcomes(failed=1)
    assert project.baseline.read_bytes() == written


def test_an_update_leaves_other_scenarios_as_they_are_and_is_the_same_twice(project: Project) -> None:
    both = (
        "@pytest.mark.token_baseline()\ndef test_b(): agent(turns=2)\n"
        "@pytest.mark.token_baseline()\ndef test_a(): agent()\n"
    )
    project.run(both, "--tokenprof-update")
    written = project.baseline.read_text("utf-8")
    assert written.index("test_a") < written.index("test_b")
    project.run(both, "--tokenprof-update", "-k", "test_a")
    assert project.baseline.read_text("utf-8") == written


def test_the_tolerance_of_the_mark_the_command_line_and_the_ini_file(project: Project) -> None:
    plain = "@pytest.mark.token_baseline()\ndef test_inbox(): agent()\n"
    wide = '@pytest.mark.token_baseline(tolerance="20%")\ndef test_inbox(): agent()\n'
    project.run(plain, "--tokenprof-update")
    project.run(plain, words=230).assert_outcomes(failed=1)
    project.run(wide, words=230).assert_outcomes(passed=1)
    project.run(plain, "--tokenprof-tolerance", "20%", words=230).assert_outcomes(passed=1)
    project.run(plain, "-o", "tokenprof_tolerance=20%", words=230).assert_outcomes(passed=1)


def test_the_table(project: Project) -> None:
    result = project.run("def test_inbox(token_costs): agent()\ndef test_other(): pass\n", "--tokenprof")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*turns*in*out*billed*test*", "*3*15*$0.0*test_agent.py::test_inbox (ok)"])
    result.stdout.no_fnmatch_line("*test_other*")


def test_workers_of_xdist_report_to_the_one_that_writes(project: Project) -> None:
    tests = "".join(f"@pytest.mark.token_baseline()\ndef test_{n}(): agent(turns={n})\n" for n in (1, 2, 3))
    result = project.run(tests, "-n", "2", "--tokenprof-update", "--tokenprof")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["3 written to *"])
    project.run(tests, "-n", "1", words=300).assert_outcomes(failed=3)


def test_asyncio_parametrisation_and_the_nearest_mark(project: Project) -> None:
    result = project.run(
        """
pytestmark = pytest.mark.token_budget(turns=1, output_tokens=100)

@pytest.mark.parametrize("turns", [1, 2])
def test_each(turns): agent(turns)

@pytest.mark.token_budget(turns=2)
async def test_async(): agent(2)
"""
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*_ test_each?2? _*", "turns is 2, budget at most 1"])


def test_the_folder_of_recordings_holds_no_empty_one(project: Project) -> None:
    test = (
        "@pytest.mark.token_baseline(repeat=2)\ndef test_twice(token_costs): token_costs.repeat(agent)\n"
        "def test_none(token_costs): pass\n"
    )
    project.run(test, "--tokenprof-runs", "runs").assert_outcomes(passed=2)
    kept = sorted(path.name for path in (project.pytester.path / "runs").iterdir())
    assert kept == ["test_agent.py_test_twice-1.jsonl", "test_agent.py_test_twice-2.jsonl"]


def test_unittest_threads_and_expected_failures(project: Project) -> None:
    result = project.run(
        """
import threading, unittest

class TestAgent(unittest.TestCase):
    @pytest.mark.token_budget(turns=1)
    def test_method(self): agent(1)

@pytest.mark.token_budget(turns=1)
def test_thread():
    thread = threading.Thread(target=agent, args=(2,))
    thread.start()
    thread.join()

@pytest.mark.token_budget(turns=1)
@pytest.mark.xfail(strict=True)
def test_expected(): agent(2)
"""
    )
    result.assert_outcomes(passed=1, failed=1, xfailed=1)


def test_a_rerun_is_judged_afresh(project: Project) -> None:
    result = project.run(
        """
tries = []

@pytest.mark.token_budget(turns=1)
def test_flaky():
    tries.append(1)
    agent(turns=2 if len(tries) == 1 else 1)
""",
        "--reruns",
        "1",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 rerun*"])


def test_subtests_are_one_test_s_cost(project: Project) -> None:
    result = project.run(
        """
@pytest.mark.token_budget(turns=3)
def test_parts(subtests):
    for turns in (1, 2):
        with subtests.test(turns=turns):
            agent(turns)
"""
    )
    assert result.ret == 0


def test_a_test_that_fails_is_not_also_judged(project: Project) -> None:
    result = project.run(
        "@pytest.mark.token_budget(turns=0)\ndef test_broken():\n    agent()\n    assert 1 == 2\n"
    )
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*budget at most*")


def test_a_marked_test_without_a_call_says_how_to_be_seen(project: Project) -> None:
    result = project.run("@pytest.mark.token_budget(turns=1)\ndef test_nothing(): pass\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*made no model call that was seen*tokenprof.wrap(client)*"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("token_budget(dollars=1)", "*There is no measure 'dollars' to budget. There are turns*"),
        ("token_budget(usd='much')", "*The budget usd='much' is not a number.*"),
        (
            "token_baseline(tolerence='5%')",
            "*token_baseline has no tolerence; it takes fail_on_price_rise, measures*",
        ),
        ("token_budget(3)", "*token_budget takes keyword arguments only*"),
    ],
)
def test_a_mark_that_makes_no_sense_is_an_error_that_names_it(
    project: Project, mark: str, message: str
) -> None:
    result = project.run(f"@pytest.mark.{mark}\ndef test_inbox(): agent()\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_recordings_made_elsewhere_and_repeated_runs(project: Project) -> None:
    result = project.run(
        """
@pytest.mark.token_budget(turns=2)
def test_repeated(token_costs):
    token_costs.repeat(lambda: agent(2), times=3)
    assert len(token_costs.samples()) == 3

def test_elsewhere(token_costs, tmp_path):
    import tokenprof as library
    with library.profile(tmp_path / "other.jsonl"):
        agent(2)
    token_costs.add(tmp_path / "other.jsonl")
    assert token_costs.samples()[-1].measures["turns"] == 2
"""
    )
    result.assert_outcomes(passed=2)


def test_repeats_are_judged_by_their_spread(project: Project) -> None:
    test = """
import itertools
lengths = itertools.cycle([3, 4, 2, 3, 4])

@pytest.mark.token_baseline(repeat=5)
def test_varies(token_costs):
    token_costs.repeat(lambda: agent(next(lengths)))
"""
    project.run(test, "--tokenprof-update").assert_outcomes(passed=1)
    project.run(test).assert_outcomes(passed=1)
    result = project.run(test, words=230)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*grew: system system?0? 1,201 → 1,381 tokens (+15.0%)"])


def test_the_plugin_imports_no_sdk_and_no_numbers() -> None:
    program = (
        "import sys, tokenprof.gate.pytest_plugin; "
        "print([m for m in ('anthropic', 'openai', 'numpy', 'genai_prices', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
