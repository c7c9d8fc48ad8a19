"""docs/api.md is what its generator writes, and the generator shows what people need."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

import tokenprof
import tokenprof.testing

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "generate_api.py"))


def test_the_page_is_up_to_date(generator: dict[str, Any]) -> None:
    assert (DOCS / "api.md").read_text("utf-8") == generator["api_text"](), "run python docs/generate_api.py"


def test_every_public_name_is_documented(generator: dict[str, Any]) -> None:
    page = generator["api_text"]()
    names = [f"tokenprof.{name}" for name in tokenprof.__all__]
    names += [f"tokenprof.testing.{name}" for name in tokenprof.testing.__all__]
    assert [name for name in names if f"### `{name}`\n" not in page] == []


class Basket:
    """Things that were bought."""

    def __init__(self, owner: str, *, limit: int = 3):
        self.owner, self.limit = owner, limit

    @property
    def total_usd(self) -> float:
        """What they cost."""
        return 0.0

    def add(self, name: str, count: int = 1) -> None:
        """Add a thing.

        Raises ValueError if the basket is full.
        """

    def _hidden(self) -> None:
        """Not shown."""


def test_a_class_is_shown_with_its_members(
    generator: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Basket, "__module__", "tokenprof.shop")
    assert list(generator["_value_sections"]("tokenprof.Basket", Basket)) == [
        "### `tokenprof.Basket`\n",
        "```python\nclass tokenprof.Basket(owner: str, *, limit: int = 3)\n```\n\nThings that were bought.",
        "- **`total_usd`** (`float`): What they cost.",
        "- **`add(name: str, count: int = 1) -> None`**: Add a thing.\n\n"
        "  Raises ValueError if the basket is full.",
    ]
