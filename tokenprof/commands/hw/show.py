"""`tokenprof hw show`: the catalogue of models and chips, or one model, chip or deployment in full."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.pages import page_of
from tokenprof.commands.console.tables import table
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.hw_model.catalogue.shapes import ModelShape


def add_verbs(verbs: Any) -> None:
    """Add `show` to the verbs of `hw`."""
    show = verbs.add_parser(
        "show",
        help="models, chips, or one of them in full",
        description="List the models and chips, or show one model, chip or deployment in full.",
    )
    show.add_argument(
        "name",
        nargs="?",
        help="a model, a chip, or a deployment such as deepseek-v3@8xh200 (default: list all)",
    )
    add_format(show, ("text", "json"))
    show.set_defaults(run=run_show)


def run_show(options: argparse.Namespace) -> int:
    """Print the catalogue, or one of its entries."""
    form = format_of(options)
    if options.name is None:
        _show_all(form)
    elif "@" in options.name:
        _show_one(_deployment(options.name), form)
    else:
        _show_one(_model_or_chip(options.name), form)
    return OK


def _show_all(form: str) -> None:
    from tokenprof.hw_model.catalogue.lookup import chips, models

    if form == "json":
        emit(json_text({"models": sorted(models()), "chips": sorted(chips())}))
        return
    of_models = table(
        ("model", "total B", "active B", "layers", "KV B/token"),
        (
            (
                m.name,
                m.total_parameters / 1e9,
                m.active_parameters / 1e9,
                m.layers,
                m.kv_bytes_per_token(),
            )
            for m in models().values()
        ),
    )
    of_chips = table(
        (
            "chip",
            "bf16",
            "fp8",
            "fp4",
            "GB",
            "TB/s",
            "link",
            "kW",
            "capital",
        ),
        (
            (
                c.name,
                *((c.flops_per_s[d] / 1e12 if d in c.flops_per_s else None) for d in ("bf16", "fp8", "fp4")),
                c.hbm_bytes / 1e9,
                c.hbm_bytes_per_s / 1e12,
                c.link_bytes_per_s / 1e9,
                c.all_in_kw,
                c.capex_usd[1],
            )
            for c in chips().values()
        ),
    )
    units = (
        "bf16, fp8, fp4: dense TFLOP/s; GB, TB/s: memory; link: GB/s one way (makers\n"
        "state both ways: twice that); kW all in; capital: USD with server and network.\n"
    )
    emit(f"{of_models}\n{of_chips}{units}")


def _show_one(facts: dict[str, Any], form: str) -> None:
    emit(json_text(facts) if form == "json" else page_of(facts))


def _model_or_chip(name: str) -> dict[str, Any]:
    from dataclasses import asdict

    from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError, find_chip, find_model

    try:
        return _model(find_model(name))
    except UnknownModelError as no_model:
        try:
            return asdict(find_chip(name))
        except UnknownChipError as no_chip:
            raise InputError(f"{no_model.args[0]}; and {no_chip.args[0]}") from None


def _model(shape: ModelShape) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "model": shape.name,
        "total_parameters": shape.total_parameters,
        "active_parameters": shape.active_parameters,
        "flops_per_token": shape.flops_per_token,
        "weight_bytes": shape.weight_bytes(),
        "kv_bytes_per_token": shape.kv_bytes_per_token(),
        "kv_bytes_at_200k": shape.kv_bytes(200_000),
        "state_bytes": shape.state_bytes,
        "layers": [
            {"count": n, "attention": a.kind, "kv_elements_per_token": a.elements} for n, a in shape.attention
        ],
        "experts": asdict(shape.experts) if shape.experts else None,
        "dtypes": {"experts": shape.expert_dtype, "rest": shape.rest_dtype, "kv": shape.kv_dtype},
        "source": shape.source,
    }


def _deployment(text: str) -> dict[str, Any]:
    from tokenprof.hw_model.equations.deployment_text import parse_deployment
    from tokenprof.hw_model.equations.gpu_hour import Ownership
    from tokenprof.hw_model.equations.memory import capacity_batch

    d = parse_deployment(text)
    held = {
        f"sequences_that_fit_at_{k}k": float(capacity_batch(d.plan(), 1000.0 * k)) for k in (8, 32, 128, 200)
    }
    return {
        "model": d.shape.name,
        "chip": d.chip.name,
        "accelerators": d.accelerators,
        "precision": d.precision,
        "tp": d.tp, "dp": d.dp, "ep": d.ep, "pp": d.pp,
        "engine": d.engine,
        "weight_bytes_per_accelerator": d.weight_bytes_per_accelerator(),
        "kv_budget_bytes": d.kv_budget_bytes(),
        **held,
        "usd_per_accelerator_hour": Ownership().usd_per_chip_hour(d.chip),
        "hbm_bytes_per_s": d.chip.hbm_bytes_per_s,
        "link_bytes_per_s": d.chip.link_bytes_per_s,
        "net_bytes_per_s": d.chip.net_bytes_per_s,
        "host_link_bytes_per_s": d.chip.host_link_bytes_per_s,
    }  # fmt: skip
