"""What goes wrong in a way that the user can mend."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """Input that cannot be read, told in one sentence that names the file, the line and the way out.

    The command line prints it and exits with 2. The text is kept to one line whatever it quotes.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))

    @classmethod
    def at(cls, path: Path, line: int, message: str) -> InputError:
        """Return the error of a line (counted from 1) of a file."""
        return cls(f"{path}:{line}: {message}")
