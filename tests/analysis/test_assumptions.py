"""Settings from arguments, the environment and pyproject.toml: which one wins, and what a wrong one says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenprof.analysis.assumptions import Assumptions, price_book, resolve_assumptions
from tokenprof.facts.errors import InputError

PYPROJECT = """
[tool.tokenprof]
prices = ["one.toml"]
deployment = "kimi-k2.5@8xh200"
usd-per-gpu-hour = 3
utilisation = 0.3
"""

ENVIRONMENT = {
    "TOKENPROF_DEPLOYMENT": "deepseek-v3@8xh200",
    "TOKENPROF_USD_PER_GPU_HOUR": "2.5",
    "TOKENPROF_UTILISATION": "0.4",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with settings and two price files without a row."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_nothing_is_assumed_where_nobody_says_anything(tmp_path: Path) -> None:
    assert resolve_assumptions(environ={}, folder=tmp_path) == Assumptions()


def test_the_nearest_pyproject_is_read_from_the_folder_up(project: Path) -> None:
    expected = Assumptions((project / "one.toml",), "kimi-k2.5@8xh200", 3.0, 0.3)
    assert resolve_assumptions(environ={}, folder=project) == expected
    below = project / "src" / "agent"
    below.mkdir(parents=True)
    assert resolve_assumptions(environ={}, folder=below) == expected
    (project / "src" / "pyproject.toml").write_text("[tool.other]\n")
    assert resolve_assumptions(environ={}, folder=below) == Assumptions()


def test_the_environment_wins_over_pyproject_setting_by_setting(project: Path) -> None:
    found = resolve_assumptions(environ={**ENVIRONMENT, "TOKENPROF_UTILISATION": " "}, folder=project)
    assert found == Assumptions((project / "one.toml",), "deepseek-v3@8xh200", 2.5, 0.3)


def test_price_files_in_the_environment_are_separated_as_in_path(project: Path) -> None:
    both = os.pathsep.join(str(project / name) for name in ("two.toml", "one.toml"))
    found = resolve_assumptions(environ={"TOKENPROF_PRICES": both}, folder=project)
    assert found.prices == (project / "two.toml", project / "one.toml")


def test_an_argument_wins_over_everything(project: Path) -> None:
    found = resolve_assumptions(
        prices=project / "two.toml",
        deployment="llama-3.1-70b@4xh100",
        usd_per_gpu_hour=1.5,
        utilisation=1,
        environ={**ENVIRONMENT, "TOKENPROF_PRICES": str(project / "one.toml")},
        folder=project,
    )
    assert found == Assumptions((project / "two.toml",), "llama-3.1-70b@4xh100", 1.5, 1.0)
    assert resolve_assumptions(prices=[], environ={}, folder=project).prices == ()


def test_a_wrong_setting_that_another_one_overrides_does_no_harm(project: Path) -> None:
    found = resolve_assumptions(utilisation=0.5, environ={"TOKENPROF_UTILISATION": "lots"}, folder=project)
    assert found.utilisation == 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.tokenprof]\ndeploymnet = 'x'", "no setting 'deploymnet'. Did you mean deployment?"),
        ("[tool.tokenprof]\nprices = 3", "prices 3 (from [tool.tokenprof] in"),
        ("[tool.tokenprof]\nprices = ['gone.toml']", "gone.toml (from [tool.tokenprof] in"),
        ("[tool.tokenprof]\nutilisation = 2", "give a share from 0.001 to 1"),
        ("[tool.tokenprof]\nutilisation = true", "give a share from 0.001 to 1"),
        ("[tool.tokenprof]\nusd-per-gpu-hour = 0", "give dollars per accelerator-hour from 0.001 to 100,000"),
        ("[tool.tokenprof]\ndeployment = 8", "give a text such as deepseek-v3@8xh200"),
        ("[tool]\ntokenprof = 3", "write [tool.tokenprof]"),
        ("[tool.tokenprof", "is not valid TOML"),
        (f"a = {'9' * 5000}", "is not valid TOML"),
    ],
)
def test_a_wrong_pyproject_names_the_file_the_setting_and_the_way_out(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(InputError) as raised:
        resolve_assumptions(environ={}, folder=tmp_path)
    assert said in str(raised.value)
    assert str(tmp_path / "pyproject.toml") in str(raised.value)


def test_a_pyproject_in_another_encoding_says_so(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes("[tool.tokenprof]".encode("utf-16"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        resolve_assumptions(environ={}, folder=tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "TOKENPROF_PRICES",
            "gone.toml",
            "prices gone.toml (from TOKENPROF_PRICES): the file cannot be read",
        ),
        ("TOKENPROF_DEPLOYMENT", "nonsense", "deployment 'nonsense' (from TOKENPROF_DEPLOYMENT)"),
        ("TOKENPROF_DEPLOYMENT", "depseek-v3@8xh200", "DeepSeek-V3"),
        ("TOKENPROF_DEPLOYMENT", "deepseek-v3@8xh201", "H200"),
        (
            "TOKENPROF_DEPLOYMENT",
            "deepseek-v3@0xh200",
            "number of accelerators must be a whole number",
        ),
        ("TOKENPROF_USD_PER_GPU_HOUR", "free", "usd-per-gpu-hour free (from TOKENPROF_USD_PER_GPU_HOUR)"),
        ("TOKENPROF_USD_PER_GPU_HOUR", "inf", "from 0.001 to 100,000"),
        ("TOKENPROF_UTILISATION", "0", "utilisation 0 (from TOKENPROF_UTILISATION)"),
        ("TOKENPROF_UTILISATION", "nan", "from 0.001 to 1"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        resolve_assumptions(environ={variable: value}, folder=tmp_path)
    assert said in str(raised.value)


def test_a_price_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("")
    assumptions = Assumptions((path,))
    first = price_book(assumptions)
    assert price_book(assumptions) is first
    path.write_text('[provider_alias]\nour-gateway = "anthropic"\n')
    second = price_book(assumptions)
    assert "our-gateway" not in first.overlays.provider_aliases
    assert second.overlays.provider_aliases["our-gateway"] == "anthropic"


def test_a_price_file_that_cannot_be_used_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[[price]]\nprovider = 'anthropic'\nmodle = 'claude-opus-4-8'\n")
    with pytest.raises(InputError, match=r"mine\.toml, \[\[price\]\] number 1: there is no key 'modle'"):
        price_book(Assumptions((path,)))
