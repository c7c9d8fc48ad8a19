"""Watches a run's cost while it runs: warns at one set of limits, refuses further calls at another.

Only a limit that the owner of the program asked for by name refuses anything. Calls that are under way when a
limit is reached are not cut, and what they cost is not known before they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.analysis.assumptions import Assumptions
from tokenprof.facts.own_decimals import in_own_decimals
from tokenprof.facts.types import Block, Turn
from tokenprof.live.limits import Limits
from tokenprof.live.running_cost import RunningCost, TurnCost
from tokenprof.record.background.harmless_log import log

ROUNDING_TOKENS = 1_024
"""Providers round what is cached down to blocks of up to so many tokens."""


class BudgetGuard:
    """Hears of every finished turn, and says whether another call may be made.

    Parameters: `warn_at` and `stop_at`, the limits; `assumptions`, the prices; `warn`, what is told once per
    limit, in a sentence (default: the `tokenprof` logger).
    """

    def __init__(
        self,
        warn_at: Limits | None,
        stop_at: Limits | None,
        assumptions: Assumptions,
        *,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._warn_at = warn_at or Limits()
        self._stop_at = stop_at or Limits()
        self._stops = stop_at is not None
        self._warn = warn or log.warning
        self._cost = RunningCost(self._priced, assumptions)
        self._total_usd = Decimal(0)
        self._unpriced = self._unmeasured = 0
        self._turns = self._cache_misses = self._context_tokens = self._prompt_bytes = 0
        self._cached: dict[str, int] = {}
        self._warned: set[str] = set()
        self._reason: str | None = None

    @property
    def stops(self) -> bool:
        """Whether calls may be refused."""
        return self._stops

    def __call__(self, turn: Turn, prompt: Sequence[Block]) -> None:
        """Take a finished turn into account."""
        self._turns += 1
        if turn.usage is None:
            self._unmeasured += 1
        else:
            usage = turn.usage
            self._context_tokens = usage.input_tokens
            self._prompt_bytes = sum(block.features.bytes for block in prompt)
            written = usage.input_tokens - usage.uncached_input_tokens - usage.cache_read_tokens
            before = 0 if turn.compacted else self._cached.get(turn.context, 0)
            self._cache_misses += usage.cache_read_tokens + ROUNDING_TOKENS <= before
            self._cached[turn.context] = usage.cache_read_tokens + written
        self._cost(turn, prompt)
        for name, sentence in self._reached(self._warn_at):
            if name not in self._warned:
                self._warned.add(name)
                self._warn(sentence)

    def _priced(self, cost: TurnCost) -> None:
        self._total_usd = cost.total_usd
        if cost.turn.usage is not None and cost.turn_usd is None:
            self._unpriced += 1

    def stop(self, reason: str) -> None:
        """Refuse every further call, if calls may be refused at all."""
        self._reason = reason

    def refusal(self, request_bytes: int | None = None) -> str | None:
        """Return why a call must not be made, in a sentence; None if it may.

        `request_bytes` is the size of its request, by which a call with a short prompt is told from one that
        goes on with a prompt that is too long.
        """
        if not self._stops:
            return None
        if self._reason is not None:
            return f"{self._reason} No further call is made."
        for name, sentence in self._reached(self._stop_at):
            is_shorter = request_bytes is not None and request_bytes < self._prompt_bytes
            if name != "context_tokens" or not is_shorter:
                return f"{sentence} No further call is made."
        if self._stop_at.usd is not None and self._unpriced:
            return (
                f"{self._unpriced} finished calls have no price, so the limit of "
                f"${self._stop_at.most_usd:f} cannot be kept. Add the price (prices=) or take the limit "
                "away. No further call is made."
            )
        return None

    def _reached(self, limits: Limits) -> Iterator[tuple[str, str]]:
        most_usd = limits.most_usd
        if most_usd is not None and self._total_usd >= most_usd:
            least = "at least " if self._unmeasured or self._unpriced else ""
            yield "usd", f"The run was billed {least}${_shown(self._total_usd)}; its limit is ${most_usd:f}."
        for name, what, value, most in (
            ("turns", "made {:,} billed calls", self._turns, limits.turns),
            ("context_tokens", "sent a prompt of {:,} tokens", self._context_tokens, limits.context_tokens),
            ("cache_misses", "missed the cache {:,} times", self._cache_misses, limits.cache_misses),
        ):
            if most is not None and value >= most:
                yield name, f"The run {what.format(value)}; its limit is {most:,}."


@in_own_decimals
def _shown(usd: Decimal) -> str:
    """Return dollars to the hundredth of a cent; to the last digit if there are fewer."""
    return f"{usd:.4f}" if not usd or usd >= _SMALL_USD else f"{usd.normalize():f}"


_SMALL_USD: Final = Decimal("0.01")
