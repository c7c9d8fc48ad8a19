"""The pages of `tokenprof hw ask`: each a table from the catalogue and the equations, and what it says."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tokenprof.commands.console.pages import WIDTH
from tokenprof.commands.console.tables import Cell, table
from tokenprof.commands.hw.paid_hour import PaidHour, rent_usd
from tokenprof.data_classes.frozen import frozen

if TYPE_CHECKING:
    from tokenprof.hw_model.economics import UnitCost
    from tokenprof.hw_model.equations.deployment import Deployment


@frozen
class Supposed:
    """What a page supposes: whose hours, the model, its speed to each user, the share of hours sold."""

    hour: PaidHour
    model: str = "kimi-k2.6"
    speed: float = 30.0
    utilisation: float = 0.5


TRAJECTORY: Final[Mapping[str, int]] = {
    "H100": 16, "H200": 8, "B200": 8, "B300": 8, "GB200": 72, "GB300": 72, "VR200": 72,
    "MI355X": 8, "TPU v7": 16,
}  # fmt: skip
"""Chips, each with the accelerators of a usual replica: a server or two, or a rack."""

CHATBOT_TOKENS: Final = 30_000.0
AGENT_TOKENS: Final = 200_000.0

TECHNIQUES: Final[tuple[tuple[str, str], ...]] = (
    ("as served: fp8, MLA, no drafts", "deepseek-v3@8xh200"),
    ("KV in bf16 instead of fp8", "deepseek-v3@8xh200:kv=bf16"),
    ("3 drafted tokens (MTP)", "deepseek-v3@8xh200:mtp=3"),
    ("4-bit experts on B200", "deepseek-v3@8xb200:weights=fp4"),
    ("the same in fp8 on B200", "deepseek-v3@8xb200"),
    ("32 accelerators, expert parallel", "deepseek-v3@32xh200"),
    ("GQA instead of MLA: 235B-A22B", "qwen3-235b-a22b@8xh200"),
)
"""What is changed, and the deployment that has it."""


def _unit(said: Supposed, text: str, context_tokens: float, usd: float | None = None) -> UnitCost | None:
    """Return what tokens cost on a deployment; None if it is not possible."""
    from tokenprof.hw_model.economics import Operation, unit_cost
    from tokenprof.hw_model.equations.deployment_error import DeploymentError

    deployment = _deployment(text)
    if deployment is None:
        return None
    hour = said.hour.usd_or_none(deployment.chip) if usd is None else usd
    if hour is None:
        return None
    operation = Operation(
        context_tokens, tokens_per_s=said.speed, utilisation=said.utilisation, usd_per_accelerator_hour=hour
    )
    try:
        return unit_cost(deployment, operation)
    except DeploymentError:
        return None


def _deployment(text: str) -> Deployment | None:
    from tokenprof.hw_model.equations.deployment_error import DeploymentError
    from tokenprof.hw_model.equations.deployment_text import parse_deployment

    try:
        return parse_deployment(text)
    except DeploymentError:
        return None


def rack_of(said: Supposed) -> str:
    """Return the deployment of a rack."""
    return f"{said.model}@72xgb200"


def megawatt(said: Supposed) -> str:
    """Return what 1 MW of power buys, by chip, beside the published synthesis."""
    from tokenprof.hw_model.catalogue.lookup import find_chip
    from tokenprof.hw_model.equations.deployment_text import parse_deployment
    from tokenprof.hw_model.equations.gpu_hour import HOURS_PER_YEAR

    rows: list[tuple[Cell, ...]] = []
    for name, size in TRAJECTORY.items():
        chip, text = find_chip(name), f"{said.model}@{size}x{name.replace(' ', '-')}"
        count = int(1000 / chip.all_in_kw)
        hour = said.hour.usd_or_none(chip)
        cost = _unit(said, text, CHATBOT_TOKENS)
        tokens = None
        if cost is not None:
            tokens = cost.tokens_per_s / parse_deployment(text).accelerators * count / 1000
        rows.append(
            (
                name,
                count,
                f"{count * chip.capex_usd[1] / 1e6:.1f}",
                None if hour is None else f"{count * hour * HOURS_PER_YEAR / 1e6:.1f}",
                None if tokens is None else f"{tokens:,.0f}",
                None if cost is None else f"{cost.output_usd_per_m:.2f}",
            )
        )
    heads = ("1 MW of", "chips", "capital M$", "M$ a year", "k tokens/s", "$/M output")
    return (
        "What does 1 MW buy?\n\n"
        + table(heads, rows)
        + paragraphs(
            f"Power at the meter, all in, cooling included; a year is {said.hour.in_words}. "
            f"Tokens are output of {said.model} at 30k tokens of context and {said.speed:g} tokens/s to "
            "each user, all hours "
            f"sold; $/M with {100 * said.utilisation:g} % of them sold.",
            "Published synthesis (Token Economics in the AI Era): 750 H100 at $35k, a building of $15M over "
            "25 years and $0.08/kWh: $6.55M a year on $41M, or $1.00 an hour. It charges no cost of "
            "capital and counts 1.33 kW a chip; ours is 1.59 kW at the meter, so 1 MW holds fewer.",
        )
    )


def agent_against_chatbot(said: Supposed) -> str:
    """Return what a rack sells to agents and to chatbots: the published sevenfold."""
    from tokenprof.hw_model.catalogue.lookup import find_model
    from tokenprof.hw_model.economics import quadratic_crossover_tokens

    rows: list[tuple[Cell, ...]] = []
    found = [(words, _unit(said, rack_of(said), tokens)) for words, tokens in (
        ("chatbot, 30k tokens", CHATBOT_TOKENS), ("agent, 200k tokens", AGENT_TOKENS))]  # fmt: skip
    for words, cost in found:
        if cost is not None:
            rows.append(
                (
                    words,
                    f"{cost.batch:,.0f}",
                    f"{cost.tokens_per_s:,.0f}",
                    f"{cost.cached_input_usd_per_m:.4f}",
                    f"{cost.fresh_input_usd_per_m:.3f}",
                    f"{cost.output_usd_per_m:.2f}",
                )
            )
    chat, agent = (cost for _, cost in found)
    crossover = quadratic_crossover_tokens(find_model(said.model))
    sevenfold = (
        ""
        if chat is None or agent is None
        else f"The rack holds {chat.batch / agent.batch:.1f} times as many chatbots as agents, sells "
        f"{chat.tokens_per_s / agent.tokens_per_s:.1f} times as many tokens to them, and each token costs "
        f"{agent.output_usd_per_m / chat.output_usd_per_m:.1f} times as much to an agent."
    )
    return (
        f"An agent against a chatbot on one rack ({rack_of(said)})\n\n"
        + table(("", "sequences", "tokens/s", "$/M cached", "$/M fresh", "$/M output"), rows)
        + paragraphs(
            sevenfold,
            f"In a prompt, attention overtakes the linear layers at {crossover / 1e3:.0f}k tokens: prompts "
            "grow "
            "with the square of the context beyond that, answers linearly.",
            "Published (a staggering amount goes into every AI response): 818 agents at 200k against 5,455 "
            "chatbots at 30k on one rack, about one seventh, with memory alone as the limit and KV in bf16. "
            f"Here {said.speed:g} tokens/s are kept, which limits the chatbots' batch, so the ratio is "
            "lower; by memory alone it is 6.7 (tokenprof hw ask racks).",
        )
    )


def generations(said: Supposed) -> str:
    """Return the generations of hardware: memory, what their hours cost, what a token costs on them."""
    from tokenprof.hw_model.catalogue.lookup import find_chip
    from tokenprof.pricing.chain.gpu_hours import CONTRACT

    terms = said.hour.contract or CONTRACT
    rows: list[tuple[Cell, ...]] = []
    for name, size in TRAJECTORY.items():
        chip, text = find_chip(name), f"{said.model}@{size}x{name.replace(' ', '-')}"
        usd = rent_usd(name, terms)
        own_usd = said.hour.given_usd or said.hour.owner.usd_per_chip_hour(chip)
        owned = _unit(said, text, 64_000.0, own_usd)
        rented = None if usd is None else _unit(said, text, 64_000.0, usd)
        rows.append(
            (
                name,
                f"{chip.hbm_bytes / 1e9:.0f}",
                f"{chip.hbm_bytes_per_s / 1e12:.1f}",
                f"{own_usd:.2f}",
                None if usd is None else f"{usd:.2f}",
                None if owned is None else f"{owned.batch:,.0f}",
                None if owned is None else f"{owned.output_usd_per_m:.2f}",
                None if rented is None else f"{rented.output_usd_per_m:.2f}",
            )
        )
    own = "own" if said.hour.given_usd is None else "given"
    heads = ("chip", "GB", "TB/s", f"{own} $/h", "rent $/h", "batch", f"$/M {own}", "$/M rent")
    return (
        f"Generations: {said.model} at 64k tokens, {said.speed:g} tokens/s, {100 * said.utilisation:g} % "
        "of hours "
        "sold\n\n"
        + table(heads, rows)
        + paragraphs(
            "Each on a usual replica: one server of 8, two of H100, a rack of 72. `tokenprof chain RUN` "
            "chooses layouts as an operator would. Rents are contracts of one to three years (tokenprof hw "
            "hours). VR200 is Vera Rubin, its figures announced.",
        )
    )


def techniques(said: Supposed) -> str:
    """Return what each technique does to the cost of a token: with and without."""
    rows: list[tuple[Cell, ...]] = []
    for words, text in TECHNIQUES:
        cost = _unit(said, text, 64_000.0)
        if cost is None:
            rows.append((words, None, None, None, None))
            continue
        rows.append(
            (
                words,
                f"{cost.batch:,.0f}",
                f"{cost.cached_input_usd_per_m:.4f}",
                f"{cost.fresh_input_usd_per_m:.3f}",
                f"{cost.output_usd_per_m:.2f}",
            )
        )
    return (
        f"Techniques: DeepSeek-V3 at 64k tokens, {said.speed:g} tokens/s, {said.hour.short}\n\n"
        + table(("", "batch", "$/M cached", "$/M fresh", "$/M output"), rows)
        + paragraphs(
            "KV sharing: a prompt token that is cached against one that is not is the second column against "
            "the third. The same techniques for a recorded run, split pools too: tokenprof chain RUN, The "
            "same "
            "run with and without each technique; or tokenprof sweep RUN --over drafts=off,on.",
        )
    )


def racks(said: Supposed) -> str:
    """Return the racks and their scale-up domains, and how many copies of a model they hold."""
    from tokenprof.hw_model.catalogue.lookup import find_model, racks

    shape = find_model(said.model)
    weights = shape.weight_bytes()
    rows: list[tuple[Cell, ...]] = []
    for rack in racks().values():
        agents = max((0.92 * rack.hbm_bytes - weights) / shape.kv_bytes(AGENT_TOKENS), 0.0)
        chats = max((0.92 * rack.hbm_bytes - weights) / shape.kv_bytes(CHATBOT_TOKENS), 0.0)
        rows.append(
            (
                rack.name,
                rack.chips,
                f"{rack.hbm_bytes / 1e12:.1f}",
                f"{rack.hbm_bytes / rack.chips / 1e9:.0f}",
                f"{agents:,.0f}",
                f"{chats:,.0f}",
                "yes" if 0.92 * rack.hbm_bytes >= 30e12 * 0.5 else "no",
            )
        )
    heads = ("scale-up domain", "chips", "TB", "GB each", "agents", "chatbots", "30T at 4 bits")
    return (
        f"Racks and NVLink domains, and what fits: one copy of {said.model} and its contexts\n\n"
        + table(heads, rows)
        + paragraphs(
            "Agents at 200k tokens, chatbots at 30k, memory alone. 2 TB of weights at 16 bits do not fit one "
            "GPU of 80 GB; 30 trillion parameters fit where the last column says so. A context lives on one "
            "data-parallel rank, so it moves over that rank's link alone. Links are one way here: 900 GB/s "
            "is what makers call 1.8 TB/s both ways.",
        )
    )


def paragraphs(*paragraphs: str) -> str:
    """Return what is said under a table, wrapped."""
    return "".join(f"\n{textwrap.fill(each, WIDTH)}\n" for each in paragraphs if each)
