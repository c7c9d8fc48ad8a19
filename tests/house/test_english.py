"""The project's texts are free of phrases that a native engineer would not write."""

from __future__ import annotations

from pathlib import Path

import english
import pytest


def test_no_text_has_a_phrase_to_avoid() -> None:
    assert "\n".join(map(str, english.all_hits(english.ROOT))) == ""


def test_every_exception_is_still_needed() -> None:
    texts = {entry.file: (english.ROOT / entry.file).read_text("utf-8") for entry in english.ALLOWED}
    assert [
        entry for entry in english.ALLOWED if entry.words not in " ".join(texts[entry.file].split())
    ] == []


def hits(folder: Path, source: str, name: str = "module.py") -> list[tuple[int, str]]:
    (folder / name).write_text(source, encoding="utf-8")
    return [(hit.line, hit.words) for hit in english.hits_in(folder / name, name)]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("config.toml is no file.", "is no file"),
        ("Raises ValueError for a share that is none.", "is none"),
        ("The price; None where nobody knows it.", "None where"),
        ("Raises InputError where it is missing.", "Raises InputError where"),
        ("A log that tells of the same calls.", "tells of"),
        ("The format is told by its first line.", "is told by"),
        ("The dearest blocks.", "dearest"),
        ("That pays from 79 loads on.", "pays from"),
        ("Text that a harness adds on its own account.", "on its own account"),
        ("A block so named.", "so named"),
        ("The blocks behind the breakpoint.", "behind "),
        ("Runs are held against the baseline.", "held against"),
        ("A file of no known format.", "of no known"),
        ("It is found but by name.", "but by "),
    ],
)
def test_a_phrase_is_found(tmp_path: Path, text: str, phrase: str) -> None:
    assert hits(tmp_path, f'"""{text}"""\n') == [(1, phrase)]


@pytest.mark.parametrize(
    "text",
    [
        "There is no file, and it is no longer needed.",
        "It listens behind the proxy and leaves a log behind.",
        "The two are told apart by their keys.",
        "That is what counts.",
    ],
)
def test_plain_sentences_pass(tmp_path: Path, text: str) -> None:
    assert hits(tmp_path, f'"""{text}"""\n') == []


def test_phrases_are_found_in_every_kind_of_text_and_across_lines(tmp_path: Path) -> None:
    source = '''"""A module.

The file is
none.
"""
name = f"{1} is no {2} number"  # what the
# dearest one is


def test_a_file_that_is_no_file():
    raise ValueError("a" " is none")
'''
    assert sorted(hits(tmp_path, source)) == [
        (3, "is none"),
        (6, "is no {"),
        (7, "dearest"),
        (10, "is no file"),
        (11, "is none"),
    ]


def test_markdown_is_read_line_by_line(tmp_path: Path) -> None:
    assert hits(tmp_path, "# Title\n\nA file that\nis none.\n", "page.md") == [(4, "is none")]
