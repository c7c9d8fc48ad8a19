"""Classes that are made quickly take the same arguments and hold the same values as any dataclass."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from tokenprof.facts.quick_making import quickly_made, replaced


@quickly_made
@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    count: int = 3
    tags: dict[str, str] = field(default_factory=dict)


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    count: int = 3
    name: str


def test_arguments_and_defaults_are_those_of_the_dataclass() -> None:
    assert (Plain("a").name, Plain("a").count, Plain("a").tags) == ("a", 3, {})
    assert Plain("a", 4, {"b": "c"}) == Plain(name="a", tags={"b": "c"}, count=4)
    assert (ByName(name="a").name, ByName(name="a").count) == ("a", 3)


def test_every_instance_has_its_own_collection() -> None:
    one, other = Plain("a"), Plain("a")
    assert one.tags is not other.tags


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="name"):
        Plain()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        ByName("a")  # type: ignore[misc]
    with pytest.raises(TypeError, match="other"):
        Plain("a", other=1)  # type: ignore[call-arg]


def test_a_copy_has_what_was_changed_and_all_else() -> None:
    one = Plain("a", 4, {"b": "c"})
    assert replaced(one, count=5) == Plain("a", 5, {"b": "c"})
    assert one.count == 4
    with pytest.raises(KeyError):
        replaced(one, other=1)


def test_it_stays_frozen_and_can_be_replaced_and_pickled() -> None:
    with pytest.raises(FrozenInstanceError):
        Plain("a").count = 4  # type: ignore[misc]
    assert replace(Plain("a"), count=4) == Plain("a", 4)
    assert pickle.loads(pickle.dumps(Plain("a", 4))) == Plain("a", 4)
