"""The page about the difference of two runs, as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenprof.pictures.page.answer_html import text
from tokenprof.pictures.page.frame import framed, script_beside
from tokenprof.report import numbers

if TYPE_CHECKING:
    from tokenprof.pictures.views.difference_data import ComparedRun, DifferenceData


def difference_page(data: DifferenceData) -> bytes:
    """Return a page about two runs as UTF-8 HTML."""
    title = f"{data.before.title} → {data.now.title}"
    changed = (
        f"{data.written.lstrip('+−')} {'more' if data.usd > 0 else 'less'}" if data.usd else "the same bill"
    )
    return framed(
        "difference.html",
        title=title,
        data=data,
        script=script_beside("difference.js"),
        heading=text(title),
        written=text(data.written),
        direction="more-usd" if data.usd > 0 else "less-usd",
        lead=text(f"{data.now.billed} now, {data.before.billed} before: {changed}"),
        before=text(_side("before", data.before)),
        now=text(_side("now", data.now)),
        notes="".join(f"<li>{text(note)}</li>" for note in data.notes),
    )


def _side(name: str, run: ComparedRun) -> str:
    return f"{name}: {run.title} · {run.billed} in {numbers.count(run.calls, 'call')}"
