"""What is kept comes back as it was, and bytes that somebody else wrote make and run nothing."""

from __future__ import annotations

import os
import pickle
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tokenprof.facts.kept_objects import NotKeptError, packed, unpacked
from tokenprof.facts.types import Source


def test_what_is_kept_comes_back() -> None:
    kept = [
        Source("a.jsonl", "x", 2),
        Decimal("0.10"),
        datetime(2026, 1, 2, tzinfo=UTC),
        {"a": frozenset({1})},
    ]
    assert unpacked(packed(kept), list) == kept
    numbers = np.arange(6.0).reshape(2, 3)
    assert (unpacked(packed([numbers]), list)[0] == numbers).all()


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(NotKeptError, match="not a dict"):
        unpacked(packed([1]), dict)


def test_nothing_is_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(NotKeptError, match="not ours"):
        unpacked(zlib.compress(pickle.dumps(Hostile())), object)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("data", [b"", b"x", zlib.compress(b""), packed([1])[:-6]])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(NotKeptError):
        unpacked(data, list)
