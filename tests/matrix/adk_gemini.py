"""Google ADK over the model that it is made for: `google-genai`, asynchronous, over `aiohttp`."""

from __future__ import annotations

import asyncio
import os

import gemini_loopback as HELD_TO
from gemini_loopback import MODEL
from gemini_loopback import GeminiLoopback as PROVIDER
from google.adk.models.google_llm import Gemini
from with_google_adk import run

import tokenprof

__all__ = ["HELD_TO", "PROVIDER", "main"]


def main(path: str, api_key: str, base_url: str) -> str:
    """Record the run; returns the agents' answer."""
    os.environ["GOOGLE_API_KEY"] = api_key
    with tokenprof.profile(path):
        return asyncio.run(run(Gemini(model=MODEL, base_url=base_url)))
