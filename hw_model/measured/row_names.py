"""What the names in a measured row stand for: its chip, model, engine and precision, in any usual spelling.

Benchmarks shorten models (`kimik2.5`), add a host to a chip (`h200-dgxc`), and name engines that no constant
was fitted to. A name is read as the one thing that it can be; what stands in for something else is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.catalogue.lookup import (
    UnknownChipError,
    UnknownModelError,
    find_chip,
    find_model,
    known_model,
    models,
    names_of_models,
)
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, ModelShape
from tokenprof.hw_model.equations.deployment import rest_dtype_for
from tokenprof.hw_model.measured.row_values import MeasurementError

_SHORT_NAMES: Final = {
    "dsr1": "DeepSeek-V3", "dsv3": "DeepSeek-V3", "dsv4": "DeepSeek-V4-Pro", "gptoss": "gpt-oss-120b",
    "qwen35": "Qwen3.5-397B-A17B", "70b": "Llama-3.1-70B", "llama70b": "Llama-3.1-70B",
    "llama3370b": "Llama-3.1-70B",
}  # fmt: skip
"""What InferenceX and its like call models, without separators."""

# A chip of the same name with other memory or clocks, which the catalogue does not have.
_OTHER_BUILD: Final = frozenset(("pcie", "nvl", "40gb", "mig", "64gb"))

_ENGINES: Final = (
    ("trt", "trtllm"), ("tensorrt", "trtllm"), ("vllm", "vllm"), ("atom", "atom"), ("sglang", "sglang"),
)  # fmt: skip

_ENGINE_OF_MAKER: Final = {"nvidia": "trtllm", "amd": "sglang"}
"""The engine with the least overhead on a maker's chips, for engines without constants of their own; vLLM on
those of all others."""

_DTYPES: Final = {
    "fp4": ("nvfp4", "mxfp4", "fp4", "float4"),
    "fp8": ("fp8", "mxfp8", "float8", "w8a8", "int8", "fp8block", "e4m3"),
    "bf16": ("bf16", "fp16", "float16", "bfloat16", "half"),
    "int4": ("int4", "w4a16", "w4a8", "w4afp8", "awq", "gptq"),
}
"""Words for the dtype of weights, by the dtype that the equations take."""


def chip_named(name: str) -> Chip:
    """Return the chip of a row: its whole name, or the part of it that names one (`8xh200-dgxc`).

    Raises UnknownChipError for a chip that the catalogue lacks, or a build of one that differs from it.
    """
    if not name:
        raise UnknownChipError("the row names no chip; fill it in")
    try:
        return find_chip(name)
    except UnknownChipError:
        parts = [re.sub(r"^\d+x(?=\D)", "", part) for part in re.split(r"[^a-z0-9]+", name.lower()) if part]
        if not _OTHER_BUILD & set(parts):
            for spelling in _runs(parts):
                try:
                    return find_chip(spelling)
                except UnknownChipError:
                    continue
        raise


def model_named(name: str) -> ModelShape:
    """Return the shape of a row's model: by its name, a short one, or the first of several (`V3/R1`).

    A name that only one shape begins with stands for it. Raises UnknownModelError for a model that is not in
    the catalogue.
    """
    if not name:
        raise UnknownModelError("the row names no model; fill it in")
    for spelling in (name, *(part.strip() for part in name.split("/"))):
        found = known_model(spelling) or _by_short_name(spelling)
        if found is not None:
            return found
    return find_model(name)


def _by_short_name(name: str) -> ModelShape | None:
    plain = _squeezed(name)
    if plain in _SHORT_NAMES:
        return models()[_SHORT_NAMES[plain]]
    if len(plain) < 4:
        return None
    spelt = {_squeezed(known): of for known, of in names_of_models().items()}
    if plain in spelt:
        return models()[spelt[plain]]
    begun = {of for known, of in spelt.items() if known.startswith(plain)}
    return models()[begun.pop()] if len(begun) == 1 else None


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().rsplit("/", 1)[-1])


@dataclass(frozen=True, slots=True)
class Named:
    """What a word stands for, and a sentence if it was taken for something else; empty if it was not."""

    value: str
    assumed: str = ""


def engine_named(name: str, maker: str) -> Named:
    """Return the engine that a row's word stands for, on the chips of a maker.

    An engine without constants is taken as the one with the least overhead on those chips, and that is said.
    """
    text = name.lower()
    for word, engine in _ENGINES:
        if word in text:
            return Named(engine)
    engine = _ENGINE_OF_MAKER.get(maker, "vllm")
    said = f"the engine {name!r} has no constants of its own" if name else "the row names no engine"
    return Named(engine, f"{said}; taken as {engine}")


def weights_named(name: str) -> str:
    """Return the dtype of weights that a word for a precision stands for.

    Raises MeasurementError, which lists the dtypes, for any other word.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for dtype, known in _DTYPES.items():
        if any(word in plain for word in known):
            return dtype
    raise MeasurementError(f"no dtype {name!r}; the dtypes are {', '.join(_DTYPES)}")


def dtypes_of(shape: ModelShape, precision: str) -> tuple[str, str]:
    """Return the dtypes of experts and of the rest that one word for the precision stands for.

    Models published with 4-bit experts keep them whatever the word is, except that an fp4 checkpoint of int4
    experts has been quantised again. Without a word the checkpoint is served as published.
    """
    native = shape.expert_dtype
    if not precision:
        return native, shape.rest_dtype
    weights = weights_named(precision)
    kept = native == "mxfp4" or (native == "int4" and weights != "fp4")
    if kept or (weights == native and BYTES_PER_ELEMENT[native] < 1.0):
        return native, shape.rest_dtype
    return weights, rest_dtype_for(shape, weights)


def _runs(parts: list[str]) -> Iterator[str]:
    """Yield neighbouring parts joined, longest first."""
    for length in range(len(parts), 0, -1):
        for start in range(len(parts) - length + 1):
            yield " ".join(parts[start : start + length])
