"""Every assumption that a user may set, one row each: its name, values, unit, default and source.

The rows are the keys of `[tool.tokenprof]`, the environment variables `TOKENPROF_…`, the names of
`--set NAME=VALUE` and `--sweep NAME=A,B,C`, and the table of `tokenprof settings`.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from tokenprof.costing.evidence_names import EVIDENCE

Group = Literal["prices", "hours", "service", "chain"]
Kind = Literal["files", "number", "whole", "choice", "text"]


class SettingRow(NamedTuple):
    """One assumption that a user may set.

    A `group` is what a setting moves: `prices` the bill; `hours` and `service` compute; `chain` what follows
    from both. `low` and `high` bound a number, `choices` are the values of a choice, `example` shows how it
    is written. `option` is the command-line option that sets it too, if it has one of its own.
    """

    name: str
    group: Group
    kind: Kind
    about: str
    unit: str
    default: str
    source: str
    example: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    option: str | None = None

    @property
    def field(self) -> str:
        """The name of the setting in Python."""
        return self.name.replace("-", "_")

    @property
    def values(self) -> str:
        """What may be given, in words."""
        if self.kind in ("number", "whole"):
            return f"{_number(self.low)} to {_number(self.high)}"
        return " | ".join(self.choices) if self.choices else "a name"

    @property
    def way_out(self) -> str:
        """What to give instead of a value that cannot be used."""
        if self.name == "usd-per-gpu-hour":
            return f"give dollars per accelerator-hour from {self.values}, such as 2.5."
        if self.name == "utilisation":
            return f"give a share from {self.values}, such as 0.5."
        if self.kind in ("number", "whole"):
            what = "a whole number" if self.kind == "whole" else "a number"
            return f"give {what} from {self.values}, such as {self.example}."
        return f"give {'one of ' + ', '.join(self.choices) if self.choices else 'a name'}."


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _row(
    name: str, group: Group, kind: Kind, about: str, default: str, source: str, example: str, *,
    unit: str = "", low: float = 0.0, high: float = 0.0, choices: tuple[str, ...] = (),
    option: str | None = None,
) -> SettingRow:  # fmt: skip
    return SettingRow(name, group, kind, about, unit, default, source, example, low, high, choices, option)


SITES: Final = "Token Economics in the AI Era, and the ranges of equation 2.9 in docs/hardware.md"

SETTING_ROWS: Final[tuple[SettingRow, ...]] = (
    _row("prices", "prices", "files", "price files laid over the list prices", "list prices",
         "docs/prices.md", "own.toml", option="--prices"),
    _row("seller", "prices", "text", "who sold the calls that do not show it", "by the API",
         "docs/prices.md", "openrouter", option="--seller"),
    _row("model", "prices", "text", "another model for every call, same tokens: NAME or PROVIDER/NAME",
         "the one recorded", "docs/chain.md, Scenarios", "deepseek/deepseek-v4-pro"),
    _row("hours", "hours", "choice", "whose accelerator-hours the server of the model pays",
         "by the supplier's row: own racks or rented ones", "[[supplier]] in pricing/data/chain.toml", "rent",
         choices=("own", "rent"), option="--own | --rent"),
    _row("contract", "hours", "choice", "terms of rented hours", "contract: one to three years",
         "pricing/data/gpu_hours.csv", "on demand",
         choices=("contract", "three years", "one year", "reserved", "on demand", "spot")),
    _row("usd-per-gpu-hour", "hours", "number", "price of an accelerator-hour, whatever the chip",
         "by chip, date and owner", "pricing/data/gpu_hours.csv; equation 2.9", "2.5", unit="USD/h",
         low=0.001, high=100_000, option="--usd-per-gpu-hour"),
    _row("utilisation", "hours", "number", "share of the fleet's hours that are sold; overbuild lowers it",
         "drawn from 0.3 to 0.8, or 0.5", "judgement; no provider publishes it", "0.5", unit="share",
         low=0.001, high=1, option="--utilisation"),
    _row("usd-per-kwh", "hours", "number", "price of electricity of the owner", "drawn from 0.05 to 0.12",
         SITES, "0.08", unit="USD/kWh", low=0.0, high=2.0),
    _row("cost-of-capital", "hours", "number", "cost of the owner's capital, a year",
         "drawn from 0.06 to 0.14", SITES, "0.10", unit="share", low=0.0, high=1.0),
    _row("life-years", "hours", "number", "years over which accelerators are written off",
         "drawn from 3.5 to 6", SITES, "5", unit="years", low=0.5, high=30),
    _row("colo-usd-per-kw-month", "hours", "number", "colocation of the owner, without power",
         "drawn from 80 to 140", SITES, "100", unit="USD", low=0.0, high=10_000),
    _row("deployment", "service", "text", "hardware that is described in full", "an operator's choice, drawn",
         "docs/hardware.md, sections 1 and 4", "deepseek-v3@8xh200", option="--deployment"),
    _row("chip", "service", "text", "the one chip that serves", "drawn from the fleet of the day",
         "docs/hardware.md, section 4", "gb200", option="--chip"),
    _row("precision", "service", "choice", "dtype of the weights", "drawn", "docs/hardware.md, section 4",
         "fp8", choices=("bf16", "fp8", "fp4"), option="--precision"),
    _row("kv-precision", "service", "choice", "dtype of the KV cache", "drawn: fp8 in four of five",
         "docs/hardware.md, section 4", "bf16", choices=("bf16", "fp8")),
    _row("drafts", "service", "choice", "speculative decoding: 3 tokens drafted, or none",
         "the operator's choice", "docs/hardware.md, 2.7 and 2.13", "off", choices=("on", "off")),
    _row("pools", "service", "choice", "prompts and answers on one pool, or on two",
         "the operator's choice", "docs/hardware.md, 2.13", "one", choices=("one", "two")),
    _row("attention", "service", "choice", "kind of attention, a supposition about the model",
         "drawn for closed models; as published for open ones", "docs/hardware.md, section 4", "gqa",
         choices=("gqa", "windows", "mla", "hybrid")),
    _row("speed", "service", "number", "tokens per second to each user", "the run's own clock, or drawn",
         "docs/hardware.md, 2.14", "60", unit="tokens/s", low=0.1, high=2_000, option="--speed"),
    _row("tool-latency", "service", "number", "seconds between an answer and the next prompt",
         "the run's own gaps", "the recording", "2", unit="s", low=0.0, high=86_400),
    _row("ttl", "chain", "choice", "how long KV is kept for a waiting session in the table of gaps",
         "both", "docs/chain.md, Waiting KV", "1h", choices=("5m", "1h")),
    _row("supplier", "service", "text", "who serves the model", "the run's seller or provider",
         "[[supplier]] in pricing/data/chain.toml", "google", option="chain --supplier"),
    _row("compute", "chain", "text", "whose GPU-hours the supplier rents", "not known",
         "[[supplier]] in pricing/data/chain.toml", "coreweave", option="chain --compute"),
    _row("path", "chain", "choice", "how the tokens are bought", "direct", "docs/chain.md, Paths", "plan",
         choices=("direct", "aggregator", "plan"), option="chain --path"),
    _row("aggregator", "chain", "text", "who resells the tokens", "openrouter",
         "[[aggregator]] in pricing/data/chain.toml", "openrouter", option="chain --aggregator"),
    _row("credits", "chain", "number", "credit bought at a time from the aggregator", "100",
         "docs/chain.md, Paths", "25", unit="USD", low=0.0, high=1e9, option="chain --credits"),
    _row("plan", "chain", "text", "subscription", "claude-max", "[[plan]] in pricing/data/chain.toml",
         "claude-pro", option="chain --plan"),
    _row("sessions", "chain", "whole", "such runs a month that share a plan", "20", "yours to say", "50",
         unit="runs", low=1, high=1e9, option="chain --sessions"),
    _row("anchor", "chain", "text", "the price that is taken to break even", "deepseek-v4-flash",
         "[[anchor]] in pricing/data/chain.toml", "deepseek-v3"),
    _row("training-share", "chain", "number", "training spend per dollar of the supplier's revenue",
         "by supplier, from accounts", "[[account]] in pricing/data/chain.toml", "0.4", unit="share",
         low=0.0, high=10),
    _row("discount", "chain", "number", "share of the list price that is not collected",
         "none; the bridge takes revenue_per_list",
         "[[share]] revenue_per_list in pricing/data/chain.toml", "0.2", unit="share",
         low=0.0, high=0.99),
    _row("overhead", "chain", "number", "cost beyond accelerators, over the cost of accelerators",
         "0.05 to 0.3 (0.15)", "[[share]] serving_overhead in pricing/data/chain.toml", "0.15", unit="share",
         low=0.0, high=5),
)  # fmt: skip
"""The settings, in the order in which they are listed."""


def row_of(name: str) -> SettingRow | None:
    """Return a setting by its name; None if there is no such setting."""
    return next((row for row in SETTING_ROWS if row.name == name), None)


SETTINGS: Final = tuple(row.name for row in SETTING_ROWS)
"""The settings by the names that they have in pyproject.toml and, after two dashes, on the command line."""

EVIDENCE_SWITCHES: Final = tuple(EVIDENCE)
"""What `--without-evidence` takes."""

OF_AN_OWNER: Final = ("cost-of-capital", "life-years", "colo-usd-per-kw-month", "usd-per-kwh")
"""The settings that make up an owner's hour."""

OF_AN_HOUR: Final = ("usd-per-gpu-hour", "hours", "contract", *OF_AN_OWNER)
"""The settings that make up an hour, whoever pays it."""
