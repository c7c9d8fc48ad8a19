"""The published rules of prompt caching, as data and small functions.

This is the only place that holds times to live, limits and the smallest cacheable prefix of a model. The
last changed several times during 2026 and sources disagree, so it is a dated table
(`data/cache_rules.toml`), each row with its source.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Literal

from tokenprof.pricing import DATA
from tokenprof.pricing.catalogue import strip_snapshot

Section = Literal["tools", "system", "messages"]
"""The parts of an Anthropic prompt, in the order in which they are cached."""

SECTIONS: tuple[Section, ...] = ("tools", "system", "messages")

TTL_S: Mapping[str, int] = MappingProxyType({"5m": 300, "1h": 3600, "30m": 1800, "12h": 43_200})
"""Seconds a cache entry lives after its last use, by the name of its time to live."""

MAX_BREAKPOINTS = 4
"""Cache breakpoints an Anthropic request may carry; a request with a fifth is refused with status 400."""

LOOKBACK_POSITIONS = 20
"""Positions searched back from each Anthropic breakpoint. The breakpoint itself is the first of them."""

ONE_POSITION_RUNS = frozenset({"tool_use", "tool_result"})
"""Kinds of content block of which a consecutive run counts as one position of the lookback."""

OPENAI_STEP_TOKENS = 128
"""Before GPT-5.6, OpenAI caches prefixes in steps of this many tokens above the minimum."""

OPENAI_MAX_WRITES = 4
"""Breakpoints that one OpenAI request may write, from GPT-5.6 on; the implicit one is among them."""

OPENAI_MAX_LOOKUPS = 80
"""Breakpoints of a conversation that OpenAI considers for a match, latest first, from GPT-5.6 on."""

OPENAI_IDLE_S = 3600
"""The longest an unused entry stays in memory before GPT-5.6; most go after 5 to 10 minutes."""

DEEPSEEK_IDLE_S = 86_400
"""An assumed life of the entries in DeepSeek's disk cache: the documentation says hours to days."""

_GPT_VERSION = re.compile(r"gpt-(\d+)(?:\.(\d+))?")
_GPT_WITH_BREAKPOINTS = (5, 6)


class CacheRuleError(ValueError):
    """A request that breaks a rule of the cache, which the provider refuses with status 400."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """The smallest prefix that is cached, in tokens, with its source; `assumed` if nobody published one."""

    tokens: int
    source: str
    checked: date
    assumed: bool = False


@lru_cache(maxsize=512)
def minimum_cacheable(provider: str, model: str, on: date | None = None) -> Minimum:
    """Return the smallest cacheable prefix of a model on a day (None: the newest rule).

    If none is published, that is the value most models have, marked as assumed.
    """
    model = strip_snapshot(model)
    rows = [row for row in _table()["minimum"] if row["provider"] == provider and _holds(row, on)]
    named = [row for row in rows if model in row["models"]] or [row for row in rows if "*" in row["models"]]
    if not named:
        return Minimum(tokens=0, source=f"no minimum is known for {provider}", checked=date.min, assumed=True)
    row = max(named, key=lambda row: row.get("from", date.min))
    return Minimum(row["tokens"], row["source"], row["checked"], row.get("assumed", False))


def first_section_lost(provider: str, parameter: str) -> Section | None:
    """Return the first part of the cached prompt that a change of a parameter invalidates (None: nothing)."""
    for row in _table()["invalidation"]:
        if row["provider"] == provider:
            section: Section | None = row["first_lost"].get(parameter)
            return section
    return None


def openai_has_breakpoints(model: str) -> bool:
    """Whether OpenAI caches a model's prompts at breakpoints (from GPT-5.6 on) and not any earlier prefix."""
    found = _GPT_VERSION.match(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= _GPT_WITH_BREAKPOINTS


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((DATA / "cache_rules.toml").read_text("utf-8"))


def _holds(row: Mapping[str, Any], on: date | None) -> bool:
    return on is None or row.get("from", date.min) <= on
