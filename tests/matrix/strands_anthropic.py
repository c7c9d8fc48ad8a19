"""Strands over its own Anthropic model, with the older release of the SDK that it asks for, on `httpx`."""

from __future__ import annotations

import inbox
from strands.models.anthropic import AnthropicModel
from with_strands import sort

import tokenprof


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    with tokenprof.profile(path):
        client = {"api_key": api_key, "base_url": base_url}
        return sort(lambda: AnthropicModel(client_args=client, model_id=inbox.MODEL, max_tokens=900))
