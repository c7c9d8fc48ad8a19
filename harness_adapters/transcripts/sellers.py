"""Translates other tools' names of providers into the sellers' names in prices."""

from __future__ import annotations

CLOUDS = ("aws.bedrock", "gcp.vertex_ai", "gcp.gemini", "azure.ai.openai", "azure.ai.inference")
"""Names of the OpenTelemetry conventions that are also names in prices."""


def seller_by_name(said: str, model: str) -> str:
    """Return the seller of a model; `said` is its name in the log (empty if it has none)."""
    said = said.lower()
    if said in CLOUDS:
        return said
    if "bedrock" in said or ".anthropic." in model or model.startswith("anthropic.claude"):
        return "aws.bedrock"
    text = f"{said} {model}".lower()
    for seller, marks in (
        ("anthropic", ("anthropic", "claude")),
        ("google", ("gemini", "google", "gcp.")),
        ("openai", ("openai", "gpt", "azure")),
    ):
        if any(mark in text for mark in marks):
            return seller
    return said or "unknown"
