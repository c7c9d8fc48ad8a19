"""The sentences of a break-even sheet: what is compared, and where hosting and buying cost the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tokenprof.hw_model.estimate import Estimate
from tokenprof.report import numbers
from tokenprof.whatif.break_even import BreakEven, Crossing

THOUSAND = 1000

UNLIKELY = 0.1
"""Where hosting pays in fewer draws than this, the range has no volume."""


def headline(found: BreakEven) -> str:
    """Return what is hosted for which calls, as a sentence."""
    turn = found.turn
    return (
        f"Hosting {found.model} for these calls: {numbers.count(round(found.calls_per_run), 'call')} a run, "
        f"each about {tokens(turn.cached_tokens)} tokens from the cache, {tokens(turn.new_tokens)} new and "
        f"{tokens(turn.output_tokens)} out, {turn.gap_s:.1f} s apart."
    )


def tokens(count: float) -> str:
    """Return a size in two or three digits: `929`, `2.1k`, `14k`."""
    if count < 1000:
        return f"{count:.0f}"
    return f"{count / 1000:.1f}k" if count < 10_000 else f"{count / 1000:,.0f}k"


def crossing_sentence(found: Crossing) -> str:
    """Return where a node costs as much as buying, or why it never does."""
    used = percents(found.used)
    if found.runs_per_day is None or found.likely < UNLIKELY:
        return (
            f"{found.hosted} never costs less than {found.bought}: a node would have to be {used} busy, and "
            f"the day allows for {percents(found.reachable)}."
        )
    volume = found.runs_per_day
    low, high = (f"{_rounded(end):,}" for end in (volume.low, volume.high))
    runs = f"{numbers.count(_rounded(volume.mid), 'run')} a day ({low}–{high})"
    sure = "" if found.likely > 1 - UNLIKELY else f", in {found.likely:.0%} of draws"
    return f"{found.hosted} costs less than {found.bought} from {runs}{sure}: one node, {used} busy."


def notes(found: BreakEven) -> Iterator[str]:
    """Yield what the sheet rests on, as sentences."""
    yield from found.assumes
    yield "Ranges are P10 to P90, drawn together: the model's own error, hours, vocabularies, hosts, the day."
    for each in found.hosted:
        yield (
            f"{each.name}: {each.deployment} holds about {each.sessions:,.0f} live sessions at "
            f"{each.tokens_per_s:.0f} tokens/s each; {each.hours_source}."
        )
    yield from found.impossible


def percents(share: Estimate) -> str:
    """Return a share with its range: `12% (5–31%)`."""
    low, mid, high = (
        numbers.percent(Decimal(end)).removesuffix("%") for end in (share.low, share.mid, share.high)
    )
    return f"{mid}%" if low == high else f"{mid}% ({low}–{high}%)"


def dollars(usd: Estimate) -> tuple[str, str]:
    """Return an amount and its range; the range is empty if it is exact."""
    low, mid, high = (_short(end) for end in (usd.low, usd.mid, usd.high))
    if usd.low == usd.high:
        return mid, ""
    return mid, f"{low}–{high.removeprefix('$')}"


def _short(usd: float) -> str:
    """Return dollars; three digits of a large amount, since no more of them are known."""
    if usd < THOUSAND:
        return numbers.usd(numbers.decimal_of(usd))
    digits = len(str(int(usd)))
    return f"${round(usd, 3 - digits):,.0f}"


def _rounded(count: float) -> int:
    return max(1, round(count))
