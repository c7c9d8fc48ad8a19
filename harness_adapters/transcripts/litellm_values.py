"""What LiteLLM's logs, and the trajectories of harnesses that call through it, have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tokenprof.harness_adapters.wires.openai_exchange import call_of_completion
from tokenprof.pricing.normalise_logs import usage_from_litellm
from tokenprof.pricing.selectors import Selectors
from tokenprof.record.block_facts import Shaper
from tokenprof.record.exchange import Call
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
    tier = text_of((counts or {}).get("service_tier")) or text_of(response.get("service_tier"))
    return replace(
        call,
        usage=None if counts is None else usage_from_litellm(counts),
        selectors=Selectors(
            tier or None,
            text_of((counts or {}).get("speed")) or None,
            text_of((counts or {}).get("inference_geo")) or None,
        ),
    )
