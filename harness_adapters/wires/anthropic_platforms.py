"""Claude on Bedrock and Vertex, seen at an HTTP library: the Messages shape, with the model in the path.

The `anthropic` SDK's own platform clients are seen by its middleware before it rewrites the request.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

import orjson

from tokenprof.harness_adapters.wires import anthropic_exchange
from tokenprof.record.block_facts import Shaper
from tokenprof.record.exchange import Call, Exchange
from tokenprof.record.wire_values import loads_leniently, mapping

_MODEL = re.compile(r"/(?:model/.*?|models/)([^/]+?)(?::rawPredict|:streamRawPredict|/invoke[^/]*)$")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange. Raises ValueError if the path does not name a model."""
    found = _MODEL.search(unquote(exchange.target))
    if found is None:
        raise ValueError(f"the path {exchange.target} does not name a model")
    body = {**mapping(loads_leniently(exchange.request)), "model": found.group(1)}
    return anthropic_exchange.interpret(replace(exchange, request=orjson.dumps(body)), shaper)
