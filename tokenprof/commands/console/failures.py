"""Errors that a user can cause, each as the sentence that the command line prints."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tokenprof.facts.errors import InputError, TokenprofError
from tokenprof.facts.imported import imported

_WAYS_OUT: Final = {
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.EISDIR: "name a file",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.ENOSPC: "make room",
}


def sentence_of(error: BaseException) -> str | None:
    """Return the sentence for an error that a user can cause; None for a fault of ours.

    Errors of the rooms below that the user can cause are `TokenprofError`, or, in the rooms that stand
    alone, a `ValueError` or `LookupError` with a class of its own.
    """
    if isinstance(error, TokenprofError):
        return str(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, UnicodeDecodeError):
        return "A file is not UTF-8 text; save it as UTF-8."
    if isinstance(error, json.JSONDecodeError):
        return f"A file is not valid JSON ({error}); correct it."
    ours = type(error).__module__.startswith("tokenprof.")
    if ours and isinstance(error, ValueError | LookupError):
        sentence = " ".join(str(error.args[0] if error.args else error).split())
        return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."
    return _of_provider(error)


def _of_system(error: OSError) -> str:
    reason = (error.strerror or str(error)).rstrip(".")
    if error.filename is None:
        return f"{reason}."
    way_out = _WAYS_OUT.get(error.errno or 0)
    return f"{error.filename}: {reason.lower()}{f'; {way_out}' if way_out else ''}."


def _of_provider(error: BaseException) -> str | None:
    """Return the sentence for a provider that could not be asked (`tokenprof count`), else None."""
    sdk = imported("anthropic")
    if sdk is None or not isinstance(error, sdk.AnthropicError):
        return None
    problem = " ".join(str(error).split()).rstrip(".")
    return f"Anthropic could not be asked ({problem}); check ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL."


@contextmanager
def naming(path: Path, form: str = "UTF-8 text") -> Iterator[None]:
    """Turn errors of reading a file into an InputError that names it.

    `form` is what the file should have been, such as "a CSV of measurements".
    """
    try:
        yield
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; it should be {form}.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not valid JSON ({error}); it should be {form}.") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply; it should be {form}.") from None
