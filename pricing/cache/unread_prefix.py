"""What a cache might have served and did not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MissCause = Literal[
    "first_use",
    "changed",
    "ttl_expired",
    "below_minimum",
    "lookback",
    "not_visible",
    "unmarked",
]
"""Why a lookup read no more than it did.

`first_use`: the cache was empty; `changed`: it held entries, but of other content; `ttl_expired`: the entry
had lain unused for too long; `below_minimum`: the prefix was too short to be cached; `lookback`: the entry
lay too many positions before the next breakpoint; `not_visible`: the response that writes the entry had not
begun; `unmarked`: the entry ended after the request's last breakpoint.
"""


@dataclass(frozen=True, slots=True)
class UnreadPrefix:
    """The part of a prompt that a cache might have served after what it did serve.

    `tokens` is its size, 0 if no such prefix was ever sent (`first_use`, `changed`). Of an expired entry,
    `idle_s` is the time since its last use and `ttl_s` how long it could lie unused.
    """

    cause: MissCause
    tokens: int
    idle_s: float = 0.0
    ttl_s: float = 0.0
