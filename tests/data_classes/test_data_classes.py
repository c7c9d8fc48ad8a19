"""Frozen data classes behave as those of the standard library with `frozen=True` and `slots=True`.

So do those whose objects msgspec makes, as far as they promise it.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.data_classes.often_made import often_made


@dataclass(frozen=True, slots=True)
class Standard:
    name: str
    count: int = 3
    tags: dict[str, str] = field(default_factory=dict)


@frozen
class Frozen:
    """A class with a method."""

    name: str
    count: int = 3
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def twice(self) -> int:
        return 2 * self.count

    @classmethod
    def called(cls, name: str) -> Frozen:
        return cls(name)


@often_made
class OftenMade:
    """A class with a method."""

    name: str
    count: int = 3
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def twice(self) -> int:
        return 2 * self.count

    @classmethod
    def called(cls, name: str) -> OftenMade:
        return cls(name)


@frozen(kw_only=True)
class FrozenByName:
    count: int = 3
    name: str


@often_made(kw_only=True)
class OftenMadeByName:
    count: int = 3
    name: str


@frozen(kw_only=True, slots=False)
class Part:
    __slots__ = ()
    first: str = "a"


@frozen(kw_only=True, slots=False)
class OtherPart:
    __slots__ = ()
    second: int


@frozen(kw_only=True)
class FrozenOfTwoParts(Part, OtherPart):
    third: float = 0.5


@often_made(kw_only=True)
class OftenMadeOfTwoParts(Part, OtherPart):
    third: float = 0.5


Class = Callable[..., Any]
of_both = pytest.mark.parametrize("made", [Frozen, OftenMade])
by_name_of_both = pytest.mark.parametrize("made", [FrozenByName, OftenMadeByName])


@of_both
@given(st.text(), st.integers(), st.dictionaries(st.text(), st.text()))
def test_it_shows_compares_and_copies_as_the_standard_library_does(
    made: type[Any], name: str, count: int, tags: dict[str, str]
) -> None:
    ours, theirs = made(name, count, tags), Standard(name, count, tags)
    assert repr(ours) == repr(theirs).replace("Standard", made.__name__)
    assert asdict(ours) == asdict(theirs)
    for one in (replace(ours), replaced(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert one == ours
        assert one is not ours
    assert ours != theirs
    assert replace(ours, count=count + 1) == replaced(ours, count=count + 1) != ours


@of_both
def test_it_has_fields_types_and_methods(made: type[Any]) -> None:
    assert is_dataclass(made)
    assert [each.name for each in fields(made)] == ["name", "count", "tags"]
    assert get_type_hints(made)["tags"] == dict[str, str]
    assert made.called("a").twice == 6  # type: ignore[attr-defined]
    assert made.__doc__ == "A class with a method."


@of_both
def test_arguments_and_defaults(made: Class) -> None:
    assert (made("a").name, made("a").count, made("a").tags) == ("a", 3, {})
    assert made("a", 4, {"b": "c"}) == made(name="a", tags={"b": "c"}, count=4)
    assert made("a").tags is not made("a").tags


@by_name_of_both
def test_arguments_that_have_to_be_named(made: Class) -> None:
    assert (made(name="a").name, made(name="a").count) == ("a", 3)
    with pytest.raises(TypeError, match="positional"):
        made("a")


@of_both
def test_wrong_arguments_are_refused_by_name(made: Class) -> None:
    with pytest.raises(TypeError, match="name"):
        made()
    with pytest.raises(TypeError, match="other"):
        made("a", other=1)
    with pytest.raises((KeyError, TypeError), match="other"):
        replaced(made("a"), other=1)


@of_both
def test_a_copy_has_what_was_changed_and_all_else(made: Class) -> None:
    one = made("a", 4, {"b": "c"})
    assert replaced(one, count=5) == made("a", 5, {"b": "c"})
    assert one.count == 4


@of_both
def test_nothing_can_be_set_added_or_deleted(made: Class) -> None:
    one = made("a")
    with pytest.raises(AttributeError):
        one.count = 4
    with pytest.raises(AttributeError):
        one.other = 4
    with pytest.raises(AttributeError):
        del one.count
    assert not hasattr(one, "__dict__")


@by_name_of_both
def test_hashes_are_of_the_values(made: Class) -> None:
    assert len({made(name="a"), made(name="a"), made(name="b")}) == 2


@of_both
def test_a_collection_has_no_hash(made: Class) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(made("a"))


@pytest.mark.parametrize("made", [FrozenOfTwoParts, OftenMadeOfTwoParts])
def test_a_class_of_two_parts_has_the_fields_of_both(made: Class) -> None:
    one = made(second=2)
    assert asdict(one) == {"second": 2, "first": "a", "third": 0.5}
    assert pickle.loads(pickle.dumps(one)) == one == replace(one, third=0.5)
    assert get_type_hints(made)["second"] is int
    assert not hasattr(one, "__dict__")


@of_both
def test_patterns_take_a_class_apart(made: Any) -> None:
    match made("a", 4):
        case Frozen(name, count) | OftenMade(name, count):
            assert (name, count) == ("a", 4)
        case _:
            pytest.fail("the pattern did not match")
