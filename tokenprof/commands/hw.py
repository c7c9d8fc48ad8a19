"""`tokenprof hw`: show the catalogue, estimate, sweep, validate, calibrate. Heavy modules load when run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

OK, BAD_INPUT = 0, 2

DEFAULT_VALUES = {
    "context_tokens": (1_000.0, 4_000.0, 16_000.0, 32_000.0, 64_000.0, 128_000.0, 200_000.0),
    "batch": (1.0, 4.0, 16.0, 64.0, 128.0, 256.0),
    "tokens_per_s": (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0),
    "utilisation": (0.2, 0.3, 0.5, 0.8, 1.0),
}


def add_commands(commands: Any) -> None:
    """Add `hw` and its verbs to a parser's subcommands; each sets `run`, a function of the options."""
    hw = commands.add_parser(
        "hw", help="the hardware model", description="What serving a model costs, from the hardware up."
    )
    verbs = hw.add_subparsers(required=True, metavar="VERB")
    show = verbs.add_parser("show", help="models, chips, or one of them in full")
    show.add_argument("name", nargs="?", help="a model, a chip, or a deployment such as deepseek-v3@8xh200")
    _add_format(show, _show)
    estimate = verbs.add_parser("estimate", help="what tokens cost on a deployment")
    _add_deployment(estimate)
    _add_format(estimate, _estimate)
    sweep = verbs.add_parser("sweep", help="cost per token along context, batch, speed or utilisation")
    _add_deployment(sweep)
    sweep.add_argument("--over", choices=sorted(DEFAULT_VALUES), default="context_tokens")
    sweep.add_argument("--values", type=_numbers, help="comma-separated; a usual range by default")
    _add_format(sweep, _sweep)
    validate = verbs.add_parser("validate", help="predictions against a CSV of measurements")
    validate.add_argument("file", type=Path, metavar="FILE.csv")
    validate.add_argument("--constants", type=Path, help="constants from `tokenprof hw calibrate`")
    _add_format(validate, _validate)
    calibrate = verbs.add_parser("calibrate", help="fit the constants to your own server")
    calibrate.add_argument("file", type=Path, help="a CSV as for validate, or a vLLM or SGLang metrics page")
    calibrate.add_argument(
        "--deployment", help="what the metrics page is of, e.g. llama-3.1-70b@4xh100:engine=vllm"
    )
    calibrate.add_argument("-o", "--output", type=Path, help="write the constants here")
    _add_format(calibrate, _calibrate)


def _add_format(parser: Any, action: Callable[[argparse.Namespace], int]) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.set_defaults(run=_careful(action))


def _add_deployment(parser: Any) -> None:
    parser.add_argument("deployment", help="e.g. deepseek-v3@8xh200 or kimi-k2.5@8xh200:tp=8,kv=fp8")
    parser.add_argument(
        "--context", type=float, default=32_000.0, help="mean context, tokens (default 32000)"
    )
    parser.add_argument(
        "--speed", type=float, help="least tokens/s to each user (default: memory sets the batch)"
    )
    parser.add_argument("--batch", type=float, help="run at this batch")
    parser.add_argument("--utilisation", type=float, default=0.5, help="share of hours sold (default 0.5)")
    parser.add_argument(
        "--usd-per-hour", type=float, help="USD per accelerator-hour (default: owned, bottom up)"
    )
    parser.add_argument("--constants", type=Path, help="constants from `tokenprof hw calibrate`")


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _careful(action: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return the action with bad input said in one line and exit code 2."""

    def run(options: argparse.Namespace) -> int:
        try:
            return action(options)
        except BrokenPipeError:
            raise
        except OSError as problem:
            sys.stderr.write(f"tokenprof: {problem.filename}: {problem.strerror}\n")
        except (ValueError, LookupError) as problem:
            sys.stderr.write(f"tokenprof: {problem.args[0] if problem.args else problem}\n")
        return BAD_INPUT

    return run


def _json(data: Any) -> int:
    sys.stdout.write(json.dumps(data, indent=2) + "\n")
    return OK


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a plain table: the first column to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    for row in [list(heads), *cells]:
        left = row[0].ljust(widths[0])
        sys.stdout.write(
            "  ".join([left, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]) + "\n"
        )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _constants(path: Path | None) -> Any:
    """Return the constants of a file written by `calibrate`; None for those that ship."""
    if path is None:
        return None
    from tokenprof.hw_model.constants import NAMES, Constants

    data = json.loads(path.read_text("utf-8"))
    rows = data.get("constants") if isinstance(data, dict) else None
    if not isinstance(rows, dict) or any(name not in rows for name in NAMES):
        raise ValueError(f"{path}: no constants in it; write such a file with tokenprof hw calibrate -o")
    return Constants(**{name: float(rows[name]["value"]) for name in NAMES})


def _show(options: argparse.Namespace) -> int:
    from tokenprof.hw_model.catalogue.lookup import chips, models

    if options.name is not None:
        return _show_one(options)
    if options.format == "json":
        return _json({"models": sorted(models()), "chips": sorted(chips())})
    _table(
        ("model", "total B", "active B", "layers", "KV B/token", "source"),
        (
            (
                m.name,
                m.total_parameters / 1e9,
                m.active_parameters / 1e9,
                m.layers,
                m.kv_bytes_per_token(),
                m.source[:60],
            )
            for m in models().values()
        ),
    )
    sys.stdout.write("\n")
    _table(
        (
            "chip",
            "bf16 TFLOP/s",
            "fp8",
            "fp4",
            "HBM GB",
            "HBM TB/s",
            "link GB/s",
            "net GB/s",
            "kW",
            "USD capital",
        ),
        (
            (
                c.name,
                *((c.flops_per_s[d] / 1e12 if d in c.flops_per_s else None) for d in ("bf16", "fp8", "fp4")),
                c.hbm_bytes / 1e9,
                c.hbm_bytes_per_s / 1e12,
                c.link_bytes_per_s / 1e9,
                c.net_bytes_per_s / 1e9,
                c.all_in_kw,
                c.capex_usd[1],
            )
            for c in chips().values()
        ),
    )
    return OK


def _show_one(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError, find_chip, find_model

    if "@" in options.name:
        return _show_deployment(options)
    facts: dict[str, Any]
    try:
        shape = find_model(options.name)
        facts = {
            "model": shape.name,
            "total_parameters": shape.total_parameters,
            "active_parameters": shape.active_parameters,
            "flops_per_token": shape.flops_per_token,
            "weight_bytes": shape.weight_bytes(),
            "kv_bytes_per_token": shape.kv_bytes_per_token(),
            "kv_bytes_at_200k": shape.kv_bytes(200_000),
            "state_bytes": shape.state_bytes,
            "layers": [
                {"count": n, "attention": a.kind, "kv_elements_per_token": a.elements}
                for n, a in shape.attention
            ],
            "experts": asdict(shape.experts) if shape.experts else None,
            "dtypes": {"experts": shape.expert_dtype, "rest": shape.rest_dtype, "kv": shape.kv_dtype},
            "source": shape.source,
        }
    except UnknownModelError as unknown:
        try:
            facts = asdict(find_chip(options.name))
        except UnknownChipError as no_chip:
            raise UnknownModelError(f"{unknown}; and {no_chip}") from None
    return _facts(facts, options.format)


def _show_deployment(options: argparse.Namespace) -> int:
    from tokenprof.hw_model.deployment import parse_deployment
    from tokenprof.hw_model.gpu_hour import Ownership
    from tokenprof.hw_model.memory import capacity_batch

    d = parse_deployment(options.name)
    held = {
        f"sequences_that_fit_at_{k}k": float(capacity_batch(d.plan(), 1000.0 * k)) for k in (8, 32, 128, 200)
    }
    facts = {
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
        "published_usd_per_hour": dict(d.chip.published_usd_per_hour),
        "hbm_bytes_per_s": d.chip.hbm_bytes_per_s,
        "link_bytes_per_s": d.chip.link_bytes_per_s,
        "net_bytes_per_s": d.chip.net_bytes_per_s,
        "host_link_bytes_per_s": d.chip.host_link_bytes_per_s,
    }  # fmt: skip
    return _facts(facts, options.format)


def _facts(facts: dict[str, Any], form: str) -> int:
    if form == "json":
        return _json(facts)
    _table(
        ("", ""),
        ((name, f"{value:,}" if type(value) is int else value) for name, value in facts.items()),
    )
    return OK


def _operation(options: argparse.Namespace) -> Any:
    from tokenprof.hw_model.economics import Operation

    if not 0 < options.utilisation <= 1:
        raise ValueError(f"a utilisation of {options.utilisation} is none; give a share above 0 and up to 1")
    return Operation(options.context, options.speed, options.batch, options.utilisation, options.usd_per_hour)


def _estimate(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from tokenprof.hw_model.constants import fitted
    from tokenprof.hw_model.deployment import parse_deployment
    from tokenprof.hw_model.economics import unit_cost
    from tokenprof.hw_model.timing import decode_step

    deployment, constants = parse_deployment(options.deployment), _constants(options.constants) or fitted()
    cost = unit_cost(deployment, _operation(options), constants)
    step = decode_step(deployment.plan(), cost.batch, options.context, constants)
    parts = {name: float(getattr(step, name)) for name in step.__dataclass_fields__}
    facts = {
        "deployment": {
            "model": deployment.shape.name,
            "chip": deployment.chip.name,
            "chips": deployment.accelerators,
        },
        "precision": deployment.precision,
        "context_tokens": options.context,
        "utilisation": options.utilisation,
        **asdict(cost),
        **{f"step_{name}": seconds for name, seconds in parts.items()},
    }
    return _facts(facts, options.format)


def _sweep(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from tokenprof.hw_model.deployment import parse_deployment
    from tokenprof.hw_model.economics import sweep

    deployment = parse_deployment(options.deployment)
    values = options.values or DEFAULT_VALUES[options.over]
    points = sweep(deployment, _operation(options), options.over, values, _constants(options.constants))
    if options.format == "json":
        return _json([{options.over: value, **asdict(cost)} for value, cost in points])
    dearest = max(cost.output_usd_per_m for _, cost in points)
    _table(
        (
            options.over,
            "batch",
            "limited by",
            "tok/s/user",
            "tok/s",
            "$/M fresh in",
            "$/M cached",
            "$/M out",
            "",
        ),
        (
            (
                _cell(value),
                cost.batch,
                "memory" if cost.memory_binds else "speed",
                cost.tokens_per_s_per_user,
                cost.tokens_per_s,
                cost.fresh_input_usd_per_m,
                cost.cached_input_usd_per_m,
                cost.output_usd_per_m,
                ("█" * max(1, round(24 * cost.output_usd_per_m / dearest))).ljust(24),
            )
            for value, cost in points
        ),
    )
    return OK


def _validate(options: argparse.Namespace) -> int:
    from tokenprof.hw_model.measured.measurements import read_measurements
    from tokenprof.hw_model.measured.validation import predictions, summary

    measured, refused = read_measurements(options.file)
    report = summary(predictions(measured, _constants(options.constants)), refused)
    if options.format == "json":
        return _json(report)
    rows = [("all", report["tpot"])]
    rows += [(f"{kind} {name}", figures) for kind, by in report["by"].items() for name, figures in by.items()]
    _table(
        ("time per output token", "n", "bias", "MAPE", "median", "within 25 %", "within 2x"),
        (
            (
                name,
                f["n"],
                *(_percent(f[key]) for key in ("bias", "mape", "median_ape", "within_25", "within_2x")),
            )
            for name, f in rows
        ),
    )
    covered = report["interval"]["covered"]
    sys.stdout.write(
        f"\nintervals at a nominal 90 % cover {_percent(covered)}\n{len(refused)} rows refused\n"
    )
    for row in report["refused"]:
        sys.stdout.write(f"  line {row['line']}, {row['model_path']}: {row['reason']}\n")
    return OK


def _calibrate(options: argparse.Namespace) -> int:
    from tokenprof.hw_model.deployment import parse_deployment
    from tokenprof.hw_model.measured.calibration import calibrate_to
    from tokenprof.hw_model.measured.measurements import MeasurementError, read_measurements
    from tokenprof.hw_model.measured.server_metrics import measurement_from_metrics

    refused: list[Any] = []
    if options.deployment:
        text = options.file.read_text("utf-8")
        measured = [measurement_from_metrics(text, parse_deployment(options.deployment))]
    else:
        measured, refused = read_measurements(options.file)
    if not measured:
        raise MeasurementError(f"{options.file}: no usable row in it; the first problem: {refused[0].reason}")
    outcome = calibrate_to(measured)
    if options.output:
        options.output.write_text(json.dumps(outcome, indent=1) + "\n", encoding="utf-8")
    if options.format == "json":
        return _json(outcome)
    moved = sorted(outcome["constants"].items(), key=lambda item: -abs(item[1]["moved"]))
    _table(
        ("constant", "shipped", "yours", "moved"),
        ((name, row["shipped"], row["value"], _percent(row["moved"])) for name, row in moved[:12]),
    )
    before, after = outcome["before"], outcome["after"]
    sys.stdout.write(
        f"\n{before['n']} points: median error {_percent(before['median_ape'])} before, "
        f"{_percent(after['median_ape'])} after\n"
    )
    return OK
