"""What LiteLLM's logs, and the trajectories of harnesses that call through it, have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tokenprof.harness_adapters.wires.implausible_usage import raw_json
from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion
from tokenprof.pricing.billed_pieces import pieces_of_completion, stated_usd
from tokenprof.pricing.normalise import with_fees
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage_dialects import OPENAI_CHAT
from tokenprof.pricing.usage_reader import read_usage
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.wire_values import Wire, text_of

SELLERS = {
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "azure_ai": "azure",
    "xai": "x-ai",
    "fireworks_ai": "fireworks",
    "together_ai": "together",
}
"""LiteLLM's names of providers that have another name in prices."""


def seller_of(provider: str, model: str) -> tuple[str, str]:
    """Return (provider, model) as named in prices, from LiteLLM's `provider` and `provider/model`."""
    said, _, rest = model.partition("/")
    if rest and (not provider or said == provider):
        provider, model = said, rest
    return SELLERS.get(provider, provider), model


def call_of_litellm(request: Wire, response: Wire, shaper: Shaper, *, otherwise: str) -> Call:
    """Return the call of a request and LiteLLM's form of its answer.

    Raises UsageError for counts that contradict each other.
    """
    raw = response.get("usage")
    counts = raw if isinstance(raw, Mapping) else None
    bare = {key: value for key, value in response.items() if key != "usage"}
    call = call_of_completion(request, bare, "ok", shaper, otherwise=otherwise)
    read = None if counts is None else read_usage(counts, OPENAI_CHAT)
    tier = text_of((counts or {}).get("service_tier")) or text_of(response.get("service_tier"))
    return replace(
        call,
        usage=None if read is None else with_fees(read.usage, pieces_of_completion(response)),
        notes=() if read is None else read.notes,
        raw_usage=raw_json(counts) if read is not None and read.notes else None,
        stated_usd=stated_usd(counts or {}),
        selectors=Selectors(
            tier or None,
            text_of((counts or {}).get("speed")) or None,
            text_of((counts or {}).get("inference_geo")) or None,
        ),
    )
