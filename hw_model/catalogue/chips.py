"""Accelerators and racks, with the figures that the equations of time and cost take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GIGA: Final = 1e9
TERA: Final = 1e12

# A chip without 4-bit arithmetic widens 4-bit weights as it reads them and multiplies at the next rate up.
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
    """One accelerator. Rates are dense peaks, bandwidths are one way, and `sources` has a source per figure.

    `hbm_bytes` is what is advertised, `memory_bytes` what software sees. `collective_s` is the time of the
    smallest all-reduce among neighbours. `scaleup_world` is how many accelerators share the fast links.
    `capex_usd` is low, middle and high capital per accelerator, with its share of server and network. What
    others say an hour costs, and what it is rented for, is in `pricing/data/gpu_hours.csv`.
    """

    name: str
    ids: tuple[str, ...]
    maker: str
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
    sources: Mapping[str, str]

    @property
    def families(self) -> frozenset[str]:
        """Families of kernels, as in a plan (2.10).

        `amd`, `cdna3` (AMD without 4-bit arithmetic), `tpu`, `blackwell` (NVIDIA with it).
        """
        has_fp4 = "fp4" in self.flops_per_s
        older = {"cdna3"} if self.maker == "amd" and not has_fp4 else set()
        newer = {"blackwell"} if self.maker == "nvidia" and has_fp4 else set()
        return _FAMILIES[self.maker] | older | newer

    def flops_per_s_at(self, dtype: str) -> float:
        """Return the dense rate at which this chip multiplies weights of a dtype [FLOP/s].

        Raises ValueError if its row has no rate that serves the dtype.
        """
        for compute in _COMPUTE_DTYPE[dtype]:
            if compute in self.flops_per_s:
                return self.flops_per_s[compute]
        raise ValueError(
            f"the chip {self.name} has no rate for {dtype}; see its row in hw_model/data/chips.json"
        )


FAMILIES: Final = ("amd", "cdna3", "tpu", "blackwell")

# Families of kernels (2.10) that a maker's chips belong to. Too few points of Intel's are published to fit
# constants of its own, so they are those of the least mature stack that was measured: AMD's on CDNA 3.
_FAMILIES: Final[Mapping[str, frozenset[str]]] = {
    "nvidia": frozenset(),
    "amd": frozenset({"amd"}),
    "google": frozenset({"tpu"}),
    "aws": frozenset({"tpu"}),
    "intel": frozenset({"amd", "cdna3"}),
}


@dataclass(frozen=True, slots=True)
class Rack:
    """Accelerators in one scale-up domain, with the memory that the maker states for all of them."""

    name: str
    chip: str | None
    chips: int
    hbm_bytes: float
    source: str


def chip_from_row(row: Mapping[str, Any]) -> Chip:
    """Return the chip that a row of `data/chips.json` describes. Raises KeyError for a missing field."""
    capex = row["capex_usd"]
    return Chip(
        name=row["name"],
        ids=tuple(row["ids"]),
        maker=row["maker"],
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
        sources={
            key: cell["source"] for key, cell in row.items() if isinstance(cell, dict) and "source" in cell
        },
    )
