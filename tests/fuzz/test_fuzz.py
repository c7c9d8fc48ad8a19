"""A few seconds of fuzzing in every run of the tests; `make fuzz MINUTES=n` goes on.

The seed is fixed, so a failure is the same everywhere. One case again:
`python tests/fuzz/fuzz.py --seed 1 --case N --only NAME`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import mutators
from fuzz import Case
from subjects import subjects

SEED = 1
CASES = 8
SUBJECTS = subjects()


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_sound_file_is_read(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    path = tmp_path / f"sound{subject.suffix}"
    path.write_bytes(subject.packed(subject.sample))
    subject.whole(path)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_damaged_file_ends_in_a_sentence_or_a_report(name: str, tmp_path: Path) -> None:
    for number in range(CASES):
        assert Case(SUBJECTS[name], SEED, number).outcome(tmp_path)


def test_the_same_seed_makes_the_same_damage() -> None:
    sample = SUBJECTS["recording"].sample
    first, again = (mutators.mutated(sample, random.Random(5)) for _ in range(2))
    assert first == again
    assert first[1] != sample


@pytest.mark.parametrize("name", mutators.MUTATORS)
def test_every_mutator_changes_a_file_and_takes_an_empty_one(name: str) -> None:
    mutator = mutators.MUTATORS[name]
    sample = SUBJECTS["recording"].sample
    assert any(mutator(sample, random.Random(seed)) != sample for seed in range(5))
    assert isinstance(mutator(b"", random.Random(0)), bytes)
