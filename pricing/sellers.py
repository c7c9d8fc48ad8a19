"""Who sold a call, as a public host, an id or a model's name shows it; sellers have their names in prices."""

from __future__ import annotations

import functools
import re

HOSTS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
    "aiplatform.googleapis.com": "google",
    "openai.azure.com": "azure",
    "services.ai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "amazonaws.com": "aws",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.x.ai": "x-ai",
    "api.deepseek.com": "deepseek",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
    "api.minimax.io": "minimax",
    "api.minimaxi.com": "minimax",
    "api.mistral.ai": "mistral",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.perplexity.ai": "perplexity",
    "api.fireworks.ai": "fireworks",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.cerebras.ai": "cerebras",
    "inference.baseten.co": "baseten",
    "api.novita.ai": "novita",
    "api.arcee.ai": "arcee",
    "api.avian.io": "avian",
    "api.githubcopilot.com": "github-copilot",
    "api.llama.com": "meta",
    "dashscope.aliyuncs.com": "alibaba",
    "dashscope-intl.aliyuncs.com": "alibaba",
    "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow",
    "api.deepinfra.com": "deepinfra",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.studio.nebius.ai": "nebius",
    "api.sambanova.ai": "sambanova",
    "ai-gateway.vercel.sh": "vercel",
}
"""Public hosts, matched with everything below them. Not all sellers have prices here."""

ID_PREFIXES = {"msg_bdrk_": "aws.bedrock", "msg_vrtx_": "gcp.vertex_ai"}
"""How Anthropic's message ids begin if a cloud sold the call."""

_ANY_PREFIX = tuple(ID_PREFIXES)

MAKERS = (
    "anthropic",
    "openai",
    "google",
    "deepseek",
    "moonshotai",
    "zai",
    "minimax",
    "x-ai",
    "mistral",
    "cohere",
    "perplexity",
)
"""Makers who sell their models themselves, under ids that are theirs alone."""

_BEDROCK = re.compile(r"^(?:[a-z]{2,6}\.)?(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen)\.")


@functools.lru_cache(maxsize=1024)
def seller_of_host(host: str) -> str | None:
    """Return who sells at a public host; None for one that is unknown or on this machine."""
    name = host.lower().partition(":")[0].rstrip(".")
    while name:
        if name in HOSTS:
            return HOSTS[name]
        name = name.partition(".")[2]
    return None


def seller_named(said: str) -> str | None:
    """Return who a log says the seller was, if that is somebody who sells at a host of their own.

    Makers and clouds whose names only show the API, or are known under several names, are left out.
    """
    name = SAID_AS.get(said.lower(), said.lower())
    return name if name in HOSTS.values() and name not in SHAPES and name not in CLOUDS else None


SAID_AS = {
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "moonshot_ai": "moonshotai",
    "moonshot": "moonshotai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
}
"""Names of the OpenTelemetry conventions and of gateways for sellers that have another name in prices."""

CLOUDS = ("google", "azure", "aws")


def seller_of_answer(response_id: str, model: str, provider: str) -> str | None:
    """Return who sold a call, as the id of its answer or of its model shows; None if neither does."""
    if response_id.startswith(_ANY_PREFIX):
        return next(seller for prefix, seller in ID_PREFIXES.items() if response_id.startswith(prefix))
    return _seller_of_model(model, provider)


@functools.lru_cache(maxsize=1024)
def _seller_of_model(model: str, provider: str) -> str | None:
    if model.startswith(ARN) or (
        provider in ("anthropic", "openai") and _BEDROCK.match(_ROUTES.sub("", model))
    ):
        return "aws.bedrock"
    return "gcp.vertex_ai" if provider == "anthropic" and _VERTEX.search(model) else None


ARN = "arn:aws"
"""How a model's id begins that names an account."""


def without_account(model: str) -> str:
    """Return a model's id without the account and region with which an ARN begins."""
    begin = model.find(ARN)
    if begin < 0:
        return model
    kind, _, name = model[begin:].rpartition(":")[2].partition("/")
    # A profile of the account's own does not name its model.
    return name if name and kind != "application-inference-profile" else kind + "/" * bool(name) + name


_VERTEX = re.compile(r"claude-[^@]{1,60}@(?:default|20\d{6})$")

SHAPES = ("openai", "anthropic")
"""Providers whose API many others offer too, so that it does not show who made a model."""

_ROUTES = re.compile(
    r"^(?:bedrock|vertex_ai|vertex|azure_ai|azure|converse|invoke|models|projects/[^/]+/locations/[^/]+|"
    r"publishers/[^/]+|openrouter|arn:[^/]*)/"
)
"""What gateways and clouds put in front of a model's id."""


_AREA = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|global)\.(?=[a-z])")


def spellings(provider: str, model: str) -> tuple[str, ...]:
    """Return the ids under which a provider may list a model, the id as it is given first.

    Claude Code marks the long window with `[1m]`, Vertex a model without a version with `@default`;
    OpenRouter writes versions with a dot. Claude on Bedrock without a region has the price of all regions.
    """
    plain = model.removesuffix("[1m]").removesuffix("@default")
    bare = plain
    while (shorter := _ROUTES.sub("", bare)) != bare:
        bare = shorter
    bare = bare.removeprefix(f"{provider}/")
    found = [plain, bare]
    if provider == "aws" and bare.startswith("claude-"):
        found = [f"global.anthropic.{bare}", *found]
    if provider == "aws":
        # Inference profiles over regions cost what the model costs in the region that was asked.
        found += [name for name in (_AREA.sub("", bare),) if not name.startswith("anthropic.")]
    if provider == "anthropic":
        found += [re.sub(r"-(\d+)\.(\d+)(?=$|[-:])", r"-\1-\2", name) for name in found]
    found += [name.removesuffix("-latest") for name in found if name.endswith("-latest")]
    if provider == "openrouter":
        found += [re.sub(r"-(\d+)-(\d+)(?=$|[-:])", r"-\1.\2", name) for name in found]
    return tuple(dict.fromkeys(found))
