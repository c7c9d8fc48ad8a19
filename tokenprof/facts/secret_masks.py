"""Masks for secrets in content that is written to a file: by the name that a value has, and by its form.

Masking is a safety net, not a proof: a password in a sentence looks like any other word. Every pattern
starts at a fixed text and repeats a bounded number of times, so that the time grows with the length of the
text only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MASK: Final = "[masked]"

DEEPEST: Final = 200
"""JSON nested more deeply than this is replaced by the mask: no API takes it."""

_NAMES: Final = (
    "authorization",
    "proxyauthorization",
    "cookie",
    "setcookie",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "credentials",
)
_NAME_ENDINGS: Final = (
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "subscriptionkey",
    "accountkey",
    "authtoken",
    "authorizationtoken",
    "accesstoken",
    "refreshtoken",
    "bearertoken",
    "sessiontoken",
    "securitytoken",
    "idtoken",
    "apitoken",
    "usertoken",
    "clientsecret",
    "secret",
    "password",
    "secretaccesskey",
    "accesskeyid",
)
_QUERY_NAMES: Final = ("key", "sig", "signature", "code", "auth", "xamzsignature", "xamzcredential")

_NAMED_IN_TEXT: Final = (
    r"(?:(?:api|access|secret|private|subscription|account)[_-]?key|secret[_-]?access[_-]?key"
    r"|(?:auth(?:orization)?|access|refresh|bearer|session|security|id|api|user)[_-]?token"
    r"|client[_-]?secret|authorization|(?:set-)?cookie|password|passwd|passphrase)"
)


@dataclass(frozen=True, slots=True)
class MaskRule:
    """A pattern, what replaces it, and texts (in lower case) that stand in whatever it matches."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str = MASK


def _form(pattern: str, *needles: str) -> MaskRule:
    return MaskRule(needles, re.compile(rf"(?<![A-Za-z0-9_]){pattern}"))


FORMS: Final = (
    _form(r"sk-[A-Za-z0-9_-]{8,}", "sk-"),
    _form(r"(?:AIza|ya29\.)[A-Za-z0-9_.-]{16,}", "aiza", "ya29."),
    _form(r"(?:AKIA|ASIA|ABSK)[A-Za-z0-9+/=]{12,}", "akia", "asia", "absk"),
    _form(r"bedrock-api-key-[A-Za-z0-9+/=_-]{8,}", "bedrock-api-key-"),
    _form(r"GOCSPX-[A-Za-z0-9_-]{12,}", "gocspx-"),
    _form(r"1//0[A-Za-z0-9_-]{24,}", "1//0"),
    _form(r"dapi[0-9a-f]{16,}", "dapi"),
    _form(r"(?:gh[pousr]|github_pat|glpat|hf|gsk|npm)[_-][A-Za-z0-9_-]{12,}",
          "gh", "github", "glpat", "hf", "gsk", "npm"),
    _form(r"[rs]k_(?:live|test)_[A-Za-z0-9_-]{8,}", "k_live_", "k_test_"),
    _form(r"(?:pypi|pplx|xai|tvly|r8|fc|ntn|lin_api|nvapi)[_-][A-Za-z0-9_-]{16,}",
          "pypi", "pplx", "xai", "tvly", "r8", "fc", "ntn", "lin_api", "nvapi"),
    _form(r"xox[a-z]-[A-Za-z0-9-]{8,}", "xox"),
    _form(r"SG\.[A-Za-z0-9_-]{12,}(?:\.[A-Za-z0-9_-]{1,200})?", "sg."),
    _form(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{1,4000})?", "eyj"),
    MaskRule(
        ("-----begin ",),
        re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z0-9 ]{0,40}-----)?"),
    ),
)  # fmt: skip
"""Keys whose form says what they are, whatever their name."""

_NAMES_IN_TEXT: Final = ("key", "token", "secret", "authorization", "cookie", "passw", "passphrase")

PLACES: Final = (
    MaskRule(("://",), re.compile(r"(://)[^/\s:@\"'\\]{1,200}:[^/\s@\"'\\]{1,400}@"), rf"\1{MASK}@"),
    MaskRule(
        ("?", "&"),
        re.compile(
            rf"(?i)([?&](?:{_NAMED_IN_TEXT}|key|token|sig|signature|x-amz-(?:signature|credential"
            r"|security-token))=)[^&\s\"'<>#\\]{1,8000}"
        ),
        rf"\1{MASK}",
    ),
    MaskRule(
        ("aws4-",),
        re.compile(r"(?i)(AWS4-[A-Z0-9-]{1,40}\s{1,4})Credential=[^\r\n\"'\\]{1,8000}"),
        rf"\1{MASK}",
    ),
    MaskRule(
        ("bearer", "basic"),
        re.compile(
            r"(?i)(?<![a-z0-9])(bearer|basic)(?:\s|%20|\+){1,4}"
            r"(?:(?=[A-Za-z0-9._~+/=-]{0,200}[0-9=_.])[A-Za-z0-9._~+/=-]{6,}|[A-Za-z0-9._~+/=-]{24,})"
        ),
        rf"\1 {MASK}",
    ),
    MaskRule(
        _NAMES_IN_TEXT,
        re.compile(
            rf"(?i)({_NAMED_IN_TEXT}\\{{0,8}}[\"']\s{{0,8}}:\s{{0,8}}\\{{0,8}}[\"'])"
            r"(?!\[masked\])[^\"'\\]{1,8000}"
        ),
        rf"\1{MASK}",
    ),
    MaskRule(
        _NAMES_IN_TEXT,
        re.compile(
            rf"(?i)({_NAMED_IN_TEXT}\s{{0,4}}[:=]\s{{0,4}}[\"']?)"
            r"(?:(?=[^\s\"'&,;<>\\]{0,200}[0-9])[^\s\"'&,;<>\\]{6,8000}|[^\s\"'&,;<>\\]{20,8000})"
        ),
        rf"\1{MASK}",
    ),
)
"""Places where a secret of any form stands: addresses, schemes of authorization, named values."""


def masked_text(text: str) -> str:
    """Return a text with keys, tokens and passwords in it replaced by `[masked]`."""
    lower = text.lower()
    for rule in (*PLACES[:2], *FORMS, *PLACES[2:]):
        if any(needle in lower for needle in rule.needles):
            text = rule.pattern.sub(rule.replacement, text)
    return text


def masked(value: Any) -> Any:
    """Return a JSON value with its secrets masked: under names of secrets, and by their form anywhere.

    The headers of an MCP server are masked whatever their names. Names of properties in a JSON schema are
    not values, and stay.
    """
    return _masked(value, DEEPEST)


def _masked(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return masked_text(value)
    if depth == 0 and isinstance(value, Mapping | list | tuple):
        return MASK
    if isinstance(value, Mapping):
        return {
            key: _hidden(item, depth - 1) if _is_secret(str(key), value) else _masked(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(item, depth - 1) for item in value]
    return value


def _hidden(value: Any, depth: int) -> Any:
    """Return a value under the name of a secret: texts are masked, and so are lists and headers of texts."""
    if isinstance(value, str):
        return MASK if value else value
    if isinstance(value, list | tuple):
        return [_hidden(item, depth) for item in value]
    if isinstance(value, Mapping) and value and all(isinstance(item, str) for item in value.values()):
        # A schema's property has texts too (`{"type": "string"}`), and they are not secret.
        return value if "type" in value else dict.fromkeys(value, MASK)
    return _masked(value, depth)


def _is_secret(name: str, among: Mapping[Any, Any]) -> bool:
    plain = _plain(name)
    if plain == "headers":
        return among.get("type") == "mcp" or any(key in among for key in ("server_url", "url"))
    if plain == "token":
        # The words of an answer, with their probabilities.
        return "logprob" not in among
    return plain in _NAMES or plain.endswith(_NAME_ENDINGS)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def masked_target(target: str) -> str:
    """Return the target of a request with the values of secret parameters in its query masked."""
    path, question, query = target.partition("?")
    if not question:
        return masked_text(target)
    pairs = [_masked_pair(pair) for pair in query.split("&")]
    return f"{masked_text(path)}?{'&'.join(pairs)}"


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    plain = _plain(name)
    is_secret = plain in _NAMES or plain in _QUERY_NAMES or plain.endswith(_NAME_ENDINGS)
    return f"{name}={MASK}" if equals and is_secret else f"{name}{equals}{masked_text(value)}"
