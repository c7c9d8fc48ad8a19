"""Loading numpy without threads, for commands that are done before these have started."""

from __future__ import annotations

import os
import sys
from typing import Final

BLAS_THREADS: Final = "OPENBLAS_NUM_THREADS"


def load_numpy_without_threads() -> None:
    """Load numpy without threads for large matrices, unless the user asks for some.

    The variable is taken back, so programs started from here are not told.
    """
    if "numpy" in sys.modules or BLAS_THREADS in os.environ:
        return
    os.environ[BLAS_THREADS] = "1"
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[BLAS_THREADS]
