"""What a damaged log may not do: give another total and say nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

from tokenprof.facts.types import Run


def require_no_silence(run: Run, sound: Run, path: Path) -> None:
    """Require that a log which is visibly damaged and has another total than the sound one says so.

    A file that is whole again after the damage, with other counts or a line less, is one that somebody could
    have written, so nothing can be said about it.
    """
    if totals(run) != totals(sound) and not says_more(run, sound) and is_visibly_damaged(path):
        raise AssertionError(f"another total without a word: {totals(run)} instead of {totals(sound)}")


def totals(run: Run) -> Counter[str]:
    """Return the number of turns, of those without usage, and the tokens of each class.

    How long written tokens stay cached may be unknown, which is a class of its own, so it is left out.
    """
    found: Counter[str] = Counter(turns=len(run.turns))
    for turn in run.turns:
        if turn.usage is None:
            found["unmeasured"] += 1
            continue
        for field in fields(turn.usage):
            count = getattr(turn.usage, field.name)
            name = "cache_write" if field.name.startswith("cache_write") else field.name
            found[name] += count if isinstance(count, int) else 0
    return +found


def says_more(run: Run, sound: Run) -> bool:
    """Return whether a run says that it lacks something that the sound one has."""
    uncertain = [turn for turn in run.turns if turn.usage is None or turn.output_incomplete]
    unheard = {_sentence(warning) for warning in run.warnings} - {_sentence(said) for said in sound.warnings}
    return bool(uncertain or unheard or run.problems)


def _sentence(warning: str) -> str:
    return warning.rpartition(": ")[2]


def is_visibly_damaged(path: Path) -> bool:
    """Return whether some line of a log, or the whole of it, is not JSON."""
    data = path.read_bytes()
    # A byte that is not of the encoding changes a text, not which records there are.
    text = data.decode(json.detect_encoding(data), "replace")
    if path.suffix == ".jsonl":
        return not all(_is_whole(line) for line in re.split(r"[\r\n]+", text) if line.strip(" \t\x00"))
    return path.suffix == ".json" and not _is_whole(text)


def _is_whole(text: str) -> bool:
    """Return whether a text is one JSON value, or several in a row as an interrupted write leaves them."""
    try:
        text = text.strip()
        while text:
            _, end = json.JSONDecoder().raw_decode(text)
            text = text[end:].lstrip()
    except (ValueError, RecursionError):
        return False
    return True
