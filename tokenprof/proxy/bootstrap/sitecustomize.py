"""Runs before a Python program that `tokenprof run` has started; lets tokenprof see its model calls.

The program's own `sitecustomize`, which this one hides, runs after it. The program starts even
if tokenprof fails; errors in its own `sitecustomize` are reported as Python reports them.
"""

import contextlib
import importlib
import sys
from pathlib import Path

with contextlib.suppress(Exception):
    importlib.import_module("tokenprof_after_import").begin()

_here = Path(__file__).parent
# Children find this folder in PYTHONPATH again; the program itself has no use for it.
sys.path[:] = [entry for entry in sys.path if not entry or Path(entry) != _here]
_ours = sys.modules.pop("sitecustomize", None)
try:
    importlib.import_module("sitecustomize")
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
    if _ours is not None:
        sys.modules["sitecustomize"] = _ours
