"""What is billed: usage, the price book, cache rules, and the chain from tokens to the application.

Stands alone: imports nothing of ours, and loads no price data until a price is asked for.
"""

from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
"""The folder of prices, cache rules and figures of the chain."""
