"""The proxy's own answers, in the form in which the provider's SDK expects errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import orjson

from tokenprof.proxy.request import ClientRequest, RequestError
from tokenprof.record.wires import wire_of

_ANTHROPIC_TYPES: Final = {403: "permission_error", 404: "not_found_error", 413: "request_too_large"}
_GOOGLE_STATUSES: Final = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_AWS_TYPES: Final = {403: "AccessDeniedException", 404: "ResourceNotFoundException"}


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
    body = orjson.dumps(_error(error, provider))
    try:
        reason = HTTPStatus(error.status).phrase
    except ValueError:
        reason = "Refused"
    lines = [
        f"HTTP/1.1 {error.status} {reason}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        # SDKs would repeat some of these, with the same result.
        "x-should-retry: false",
        "Connection: close",
    ]
    if provider == "aws.bedrock":
        lines.append(f"x-amzn-errortype: {_AWS_TYPES.get(error.status, 'ValidationException')}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _error(error: RequestError, provider: str) -> object:
    message = error.sentence
    if provider == "anthropic":
        kind = _ANTHROPIC_TYPES.get(error.status, "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if provider.startswith("gcp."):
        status = _GOOGLE_STATUSES.get(error.status, "INVALID_ARGUMENT")
        return {"error": {"code": error.status, "message": message, "status": status}}
    if provider == "aws.bedrock":
        return {"message": message}
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
