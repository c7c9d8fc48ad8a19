"""The page as one HTML file: data, styles and scripts inside, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

from tokenprof.pictures.page.answer_html import answer_html, text
from tokenprof.pictures.page.page_json import page_json

if TYPE_CHECKING:
    from tokenprof.pictures.views.page_data import PageData

ASSETS: Final = files("tokenprof.pictures.page") / "assets"

FOOTER: Final = (
    "Written by tokenprof. This file holds names, sizes, times and dollars of the run, and no text of its "
    "prompts or answers. It loads nothing and sends nothing."
)


def html_page(data: PageData) -> bytes:
    """Return a page about a run as UTF-8 HTML.

    Whatever comes from the recording is escaped: as text in HTML, or as JSON in which no element can end.
    """
    style, library, script = page_style(), library_script(), page_script()
    return (
        document("page.html")
        .substitute(
            policy=policy(scripts=(library, script), styles=(style,)),
            title=text(data.title),
            style=style,
            answer=answer_html(data),
            footer=text(FOOTER),
            data=page_json(data).decode(),
            library=library,
            script=script,
        )
        .encode()
    )


def policy(*, scripts: tuple[str, ...], styles: tuple[str, ...]) -> str:
    """Return a Content-Security-Policy under which only these texts run or style, and nothing is loaded."""
    allowed = " ".join(map(source_hash, scripts))
    styled = " ".join(map(source_hash, styles))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {styled}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def source_hash(source: str) -> str:
    """Return a text as a policy names it: its SHA-256 in base64."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


@functools.cache
def document(name: str) -> Template:
    """Return one of the HTML files with places to fill."""
    return Template((ASSETS / name).read_text("utf-8"))


@functools.cache
def asset(name: str) -> str:
    """Return one of the files of the page as text."""
    return (ASSETS / name).read_text("utf-8")


@functools.cache
def page_style() -> str:
    """Return the style sheet."""
    return (ASSETS / "page.css").read_text("utf-8")


@functools.cache
def library_script() -> str:
    """Return the vendored library."""
    return (ASSETS / "vendor" / "d3.min.js").read_text("utf-8")


@functools.cache
def page_script() -> str:
    """Return our scripts as one, in the order of their names."""
    return "(() => {\n" + _scripts("") + "})();\n"


@functools.cache
def shared_script() -> str:
    """Return those of our scripts that every page can use."""
    return _scripts("a_")


def _scripts(start: str) -> str:
    parts = [part for part in (ASSETS / "script").iterdir() if part.name.endswith(".js")]
    chosen = sorted((part for part in parts if part.name.startswith(start)), key=lambda part: part.name)
    return "\n".join(part.read_text("utf-8") for part in chosen)
