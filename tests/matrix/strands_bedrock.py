"""Strands with its default model: Claude on Bedrock, by boto3."""

from __future__ import annotations

import os

import inbox
from strands.models.bedrock import BedrockModel
from with_strands import sort

import tokenprof

KEYS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "us-east-1"}


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    os.environ |= KEYS
    model_id = f"global.anthropic.{inbox.MODEL}-v1:0"
    with tokenprof.profile(path):
        return sort(lambda: BedrockModel(model_id=model_id, endpoint_url=base_url))
