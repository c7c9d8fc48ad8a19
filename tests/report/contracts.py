"""Reports to test with: a tiny ledger that turns declared prompts into `tokenprof.report/2`.

Blocks are declared with their size, turns with the blocks read, written and sent fresh. All sums are
made here, by the plainest arithmetic there is, so that tests can state hand-worked dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

CLASSES = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_30m",
    "cache_write_12h",
    "cache_write",
    "output",
    "reasoning",
    "fee",
)

USD_PER_MTOK = {
    "claude-opus-4-8": {
        "uncached_input": "5",
        "cache_read": "0.5",
        "cache_write_5m": "6.25",
        "output": "25",
        "reasoning": "25",
    },
    "claude-haiku-4-5": {
        "uncached_input": "1",
        "cache_read": "0.1",
        "cache_write_5m": "1.25",
        "output": "5",
        "reasoning": "5",
    },
}
USD_PER_FEE = Decimal("0.01")

# Micro-dollars a token: an invented deployment, spread as widely as a closed model's stand-in is.
HARDWARE_MICRO_USD = {
    "uncached_input": ("0.21", "0.44", "0.95"),
    "cache_read": ("0.0051", "0.0124", "0.0301"),
    "cache_write_5m": ("0.22", "0.46", "0.99"),
    "output": ("2.1", "5.2", "12.9"),
    "reasoning": ("2.1", "5.2", "12.9"),
}
ENDS = ("low", "mid", "high")
START = datetime(2026, 11, 12, 14, 3, 7, tzinfo=UTC)


def text(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def block(
    id: str, kind: str, name: str, tokens: int | None, *, plus_minus: int | None = 0, **more: Any
) -> dict[str, Any]:
    """A block; its carry is filled in by `report`. `plus_minus=0` is exact, None has no bounds."""
    exact = plus_minus == 0
    spread = None if plus_minus is None or tokens is None else plus_minus
    return {
        "id": id,
        "kind": kind,
        "name": name,
        "digest": f"digest-{id}",
        "context": "main",
        "section": {"tool": "tools", "system": "system", "skills_index": "system"}.get(kind, "messages"),
        "born_turn": None,
        "last_turn": None,
        "evicted_by": None,
        "tokens": tokens,
        "tokens_low": None if spread is None or tokens is None else tokens - spread,
        "tokens_high": None if spread is None or tokens is None else tokens + spread,
        "state": "exact" if exact else "estimated",
        "replaces": None,
        "children": [],
        **more,
    }


def turn(
    at_s: float,
    *,
    read: Sequence[str] = (),
    write: Sequence[str] = (),
    fresh: Sequence[str] = (),
    out: Sequence[str] = (),
    reasoning: Sequence[str] = (),
    fees: tuple[str, int] | None = None,
    model: str = "claude-opus-4-8",
    measured: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """A turn whose entries are block ids by class; `report` sizes and prices them."""
    parts = [("cache_read", read), ("cache_write_5m", write), ("uncached_input", fresh)]
    parts += [("reasoning", reasoning), ("output", out)]
    entries = [{"block": id, "class": name} for name, ids in parts for id in ids]
    if fees:
        entries.append({"block": fees[0], "class": "fee", "count": fees[1]})
    return {
        "id": None,
        "agent": None,
        "context": "main",
        "parent": None,
        "provider": "anthropic",
        "model": model,
        "requested_model": model,
        "at": (START + timedelta(seconds=at_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_s": 3.4,
        "ttft_s": 0.9,
        "status": "ok",
        "output_incomplete": False,
        "attempts": 1,
        "tags": {},
        "cache_miss": None,
        "entries": entries if measured else [],
        "measured": measured,
        **more,
    }


def report(
    blocks: Iterable[dict[str, Any]],
    turns: Iterable[dict[str, Any]],
    *,
    hardware: Mapping[str, tuple[str, str, str]] | None = HARDWARE_MICRO_USD,
    deployment: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Build the report: entries sized and priced, every sum made, findings left empty."""
    by_id = {item["id"]: dict(item) for item in blocks}
    done = [_priced(index, dict(item), by_id, hardware) for index, item in enumerate(turns)]
    entries = [entry for item in done for entry in item["entries"]]
    for item in by_id.values():
        own = [entry for entry in entries if entry["block"] == item["id"]]
        seen = [t["index"] for t in done if any(entry["block"] == item["id"] for entry in t["entries"])]
        item.update(born_turn=min(seen, default=None), last_turn=max(seen, default=None))
        item.update(billed_tokens=sum(e["tokens"] for e in own), **_money(own, whole=True))
        item.pop("price_to_cost")
    unpriced = sum(t["billed_usd"] is None and t["usage"] is not None for t in done)
    unmeasured = sum(t["usage"] is None for t in done)
    totals = _money(done)
    return {
        "schema": "tokenprof.report/2",
        "sources": [{"file": "run.jsonl", "format": "tokenprof", "runs": 1}],
        "prices": {"book": "genai-prices", "version": "0.2.3", "as_of": "2026-11-12", "overlays": []},
        "deployment": (deployment or DEPLOYMENT) if hardware else None,
        "totals": {
            "turns": len(done),
            "usage": {key: sum(t["usage"][key] for t in done if t["usage"]) for key in CLASSES},
            "unpriced_turns": unpriced,
            "unmeasured_turns": unmeasured,
            "partial_turns": sum(t["status"] == "partial" for t in done),
            **totals,
            "hardware_opportunity_usd": None,
            "hardware_marginal_usd": None,
            "hardware_owned_usd": None,
        },
        "classes": [
            _class_row(name, entries) for name in CLASSES if any(e["class"] == name for e in entries)
        ],
        "turns": done,
        "blocks": list(by_id.values()),
        "findings": [],
        "warnings": [],
        **more,
    }


def _priced(
    index: int, item: dict[str, Any], blocks: Mapping[str, dict[str, Any]], hardware: Mapping[str, Any] | None
) -> dict[str, Any]:
    prices = USD_PER_MTOK.get(item["model"])
    for entry in item["entries"]:
        size = 0 if entry["class"] == "fee" else blocks[entry["block"]]["tokens"]
        price = None if prices is None else Decimal(prices.get(entry["class"], "0"))
        entry["tokens"] = size
        entry["billed_usd"] = None if price is None else text(size * price / 1_000_000)
        if entry["class"] == "fee" and price is not None:
            entry["billed_usd"] = text(entry["count"] * USD_PER_FEE)
        units = hardware.get(entry["class"]) if hardware else None
        entry["hardware_usd"] = units and {
            end: text(size * Decimal(unit) / 1_000_000) for end, unit in zip(ENDS, units, strict=True)
        }
        entry["state"] = blocks[entry["block"]]["state"]
    usage = {key: sum(e["tokens"] for e in item["entries"] if e["class"] == key) for key in CLASSES}
    prompt = sum(usage[key] for key in CLASSES[:7])
    measured = item.pop("measured")
    return {
        "index": index,
        **item,
        "id": item["id"] or f"msg_{index + 1:02d}",
        "usage": usage if measured else None,
        "context_tokens": prompt if measured else None,
        **_money(item["entries"]),
        "hardware_opportunity_usd": None,
        "hardware_marginal_usd": None,
        "hardware_owned_usd": None,
    }


def _money(parts: Sequence[Mapping[str, Any]], *, whole: bool = False) -> dict[str, Any]:
    """Sums of what is known; `whole` ones are null if anything is unknown."""
    amounts = [Decimal(part["billed_usd"]) for part in parts if part["billed_usd"] is not None]
    estimates = [part["hardware_usd"] for part in parts if part["hardware_usd"] is not None]
    billed = sum(amounts, Decimal(0)) if amounts else None
    hardware = (
        {end: sum((Decimal(e[end]) for e in estimates), Decimal(0)) for end in ENDS} if estimates else None
    )
    ratios = None
    if billed is not None and len(amounts) == len(parts) and hardware and all(hardware.values()):
        crossed = zip(ENDS, reversed(ENDS), strict=True)
        ratios = {end: format(billed / hardware[other], ".6f") for end, other in crossed}
    if whole and len(amounts) < len(parts):
        billed = None
    return {
        "billed_usd": None if billed is None else text(billed),
        "hardware_usd": hardware and {end: text(amount) for end, amount in hardware.items()},
        "price_to_cost": ratios,
    }


def _class_row(name: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    own = [entry for entry in entries if entry["class"] == name]
    row = {"class": name, "tokens": sum(entry["tokens"] for entry in own), **_money(own, whole=True)}
    return row | {"count": sum(entry["count"] for entry in own)} if name == "fee" else row


DEPLOYMENT: dict[str, Any] = {
    "model": "stand-in for claude-opus-4-8: 400 sampled architectures, 20–110 B active",
    "chip": "GB200 NVL72",
    "chips": 72,
    "precision": "sampled",
    "assumptions": [
        {"name": "active parameters", "value": "20–110 B", "source": "published open models of the tier"},
        {"name": "HBM fraction", "value": "0.80", "source": "measured: kernels on B200"},
        {"name": "fleet utilisation", "value": "0.4", "source": "assumed"},
    ],
}


def email_agent() -> dict[str, Any]:
    """Six turns: tools, a skill, one search made twice, a cache gone cold, a cut last answer."""
    skills = [{"name": name} for name in ("triage-inbox", "write-reply", "file-expenses")]
    blocks = [
        block("preamble", "provider_overhead", "tools preamble", 346, section=None),
        block("t-search", "tool", "search_emails", 412, plus_minus=22),
        block("t-skill", "tool", "read_skill", 305, plus_minus=17),
        block("t-send", "tool", "send_email", 611, plus_minus=30),
        block("t-delete", "tool", "delete_email", 388, plus_minus=19),
        block("system", "system", "system prompt", 2_487, plus_minus=61),
        block("index", "skills_index", "skills index", 3_021, plus_minus=61, children=skills),
        block("ask", "user", "Sort my inbox and answer what is urgent", 64),
        block("think-1", "thinking", "thinking", 118),
        block("call-1", "tool_call", "search_emails", 87),
        block("mail-1", "tool_result", "search_emails", 4_912, digest="same-mail"),
        block("call-2", "tool_call", "read_skill", 71),
        block("skill", "skill", "triage-inbox", 1_512),
        block("think-3", "thinking", "thinking", 240, plus_minus=12),
        block("call-3", "tool_call", "search_emails", 83, plus_minus=12),
        block("mail-2", "tool_result", "search_emails", 4_912, digest="same-mail"),
        block("say-4", "assistant", "assistant", 156, plus_minus=9),
        block("call-4", "server_state", "web_search", 90, plus_minus=9),
        block("mail-3", "tool_result", "web_search", 2_210),
        block("call-5", "tool_call", "search_emails", 96),
        block("mail-4", "tool_result", "search_emails", 1_034, plus_minus=None),
        block("answer", "output", "output", 412),
    ]
    static = ["preamble", "t-search", "t-skill", "t-send", "t-delete", "system", "index"]
    two = [*static, "ask", "think-1", "call-1", "mail-1"]
    three = [*two, "call-2", "skill"]
    four = [*three, "think-3", "call-3", "mail-2"]
    five = [*four, "say-4", "call-4", "mail-3"]
    expired = {
        "cause": "ttl_expired",
        "block": "preamble",
        "field": None,
        "tokens": 19_569,
        "usd": "0.11252175",
        "evidence": "clock",
    }
    turns = [
        turn(0, write=static, fresh=["ask"], reasoning=["think-1"], out=["call-1"]),
        turn(5, read=static, write=two[7:], out=["call-2"]),
        turn(10, read=two, write=three[11:], reasoning=["think-3"], out=["call-3"]),
        turn(16, read=three, write=four[13:], out=["say-4", "call-4"], fees=("call-4", 2)),
        turn(381, write=five, out=["call-5"], cache_miss=expired, attempts=2),
        turn(
            386,
            read=five,
            write=["call-5", "mail-4"],
            out=["answer"],
            status="partial",
            output_incomplete=True,
        ),
    ]
    made = report(blocks, turns)
    made["groups"] = [
        group(made, "tool", "search_emails", "t-search call-1 mail-1 call-3 mail-2 call-5 mail-4"),
        group(made, "tool", "read_skill", "t-skill call-2"),
        group(made, "tool", "send_email", "t-send"),
        group(made, "tool", "delete_email", "t-delete"),
        group(made, "tool", "web_search", "call-4 mail-3"),
        group(made, "skill", "triage-inbox", "skill"),
    ]
    return made


def group(made: Mapping[str, Any], kind: str, name: str, ids: str) -> dict[str, Any]:
    members = [item for item in made["blocks"] if item["id"] in ids.split()]
    money = _money(members, whole=True)
    money.pop("price_to_cost")
    tokens = sum(item["billed_tokens"] for item in members)
    return {"kind": kind, "name": name, "blocks": ids.split(), "billed_tokens": tokens, **money}


def unknowns() -> dict[str, Any]:
    """Four turns: one priced, one of a model without a price, one without usage, one of a known model."""
    blocks = [
        block("system", "system", "system prompt", 1_000),
        block("ask", "user", "ask", 200, plus_minus=None),
        block("a", "output", "output", 50),
        block("photo", "image", "photo.png", None, plus_minus=None),
    ]
    turns = [
        turn(0, fresh=["system", "ask"], out=["a"]),
        turn(4, fresh=["system", "ask"], out=["a"], model="llama-9-preview"),
        turn(9, measured=False, status="error"),
        turn(12, fresh=["system", "ask"], out=["a"]),
    ]
    return report(blocks, turns, warnings=["run.jsonl:41: the last line was cut short and is left out."])


def without_hardware() -> dict[str, Any]:
    """One turn of an exactly priced model and no deployment at all."""
    blocks = [block("ask", "user", "ask", 200_000), block("a", "output", "output", 100)]
    return report(blocks, [turn(0, fresh=["ask"], out=["a"])], hardware=None)


def fixed_deployment() -> dict[str, Any]:
    """An open model on known chips: low, mid and high are one figure."""
    blocks = [block("system", "system", "system", 20_000), block("a", "output", "output", 900)]
    turns = [turn(0, write=["system"], out=["a"]), turn(4, read=["system"], out=["a"])]
    point = {name: (mid, mid, mid) for name, (_, mid, _) in HARDWARE_MICRO_USD.items()}
    fixed = {
        "model": "DeepSeek-V3",
        "chip": "H200",
        "chips": 32,
        "assumptions": ["batch of 128 at 40 tokens/s"],
    }
    return report(blocks, turns, hardware=point, deployment=fixed)


def empty() -> dict[str, Any]:
    """A recording that holds no turn."""
    return report([], [], hardware=None)


def long_run(turns_count: int = 60) -> dict[str, Any]:
    """A main agent that grows by one result a turn, with a subagent of another model in between."""
    blocks = [
        block("system", "system", "system prompt", 12_000),
        block("sub", "system", "Explore", 4_000, context="sub"),
    ]
    turns: list[dict[str, Any]] = []
    carried = ["system"]
    for number in range(turns_count):
        if number % 10 == 9:
            out = block(f"o-{number}", "assistant", "assistant", 300, context="sub")
            blocks.append(out)
            explore = {"context": "sub", "parent": "main", "agent": "Explore", "model": "claude-haiku-4-5"}
            turns.append(turn(number * 7, fresh=["sub"], out=[out["id"]], **explore))
            continue
        path = f"Read services/checkout/internal/handlers/payment_{number}/deeply/nested/module.py"
        new = block(f"r-{number}", "tool_result", path, 800 + 37 * (number % 7), plus_minus=25)
        out = block(f"o-{number}", "tool_call", "Read", 120)
        blocks += [new, out]
        turns.append(turn(number * 7, read=carried, write=[new["id"]], out=[out["id"]], agent="main"))
        carried = [*carried, new["id"], out["id"]]
    return report(blocks, turns)


def tagged_runs() -> dict[str, Any]:
    """Three runs of one task read together, told apart by their tags."""
    blocks, turns = [], []
    for number, (task, variant) in enumerate([("refund", "a"), ("refund", "b"), ("triage", "a")]):
        context = f"run-{number}"
        blocks.append(block(f"s-{number}", "system", "system prompt", 3_000 + 500 * number, context=context))
        blocks.append(block(f"a-{number}", "output", "output", 90, context=context))
        for step in range(2):
            tags = {"task": task, "variant": variant}
            turns.append(
                turn(
                    number * 60 + step * 5,
                    fresh=[f"s-{number}"],
                    out=[f"a-{number}"],
                    context=context,
                    tags=tags,
                )
            )
    sources = [{"file": f"runs/{n}.jsonl", "format": "tokenprof", "runs": 1} for n in range(3)]
    return report(blocks, turns, sources=sources)


ALL = {
    "email_agent": email_agent,
    "unknowns": unknowns,
    "without_hardware": without_hardware,
    "fixed_deployment": fixed_deployment,
    "empty": empty,
    "long_run": long_run,
    "tagged_runs": tagged_runs,
}
