"""What is assumed of a fleet unless somebody describes it; light to import, for the help of commands."""

from __future__ import annotations

from typing import Final

USUAL_UTILISATION: Final = (0.3, 0.5, 0.8)
"""Share of a fleet's hours that are sold: low, usual, high. Judgement; no provider publishes it."""

DEFAULT_UTILISATION: Final = USUAL_UTILISATION[1]

DEFAULT_TOKENS_PER_S: Final = 30.0
"""Speed to each user if the run's own clock says nothing: a usual interactive speed [tokens/s]."""
