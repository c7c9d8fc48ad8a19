"""The log of what goes wrong on our side. Whatever the host has made of logging, it raises nothing here."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Final


class _HarmlessLog(logging.LoggerAdapter[logging.Logger]):
    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        # A handler or a filter of the host's may raise whatever it likes, even on our own threads.
        with suppress(Exception):
            super().log(level, msg, *args, **{"stacklevel": 3, **kwargs})


log: Final = _HarmlessLog(logging.getLogger("tokenprof"), {})
