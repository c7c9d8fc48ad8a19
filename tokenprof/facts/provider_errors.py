"""Errors in the form in which each provider's SDK expects them: a status, headers, a body.

Sources: Anthropic API errors (https://docs.claude.com/en/api/errors), OpenAI API error codes
(https://platform.openai.com/docs/guides/error-codes), `google.rpc.Status`
(https://cloud.google.com/apis/design/errors), Amazon Bedrock errors
(https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html).
"""

from __future__ import annotations

import json
from typing import Final

from tokenprof.data_classes.frozen import frozen

_ANTHROPIC_TYPES: Final = {
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}
_GOOGLE_STATUSES: Final = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_AWS_TYPES: Final = {403: "AccessDeniedException", 404: "ResourceNotFoundException"}
_AWS_OVER_BUDGET: Final = "ServiceQuotaExceededException"


@frozen
class ProviderError:
    """An answer that an SDK turns into an exception of its own."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def provider_error(provider: str, status: int, message: str) -> ProviderError:
    """Return an error with a status and a message, in the shape of a provider's API."""
    return _error(provider, status, message, _AWS_TYPES.get(status, "ValidationException"), None)


def over_budget_error(provider: str, message: str) -> ProviderError:
    """Return the refusal of a call that is over its owner's budget.

    Its status is one that no SDK tries again: a retry would be refused too.
    """
    if provider == "aws.bedrock":
        return _error(provider, 400, message, _AWS_OVER_BUDGET, None)
    status = 402 if provider == "anthropic" else 403
    return _error(provider, status, message, "", "insufficient_quota")


def _error(provider: str, status: int, message: str, aws_type: str, openai_type: str | None) -> ProviderError:
    # SDKs would repeat some of these, with the same result.
    headers = [("Content-Type", "application/json"), ("x-should-retry", "false")]
    if provider == "aws.bedrock":
        headers.append(("x-amzn-errortype", aws_type))
    body = json.dumps(_body(provider, status, message, openai_type)).encode()
    return ProviderError(status, tuple(headers), body)


def _body(provider: str, status: int, message: str, openai_type: str | None) -> object:
    if provider == "anthropic":
        kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if provider.startswith("gcp."):
        name = _GOOGLE_STATUSES.get(status, "INVALID_ARGUMENT")
        return {"error": {"code": status, "message": message, "status": name}}
    if provider == "aws.bedrock":
        return {"message": message}
    kind = openai_type or "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": openai_type}}
