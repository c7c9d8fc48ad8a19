"""What hosts and makers charge for open models in the price book, and how fast they are served."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from tokenprof.hw_model.cost import UnknownModelError, find_model
from tokenprof.pricing.book import Unpriced, default_book
from tokenprof.pricing.catalogue import GenaiPrices
from tokenprof.pricing.usage import Usage

AT: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""The day of the price book."""

SERIOUS_HOSTS: Final[Mapping[str, str]] = {
    "fireworks": "Fireworks", "huggingface_fireworks-ai": "Fireworks",
    "together": "Together", "huggingface_together": "Together",
    "novita": "Novita", "huggingface_novita": "Novita",
    "huggingface_nebius": "Nebius",
    "huggingface_hyperbolic": "Hyperbolic",
    "huggingface_nscale": "Nscale",
    "ovhcloud": "OVHcloud", "huggingface_ovhcloud": "OVHcloud",
    "baseten": "Baseten",
    "avian": "Avian",
    "cloudflare": "Cloudflare",
    "aws": "Amazon",
}  # fmt: skip
"""Companies by the names of their price rows. Each sells at least seven known open models at once, on
accelerators of the catalogue. Left out: resellers (OpenRouter), batches (Doubleword), silicon of their own
(Groq, Cerebras, SambaNova). A company whose rows the book has twice is one host."""

MAKERS: Final = ("deepseek", "moonshotai", "zai", "minimax", "mistral", "openai")
"""Makers of open weights who sell them too."""

OWN_SILICON: Final = ("groq", "cerebras", "sambanova")
PREMIUM: Final = ("fast", "turbo")

TokenPrice = tuple[float, float]
"""USD per million tokens of input and of output."""


def prices_by_host() -> dict[str, dict[str, TokenPrice]]:
    """Return the prices of open models by shape and company: the lowest that the company lists."""
    found: dict[str, dict[str, TokenPrice]] = defaultdict(dict)
    for seller, company in SERIOUS_HOSTS.items():
        for shape, price in _prices_of(seller).items():
            # A company's own rows come first; those of a marketplace may be out of date.
            found[shape].setdefault(company, price)
    return found


def prices_of_makers() -> dict[str, TokenPrice]:
    """Return what makers charge for their own open models: by the price book, else as read with the speed."""
    read = {
        shape: (float(row["usd_in"]), float(row["usd_out"]))
        for shape, row in _speed_rows()
        if row["host"].startswith("first party") and float(row["usd_out"]) > 0
    }
    return read | {shape: price for maker in MAKERS for shape, price in _prices_of(maker).items()}


def _prices_of(seller: str) -> dict[str, TokenPrice]:
    catalogue, book = GenaiPrices(), default_book()
    found: dict[str, TokenPrice] = {}
    for model in catalogue.models(seller):
        try:
            shape = find_model(model).name
        except UnknownModelError:
            continue
        price = book.price(seller, model, AT, Usage(uncached_input_tokens=6_000, output_tokens=400))
        if isinstance(price, Unpriced):
            continue
        listed = tuple(float(price.rates.get(cls, 0)) * 1e6 for cls in ("uncached_input", "output"))
        if min(listed) > 0:
            found[shape] = min(found.get(shape, (listed[0], listed[1])), (listed[0], listed[1]))
    return found


def first_tokens_s() -> list[float]:
    """Return the times to the first token that hosts were measured at [s], whichever open model."""
    return [float(row["ttft_s"]) for _, row in _speed_rows() if row["ttft_s"] and _is_usual(row)]


def speeds_by_model() -> dict[str, float]:
    """Return the median speed at which each shape is served [tokens/s], where somebody has measured it.

    Hosts on silicon of their own and premium tiers are left out.
    """
    read: dict[str, list[float]] = defaultdict(list)
    for shape, row in _speed_rows():
        if _is_usual(row):
            read[shape].append(float(row["p50_tokens_per_s"]))
    return {shape: median(values) for shape, values in read.items()}


def _is_usual(row: dict[str, str]) -> bool:
    return not any(word in row["host"].lower() for word in (*OWN_SILICON, *PREMIUM))


def _speed_rows() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of benchmarks/data/host_speeds.csv whose model's shape is known."""
    path = Path(__file__).parents[1] / "data" / "host_speeds.csv"
    for row in csv.DictReader(path.read_text("utf-8").splitlines()):
        try:
            yield find_model(row["model"].split(" (")[0].replace(" ", "-").lower()).name, row
        except UnknownModelError:
            continue
