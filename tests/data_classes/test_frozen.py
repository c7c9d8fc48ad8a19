"""What frozen data classes have beyond those that msgspec makes, as the standard library has it."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from functools import cached_property
from typing import Generic, TypeVar

import pytest

from tokenprof.data_classes.frozen import frozen

T = TypeVar("T")


@frozen
class Plain:
    name: str
    count: int = 3
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standard:
    name: str
    count: int = 3
    tags: dict[str, str] = field(default_factory=dict)


@frozen
class Positive(Generic[T]):
    number: int
    note: T = field(default=None, compare=False, repr=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError(f"{self.number} is not positive")


@frozen(eq=False)
class ById:
    name: str


@frozen(slots=False)
class Computed:
    number: int

    @cached_property
    def double(self) -> int:
        return 2 * self.number


def test_the_signature_is_that_of_the_standard_library() -> None:
    assert str(inspect.signature(Plain)) == str(inspect.signature(Standard))
    with pytest.raises(TypeError, match=r"Plain\.__init__\(\) missing .* 'name'"):
        Plain()  # type: ignore[call-arg]


def test_what_cannot_be_set_or_deleted_is_named() -> None:
    with pytest.raises(FrozenInstanceError, match="count"):
        Plain("a").count = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="other"):
        Plain("a").other = 4  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError, match="count"):
        del Plain("a").count


def test_fields_can_be_left_out_of_comparisons_and_of_what_is_shown() -> None:
    assert len({Positive(1, "a"), Positive(1, "b"), Positive(2, "a")}) == 2
    assert repr(Positive(1, "a")) == "Positive(number=1)"
    assert ById("a") != ById("a")
    assert len({ById("a"), ById("a")}) == 2


def test_what_a_class_defines_itself_stays() -> None:
    @frozen
    class Own:
        number: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert Own(1) == Own(2)
    assert hash(Own(1)) == 7
    assert repr(Own(1)) == "own"


def test_post_init_is_called() -> None:
    assert Positive(1, "a").note == "a"
    with pytest.raises(ValueError, match="0 is not positive"):
        Positive(0, "a")
    with pytest.raises(ValueError, match="0 is not positive"):
        replace(Positive(1, "a"), number=0)


def test_without_slots_a_property_can_be_cached() -> None:
    one = Computed(2)
    assert one.double == 4
    assert one.__dict__ == {"number": 2, "double": 4}
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(FrozenInstanceError):
        one.number = 3  # type: ignore[misc]
