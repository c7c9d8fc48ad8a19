"""Response bodies of exchanges without their content coding."""

from __future__ import annotations

from tokenprof.proxy.coding import decoded
from tokenprof.record.exchange import Exchange


def decoded_body(exchange: Exchange) -> bytes:
    """Return the body without its content coding; of a cut body, as much as can be decoded."""
    return decoded(exchange.body, exchange.headers.get("content-encoding", ""))
