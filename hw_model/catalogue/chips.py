"""Accelerators and racks as the time and cost equations see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GIGA: Final = 1e9
TERA: Final = 1e12

# Without 4-bit arithmetic, 4-bit weights are widened on the way in and multiplied at the next rate up;
# int4 weights are always multiplied in bf16.
_COMPUTE_DTYPE: Final[Mapping[str, tuple[str, ...]]] = {
    "fp32": ("bf16",),
    "bf16": ("bf16",),
    "fp16": ("bf16",),
    "fp8": ("fp8", "bf16"),
    "int8": ("fp8", "bf16"),
    "fp4": ("fp4", "bf16"),
    "mxfp4": ("fp4", "bf16"),
    "int4": ("bf16",),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One accelerator. Rates are dense peaks; bandwidths are one way; `sources` has one entry per figure.

    `hbm_bytes` is what is advertised, `memory_bytes` what software sees; `collective_s` is the time of the
    smallest all-reduce among neighbours.
    """

    name: str
    ids: tuple[str, ...]
    flops_per_s: Mapping[str, float]
    hbm_bytes: float
    memory_bytes: float
    collective_s: float
    hbm_bytes_per_s: float
    link_bytes_per_s: float
    scaleup_world: int
    net_bytes_per_s: float
    host_link_bytes_per_s: float
    host_memory_bytes: float
    tdp_w: float
    all_in_kw: float
    capex_usd: tuple[float, float, float]
    published_usd_per_hour: Mapping[str, float]
    sources: Mapping[str, str]

    def flops_per_s_at(self, dtype: str) -> float:
        """Return the dense rate at which weights of a dtype are multiplied on this chip [FLOP/s]."""
        for compute in _COMPUTE_DTYPE[dtype]:
            if compute in self.flops_per_s:
                return self.flops_per_s[compute]
        raise ValueError(
            f"the chip {self.name} has no rate for {dtype}; see its row in hw_model/data/chips.json"
        )


@dataclass(frozen=True, slots=True)
class Rack:
    """Accelerators in one scale-up domain, with the memory the maker states for the whole."""

    name: str
    chip: str | None
    chips: int
    hbm_bytes: float
    source: str


def chip_from_row(row: Mapping[str, Any]) -> Chip:
    """Return the chip that a row of `data/chips.json` describes."""
    capex = row["capex_usd"]
    return Chip(
        name=row["name"],
        ids=tuple(row["ids"]),
        flops_per_s={dtype: rate * TERA for dtype, rate in row["tflops"]["value"].items()},
        hbm_bytes=row["hbm_gb"]["value"] * GIGA,
        memory_bytes=row["device_memory_gib"]["value"] * 2**30,
        collective_s=row["collective_us"]["value"] * 1e-6,
        hbm_bytes_per_s=row["hbm_tb_s"]["value"] * TERA,
        link_bytes_per_s=row["link_gb_s"]["value"] * GIGA,
        scaleup_world=row["scaleup_world"]["value"],
        net_bytes_per_s=row["net_gb_s"]["value"] * GIGA,
        host_link_bytes_per_s=row["host_link_gb_s"]["value"] * GIGA,
        host_memory_bytes=row["host_memory_gb"]["value"] * GIGA,
        tdp_w=row["tdp_w"]["value"],
        all_in_kw=row["all_in_kw"]["value"],
        capex_usd=(capex["low"], capex["value"], capex["high"]),
        published_usd_per_hour=row["published_usd_per_hour"]["value"],
        sources={
            key: cell["source"] for key, cell in row.items() if isinstance(cell, dict) and "source" in cell
        },
    )
