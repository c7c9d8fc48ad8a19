"""Read a deployment from text: `MODEL[@[COUNTx]CHIP][:OPTION=VALUE,…]`.

For instance `deepseek-v3@8xh200`, `kimi-k2.5@8xh200:dp=8,ep=8` or
`llama-3.1-70b@4xh100:weights=fp8,engine=vllm`. The options are `weights`, `experts` and `kv` (dtypes), `tp`,
`dp`, `ep` and `pp` (ranks), `engine`, `mtp` (tokens that speculative decoding drafts ahead), `acceptance`
(the chance that the first of them is accepted) and `overlap` (`yes` or `no`: whether two micro-batches hide
the exchange with experts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from tokenprof.hw_model.catalogue.lookup import find_chip, find_model
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT
from tokenprof.hw_model.equations.deployment import (
    ENGINES,
    USUAL_CONTEXT_TOKENS,
    Deployment,
    fits,
    rest_dtype_for,
    smallest_that_fits,
    too_large,
    usual_cuts,
)
from tokenprof.hw_model.equations.deployment_error import DeploymentError

MOST_DIGITS: Final = 9
_HARDWARE: Final = re.compile(r"(?:(?P<count>\d+)\s*[x×]\s*)?(?P<chip>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a deployment's text. One that is not given is empty."""

    model: str
    count: str
    chip: str
    options: str


def parse_deployment(text: str, *, default_chip: str = "H200") -> Deployment:
    """Return the deployment that a text describes; this module's docstring has the grammar.

    Without a count it is the smallest that holds the weights and a context of 32k tokens; without a chip it
    is on `default_chip`. Raises DeploymentError, UnknownModelError or UnknownChipError with the way out.
    """
    parts = _parts(text)
    named = _count(text, "the number of accelerators", parts.count) if parts.count else None
    shape, chip = find_model(parts.model), find_chip(parts.chip or default_chip)
    options = dict(_option(text, part) for part in parts.options.split(",") if part)
    experts = options.get("experts") or options.get("weights") or shape.expert_dtype
    weights = options.get("weights")
    rest = rest_dtype_for(shape, weights) if weights else shape.rest_dtype
    base = Deployment(
        shape,
        chip,
        experts_dtype=_dtype(text, experts),
        rest_dtype=_dtype(text, rest),
        kv_dtype=_dtype(text, options.get("kv", shape.kv_dtype)),
        engine=_engine(text, options.get("engine", "trtllm")),
        drafted_tokens=_count(text, "mtp", options["mtp"]) if "mtp" in options else 0,
        acceptance=_share(text, options["acceptance"]) if "acceptance" in options else None,
        overlap=_yes(text, options["overlap"]) if "overlap" in options else None,
    )
    explicit = {key: _count(text, key, options[key]) for key in ("tp", "dp", "pp", "ep") if key in options}
    if named is None and not explicit.keys() & {"tp", "dp", "pp"}:
        found = smallest_that_fits(
            shape, chip, experts=experts, rest=rest, context_tokens=USUAL_CONTEXT_TOKENS
        )
        return replace(base, tp=found.tp, dp=found.dp, pp=found.pp, ep=explicit.get("ep", found.ep))
    if explicit.keys() & {"tp", "dp", "pp"}:
        tp, dp, pp = (explicit.get(key, 1) for key in ("tp", "dp", "pp"))
        count = named or tp * dp * pp
        if "tp" not in explicit:
            tp = max(1, count // (dp * pp))
        ep = explicit.get("ep", dp if dp > 1 else 1)
        deployment = replace(base, tp=tp, dp=dp, pp=pp, ep=ep)
        if deployment.accelerators != count:
            raise DeploymentError(
                f"{text!r}: tp * dp * pp is {deployment.accelerators}, but {count} accelerators are named; "
                "make them agree"
            )
    else:
        cuts = list(usual_cuts(base, named or 1))
        cut = next((c for c in cuts if fits(c)), cuts[0])
        deployment = replace(cut, ep=explicit.get("ep", cut.ep))
    if not fits(deployment):
        raise DeploymentError(f"{text!r}: {too_large(deployment)}")
    return deployment


def _parts(text: str) -> _Parts:
    model, at, hardware = text.strip().partition("@")
    chip, colon, options = hardware.partition(":")
    if not at:
        # The tag of a model may hold a colon as well: qwen3:30b:tp=2.
        colon_at = model.rfind(":", 0, model.find("=") + 1)
        if colon_at > 0:
            model, options = model[:colon_at], model[colon_at + 1 :]
    found = _HARDWARE.fullmatch(chip)
    if not model or (at and not found) or "@" in hardware or (colon and "=" not in options):
        raise DeploymentError(
            f"{text!r} is not a deployment; write MODEL@COUNTxCHIP:OPTION=VALUE, such as deepseek-v3@8xh200"
        )
    if found is None:
        return _Parts(model, "", "", options)
    return _Parts(model, found["count"] or "", found["chip"], options)


OPTIONS: Final = (
    "weights",
    "experts",
    "kv",
    "tp",
    "dp",
    "ep",
    "pp",
    "engine",
    "mtp",
    "acceptance",
    "overlap",
)


def _option(text: str, part: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    key = key.strip().lower()
    if key not in OPTIONS:
        raise DeploymentError(f"{text!r}: no option {key!r}; the options are {', '.join(OPTIONS)}")
    return key, value.strip().lower()


def _dtype(text: str, name: str) -> str:
    if name not in BYTES_PER_ELEMENT:
        raise DeploymentError(f"{text!r}: no dtype {name!r}; the dtypes are {', '.join(BYTES_PER_ELEMENT)}")
    return name


def _engine(text: str, name: str) -> str:
    if name not in ENGINES:
        raise DeploymentError(
            f"{text!r}: no constants for the engine {name!r}; the engines are {', '.join(ENGINES)}"
        )
    return name


def _yes(text: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise DeploymentError(f"{text!r}: overlap must be yes or no, not {value!r}")
    return value == "yes"


def _share(text: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0.0 < found <= 1.0:
        raise DeploymentError(f"{text!r}: acceptance must be a share above 0 and at most 1, not {value!r}")
    return found


def _count(text: str, key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS and int(value)):
        raise DeploymentError(f"{text!r}: {key} must be a whole number above 0, not {value!r}")
    return int(value)
