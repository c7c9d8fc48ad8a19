"""The parser of the command line: its errors are one sentence, with the near name of a misspelt word."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import IO, Any, Final, NoReturn

from tokenprof.commands.console.output import emit
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean

_IS_MISSING: Final = re.compile(r"^the following arguments are required: (.*)$")

_REWORDED: Final = (
    (_IS_MISSING, r"\1 is missing"),
    (re.compile(r"^argument (\S+): expected .*$"), r"\1 needs a value"),
    (re.compile(r"^argument (\S+): ignored explicit argument .*$"), r"\1 takes no value"),
    (re.compile(r"^argument (.+?): (.*)$", re.DOTALL), r"\1: \2"),
)
"""What argparse says, and the same in a sentence."""


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are raised as InputError; options are written out in full.

    Subcommands added to it get parsers of the same class.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "allow_abbrev": False})
        self._words: list[str] = []

    def error(self, message: str) -> NoReturn:
        """Raise InputError with a message of argparse, reworded.

        A misspelt option is said first: what argparse then finds missing follows from it.
        """
        known = [each for action in self._actions for each in action.option_strings]
        before_dashes = self._words[: self._words.index("--")] if "--" in self._words else self._words
        options = (word.partition("=")[0] for word in before_dashes if word.startswith("--"))
        misspelt = next((name for name in options if name not in known), None)
        if misspelt is not None and _IS_MISSING.match(message):
            message = self._unknown([misspelt])
        for pattern, sentence in _REWORDED:
            if pattern.match(message):
                message = pattern.sub(sentence, message)
                break
        raise InputError(f"{message.rstrip('.?')}{_end(message)} See: {self.prog} --help")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; an unknown one is an error here, where the options that are known are at hand."""
        self._words = list(sys.argv[1:] if args is None else args)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown))
        return parsed, []

    def _unknown(self, words: Sequence[str]) -> str:
        option = next((word for word in words if word.startswith("-")), None)
        if option is None:
            return f"{words[0]!r} is one argument too many."
        name = option.partition("=")[0]
        known = [each for action in self._actions for each in action.option_strings]
        return f"there is no option {name}.{did_you_mean(name, known)}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the near command for a misspelt one; argparse has no public place for this."""
        if action.choices is not None and value not in action.choices:
            names = [str(name) for name in action.choices]
            self.error(f"{value!r} is not one of {', '.join(names)}.{did_you_mean(str(value), names)}")

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:  # type: ignore[override]
        """Print the help or the version; a reader that has gone is not an error."""
        emit(message)


def _end(message: str) -> str:
    return "?" if message.endswith("?") else "."
