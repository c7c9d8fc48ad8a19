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
from tokenprof.record.call import Call
from tokenprof.record.content_coding import notes_of_request, request_of
from tokenprof.record.exchange import Exchange

_MODEL = re.compile(r"/(?:model/.*?|models/)([^/]+?)(?::rawPredict|:streamRawPredict|/invoke[^/]*)$")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange. Raises ValueError if the path does not name a model."""
    found = _MODEL.search(unquote(exchange.target))
    if found is None:
        raise ValueError(f"the path {exchange.target} does not name a model")
    body = request_of(exchange)
    named = replace(exchange, request=orjson.dumps({**body, "model": found.group(1)}))
    call = anthropic_exchange.interpret(named, shaper)
    notes = notes_of_request(exchange, body)
    return call if call is None or not notes else replace(call, notes=(*call.notes, *notes))
