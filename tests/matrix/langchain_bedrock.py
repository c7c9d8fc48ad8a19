"""LangChain over Claude on Bedrock, by boto3's Converse."""

from __future__ import annotations

import boto3
import inbox
from langchain_aws import ChatBedrockConverse
from with_langchain import sort

import tokenprof
from tokenprof.harness_adapters.hooks import langchain as langchain_hook

KEYS = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    undo = langchain_hook.install()
    with tokenprof.profile(path):
        client = boto3.client("bedrock-runtime", endpoint_url=base_url, **KEYS)
        model = f"global.anthropic.{inbox.MODEL}-v1:0"
        said = sort(ChatBedrockConverse(client=client, model_id=model, provider="anthropic"))
    undo()
    return said
