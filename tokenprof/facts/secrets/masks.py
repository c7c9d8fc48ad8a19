"""Masks for secrets in content that is written to a file: by the name that a value has, and by its form.

Masking is a safety net, not a proof: a password in a sentence looks like any other word. The forms are in
`forms.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from tokenprof.facts.secrets.forms import ADDRESSES, FORMS, MASK, PLACES, MaskRule

__all__ = ["MASK", "masked", "masked_target", "masked_text"]

DEEPEST: Final = 200
"""JSON nested more deeply than this is replaced by the mask: no API takes it."""

_NAMES: Final = frozenset({
    "authorization", "proxyauthorization", "auth", "cookie", "cookies", "setcookie", "secret", "secrets",
    "password", "passwd", "passphrase", "passcode", "pass", "pwd", "credential", "credentials", "jwt",
    "apikeys", "connectionstring",
})  # fmt: skip
_NAME_ENDINGS: Final = (
    "token", "secret", "password", "apikey", "accesskey", "secretkey", "privatekey", "privatekeyid",
    "subscriptionkey", "accountkey", "signingkey", "encryptionkey", "accesskeyid",
)  # fmt: skip
_QUERY_NAMES: Final = frozenset({
    "key", "sig", "signature", "code", "hmac", "xamzsignature", "xamzcredential", "xgoogsignature",
    "xgoogcredential",
})  # fmt: skip

_JSON_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")
_SCHEMA_KEYWORDS: Final = ("$ref", "anyOf", "oneOf", "allOf")
_SCHEMA_VALUES: Final = ("default", "example", "examples", "const", "enum")
"""Keywords of a schema under which a value stands."""

_PATH_WORD_CHARS: Final = 12

_WINDOW_CHARS: Final = 8192
_OVERLAP_CHARS: Final = 1024


def masked_text(text: str) -> str:
    """Return a text with keys, tokens and passwords in it replaced by `[masked]`."""
    lower = _in_lower_case(text)
    for rule in (*ADDRESSES, *FORMS, *PLACES):
        if any(needle in lower for needle in rule.needles):
            shown = _applied(rule, text, lower)
            if shown != text:
                text, lower = shown, _in_lower_case(shown)
    return text


def _in_lower_case(text: str) -> str:
    # The one letter that becomes two in lower case would move what follows it.
    return text.replace("\u0130", "I").lower()


def _applied(rule: MaskRule, text: str, lower: str) -> str:
    """Return a text with what a rule matches replaced, as `re.sub` does.

    One search looks at a window of the text only, since the interpreter does nothing else meanwhile. Windows
    overlap by more than the beginning of any match needs.
    """
    shown: list[str] = []
    copied = start = 0
    while start < len(text):
        end = start + _WINDOW_CHARS
        match = None
        if any(lower.find(needle, start, end) >= 0 for needle in rule.needles):
            match = rule.pattern.search(text, start, end)
        if match is None:
            start = end - _OVERLAP_CHARS if end < len(text) else len(text)
            continue
        while match.end() > end - _OVERLAP_CHARS and end < len(text):
            end += end - match.start()
            match = rule.pattern.match(text, match.start(), end) or match
        shown += text[copied : match.start()], match.expand(rule.replacement)
        copied = start = match.end()
    return "".join(shown) + text[copied:]


def masked(value: Any) -> Any:
    """Return a JSON value with its secrets masked: under names of secrets, and by their form anywhere.

    A text that is itself JSON (the arguments of a call) is masked as the value that it stands for. The
    headers of an MCP server are masked whatever their names, and so are the parts of its address that may be
    keys. Names of properties in a JSON schema are not values, and stay.
    """
    return _masked(value, DEEPEST)


def _masked(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _masked_string(value, depth)
    if depth == 0 and isinstance(value, Mapping | list | tuple):
        return MASK
    if isinstance(value, Mapping):
        return {key: _masked_item(str(key), item, value, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if (
            len(value) == 2
            and isinstance(value[0], str)
            and isinstance(value[1], str)
            and _is_secret_name(value[0])
        ):
            return [value[0], MASK]
        return [_masked(item, depth - 1) for item in value]
    return value


def _masked_string(text: str, depth: int) -> str:
    if text[:1] in ("{", "[") and depth > 0:
        try:
            value = orjson.loads(text)
        except ValueError:
            return masked_text(text)
        shown = _masked(value, depth - 1)
        return masked_text(text) if shown == value else orjson.dumps(shown).decode()
    return masked_text(text)


def _masked_item(name: str, item: Any, among: Mapping[Any, Any], depth: int) -> Any:
    """Return a member of an object: masked whole if its name or the object says that it is a secret."""
    if _is_secret(name, among) or _is_named_value(name, among):
        return _hidden(item, depth)
    if name in ("url", "server_url") and isinstance(item, str) and among.get("type") in ("url", "mcp"):
        return _masked_address(item)
    return _masked(item, depth)


def _hidden(value: Any, depth: int) -> Any:
    """Return a value under the name of a secret: everything in it is masked, unless it is a schema."""
    if depth <= 0:
        return MASK
    if isinstance(value, list | tuple):
        return [_hidden(item, depth - 1) for item in value]
    if isinstance(value, Mapping):
        if _is_schema(value):
            return {
                key: _hidden(item, depth - 1) if key in _SCHEMA_VALUES else _masked(item, depth - 1)
                for key, item in value.items()
            }
        return {key: _hidden(item, depth - 1) for key, item in value.items()}
    if isinstance(value, bool) or value is None or value == "":
        return value
    return MASK


def _is_schema(value: Mapping[Any, Any]) -> bool:
    kinds = value.get("type")
    return (
        any(word in value for word in _SCHEMA_KEYWORDS)
        or (isinstance(kinds, str) and kinds in _JSON_TYPES)
        or (isinstance(kinds, list) and all(kind in _JSON_TYPES for kind in kinds))
    )


def _is_secret(name: str, among: Mapping[Any, Any]) -> bool:
    if _plain(name) == "headers":
        return among.get("type") == "mcp" or any(key in among for key in ("server_url", "url"))
    if name == "token":
        # The words of an answer, with their probabilities.
        return "logprob" not in among
    return _is_secret_name(name) and not isinstance(
        among[name], int | float if name.endswith("token") else ()
    )


def _is_named_value(name: str, among: Mapping[Any, Any]) -> bool:
    """Whether this is the value of a pair such as `{"name": "Authorization", "value": …}`."""
    if name != "value":
        return False
    said = among.get("name", among.get("key"))
    return isinstance(said, str) and _is_secret_name(said)


def _is_secret_name(name: str) -> bool:
    plain = _plain(name)
    return plain in _NAMES or plain.endswith(_NAME_ENDINGS)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _masked_address(address: str) -> str:
    """Return the address of a server without what may be a key in it: its path has only short words."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    words = [
        word
        if len(word) <= _PATH_WORD_CHARS and (word.isalpha() or word[:1] == "v")
        else MASK
        if word
        else ""
        for word in parts.path.split("/")
    ]
    query = f"?{masked_target('?' + parts.query)[1:]}" if parts.query else ""
    user = f"{MASK}@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{user}{host}{'/'.join(words)}{query}"


def masked_target(target: str) -> str:
    """Return the target of a request with the values of secret parameters in its query masked."""
    path, question, query = target.partition("?")
    if not question:
        return masked_text(target)
    pairs = [_masked_pair(pair) for pair in query.split("&")]
    return f"{masked_text(path)}?{'&'.join(pairs)}"


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    is_secret = _plain(name) in _QUERY_NAMES or _is_secret_name(name)
    return f"{name}={MASK}" if equals and is_secret else f"{name}{equals}{masked_text(value)}"
