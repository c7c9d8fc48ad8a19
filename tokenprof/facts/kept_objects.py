"""Our own objects as bytes and back, for what is kept in the user's cache folder (`facts.remembered`).

Only objects of our own types and of plain ones are made from bytes, so that a file that somebody else has
written runs nothing.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

_PLAIN: Final = {
    "builtins": {"set", "frozenset"},
    "array": {"array", "_array_reconstructor"},
    "collections": {"Counter", "defaultdict", "deque"},
    "copyreg": {"_reconstructor"},
    "datetime": {"date", "datetime", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "msgspec._utils": {"rebuild"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "pathlib": {"PosixPath", "WindowsPath"},
}

MadeAgain = Mapping[type, Callable[[Any], Any]]
"""How objects of some types are reduced, as `pickle` takes it."""


class NotKeptError(ValueError):
    """The bytes do not hold an object of the kind that was asked for."""


def packed(value: object, made_again: MadeAgain | None = None) -> bytes:
    """Return an object as bytes; `made_again` says how those of some types are made again."""
    written = io.BytesIO()
    pickler = pickle.Pickler(written, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = made_again or {}
    pickler.dump(value)
    return zlib.compress(written.getbuffer(), 1)


def unpacked(data: bytes, kind: type[T], functions: Collection[Callable[..., object]] = ()) -> T:
    """Return the object that bytes hold. `functions` may be called to make its parts.

    Raises NotKeptError if it is not of this kind, or was made by another version.
    """
    try:
        found = _Loader(io.BytesIO(zlib.decompress(data)), functions).load()
    except (
        *(zlib.error, pickle.UnpicklingError, LookupError, TypeError, ValueError),
        *(AttributeError, EOFError, ImportError),
    ) as error:
        raise NotKeptError(str(error)) from error
    if not isinstance(found, kind):
        raise NotKeptError(f"this is not a {kind.__name__}")
    return found


class _Loader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, functions: Collection[Callable[..., object]]) -> None:
        super().__init__(file)
        self._functions = functions

    def find_class(self, module: str, name: str) -> Any:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if module.startswith("tokenprof."):
            found = super().find_class(module, name)
            if isinstance(found, type) or found in self._functions:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not ours")
