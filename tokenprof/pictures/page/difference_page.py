"""The page about the difference of two runs, as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenprof.pictures.page.answer_html import text
from tokenprof.pictures.page.html_page import (
    FOOTER,
    asset,
    document,
    library_script,
    page_style,
    policy,
    shared_script,
)
from tokenprof.pictures.page.page_json import page_json

if TYPE_CHECKING:
    from tokenprof.pictures.views.difference_data import DifferenceData


def difference_page(data: DifferenceData) -> bytes:
    """Return a page about two runs as UTF-8 HTML."""
    style, library = page_style(), library_script()
    script = f"(() => {{\n{shared_script()}\n{asset('difference.js')}}})();\n"
    changed = (
        f"{data.written.lstrip('+−')} {'more' if data.usd > 0 else 'less'}" if data.usd else "the same bill"
    )
    lead = f"{data.now.billed} now, {data.before.billed} before: {changed}"
    page = document("difference.html").substitute(
        policy=policy(scripts=(library, script), styles=(style,)),
        style=style,
        title=text(f"{data.before.title} → {data.now.title}"),
        written=text(data.written),
        lead=text(lead),
        before=text(f"before: {data.before.title}"),
        now=text(f"now: {data.now.title}"),
        notes="".join(f"<li>{text(note)}</li>" for note in data.notes),
        footer=text(FOOTER),
        data=page_json(data).decode(),
        library=library,
        script=script,
    )
    return page.encode()
