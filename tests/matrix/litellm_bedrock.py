"""Every way of calling LiteLLM, of a model on Bedrock: LiteLLM signs and sends such calls itself."""

from __future__ import annotations

import inbox
from litellm_ways import AGENTS, answer, ask

__all__ = ["AGENTS", "answer", "main"]


def main(path: str, api_key: str, base_url: str) -> str:
    """Ask in every way; returns the answer, if all ways had the same."""
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "aws_region_name": "us-east-1"}
    model = f"bedrock/converse/global.anthropic.{inbox.MODEL}-v1:0"
    return ask(path, {"model": model, "aws_bedrock_runtime_endpoint": base_url, **keys})
