"""Errors that a user can cause and can fix, each one sentence long."""

from __future__ import annotations

from pathlib import Path

from tokenprof.facts.inert_text import printable


class TokenprofError(Exception):
    """Anything a user can cause: a wrong file, option, name or value.

    The command line prints the message and exits with 2. A message names the thing, the place and the way
    out, and is kept on one line and without control characters whatever it quotes.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


class InputError(TokenprofError):
    """An input that cannot be read. The message names the file, the line if there is one, and the way out."""

    @classmethod
    def at(cls, path: Path, line: int, message: str) -> InputError:
        """Return the error for a line (counted from 1) of a file."""
        return cls(f"{path}:{line}: {message}")

    @classmethod
    def unreadable(cls, path: Path | str, error: OSError) -> InputError:
        """Return the error for a file that the operating system does not let us read."""
        advice = "the name" if isinstance(error, FileNotFoundError) else "that it is a file that you may read"
        return cls(f"{path} cannot be read: {error.strerror or error}. Check {advice}.")
