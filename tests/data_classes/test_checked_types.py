"""Values of other types than their dataclass states are found, wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import pytest

from tokenprof.data_classes.checked_types import require_types


@dataclass(frozen=True)
class Inner:
    count: int = 1
    share: float | None = None


@dataclass(frozen=True)
class Outer:
    name: str = "n"
    kind: Literal["a", "b"] = "a"
    usd: Decimal = Decimal(1)
    is_on: bool = True
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    tokens: Mapping[str, int] = field(default_factory=dict)
    anything: Any = None


@dataclass(frozen=True)
class Tree:
    name: str
    below: tuple[Tree, ...] = ()


@pytest.mark.parametrize(
    "sound",
    [
        Outer(),
        Outer(inner=Inner(2**53, 0.5), inners=(Inner(), Inner(0, 1)), tokens={"a": 3}, anything=object()),
        # A later release may add names.
        Outer(kind="c"),  # type: ignore[arg-type]
    ],
)
def test_what_is_sound_passes(sound: Outer) -> None:
    require_types(sound)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": 1}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"kind": 1}, "kind"),
        ({"usd": 1.0}, "usd"),
        ({"usd": Decimal("NaN")}, "usd"),
        ({"is_on": 1}, "is_on"),
        ({"inner": {"count": 1}}, "inner"),
        ({"inner": Inner(True)}, "inner.count"),
        ({"inner": Inner(2**53 + 1)}, "inner.count"),
        ({"inner": Inner(1, float("inf"))}, "inner.share"),
        ({"inners": [Inner()]}, "inners"),
        ({"inners": (Inner(), Inner([]))}, r"inners\[1\].count"),
        ({"pair": ("a", "b")}, "pair"),
        ({"pair": ("a",)}, "pair"),
        ({"tokens": {"a": "3"}}, "tokens"),
        ({"tokens": {1: 3}}, "tokens"),
    ],
)
def test_what_is_not_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(TypeError, match=f"^{place} holds a"):
        require_types(Outer(**change))


def test_a_class_may_hold_itself() -> None:
    require_types(Tree("a", (Tree("b", (Tree("c"),)),)))
    with pytest.raises(TypeError, match=r"^below\[0\].below\[0\].name holds a"):
        require_types(Tree("a", (Tree("b", (Tree(3),)),)))  # type: ignore[arg-type]
