"""Variables of the environment that switch something on or off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenprof.facts.errors import InputError
from tokenprof.facts.remembered import cache_folder
from tokenprof.gate.settings import is_strict
from tokenprof.live.listeners import listener
from tokenprof.record.recorder import _labeller_of_environment
from tokenprof.testing import Cassette

OFF = ["0", "off", "OFF", "no", "false", " False "]
ON = ["1", "on", "true", "yes"]
VARIABLES = ["CI", "TOKENPROF_CACHE", "TOKENPROF_LABELS", "TOKENPROF_METRICS", "TOKENPROF_RECORD"]


def records(tape: Path) -> bool:
    try:
        return Cassette(tape).mode == "record"
    except InputError:  # There is nothing to replay.
        return False


def switched_on(tape: Path) -> list[bool]:
    """What the variables switch, in their order."""
    return [
        is_strict(None),
        cache_folder() is not None,
        _labeller_of_environment() is not None,
        listener() is not None,
        records(tape),
    ]


@pytest.mark.parametrize("value", [*OFF, *ON])
def test_every_switch_knows_the_same_words(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, value)
    assert switched_on(tmp_path / "tape.jsonl") == [value in ON] * len(VARIABLES)


def test_a_switch_that_is_empty_is_as_one_that_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    unset = switched_on(tmp_path / "tape.jsonl")
    assert unset == [False, True, False, False, False]
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
    assert switched_on(tmp_path / "tape.jsonl") == unset
