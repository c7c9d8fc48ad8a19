"""The proxy's own answers, in the form in which the provider's SDK expects errors."""

from __future__ import annotations

from http import HTTPStatus

from tokenprof.facts.provider_errors import over_budget_error, provider_error
from tokenprof.proxy.request import ClientRequest, OverBudgetError, RequestError
from tokenprof.record.wires import wire_of


def provider_of(request: ClientRequest, prefix: str) -> str:
    """Return whose API a request is for: by the route, by the path, or by the headers of the client."""
    wire = wire_of(request.method, request.target)
    if prefix or wire:
        return prefix.strip("/") or (wire.provider if wire else "")
    names = request.by_lower_name()
    if "anthropic-version" in names:
        return "anthropic"
    if "x-goog-api-key" in names:
        return "gcp.gemini"
    return "aws.bedrock" if "x-amz-date" in names else "openai"


def answer_of(error: RequestError, provider: str) -> bytes:
    """Return the whole answer to a request that is refused. It ends the connection."""
    if isinstance(error, OverBudgetError):
        found = over_budget_error(provider, error.sentence)
    else:
        found = provider_error(provider, error.status, error.sentence)
    try:
        reason = HTTPStatus(found.status).phrase
    except ValueError:
        reason = "Refused"
    lines = [
        f"HTTP/1.1 {found.status} {reason}",
        *(f"{name}: {value}" for name, value in found.headers),
        f"Content-Length: {len(found.body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + found.body
