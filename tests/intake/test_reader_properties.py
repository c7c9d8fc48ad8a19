"""What holds for every reader of logs: unknown counts are named, damaged ones leave turns, text is a number.

The logs are those of `tests/data`, of which each reader has one; a new reader is in these tests by its log.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.pricing.usage_dialects import Meaning, meaning_of
from tokenprof.reading.files import read
from tokenprof.reading.merge import notes_of

DATA = Path(__file__).parent.parent / "data"
BILL = ".bill.json"
LOGS = sorted(
    path
    for bill in DATA.glob(f"**/*{BILL}")
    if (path := bill.with_name(bill.name.removesuffix(BILL))).suffix in (".json", ".jsonl")
)
COUNTS = {Meaning.PROMPT, Meaning.OUTPUT}
NEW = "zq_cached_gold_tokens"

quick = settings(max_examples=15)


@dataclass(frozen=True)
class Log:
    """The values in a log, a line each or one document."""

    path: Path
    values: list[Any]

    @classmethod
    def of(cls, path: Path) -> Log:
        text = path.read_text()
        is_lines = path.suffix == ".jsonl"
        return cls(path, [json.loads(line) for line in text.splitlines()] if is_lines else [json.loads(text)])

    def read(self, folder: Path) -> Run:
        path = folder / self.path.name
        path.write_text("".join(json.dumps(value) + "\n" for value in self.values))
        return read([path])

    def changed(self, number: int, change: Callable[[Any], None]) -> Log:
        """Return a copy with a change to one of its usage objects."""
        values = copy.deepcopy(self.values)
        change(list(usages_in(values))[number])
        return Log(self.path, values)


def usages_in(value: Any) -> Iterator[Any]:
    """Yield the objects that count prompt and output: maps, and lists of attributes."""
    if isinstance(value, list):
        keys = {pair.get("key") for pair in value if isinstance(pair, dict) and "value" in pair}
        if {meaning_of(key) for key in keys if isinstance(key, str)} >= COUNTS:
            yield value
            return
        for item in value:
            yield from usages_in(item)
    elif isinstance(value, dict):
        held = {meaning_of(key) for key, count in value.items() if type(count) is int}
        if held >= COUNTS:
            yield value
        for item in value.values():
            yield from usages_in(item)


def warned(run: Run) -> str:
    return " ".join([*run.warnings, *notes_of(run)])


def totals(run: Run) -> tuple[int, ...]:
    usages = [turn.usage for turn in run.turns if turn.usage is not None]
    inputs = sum(usage.input_tokens for usage in usages)
    return inputs, sum(u.cache_read_tokens for u in usages), sum(u.all_output_tokens for u in usages)


def pair_of(attributes: Any, key: str) -> Any:
    return next((pair for pair in attributes if pair.get("key") == key), None)


def set_count(usage: Any, key: str, value: Any) -> None:
    """Set a count, which an attribute holds as the text of an integer."""
    if isinstance(usage, dict):
        usage[key] = value
        return
    typed = {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}
    pair = pair_of(usage, key)
    if pair is None:
        usage.append({"key": key, "value": typed})
    else:
        pair["value"] = typed


def counts_of(usage: Any) -> list[str]:
    if isinstance(usage, dict):
        return [key for key, value in usage.items() if type(value) is int and meaning_of(key) in COUNTS]
    return [pair["key"] for pair in usage if meaning_of(str(pair.get("key"))) in COUNTS]


each_log = pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.name}")


@each_log
def test_every_log_has_counts_to_change(path: Path) -> None:
    assert any(counts_of(usage) for usage in usages_in(Log.of(path).values))


@each_log
@quick
@given(data=st.data())
def test_an_unknown_count_is_named_and_changes_nothing(
    path: Path, data: st.DataObject, tmp_path: Path
) -> None:
    log = Log.of(path)
    number = data.draw(st.integers(0, len(list(usages_in(log.values))) - 1))
    run = log.changed(number, lambda usage: set_count(usage, f"{prefix_of(usage)}{NEW}", 7)).read(tmp_path)
    assert totals(run) == totals(log.read(tmp_path))
    assert NEW in warned(run) or is_never_read(log, number, tmp_path)


def prefix_of(usage: Any) -> str:
    """What stands before the names of an object's counts."""
    return "" if isinstance(usage, dict) else f"{counts_of(usage)[0].rpartition('.')[0]}."


def is_never_read(log: Log, number: int, folder: Path) -> bool:
    """Whether a log says the same without the counts of one of its objects: they only repeat others."""

    def empty(usage: Any) -> None:
        for key in counts_of(usage):
            usage.pop(key) if isinstance(usage, dict) else usage.remove(pair_of(usage, key))

    changed = log.changed(number, empty).read(folder)
    return totals(changed) == totals(log.read(folder))


@each_log
@quick
@given(data=st.data(), value=st.sampled_from(["many", "", -1, None, True, [], 10**30]))
def test_a_damaged_count_leaves_its_turn_or_is_said(
    path: Path, data: st.DataObject, value: Any, tmp_path: Path
) -> None:
    log = Log.of(path)
    usages = list(usages_in(log.values))
    number = data.draw(st.integers(0, len(usages) - 1))
    key = data.draw(st.sampled_from(counts_of(usages[number]) or ["usage"]))
    before = log.read(tmp_path)
    try:
        after = log.changed(number, lambda usage: set_count(usage, key, value)).read(tmp_path)
    except InputError:
        return
    assert len(after.turns) >= len(before.turns) or warned(after)
    is_measured = all(turn.usage is not None for turn in after.turns)
    assert totals(after) == totals(before) or warned(after) or not is_measured


@each_log
@quick
@given(data=st.data())
def test_a_count_as_text_or_as_a_float_is_the_count(path: Path, data: st.DataObject, tmp_path: Path) -> None:
    log = Log.of(path)
    usages = list(usages_in(log.values))
    number = data.draw(st.integers(0, len(usages) - 1))

    def respell(usage: Any) -> None:
        if isinstance(usage, dict):
            for key in counts_of(usage):
                usage[key] = data.draw(
                    st.sampled_from([str(usage[key]), float(usage[key]), f"{usage[key]}.0"])
                )

    run = log.changed(number, respell).read(tmp_path)
    assert totals(run) == totals(log.read(tmp_path))
