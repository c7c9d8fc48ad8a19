"""Attribution: every billed token of every turn on a named block, calibrated on the bill itself."""

from tokenprof.attribute.engine import Allocation, Attribution, Share, attribute

__all__ = ["Allocation", "Attribution", "Share", "attribute"]
