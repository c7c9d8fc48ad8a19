"""Which known name a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean X?" (with the leading space) for the nearest known name, or "" if none is near.

    Case does not matter. The result is meant to follow the sentence that says the name is unknown.
    """
    from difflib import get_close_matches

    spellings = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), spellings, n=1)
    return f" Did you mean {spellings[near[0]]}?" if near else ""
