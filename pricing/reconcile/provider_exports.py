"""The providers' own usage and cost exports, read as lines per day, model and class.

Shapes: Anthropic's Admin API (`/v1/organizations/usage_report/messages` and `/v1/organizations/cost_report`)
and OpenAI's (`/v1/organization/usage/completions` and `/v1/organization/costs`), one page or a list of
pages, as JSON. Anthropic states costs in cents, which become dollars here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tokenprof.pricing.rates import EXACT
from tokenprof.pricing.usage import TokenClass
from tokenprof.pricing.wire_counts import count_of, less

Wire = Mapping[str, Any]

ANTHROPIC_COST_TYPES = {
    "uncached_input_tokens": TokenClass.UNCACHED_INPUT,
    "cache_read_input_tokens": TokenClass.CACHE_READ,
    "cache_creation.ephemeral_5m_input_tokens": TokenClass.CACHE_WRITE_5M,
    "cache_creation.ephemeral_1h_input_tokens": TokenClass.CACHE_WRITE_1H,
    "output_tokens": TokenClass.OUTPUT,
}
"""Token types of Anthropic's cost report, and our classes; thinking is part of its output."""

OPENAI_LINE_ITEMS = {
    "input": TokenClass.UNCACHED_INPUT,
    "cached input": TokenClass.CACHE_READ,
    "cache write": TokenClass.CACHE_WRITE_30M,
    "output": TokenClass.OUTPUT,
}
"""What follows the model's name in a line item of OpenAI's costs, and our class for it."""


class ReportError(ValueError):
    """A provider's export cannot be read; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What a provider states of one class of one model on one day (UTC): tokens, or dollars, or both.

    `precision_usd` is the last place of the stated amount, which bounds its rounding. For a fee, `tokens`
    counts pieces. `model` is None for a line that does not belong to a model.
    """

    provider: str
    day: date
    model: str | None
    cls: str
    tokens: int | None = None
    usd: Decimal | None = None
    precision_usd: Decimal | None = None


def usd_of_cents(amount: str | Decimal) -> Decimal:
    """Return the dollars of an amount in Anthropic's cost report, which is in cents: "84572" is $845.72."""
    return EXACT.scaleb(Decimal(amount), -2)


def load_reports(paths: Sequence[Path]) -> tuple[ReportLine, ...]:
    """Read exports, of which each holds a page or a list of pages. Raises `ReportError` naming the file.

    A page that says `has_more` must be followed by another, in the same file or the next: days on a page
    that was never fetched would look as if nobody had been billed for them.
    """
    lines: list[ReportLine] = []
    for path in paths:
        pages = _pages(path)
        lines += _lines(path, pages)
        if path == paths[-1] and pages and isinstance(pages[-1], dict) and pages[-1].get("has_more"):
            raise ReportError(
                f"The report {path} is incomplete: its last page says that more pages follow (has_more). "
                "Fetch them with next_page and give all pages, in order."
            )
    return tuple(lines)


def _pages(path: Path) -> list[Any]:
    try:
        pages = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ReportError(f"The report {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ReportError(f"The report {path} is not valid JSON: {error}.") from error
    except RecursionError:
        raise ReportError(f"The report {path} is nested too deeply for a provider's export.") from None
    return pages if isinstance(pages, list) else [pages]


def _lines(path: Path, pages: list[Any]) -> tuple[ReportLine, ...]:
    try:
        lines = [line for page in pages for line in _page(page)]
        if not all(line.model is None or isinstance(line.model, str) for line in lines):
            raise TypeError("the name of a model is not text")
        return tuple(lines)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
        raise ReportError(
            f"The report {path} is not a usage or cost export of Anthropic or OpenAI in a known form: "
            f"{type(error).__name__} {str(error).rstrip('.')}."
        ) from error


def _page(page: Wire) -> Iterator[ReportLine]:
    for bucket in page["data"]:
        for result in bucket["results"]:
            if "start_time" in bucket:
                day = datetime.fromtimestamp(bucket["start_time"], UTC).date()
                yield from _openai_cost(day, result) if "amount" in result else _openai_usage(day, result)
            else:
                day = datetime.fromisoformat(bucket["starting_at"]).astimezone(UTC).date()
                yield from (
                    _anthropic_cost(day, result) if "amount" in result else _anthropic_usage(day, result)
                )


def _anthropic_usage(day: date, result: Wire) -> Iterator[ReportLine]:
    writes, tools = (result.get(key) or {} for key in ("cache_creation", "server_tool_use"))
    tokens = {
        TokenClass.UNCACHED_INPUT: _count(result, "uncached_input_tokens"),
        TokenClass.CACHE_READ: _count(result, "cache_read_input_tokens"),
        TokenClass.CACHE_WRITE_5M: _optional_count(writes, "ephemeral_5m_input_tokens"),
        TokenClass.CACHE_WRITE_1H: _optional_count(writes, "ephemeral_1h_input_tokens"),
        TokenClass.OUTPUT: _count(result, "output_tokens"),
        TokenClass.FEE: sum(_count(tools, key) for key in tools),
    }
    for cls, count in tokens.items():
        if count:
            yield ReportLine("anthropic", day, result.get("model"), cls, tokens=count)


def _anthropic_cost(day: date, result: Wire) -> Iterator[ReportLine]:
    if result["currency"] != "USD":
        raise ValueError(f"the currency {result['currency']} is not USD")
    amount = _amount(result["amount"])
    cls = ANTHROPIC_COST_TYPES.get(str(result.get("token_type")), TokenClass.FEE)
    yield ReportLine(
        "anthropic",
        day,
        result.get("model"),
        cls,
        usd=usd_of_cents(amount),
        precision_usd=usd_of_cents(_last_place(amount)),
    )


def _openai_usage(day: date, result: Wire) -> Iterator[ReportLine]:
    """OpenAI's input includes the cached part, and the written part if it is stated."""
    read = _optional_count(result, "input_cached_tokens")
    write = _optional_count(result, "input_cache_write_tokens")
    tokens = {
        TokenClass.UNCACHED_INPUT: less(
            _count(result, "input_tokens"), "input_tokens", read + write, "its cached parts"
        ),
        TokenClass.CACHE_READ: read,
        TokenClass.CACHE_WRITE_30M: write,
        TokenClass.OUTPUT: _count(result, "output_tokens"),
    }
    for cls, count in tokens.items():
        if count:
            yield ReportLine("openai", day, result.get("model"), cls, tokens=count)


def _count(counts: Wire, key: str) -> int:
    """Return a count that must be there. Raises KeyError, and `UsageError` for what is not a count."""
    value = counts[key]
    # Amounts of money are read as decimals, and so is a count that is written with a point.
    return count_of(key, float(value) if isinstance(value, Decimal) else value)


def _optional_count(counts: Wire, key: str) -> int:
    return 0 if counts.get(key) is None else _count(counts, key)


def _openai_cost(day: date, result: Wire) -> Iterator[ReportLine]:
    if result["amount"]["currency"] != "usd":
        raise ValueError(f"the currency {result['amount']['currency']} is not usd")
    amount = _amount(result["amount"]["value"])
    model, _, item = (result.get("line_item") or "").rpartition(", ")
    yield ReportLine(
        "openai",
        day,
        model or None,
        OPENAI_LINE_ITEMS.get(item, TokenClass.FEE),
        usd=amount,
        precision_usd=_last_place(amount),
    )


def _amount(value: Any) -> Decimal:
    """Return an amount of money. Raises ValueError or TypeError for what is not a finite number."""
    amount = Decimal(value)
    if isinstance(value, bool) or not amount.is_finite():
        raise ValueError(f"the amount is {value}")
    return amount


def _last_place(amount: Decimal) -> Decimal:
    exponent = amount.as_tuple().exponent
    return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
