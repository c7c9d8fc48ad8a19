"""Sessions that may hold the same responses, found by digests, so that they can be read together.

A resumed session repeats what was said before, and a recording and a transcript of one run hold the same
calls. `tokenprof.reading.merge` decides which turns are the same; here, runs that could have any are found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from tokenprof.facts.types import Turn
from tokenprof.reading.merge import counts_of, identity_of
from tokenprof.sessions.clock_sample import Floats
from tokenprof.sessions.session_sums import Keys

APART_S: Final = 3600.0
"""Calls of two layers that are further apart are not one call."""


def identities_of(turns: Sequence[Turn]) -> Keys:
    """Return a digest of each turn; a response in two files has the same one in both."""
    return _digests(map(identity_of, turns))


def calls_of(turns: Sequence[Turn]) -> Keys:
    """Return a digest of each turn; a call seen at two layers has the same one in both. 0 matches none."""
    return _digests(map(counts_of, turns))


def _digests(values: Iterable[object]) -> Keys:
    found = (
        b"\0" * 8 if value is None else blake2b(repr(value).encode(errors="replace"), digest_size=8).digest()
        for value in values
    )
    return np.frombuffer(b"".join(found), np.uint64)


class SeenResponses:
    """The digests of sessions by their numbers."""

    def __init__(self) -> None:
        self._identities: list[Keys] = []
        self._calls: list[Keys] = []
        self._starts: list[Floats] = []
        self._owners: list[int] = []
        self._formats: dict[int, str] = {}

    def add(self, number: int, form: str, identities: Keys, calls: Keys, starts: Floats) -> None:
        """Add a session."""
        self._owners.append(number)
        self._formats[number] = form
        self._identities.append(identities)
        self._calls.append(calls)
        self._starts.append(starts)

    def together(self) -> list[list[int]]:
        """Return the sessions that must be read together, in order, a list for each such set of several."""
        if not self._owners:
            return []
        sizes = [len(each) for each in self._identities]
        owners = np.repeat(np.array(self._owners), sizes)
        joined: dict[int, int] = {}
        for one, other in _pairs(np.concatenate(self._identities), owners):
            _join(joined, one, other)
        if len(set(self._formats.values())) > 1:
            calls, starts = np.concatenate(self._calls), np.concatenate(self._starts)
            known = calls != 0
            for one, other in _pairs(calls[known], owners[known], starts[known]):
                if self._formats[one] != self._formats[other]:
                    _join(joined, one, other)
        sets: dict[int, list[int]] = defaultdict(list)
        for number in sorted(joined):
            sets[_root(joined, number)].append(number)
        return [members for members in sets.values() if len(members) > 1]


def _pairs(keys: Keys, owners: np.ndarray, starts: Floats | None = None) -> Iterable[tuple[int, int]]:
    """Yield pairs of owners that share a key; with `starts`, within `APART_S` of each other."""
    order = np.lexsort((owners, keys) if starts is None else (starts, keys))
    keys, owners = keys[order], owners[order]
    same = (keys[1:] == keys[:-1]) & (owners[1:] != owners[:-1])
    if starts is not None:
        same &= np.diff(starts[order]) < APART_S
    places = np.flatnonzero(same)
    yield from zip(owners[places].tolist(), owners[places + 1].tolist(), strict=True)


def _root(joined: dict[int, int], number: int) -> int:
    while (above := joined.setdefault(number, number)) != number:
        number = above
    return number


def _join(joined: dict[int, int], one: int, other: int) -> None:
    first, second = sorted((_root(joined, one), _root(joined, other)))
    joined[second] = first
