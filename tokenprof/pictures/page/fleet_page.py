"""The page about many runs, as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenprof.pictures.page.answer_html import text
from tokenprof.pictures.page.frame import framed, script_beside
from tokenprof.report import numbers

if TYPE_CHECKING:
    from tokenprof.pictures.views.fleet_data import FleetData, UsualSession


def _usual(found: UsualSession | None) -> str:
    if found is None:
        return ""
    low, mid, high = (
        numbers.usd(numbers.decimal_of(usd)) for usd in (found.low_usd, found.mid_usd, found.high_usd)
    )
    return (
        f"Half of the {found.sessions:,} sessions cost less than {mid}; one in ten costs more than {high}, "
        f"one in ten less than {low}."
    )


def fleet_page(data: FleetData) -> bytes:
    """Return a page about many runs as UTF-8 HTML."""
    read = "" if data.read_share is None else f", {data.read_share:.0%} of them read from cache"
    return framed(
        "fleet.html",
        title="Many runs",
        data=data,
        script=script_beside("fleet.js"),
        billed=text(data.billed),
        at_least="billed at least" if data.is_lower_bound else "billed",
        about=text(f"{numbers.count(data.turns, 'turn')} · {data.tokens_in:,} tokens in{read}"),
        usual=text(_usual(data.usual_session)),
        missing="".join(f"<li>{text(line)}</li>" for line in data.missing),
    )
