"""The commands of `tokenprof`, as its parser has them, for tests that try each of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tokenprof.commands.main import build_parser


def commands_below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands of a parser by name."""
    return {
        name: below
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, below in action.choices.items()
    }


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return every command of `tokenprof` by name."""
    return commands_below(build_parser())


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and all that are below it."""
    yield parser
    for below in commands_below(parser).values():
        yield from parsers(below)
