"""Attribution: every billed token of every turn on a named block, calibrated on the bill itself."""

from tokenprof.attribute.engine import attribute
from tokenprof.attribute.model import Attribution, Placed, Share, Size

__all__ = ["Attribution", "Placed", "Share", "Size", "attribute"]
