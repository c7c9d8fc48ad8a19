"""The log of what goes wrong on our side. Whatever the host has made of logging, it raises nothing here."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import suppress
from pathlib import PurePath
from typing import Any, Final


class _HarmlessLog(logging.LoggerAdapter[logging.Logger]):
    """Logs to where the host looks: nothing in it acts on a terminal, nor is a key or a text of a call."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        # A handler or a filter of the host's may raise whatever it likes, even on our own threads.
        with suppress(Exception):
            if not self.isEnabledFor(level):
                return
            shown = [_inert(arg) for arg in args]
            failure = kwargs.pop("exc_info", None)
            if error := sys.exception() if failure is True else failure:
                msg = f"{msg}\n%s"
                shown.append(_without_words(error))
            super().log(level, msg, *shown, **{"stacklevel": 3, **kwargs})


def _inert(arg: object) -> object:
    if not isinstance(arg, str | PurePath):
        return arg
    from tokenprof.facts.inert_text import printable
    from tokenprof.facts.secrets.masks import masked_text

    return printable(masked_text(str(arg)))


def _without_words(error: BaseException) -> str:
    """Return where an error arose and of which type it is. Its own words may quote what was sent."""
    return "".join([*traceback.format_tb(error.__traceback__), type(error).__qualname__])


log: Final = _HarmlessLog(logging.getLogger("tokenprof"), {})
