"""Turns of phrase that a native engineer would not write, and where the project still has them.

To list them, in all files or in some:

python tests/house/english.py [FILE…]
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ladder import SIDE_FOLDERS

ROOT = Path(__file__).parents[2]
SOURCES = ("tokenprof", *SIDE_FOLDERS, "benchmarks", "examples", "tests")
LINKS = tuple(f"tokenprof/{folder}" for folder in SIDE_FOLDERS)
WITHOUT_TEXTS = ("tests/house/", "docs/api.md")
"""The patterns and their samples; and a page that is generated from docstrings, which are checked anyway."""

OTHER_TEXTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "examples/**/*.md",
    "examples/**/*.yml",
    "examples/**/*.sh",
    "benchmarks/data/*.md",
    "tests/data/*/*.md",
    "pricing/data/*.toml",
)


@dataclass(frozen=True)
class Phrase:
    """A pattern, what is wrong with it, and what to write instead."""

    pattern: str
    why: str
    better: str


NOT_A_NOUN = "longer|more|less|fewer|other|such|one|better|worse|later|earlier|larger|smaller|higher|lower"

PHRASES = (
    Phrase(
        rf"(?<!there )(?<!There )\b(?:is|are|was|were) no (?!(?:{NOT_A_NOUN})\b)(?:\w+|{{)",
        "negate the verb, not the noun",
        "is not a …, are not …",
    ),
    Phrase(
        r"(?<!there )(?<!There )\b(?:is|are|was|were) none\b", "inverted", "is not one, has none, is not a …"
    ),
    Phrase(r"\b[Ww]here none\b", "inverted", "if there is no …, if none …"),
    Phrase(r"\b(?:None|True|False|empty|null|0) where\b", "a condition", "None if …"),
    Phrase(r"\b[Rr]aises `?[\w.]+`? where\b", "a condition", "Raises … if …"),
    Phrase(r"\b(?:[Tt]ells?|[Tt]old|[Tt]elling) of\b", "archaic", "mentions, describes, reports, shows"),
    Phrase(
        r"\b(?:is|are|was|were|be|been) told (?:by|in|as)\b", "archaic", "is recognised by, is reported in"
    ),
    Phrase(r"\b[Dd]ear(?:er|est)\b|\btoo dear\b", "archaic", "more expensive, most expensive, too expensive"),
    Phrase(r"\bpays? from\b", "not idiomatic", "is cheaper from … on, pays off after …"),
    Phrase(r"\bof which there\b", "stilted", "split the sentence"),
    Phrase(
        r"\b[Ww]hichever [^.]{0,40}\bbe\b|\b[Ww]hatever [^.]{0,40}\bbe\b",
        "archaic subjunctive",
        "whichever … is",
    ),
    Phrase(r"\bon (?:its|their) own account\b", "not idiomatic", "by itself, of its own"),
    Phrase(
        r"\b(?:[Tt]hereof|[Tt]herein|[Ww]hereof|[Ww]herein|[Ww]hereby|[Hh]ereby|[Ww]hence|[Tt]hence|[Hh]ence|[Ll]est|"
        r"[Aa]lbeit|[Uu]pon|[Aa]new|[Ww]hilst|[Tt]hither|[Ss]ave for)\b",
        "archaic",
        "a plain word: of it, in which, so, though, on, again",
    ),
    Phrase(
        r"\bso named\b|\bthat so [a-z]+s\b", "inverted", "named that, with that name, that begins with it"
    ),
    Phrase(
        r"(?<!leave )(?<!leaves )(?<!left )(?<!idea )(?<!hidden )\bbehind "
        r"(?!(?:the|a|another|our|this) (?:\w+ )?(?:proxy|gateway|server)\b|TLS\b|tls\b)",
        "of an order in a prompt or in time",
        "after",
    ),
    Phrase(r"\bh(?:old|olds|eld|olding) [^.;]{0,60}? ?against\b", "not idiomatic", "compare … with"),
    Phrase(r"\b(?:was|were|not|nothing) to be (?:had|read|said|told|seen|taken)\b", "archaic", "could be …"),
    Phrase(r"\bof no (?!use\b|more\b)\w+", "inverted", "without a …, not of any …"),
    Phrase(r"\b(?:rode|rides|ride along)\b", "slang", "was carried, is carried along"),
    Phrase(r"\bbut (?:by|for) (?!now\b|example\b|instance\b)", "archaic", "except by, except for"),
    Phrase(r"\b[Oo]ne's own\b|\b[Oo]nes own\b", "stilted", "your own"),
    Phrase(r"\bneed not have\b", "stilted", "did not have to"),
    Phrase(
        r"\b(?:says|say|said|know|knows|shown|shows|show|holds|hold) of (?:it|them|what|the|its|a|each)\b",
        "stilted",
        "says about, knows about, contains",
    ),
    Phrase(r"\b[Rr]aises \S+ for what\b", "stilted", "Raises … if …"),
    Phrase(
        r"\bfrom \d+ on\b",
        "not idiomatic",
        "from … onwards, 0 or more",
    ),
)


@dataclass(frozen=True)
class Allowed:
    """A phrase that is right where it stands: the file, words around it, and why."""

    file: str
    words: str
    reason: str


ALLOWED: tuple[Allowed, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A phrase found in a file."""

    file: str
    line: int
    words: str
    phrase: Phrase

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: “{self.words}” ({self.phrase.why}); better: {self.phrase.better}"


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file with the lines on which they start."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        yield 1, source
        return
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, _filled(node)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")
    yield from _comments(source)


def _filled(node: ast.JoinedStr) -> str:
    """Return an f-string with `{}` for what is filled in."""
    return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield runs of comment lines as one text each."""
    first, lines = 0, []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if lines and token.start[0] != first + len(lines):
            yield first, "\n".join(lines)
            lines = []
        if not lines:
            first = token.start[0]
        lines.append(token.string.removeprefix("#"))
    if lines:
        yield first, "\n".join(lines)


def hits_in(path: Path, name: str) -> Iterator[Hit]:
    """Yield the phrases in a file, but for those that are allowed there."""
    allowed = [entry.words for entry in ALLOWED if entry.file == name]
    for first_line, text in texts_of(path):
        words, lines = _on_one_line(text)
        for phrase in PHRASES:
            for match in re.finditer(phrase.pattern, words):
                around = words[max(0, match.start() - 30) : match.end() + 30]
                if not any(entry in around for entry in allowed):
                    yield Hit(name, first_line + lines[match.start()], match[0], phrase)


def _on_one_line(text: str) -> tuple[str, list[int]]:
    """Return a text with single spaces between its words, and the line that each character comes from."""
    found, lines = [], []
    for number, line in enumerate(text.split("\n")):
        for word in line.split():
            found.append(word)
            lines += [number] * (len(word) + 1)
    return " ".join(found), lines


def files(root: Path) -> list[Path]:
    """Return every file with texts that people read, by its path below the root."""
    patterns = [*(f"{folder}/**/*.py" for folder in SOURCES), *OTHER_TEXTS]
    found = {path.relative_to(root) for pattern in patterns for path in root.glob(pattern)}
    return sorted(path for path in found if not path.as_posix().startswith((*LINKS, *WITHOUT_TEXTS)))


def all_hits(root: Path, chosen: Iterable[Path] | None = None) -> list[Hit]:
    """Return the phrases in some files, or in all."""
    return [hit for file in chosen or files(root) for hit in hits_in(root / file, file.as_posix())]


if __name__ == "__main__":
    for hit in all_hits(ROOT, [Path(name) for name in sys.argv[1:]]):
        sys.stdout.write(f"{hit}\n")
