"""The pieces of published evidence on what a run costs to compute, by the names that switch them off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PRICE_COVERS_COST: Final = "price-covers-cost"
HOSTS: Final = "hosts"
PUBLISHED_MARGINS: Final = "published-margins"

EVIDENCE: Final[Mapping[str, str]] = {
    PRICE_COVERS_COST: "a class of tokens is rarely sold for long below what its hours cost",
    HOSTS: "what competing hosts charge for open models, over what this model says these cost",
    PUBLISHED_MARGINS: "the margins that labs are reported to make on inference",
}
"""The pieces of evidence, in words."""
