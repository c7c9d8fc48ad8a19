"""How far kernels of a precision, chips of a maker and older software are from the reference (2.10).

The reference is fp8 and bf16 kernels on NVIDIA's chips in mid-2026. Each function returns a factor that is 1
there. A plan says with 0 or 1 which family it belongs to.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Number
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.plan import ServingPlan

CDNA3_RELEASE_YEARS: Final = 0.08
"""How long before the reference date engines halved what a layer costs on CDNA 3 [years]: May 2026."""


def _mixed(flag: Number, factor: float) -> Number:
    return 1.0 + flag * (factor - 1.0)


def dense_family(plan: ServingPlan, c: Constants) -> Number:
    """Return the share of the reference's rate that linear layers reach in their precision."""
    return _mixed(plan.fp4_dense, c.fp4_dense)


def expert_family(plan: ServingPlan, c: Constants) -> Number:
    """Return the share of the reference's rate that routed experts reach in their precision.

    int4 weights are widened to bf16 before they are multiplied, and so are 4-bit floats on a chip without
    4-bit arithmetic.
    """
    fp4 = _mixed(plan.fp4_experts, c.fp4_experts)
    return fp4 * _mixed(plan.int4_experts, c.int4_experts) * _mixed(plan.widened_experts, c.widened_experts)


def maker_bandwidth(plan: ServingPlan, c: Constants) -> Number:
    """Return the share of NVIDIA's efficiency in reading memory that kernels of a maker reach."""
    return _mixed(plan.amd, c.amd_bandwidth) * _mixed(plan.tpu, c.tpu_bandwidth)


def maker_arithmetic(plan: ServingPlan, c: Constants) -> Number:
    """Return the share of NVIDIA's efficiency in arithmetic that kernels of a maker reach."""
    return _mixed(plan.amd, c.amd_arithmetic) * _mixed(plan.tpu, c.tpu_arithmetic)


def maker_attention(plan: ServingPlan, c: Constants) -> Number:
    """Return the share of NVIDIA's efficiency in attention, arithmetic and memory, that a maker reaches."""
    return _mixed(plan.amd, c.amd_attention) * _mixed(plan.tpu, c.tpu_arithmetic)


def maker_layers(plan: ServingPlan, c: Constants) -> Number:
    """Return what a layer's launches and waits cost on a maker's chips, as a multiple of NVIDIA's."""
    older = np.asarray(plan.software_years) > CDNA3_RELEASE_YEARS
    cdna3 = 1.0 + plan.cdna3 * (np.where(older, c.cdna3_older_layers, c.cdna3_layers) - 1.0)
    amd = _mixed(plan.amd, c.amd_layers) * cdna3
    return amd * _mixed(plan.tpu, c.tpu_layers)


def software_age(plan: ServingPlan, c: Constants) -> Number:
    """Return how much longer everything took on older software: (1 + rate)^years.

    A model that is new to an engine on AMD's chips runs on unfinished kernels at first.
    """
    rate = c.software_per_year + plan.amd * (c.amd_software_per_year - c.software_per_year)
    return (1.0 + rate) ** plan.software_years * (1.0 + plan.amd * plan.immaturity * c.amd_new_model)
