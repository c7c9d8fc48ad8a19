"""What is assumed of closed models before anything is drawn: their classes, and the fleets they run on.

All ranges and weights are assumptions; section 4 of docs/hardware.md has the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ModelClass:
    """What is assumed of a kind of closed model: low, mode and high of log-triangular draws.

    Parameters are in billions, `kv_bytes_per_token_bf16` in bytes, `tokens_per_s` is the speed to each user.
    """

    name: str
    active_parameters_b: Triple
    total_parameters_b: Triple
    kv_bytes_per_token_bf16: Triple
    tokens_per_s: Triple
    evidence: str


_SECONDARY = "secondary; see section 4 of docs/hardware.md"
CLASSES: Final[Mapping[str, ModelClass]] = {
    "opus": ModelClass(
        "Claude Opus class", (50, 100, 200), (800, 2000, 5000), (30e3, 80e3, 250e3), (25, 50, 90),
        "speed on Vertex against open models: 93-154B active, 1.5-2T total (unexcitedneurons, Mar 2026); "
        + _SECONDARY,
    ),
    "opus-at-15": ModelClass(
        "Claude Opus class at $15/$75 (3, 4, 4.1)", (100, 200, 400), (1500, 3500, 8000),
        (60e3, 150e3, 400e3), (15, 24, 45),
        "three times the price of Opus 4.5 to 4.8, and about 24 tokens/s to their 42; " + _SECONDARY,
    ),
    "fable": ModelClass(
        "Claude Fable and Mythos class", (80, 160, 350), (1500, 3500, 8000), (50e3, 120e3, 350e3),
        (20, 40, 80),
        "twice the price of Opus 4.8; nothing else is known",
    ),
    "sonnet": ModelClass(
        "Claude Sonnet class", (25, 60, 120), (300, 800, 1500), (25e3, 70e3, 200e3), (35, 60, 110),
        f"about as fast as Opus 4.5 on Vertex; {_SECONDARY}",
    ),
    "mini": ModelClass(
        "Claude Haiku, GPT mini, Gemini Flash class", (5, 15, 40), (50, 150, 400), (15e3, 50e3, 130e3),
        (60, 120, 220),
        "price ratios to the larger models only",
    ),
    "nano": ModelClass(
        "GPT nano and Flash-Lite class (input up to $0.25)", (1, 4, 12), (10, 40, 120), (8e3, 20e3, 60e3),
        (100, 180, 350),
        "a third to a tenth of the price of the mini class, at twice its speed",
    ),
    "pro": ModelClass(
        "GPT pro class (input from $15)", (60, 160, 400), (600, 2000, 6000), (40e3, 140e3, 400e3),
        (10, 25, 60),
        "twelve times the price of GPT-5 and slow; it may run several answers at once, which is not modelled",
    ),
    "gpt": ModelClass(
        "GPT-5 and Gemini Pro class", (30, 80, 200), (300, 1000, 3000), (20e3, 70e3, 200e3), (35, 65, 120),
        f"GPT-4 about 1.8T total (leaks); gpt-oss shows grouped-query attention with windows; {_SECONDARY}",
    ),
}  # fmt: skip

# The hardware that a maker is known to serve on; the weights are judgement.
FLEETS: Final[Mapping[str, Mapping[str, float]]] = {
    "anthropic": {"H100": 1, "H200": 1.5, "B200": 1.5, "GB200": 1, "TPU v6e": 1, "TPU v7": 2, "Trainium2": 2},
    "google": {"TPU v6e": 4, "TPU v7": 6},
    "openai": {"H100": 1.5, "H200": 2, "B200": 2.5, "GB200": 3.5, "MI300X": 0.5},
    "hosts": {"H100": 1.5, "H200": 2, "B200": 2.5, "B300": 1, "GB200": 1, "MI300X": 0.3, "MI355X": 0.7},
}

# Since when hosts could rent a chip in numbers (launch of the first large clouds).
AVAILABLE: Final[Mapping[str, str]] = {
    "H200": "2024-09-01", "B200": "2025-03-01", "GB200": "2025-04-01", "B300": "2025-11-01",
    "GB300": "2025-10-01", "MI300X": "2024-05-01", "MI325X": "2025-02-01", "MI355X": "2025-09-01",
    "TPU v6e": "2024-12-01", "TPU v7": "2025-11-01", "Trainium2": "2024-12-01",
}  # fmt: skip

# Kind of attention -> its weight, then its growing KV and pair FLOPs over those of grouped-query attention.
ATTENTION: Final = {
    "grouped-query": (0.35, 1.3, 1.0),
    "grouped-query with windows": (0.30, 0.7, 0.4),
    "latent": (0.25, 0.4, 1.7),
    "hybrid linear": (0.10, 0.5, 0.3),
}
PRECISIONS: Final = {"fp8": 0.5, "fp4": 0.4, "bf16": 0.1}


def attention_in_words() -> str:
    """Return the kinds of attention that are drawn, each with its weight."""
    return _weights_in_words({kind: weight for kind, (weight, _, _) in ATTENTION.items()})


def precisions_in_words() -> str:
    """Return the dtypes of weights that are drawn, each with its weight."""
    return _weights_in_words(PRECISIONS)


def _weights_in_words(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {f'{weight:g}'.removeprefix('0')}" for name, weight in weights.items())


_OPUS_AT_15: Final = re.compile(r"opus-4-1\b|opus-4-0\b|opus-4(?:@|-20250514|$)|3-opus|opus-3")

# Open weights with the name of a closed family, and a family whose shape and fleet are both unknown.
_OF_NO_CLASS: Final = ("gpt-oss", "amazon.nova")


def model_class(provider: str, model: str) -> str | None:
    """Return the key of `CLASSES` that a closed model's name suggests; None if the name says nothing."""
    name = f"{provider}/{model}".lower()
    if any(word in name for word in _OF_NO_CLASS):
        return None
    if any(word in name for word in ("fable", "mythos")):
        return "fable"
    if _OPUS_AT_15.search(name):
        return "opus-at-15"
    if "opus" in name:
        return "opus"
    if "sonnet" in name:
        return "sonnet"
    if any(word in name for word in ("-nano", "flash-lite", "flash-8b")):
        return "nano"
    if re.search(r"gpt-[\d.]+-pro|/o[13]-pro", name):
        return "pro"
    if any(word in name for word in ("haiku", "-mini", "-nano", "flash", "-lite", "claude-instant")):
        return "mini"
    if any(
        word in name for word in ("gpt-", "chatgpt", "codex", "gemini", "grok", "claude", "/o1", "/o3", "/o4")
    ):
        return "gpt"
    return None


def fleet_of(provider: str, model: str) -> str:
    """Return the key of `FLEETS` for the hardware that a model is assumed to run on."""
    name = f"{provider}/{model}".lower()
    if "claude" in name or "anthropic" in name:
        return "anthropic"
    return "google" if "gemini" in name else "openai"
