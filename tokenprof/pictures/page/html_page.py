"""The page about a run, as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenprof.pictures.page.answer_html import answer_html, text
from tokenprof.pictures.page.frame import WITHOUT_TEXTS, framed, page_script

if TYPE_CHECKING:
    from tokenprof.pictures.views.page_data import PageData


WITH_TEXTS: Final = (
    "This file holds excerpts of prompts: what changed in the blocks that broke the cache, with what looks "
    "like a secret masked. Read the cache section before you send it. It loads nothing and sends nothing."
)


def html_page(data: PageData) -> bytes:
    """Return a page about a run as UTF-8 HTML.

    Whatever comes from the recording is escaped: as text in HTML, or as JSON in which no element can end.
    """
    return framed(
        "page.html",
        title=data.title,
        data=data,
        script=page_script(),
        footer=WITH_TEXTS if data.has_texts else WITHOUT_TEXTS,
        warning=f'<p class="callout" role="note">{text(WITH_TEXTS)}</p>' if data.has_texts else "",
        answer=answer_html(data),
    )
