"""The page about many runs, as one HTML file."""

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
from tokenprof.report import numbers

if TYPE_CHECKING:
    from tokenprof.pictures.views.fleet_data import FleetData


def fleet_page(data: FleetData) -> bytes:
    """Return a page about many runs as UTF-8 HTML."""
    style, library = page_style(), library_script()
    script = f"(() => {{\n{shared_script()}\n{asset('fleet.js')}}})();\n"
    read = "" if data.read_share is None else f", {data.read_share:.0%} of them read from cache"
    page = document("fleet.html").substitute(
        policy=policy(scripts=(library, script), styles=(style,)),
        style=style,
        billed=text(data.billed),
        at_least="billed at least" if data.is_lower_bound else "billed",
        about=text(f"{numbers.count(data.turns, 'turn')} · {data.tokens_in:,} tokens in{read}"),
        missing="".join(f"<li>{text(line)}</li>" for line in data.missing),
        footer=text(FOOTER),
        data=page_json(data).decode(),
        library=library,
        script=script,
    )
    return page.encode()
