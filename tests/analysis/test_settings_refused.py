"""Settings that cannot be used: each is a sentence with its name, its place and what to give instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenprof.analysis.assumptions import Assumptions, price_book, resolve_assumptions
from tokenprof.analysis.settings_table import SETTING_ROWS, row_of
from tokenprof.facts.errors import InputError


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("hour", "rent", "There is no setting 'hour'. Did you mean hours? `tokenprof settings` lists them."),
        ("hours", "mine", "hours 'mine': give one of own, rent."),
        ("hours", 3, "hours 3: give one of own, rent."),
        ("hours", " ", "hours ' ': give one of own, rent."),
        ("contract", "on demnd", "reserved, on demand, spot. Did you mean on demand?"),
        ("supplier", "", "supplier '': give a name."),
        ("seller", 3, "seller 3: give a name as in prices, such as openrouter."),
        ("seller", " ", "seller ' ': give a name as in prices"),
        ("chip", "h101", "H100"),
        ("chip", 8, "chip 8: give a chip such as gb200."),
        ("deployment", "deepseek-v3@8xh201", "`tokenprof hw show` lists the models and chips."),
        ("deployment", 8, "give a text such as deepseek-v3@8xh200."),
        (
            "usd-per-gpu-hour",
            0,
            "give dollars per accelerator-hour from 0.001 to 100,000, such as 2.5.",
        ),
        ("usd-per-gpu-hour", "free", "usd-per-gpu-hour free: give dollars per accelerator-hour"),
        ("utilisation", 1.01, "utilisation 1.01: give a share from 0.001 to 1, such as 0.5."),
        ("utilisation", True, "utilisation True: give a share"),
        ("speed", float("nan"), "speed nan: give a number from 0.1 to 2,000, such as 60."),
        ("speed", 10**400, "give a number from 0.1 to 2,000"),
        ("sessions", 2.5, "sessions 2.5: give a whole number from 1 to 1,000,000,000, such as 50."),
        ("sessions", 0, "sessions 0: give a whole number from 1"),
        ("prices", 3, 'prices 3: give a list of files, such as ["prices.toml"].'),
        ("prices", ["none.toml"], "none.toml: the file cannot be read (no such file or directory)"),
    ],
)
def test_a_setting_that_cannot_be_used_says_what_to_give(
    name: str, value: object, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        resolve_assumptions(settings={name: value}, environ={}, folder=tmp_path)
    assert said in str(raised.value)


def test_a_setting_that_can_be_used_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    given = {"hours": " rent ", "seller": " OpenRouter", "chip": "gb200", "sessions": "50", "discount": "0.2"}
    found = resolve_assumptions(settings=given, environ={}, folder=tmp_path)
    assert (found.hours, found.seller, found.chip) == ("rent", "openrouter", "GB200")
    assert (found.sessions, found.discount) == (50, 0.2)


def test_evidence_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no evidence 'host'\. Did you mean hosts\? There are "):
        resolve_assumptions(without_evidence=["host"], environ={}, folder=tmp_path)
    found = resolve_assumptions(without_evidence=["hosts"], environ={}, folder=tmp_path)
    assert found.without_evidence == ("hosts",)


def test_a_price_file_that_is_gone_when_prices_are_asked_for_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.toml cannot be read: No such file or directory\."):
        price_book(Assumptions((tmp_path / "gone.toml",)))


def test_a_pyproject_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.tokenprof]\nseller = '\xff'\n")
    with pytest.raises(InputError, match=r"is not valid TOML \(not UTF-8 text\); correct it\."):
        resolve_assumptions(environ={}, folder=tmp_path)


def test_each_setting_lists_what_it_takes() -> None:
    values = {row.name: row.values for row in SETTING_ROWS}
    assert values["hours"] == "own | rent"
    assert values["utilisation"] == "0.001 to 1"
    assert values["usd-per-gpu-hour"] == "0.001 to 100,000"
    assert values["supplier"] == "a name"
    assert row_of("no-such-setting") is None
