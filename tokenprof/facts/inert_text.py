"""Text that others chose, made inert for the place where it is shown: one function for each place.

Names of tools, models, agents and files come from logs and from the wire. A terminal obeys control
characters, a reader is misled by ones that reverse or hide text, and a comment on a pull request would run
HTML, notify people and link wherever a name says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

UNPRINTABLE: Final = "·"

_UNPRINTABLE_IN_JSON: Final = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_FORMULA: Final = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_MARKDOWN: Final = re.compile(r"^#|[\\`*<>|&~]|(?<=\])[(\[:]|:(?=//)|(?<=[Ww][Ww][Ww])\.|!(?=\[)")


def inert(text: str) -> str:
    """Return a text in which `·` replaces each control, invisible and direction character.

    It is then inert in a terminal and legal in XML.
    """
    return text if text.isprintable() else "".join(map(_inert_character, text))


def _inert_character(char: str) -> str:
    if char.isprintable():
        return char
    return " " if unicodedata.category(char) == "Zs" else UNPRINTABLE


def terminal_text(text: str) -> str:
    """Return lines for a terminal, inert except for line ends and the colours of our own reports."""
    return "".join(
        part if is_kept else "\n".join(map(inert, part.split("\n"))) for part, is_kept in _colours_apart(text)
    )


def _colours_apart(text: str) -> Iterator[tuple[str, bool]]:
    for number, part in enumerate(_COLOUR.split(text)):
        yield part, number % 2 == 1


def printable(text: str) -> str:
    """Return a text on one line, inert, with single spaces: the form of a name in a report."""
    return inert(" ".join(text.split()))


def inert_line(line: str) -> str:
    """Return a line, inert, with its indent; line breaks within it become spaces."""
    indent = len(line) - len(line.lstrip(" "))
    return line[:indent] + printable(line)


def inert_json(data: bytes) -> bytes:
    """Return JSON in which escapes stand for invisible and direction characters; its value is the same."""
    text = data.decode("utf-8")
    return data if text.isascii() else _UNPRINTABLE_IN_JSON.sub(_json_escape, text).encode("utf-8")


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def markdown_text(text: str) -> str:
    """Return a text for a line or a table cell of a comment: no HTML, link, mention, reference or markup.

    A backslash does not stop a forge from reading `@name` and `#1`, so full-width characters replace these.
    """
    return _MARKDOWN.sub(r"\\\g<0>", _unmentioned(printable(text)))


def markdown_code(line: str) -> str:
    """Return a line for a code span or a fenced block that cannot end it."""
    return _unmentioned(inert_line(line)).replace("`", "'")


def _unmentioned(text: str) -> str:
    return re.sub(r"#(?=\d)", "＃", text.replace("@", "＠"))


def sarif_text(text: str) -> str:
    """Return the text of a SARIF message, without the links that square brackets make."""
    return text.replace("](", "] (")


def csv_cell(text: str) -> str:
    """Return a text for a cell of a CSV file: inert, and no formula to a spreadsheet that opens it.

    An apostrophe marks a cell as text; numbers are left as they are.
    """
    text = inert(text)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
