"""The exit codes of every command. `tokenprof run` returns those of the command that it ran."""

from __future__ import annotations

from typing import Final

OK: Final = 0

FOUND: Final = 1
"""Something was found: a regression, a budget crossed, an unexplained difference, a model without a price."""

BAD_INPUT: Final = 2
"""What was asked cannot be done; one sentence on standard error says why."""

INTERRUPTED: Final = 130
"""Stopped with Ctrl-C, as a shell reports it."""
