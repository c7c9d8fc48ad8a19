"""Baseline files: what they hold, those of version 1, and damaged ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_samples import RATES, sample

from tokenprof.facts.errors import InputError
from tokenprof.gate.baseline import SCHEMA, read_baseline, scenario_of, write_baseline
from tokenprof.gate.compare import NO_PROFILE, compare

HERE = Path(__file__).parent
VERSION_1 = HERE / "baseline_of_version_1.json"
DEMO = "tests/gate/test_our_examples.py::test_the_demo_s_agent_costs_what_it_did"


def test_a_baseline_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, {"b": scenario_of([sample()]), "a ü": scenario_of([sample(), sample(turns=11)])})
    text = path.read_text("utf-8")
    known = read_baseline(path)
    assert list(known) == ["a ü", "b"]
    assert known["b"].samples[0].blocks == sample().blocks
    assert known["b"].rates == RATES
    assert known["b"].profile == sample().profile
    write_baseline(path, known)
    assert path.read_text("utf-8") == text
    assert read_baseline(tmp_path / "none.json") == {}
    path.write_text(json.dumps({"schema": SCHEMA}))
    with pytest.raises(InputError, match="is not a baseline"):
        read_baseline(path)


def test_a_profile_has_a_line_for_each_text_and_for_each_bill(tmp_path: Path) -> None:
    """Tokens at the scenario's rates, and dollars beside those that were billed otherwise."""
    path = tmp_path / "b.json"
    batch = sample()
    (key, cell), *_ = batch.profile.cells.items()
    halved = {pair: replace(each, usd=each.usd / 2) for pair, each in cell.items()}
    profile = replace(batch.profile, cells={**batch.profile.cells, key: halved})
    write_baseline(path, {"b": scenario_of([replace(batch, profile=profile)])})
    lines = path.read_text("utf-8").splitlines()
    assert '      "system main": {"prompt": [1, 2000]},' in lines
    assert (
        '       "system main": {"entered": {"uncached_input": [2000, "0.005000"]}, '
        '"carried": {"uncached_input": 18000}},'
    ) in lines
    assert read_baseline(path)["b"].profile == profile


def test_a_baseline_of_version_1_still_finds_what_grew_and_says_why_no_cause_is_named() -> None:
    known = read_baseline(VERSION_1)[DEMO]
    (before,) = known.samples
    system = before.blocks["system system[0]"]
    longer = replace(system, local_tokens=2 * system.local_tokens)
    grown = replace(before, blocks={**before.blocks, system.key: longer})
    verdict = compare(known, [grown])
    assert verdict.status == "regression"
    assert verdict.regressions[0].text == "system system[0] 2,486 → 4,972 tokens (+100.0%)"
    assert verdict.causes == ()
    assert NO_PROFILE in verdict.notes
    assert NO_PROFILE not in compare(known, [before]).notes


def test_an_update_of_one_scenario_leaves_one_of_version_1_without_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, {**read_baseline(VERSION_1), "new": scenario_of([sample()])})
    known = read_baseline(path)
    assert json.loads(path.read_text("utf-8"))["schema"] == SCHEMA
    assert known[DEMO].profile is None
    assert known["new"].profile == sample().profile


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in a piece of JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


DAMAGE: tuple[Any, ...] = (
    None,
    -1,
    0,
    10**400,
    float("nan"),
    "NaN",
    "1E+999999",
    "-1",
    "\ud800",
    [],
    {},
    {"": {}},
)


def test_damage_anywhere_is_a_sentence_or_does_not_matter(tmp_path: Path) -> None:
    """A value of any other kind in any place, or none; what can be read can also be compared."""
    path = tmp_path / "b.json"
    write_baseline(path, {"b": scenario_of([sample()])})
    whole = json.loads(path.read_text("utf-8"))
    assert len(list(places(whole))) == 63
    refused = 0
    for place in places(whole):
        for damage in (*DAMAGE, ...):
            data = deepcopy(whole)
            inside: Any = data
            for step in place[:-1]:
                inside = inside[step]
            if damage is ...:
                del inside[place[-1]]
            else:
                inside[place[-1]] = damage
            path.write_text(json.dumps(data))
            try:
                known = read_baseline(path)
            except InputError:
                refused += 1
                continue
            for scenario in known.values():
                for system in (2000, 2300):
                    compare(scenario, [sample(system=system)])
                write_baseline(tmp_path / "again.json", {"b": scenario})
                read_baseline(tmp_path / "again.json")
    assert refused > 500
