"""The two kinds of number that the equations take: a float, or an array with one entry per deployment."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Number: TypeAlias = float | Array
