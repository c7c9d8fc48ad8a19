"""The catalogues: model shapes and chips by name, each row and figure with its source.

A new model or chip is one entry in `data/models.json` or `data/chips.json`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from tokenprof.hw_model.catalogue.chips import Chip, Rack, chip_from_row
from tokenprof.hw_model.catalogue.huggingface import shape_from_config
from tokenprof.hw_model.catalogue.shapes import ModelShape

DATA: Final = Path(__file__).parent.parent / "data"


class UnknownModelError(LookupError):
    """No shape is known for a model; the message lists similar names."""


class UnknownChipError(LookupError):
    """No chip of that name is in the catalogue; the message lists similar names."""


@cache
def read_data(name: str) -> Any:
    """Return a data file of this room, parsed."""
    return json.loads((DATA / name).read_text("utf-8"))


@cache
def models() -> dict[str, ModelShape]:
    """Return every model shape by its catalogue name."""
    return {
        row["name"]: shape_from_config(
            row["config"],
            name=row["name"],
            weights=row["weights"],
            source=f"{row['source']} ({row['verified']})",
            released=row.get("released"),
        )
        for row in read_data("models.json")["models"]
    }


@cache
def chips() -> dict[str, Chip]:
    """Return every chip by its catalogue name."""
    return {row["name"]: chip_from_row(row) for row in read_data("chips.json")["chips"]}


@cache
def racks() -> dict[str, Rack]:
    """Return every rack and scale-up domain by its name."""
    return {
        row["name"]: Rack(
            name=row["name"],
            chip=row["chip"],
            chips=row["chips"],
            hbm_bytes=row["hbm_tb"] * 1e12
            if row["hbm_tb"]
            else row["chips"] * chips()[row["chip"]].hbm_bytes,
            source=row["source"],
        )
        for row in read_data("chips.json")["racks"]
    }


# What hosts and quantisers add to a model's name without changing its shape.
_DECORATION = re.compile(
    r"-(?:fp8|nvfp4|fp4|mxfp4|mxfp8|bf16|int4|int8|w4a16|w8a8|awq|gptq|dynamic|hf|instruct|chat|it|tee|turbo"
    r"|fast|block|quantized\.\w+|mtp|eagle3?|maas|v[0-2]|\d{4}|\d{6}|\d{8})(?=-|$)"
)
# Bedrock's ids: `us.meta.llama3-3-70b-instruct-v1:0`, `deepseek.v3-v1:0`, `openai.gpt-oss-120b-1:0`.
_BEDROCK_OWNER = re.compile(r"^(?:(?!deepseek\.)[a-z]{2,}\.)+")
_BEDROCK_VERSION = re.compile(r"(?<=\db)-1$")


def plain_name(name: str) -> str:
    """Return a model id reduced to what distinguishes shapes: no owner, dtype or date, and one spelling."""
    plain = name.strip().lower().rsplit("/", 1)[-1].split(":", 1)[0].split("@", 1)[0]
    plain = plain.replace("_", "-").replace(" ", "-").removeprefix("meta-")
    plain = _BEDROCK_OWNER.sub("", plain).replace("deepseek.", "deepseek-")
    plain = re.sub(r"^llama(?=\d)", "llama-", _BEDROCK_VERSION.sub("", plain))
    before = ""
    while before != plain:
        before, plain = plain, _DECORATION.sub("", plain)
    # Some hosts spell 3.1 as 3p1 or 3-1.
    return re.sub(r"(?<=\d)[p-](?=\d)", ".", plain)


@cache
def names_of_models() -> dict[str, str]:
    """Return the catalogue name of every known spelling of a model, by `plain_name`."""
    names: dict[str, str] = {}
    for row in read_data("models.json")["models"]:
        for known in (row["name"], *row["ids"]):
            names.setdefault(plain_name(known), row["name"])
    return names


@cache
def _known_by_name() -> dict[str, dict[str, str]]:
    """Return models of which too little is published for a shape, by plain name, with what is known."""
    rows = read_data("models.json")["named_only"]
    return {plain_name(known): row for row in rows for known in (row["name"], *row["ids"])}


def known_model(name: str) -> ModelShape | None:
    """Return the shape of a model, as `find_model` does; None for one that is not in the catalogue."""
    known = names_of_models().get(plain_name(name))
    return None if known is None else models()[known]


def find_model(name: str) -> ModelShape:
    """Return the shape of a model by catalogue name, Hugging Face id or provider's id, quantised or not.

    Raises UnknownModelError, which lists similar names, for a model that is not in the catalogue.
    """
    known = known_model(name)
    if known is not None:
        return known
    partly = _known_by_name().get(plain_name(name))
    if partly is not None:
        raise UnknownModelError(
            f"the shape of {name!r} is not published in full: {partly['known']} ({partly['source']}); "
            "add its config.json to hw_model/data/models.json"
        )
    from difflib import get_close_matches

    near = get_close_matches(plain_name(name), list(names_of_models()), n=4, cutoff=0.5)
    hint = (
        f"similar names: {', '.join(dict.fromkeys(names_of_models()[n] for n in near))}"
        if near
        else "no name is similar"
    )
    raise UnknownModelError(
        f"no shape is known for the model {name!r} ({hint}); add its config.json to hw_model/data/models.json"
    )


_CHIP_DECORATION = re.compile(
    r"[\s_-]*(sxm\d?|hbm3e?|80gb|141gb|nvl72|per-?gpu|nvidia|amd|google|aws)[\s_-]*"
)


def _plain_chip(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _CHIP_DECORATION.sub("", name.strip().lower()))


def find_chip(name: str) -> Chip:
    """Return a chip by name, in any spelling (`h200`, `H200 SXM`, `h200_sxm`, `gb200 nvl72`).

    Raises UnknownChipError, which lists similar names, for a chip that is not in the catalogue.
    """
    spellings = {_plain_chip(alias): chip for chip in chips().values() for alias in (chip.name, *chip.ids)}
    found = spellings.get(_plain_chip(name))
    if found is not None:
        return found
    from difflib import get_close_matches

    near = get_close_matches(_plain_chip(name), list(spellings), n=4, cutoff=0.4)
    names = ", ".join(dict.fromkeys(spellings[n].name for n in near))
    hint = f"similar names: {names}" if names else "`tokenprof hw show` lists the names"
    raise UnknownChipError(
        f"no chip {name!r} is in the catalogue ({hint}); add it to hw_model/data/chips.json"
    )
