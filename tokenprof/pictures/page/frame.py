"""What every page has in common: one HTML file that holds all it needs and lets nothing else run."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from string import Template
from typing import Final

from tokenprof.pictures.page.answer_html import text
from tokenprof.pictures.page.page_json import page_json

ASSETS: Final = files("tokenprof.pictures.page") / "assets"

WITHOUT_TEXTS: Final = (
    "Written by tokenprof. This file holds names, sizes, times and dollars, and no text of prompts or "
    "answers. It loads nothing and sends nothing."
)


def framed(
    body: str, *, title: str, data: object, script: str, footer: str = WITHOUT_TEXTS, **filled: str
) -> bytes:
    """Return a page of a file as UTF-8 HTML.

    `body` names the file of its body, `filled` are the HTML texts that go into its places; `title` and
    `footer` are plain text. `data` is what `script` draws, with the library of drawing beside it.
    """
    library = library_script()
    foot = f"<footer>{text(footer)}</footer>\n"
    held = f'<script type="application/json" id="data">{page_json(data).decode()}</script>\n'
    return _document(
        f"{document(body).substitute(filled)}{foot}",
        title,
        held + _elements(library, script),
        policy(scripts=(library, script), styles=(page_style(),)),
    )


def framed_live(body: str, *, title: str, script: str) -> bytes:
    """Return a page that is filled by the events of the server that it comes from, and loads nothing else."""
    rules = policy(scripts=(script,), styles=(page_style(),), connects="'self'")
    return _document(document(body).substitute(), title, _elements(script), rules)


def _elements(*scripts: str) -> str:
    return "\n".join(f"<script>{script}</script>" for script in scripts)


def _document(body: str, title: str, scripts: str, rules: str) -> bytes:
    page = document("frame.html").substitute(
        policy=rules, title=text(title), style=page_style(), body=body, scripts=scripts
    )
    return page.encode()


def policy(*, scripts: tuple[str, ...], styles: tuple[str, ...], connects: str = "") -> str:
    """Return a Content-Security-Policy under which only these texts run or style, and nothing is loaded."""
    allowed = " ".join(map(source_hash, scripts))
    styled = " ".join(map(source_hash, styles))
    connected = f"connect-src {connects}; " if connects else ""
    return (
        f"default-src 'none'; {connected}script-src {allowed}; style-src {styled}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
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
    return asset("page.css")


@functools.cache
def library_script() -> str:
    """Return the vendored library."""
    return (ASSETS / "vendor" / "d3.min.js").read_text("utf-8")


@functools.cache
def page_script() -> str:
    """Return the scripts of the page about a run as one, in the order of their names."""
    return f"(() => {{\n{_scripts('')}}})();\n"


@functools.cache
def script_beside(name: str) -> str:
    """Return the script of another page, with those that every page can use."""
    return f"(() => {{\n{_scripts('a_')}\n{asset(name)}}})();\n"


def _scripts(start: str) -> str:
    parts = [part for part in (ASSETS / "script").iterdir() if part.name.endswith(".js")]
    chosen = sorted((part for part in parts if part.name.startswith(start)), key=lambda part: part.name)
    return "\n".join(part.read_text("utf-8") for part in chosen)
